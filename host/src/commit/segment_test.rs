//! Goal: a segment reads back as it was written, and no bytes at all make its decoder do anything but answer.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may stop"
)]

use bytes::Bytes;
use proptest::prelude::*;
use sop_engine::types::{LogicalId, PhysicalId, TransactionId};

use super::segment::{
    ChangeRecord, FRAME_BYTES, KindRecord, Record, Segment, SegmentBuilder, SegmentError,
    SegmentHeader, SegmentKind, TransactionRecord, mark, verify_body,
};
use crate::blob::{SegmentKey, SegmentPlace};
use crate::registry::FlipKind;

const KEY: SegmentKey = SegmentKey {
    epoch: 3,
    period: 2,
    unique: 77,
};

fn sample(bodies: &[Vec<u8>]) -> (Bytes, Record) {
    let mut builder = SegmentBuilder::new(KEY, 0);
    let mut changes = Vec::new();
    for (node, body) in (2..).zip(bodies) {
        let id = LogicalId::new(9, node);
        let place = builder.body(id, body);
        changes.push(ChangeRecord {
            id,
            previous: node,
            kind: KindRecord::Put(place),
        });
    }
    let old = PhysicalId {
        segment: (4, 5),
        offset: 6,
        length: 7,
    };
    let kind = KindRecord::Relocate {
        version: 5,
        from: vec![old],
        to: vec![super::segment::Place::There(old)],
    };
    changes.push(ChangeRecord {
        id: LogicalId::new(9, 1),
        previous: 5,
        kind,
    });
    changes.push(ChangeRecord {
        id: LogicalId::counter(9),
        previous: 0,
        kind: KindRecord::Add(-3),
    });
    changes.push(ChangeRecord {
        id: LogicalId::root(9),
        previous: 1,
        kind: KindRecord::Remove,
    });
    let transaction = TransactionRecord {
        index: 0,
        id: TransactionId { high: 1, low: 2 },
        changes,
    };
    builder.finish(42, vec![transaction])
}

#[test]
fn a_segment_reads_back() {
    let bodies = vec![b"one".to_vec(), Vec::new(), vec![7; 5000]];
    let (bytes, record) = sample(&bodies);
    // What follows belongs to something else.
    let mut longer = bytes.to_vec();
    longer.extend_from_slice(b"whatever lies behind");
    let segment = Segment::decode(&Bytes::from(longer)).unwrap();
    assert_eq!(
        (segment.kind, segment.key, &segment.record),
        (SegmentKind::Segment, KEY, &record)
    );
    assert_eq!(segment.length as usize, bytes.len());
    let place = SegmentPlace {
        segment: (8, 8),
        base: 1000,
    };
    let publications = segment.record.publications(place).unwrap();
    for (index, body) in bodies.iter().enumerate() {
        let FlipKind::Put(id) = publications[0].flips[index].kind else {
            panic!("a put")
        };
        assert_eq!((id.segment, id.length as usize), ((8, 8), body.len()));
        let start = (id.offset - 1000 - FRAME_BYTES) as usize;
        let framed = bytes.slice(start..(id.offset - 1000) as usize + body.len());
        let (owner, read) = verify_body(&framed).unwrap();
        assert_eq!(
            (owner, read.to_vec()),
            (publications[0].flips[index].id, body.clone())
        );
    }
}

#[test]
fn tombstones_and_stubs_read_back() {
    for kind in [SegmentKind::Tombstone, SegmentKind::Stub] {
        let segment = Segment::decode(&mark(kind, KEY)).unwrap();
        assert_eq!(
            (segment.kind, segment.key, segment.record),
            (kind, KEY, Record::default())
        );
    }
}

#[test]
fn a_segment_cut_short_at_any_place_is_an_error() {
    let (bytes, _) = sample(&[b"one".to_vec(), b"two".to_vec()]);
    for length in 0..bytes.len() {
        assert!(Segment::decode(&bytes.slice(..length)).is_err(), "{length}");
    }
}

#[test]
fn every_flipped_bit_is_found() {
    let (bytes, _) = sample(&[b"one".to_vec(), b"two".to_vec()]);
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(Segment::decode(&Bytes::from(damaged)).is_err(), "bit {bit}");
    }
}

#[test]
fn a_newer_format_is_named() {
    let (bytes, _) = sample(&[]);
    let mut newer = bytes.to_vec();
    newer[4] = 2;
    let checksum = xxhash_rust::xxh3::xxh3_64(&newer[..48]);
    newer[48..56].copy_from_slice(&checksum.to_le_bytes());
    assert_eq!(SegmentHeader::decode(&newer), Err(SegmentError::Newer(2)));
}

proptest! {
    #[test]
    fn any_bytes_give_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let bytes = Bytes::from(bytes);
        prop_assert!(Segment::decode(&bytes).is_err());
        let _ = verify_body(&bytes);
    }

    #[test]
    fn any_record_under_right_checksums_gives_an_answer(record in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut header = mark(SegmentKind::Segment, KEY).to_vec();
        header.truncate(56);
        header[24..28].copy_from_slice(&(64 + record.len() as u32).to_le_bytes());
        header[28..32].copy_from_slice(&56_u32.to_le_bytes());
        header[32..36].copy_from_slice(&(record.len() as u32).to_le_bytes());
        header[40..48].copy_from_slice(&xxhash_rust::xxh3::xxh3_64(&record).to_le_bytes());
        let checksum = xxhash_rust::xxh3::xxh3_64(&header[..48]).to_le_bytes();
        header[48..56].copy_from_slice(&checksum);
        header.extend_from_slice(&record);
        header.extend_from_slice(&checksum);
        if let Ok(segment) = Segment::decode(&Bytes::from(header)) {
            let _ = segment.record.publications(SegmentPlace { segment: (0, 0), base: u32::MAX });
        }
    }

    #[test]
    fn bodies_of_any_size_read_back(bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..600), 0..8)) {
        let (bytes, record) = sample(&bodies);
        let segment = Segment::decode(&bytes).unwrap();
        prop_assert_eq!(segment.record, record);
        prop_assert_eq!(segment.bodies.len(), bodies.len());
    }
}
