//! The bytes of one segment: the new blobs and the commit records of one group of transactions.
//!
//! ```text
//!    0        4        6      8       12       16       24       28        32        36     40         48         56
//!   ┌────────┬────────┬──────┬───────┬────────┬────────┬────────┬─────────┬─────────┬──────┬──────────┬──────────┐
//!   │ "sopS" │ format │ kind │ epoch │ period │ unique │ length │ record  │ record  │ zero │ xxh3 of  │ xxh3 of  │
//!   │        │ u16    │ u16  │ u32   │ u32    │ u64    │ u32    │ offset  │ length  │ u32  │ record   │ 0..48    │
//!   ├────────┴────────┴──────┴───────┴────────┴────────┴────────┴─────────┴─────────┴──────┴──────────┴──────────┤
//!   │ body 0:  ┌ store u64 ┬ node u64 ┬ xxh3 of store, node, body ┬ body …                                       │
//!   │ body 1:  └───────────┴──────────┴───────────────────────────┘  ▲ a physical id points here                 │
//!   ├──────────────────────────────────────────────────────────────────────────────────────────────────────────┤
//!   │ record:  version byte, postcard of [`Record`]                                                              │
//!   ├──────────────────────────────────────────────────────────────────────────────────────────────────────────┤
//!   │ footer:  the header's xxh3 once more: the end was written too                                              │
//!   └──────────────────────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Numbers are little-endian, offsets count from the start of the segment. A **tombstone** (kind 2: these transactions
//! never happened) and a **stub** (kind 3: committed, its bodies are no longer needed here) have neither bodies nor record.
//! Decoding is total: any bytes give a segment or an error.

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use sop_engine::types::{LogicalId, PhysicalId, TransactionId, Version};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

pub use crate::blob::segment_header::{
    FOOTER_BYTES, HEADER_BYTES, SegmentError, SegmentHeader, SegmentKind, mark,
};
use crate::blob::segment_header::{index, seal, u64_at};
use crate::blob::{SegmentKey, SegmentPlace};
use crate::registry::{Flip, FlipKind, Publication};

/// Bytes before each body.
pub const FRAME_BYTES: u32 = 24;
/// Relative offset of the first body.
pub const FIRST_BODY_OFFSET: u32 = 56 + FRAME_BYTES;
const _: () = assert!(FIRST_BODY_OFFSET as usize == HEADER_BYTES + FRAME_BYTES as usize);

const RECORD_VERSION: u8 = 1;

/// Where a body lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// The body of this number in the same segment.
    Here(u32),
    /// In an earlier segment.
    There(PhysicalId),
}

/// What a transaction did to one id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KindRecord {
    /// A new body.
    Put(Place),
    /// One more delta.
    Delta(Place),
    /// An addition to a counter.
    Add(i64),
    /// The end.
    Remove,
    /// The chain of one version lies elsewhere.
    Relocate {
        /// The version.
        version: Version,
        /// Its chain before.
        from: Vec<PhysicalId>,
        /// Its chain after.
        to: Vec<Place>,
    },
}

/// One change of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeRecord {
    /// What was changed.
    pub id: LogicalId,
    /// The version that was observed before; 0 = fresh or not observed.
    pub previous: Version,
    /// How.
    pub kind: KindRecord,
}

/// One transaction of the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionRecord {
    /// Its place in the group.
    pub index: u32,
    /// Its commit id.
    pub id: TransactionId,
    /// What it changed.
    pub changes: Vec<ChangeRecord>,
}

/// What decides a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The reservation; 0 in a segment that only holds bodies written ahead.
    pub ticket: u64,
    /// The lengths of the bodies, in order.
    pub bodies: Vec<u32>,
    /// The transactions, in the order in which they count as executed.
    pub transactions: Vec<TransactionRecord>,
}

/// A whole segment, verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// What it says.
    pub kind: SegmentKind,
    /// Whose it is.
    pub key: SegmentKey,
    /// What it decides.
    pub record: Record,
    /// Whose body lies where: logical id, offset, length.
    pub bodies: Vec<(LogicalId, u32, u32)>,
    /// Bytes of the whole segment; what follows belongs to something else.
    pub length: u32,
}

/// Gathers the bodies of a segment.
#[derive(Debug)]
pub struct SegmentBuilder {
    key: SegmentKey,
    bytes: BytesMut,
    bodies: Vec<u32>,
}

impl SegmentBuilder {
    /// An empty segment with room for this many bytes of bodies.
    pub fn new(key: SegmentKey, capacity: usize) -> Self {
        let mut bytes = BytesMut::with_capacity(HEADER_BYTES + capacity + 1024);
        bytes.put_bytes(0, HEADER_BYTES);
        Self {
            key,
            bytes,
            bodies: Vec::new(),
        }
    }

    /// Adds a body.
    pub fn body(&mut self, id: LogicalId, body: &[u8]) -> Place {
        assert!(
            self.bytes.len() + body.len() < crate::limits::SEGMENT_BYTES_MAX * 2,
            "bodies were bounded before"
        );
        self.bytes.put_u64_le(id.store);
        self.bytes.put_u64_le(id.node);
        self.bytes.put_u64_le(body_checksum(id, body));
        self.bytes.put_slice(body);
        self.bodies
            .push(u32::try_from(body.len()).unwrap_or(u32::MAX));
        Place::Here(u32::try_from(self.bodies.len() - 1).unwrap_or(u32::MAX))
    }

    /// The finished bytes.
    pub fn finish(mut self, ticket: u64, transactions: Vec<TransactionRecord>) -> (Bytes, Record) {
        let record = Record {
            ticket,
            bodies: self.bodies,
            transactions,
        };
        let mut encoded = vec![RECORD_VERSION];
        // Writing plain data into a growing vector has no way to fail.
        encoded.extend(postcard::to_allocvec(&record).unwrap_or_default());
        let offset = self.bytes.len();
        self.bytes.put_slice(&encoded);
        (
            seal(self.bytes, SegmentKind::Segment, self.key, offset, &encoded),
            record,
        )
    }
}

fn body_checksum(id: LogicalId, body: &[u8]) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(&id.store.to_le_bytes());
    hasher.update(&id.node.to_le_bytes());
    hasher.update(body);
    hasher.digest()
}

/// Checks a body that was read together with the frame before it; answers whose it is and the body.
pub fn verify_body(framed: &Bytes) -> Result<(LogicalId, Bytes), SegmentError> {
    let id = LogicalId::new(u64_at(framed, 0)?, u64_at(framed, 8)?);
    let checksum = u64_at(framed, 16)?;
    let body = framed.slice(index(FRAME_BYTES)..);
    if body_checksum(id, &body) == checksum {
        Ok((id, body))
    } else {
        Err(SegmentError::Damaged("body checksum"))
    }
}

impl SegmentHeader {
    /// Reads and verifies the record, given exactly its bytes.
    pub fn record(&self, bytes: &[u8]) -> Result<Record, SegmentError> {
        if xxh3_64(bytes) != self.record_checksum {
            return Err(SegmentError::Damaged("record checksum"));
        }
        if self.kind != SegmentKind::Segment {
            return if bytes.is_empty() {
                Ok(Record::default())
            } else {
                Err(SegmentError::Damaged("record of a mark"))
            };
        }
        match bytes.split_first() {
            Some((&RECORD_VERSION, rest)) => {
                postcard::from_bytes(rest).map_err(|_| SegmentError::Damaged("record contents"))
            }
            Some((version, _)) => Err(SegmentError::Newer(u16::from(*version))),
            None => Err(SegmentError::Damaged("record is empty")),
        }
    }
}

impl Segment {
    /// Reads and verifies a whole segment at the start of some bytes, bodies included.
    pub fn decode(bytes: &Bytes) -> Result<Self, SegmentError> {
        let header = SegmentHeader::decode(bytes)?;
        if bytes.len() < index(header.length) {
            return Err(SegmentError::Short);
        }
        let footer = index(header.length) - FOOTER_BYTES;
        if u64_at(bytes, footer)? != u64_at(bytes, 48)? {
            return Err(SegmentError::Damaged("footer"));
        }
        let record = bytes
            .get(index(header.record_offset)..footer)
            .ok_or(SegmentError::Short)?;
        let record = header.record(record)?;
        let mut bodies = Vec::with_capacity(record.bodies.len());
        for (offset, length) in record.offsets() {
            let (start, end) = (offset - u64::from(FRAME_BYTES), offset + u64::from(length));
            if end > u64::from(header.record_offset) {
                return Err(SegmentError::Damaged("body lengths"));
            }
            let offset = u32::try_from(offset).map_err(|_| SegmentError::Damaged("body offset"))?;
            let range = usize::try_from(start).unwrap_or(0)..usize::try_from(end).unwrap_or(0);
            let (id, _) = verify_body(&bytes.slice(range))?;
            bodies.push((id, offset, length));
        }
        Ok(Self {
            kind: header.kind,
            key: header.key,
            record,
            bodies,
            length: header.length,
        })
    }
}

impl Record {
    /// Relative offset and length of each body.
    fn offsets(&self) -> impl Iterator<Item = (u64, u32)> + '_ {
        let mut end = HEADER_BYTES as u64;
        self.bodies.iter().map(move |length| {
            let offset = end + u64::from(FRAME_BYTES);
            end = offset + u64::from(*length);
            (offset, *length)
        })
    }

    /// What to publish, given where the segment lies.
    pub fn publications(&self, place: SegmentPlace) -> Result<Vec<Publication>, SegmentError> {
        let mut bodies = Vec::with_capacity(self.bodies.len());
        for (offset, length) in self.offsets() {
            let offset = u32::try_from(offset + u64::from(place.base));
            let offset = offset.map_err(|_| SegmentError::Damaged("body offset"))?;
            bodies.push(PhysicalId {
                segment: place.segment,
                offset,
                length,
            });
        }
        let find = |place: &Place| match place {
            Place::There(id) => Ok(*id),
            Place::Here(number) => bodies
                .get(index(*number))
                .copied()
                .ok_or(SegmentError::Damaged("body number")),
        };
        let mut publications = Vec::with_capacity(self.transactions.len());
        for transaction in &self.transactions {
            let mut flips = Vec::with_capacity(transaction.changes.len());
            for change in &transaction.changes {
                let kind = match &change.kind {
                    KindRecord::Put(place) => FlipKind::Put(find(place)?),
                    KindRecord::Delta(place) => FlipKind::Delta(find(place)?),
                    KindRecord::Add(amount) => FlipKind::Add(*amount),
                    KindRecord::Remove => FlipKind::Remove,
                    KindRecord::Relocate { version, from, to } => FlipKind::Relocate {
                        version: Some(*version),
                        from: from.clone(),
                        to: to.iter().map(find).collect::<Result<_, _>>()?,
                    },
                };
                flips.push(Flip {
                    id: change.id,
                    kind,
                });
            }
            publications.push(Publication {
                id: transaction.id,
                flips,
            });
        }
        Ok(publications)
    }
}
