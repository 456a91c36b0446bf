//! Goal: entries come back by id and in order, and any damage is an error. Method: generated entries, damaged files.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use sop_engine::types::PhysicalId;

use super::*;
use crate::blob::directory::Steps;
use crate::recovery::entry::{EntryVersion, State};

const SEED: u64 = 99;

fn entry(number: u64) -> Entry {
    let id = LogicalId::new(number / 1000, number % 1000 * 3);
    let body = |offset| PhysicalId {
        segment: ((1 << 32) + number % 5 + 1, 0),
        offset,
        length: 100,
    };
    let chain = State::Chain(vec![body(8)]);
    let newest = match number % 3 {
        0 => State::Counter(-5),
        1 => State::Removed,
        _ => State::Chain(vec![body(8), body(16)]),
    };
    let versions = vec![
        EntryVersion {
            version: number + 9,
            state: newest,
        },
        EntryVersion {
            version: 3,
            state: chain,
        },
    ];
    Entry {
        id,
        ticket: number,
        versions,
    }
}

fn write(path: &Path, count: u64, each: impl Fn(u64) -> Entry) -> Checkpoint {
    let mut writer = CheckpointWriter::create(path, SEED, &Steps::default()).unwrap();
    for number in 0..count {
        writer.push(&each(number)).unwrap();
    }
    writer
        .finish(&Header {
            epoch: 4,
            low_water: 17,
            ..Header::default()
        })
        .unwrap()
}

#[test]
fn entries_come_back_by_id_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    for count in [0, 1, 2, 500, 5000] {
        let path = folder.path().join(format!("{count}.checkpoint"));
        let checkpoint = write(&path, count, entry);
        assert_eq!(checkpoint.header().low_water, 17);
        assert_eq!(checkpoint.entries_count(), count);
        for number in 0..count {
            let expected = entry(number);
            assert_eq!(checkpoint.get(expected.id).unwrap(), Some(expected.clone()));
            let absent = LogicalId::new(expected.id.store, expected.id.node + 1);
            assert_eq!(checkpoint.get(absent).unwrap(), None);
        }
        assert_eq!(checkpoint.get(LogicalId::new(u64::MAX, 0)).unwrap(), None);
        let all: Vec<Entry> = checkpoint.iter().map(Result::unwrap).collect();
        assert_eq!(all, (0..count).map(entry).collect::<Vec<_>>());
        let mut paged = Vec::new();
        loop {
            let page = checkpoint
                .entries_after(paged.last().map(|entry: &Entry| entry.id), 37)
                .unwrap();
            if page.is_empty() {
                break;
            }
            paged.extend(page);
        }
        assert_eq!(paged, all);
        let between = checkpoint
            .entries_after(Some(LogicalId::new(0, 1)), 1)
            .unwrap();
        assert_eq!(between, (1..count.min(2)).map(entry).collect::<Vec<_>>());
        let live: u64 = all
            .iter()
            .flat_map(blobs)
            .map(|id| u64::from(id.length))
            .sum();
        assert_eq!(checkpoint.live().values().sum::<u64>(), live);
    }
}

#[test]
fn every_flipped_byte_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.checkpoint");
    drop(write(&path, 200, entry));
    let whole = std::fs::read(&path).unwrap();
    for byte in (0..whole.len())
        .step_by(7)
        .chain(whole.len() - 200..whole.len())
    {
        let mut damaged = whole.clone();
        damaged[byte] ^= 1 << (byte % 8);
        std::fs::write(&path, &damaged).unwrap();
        let found = Checkpoint::open(&path, SEED).and_then(|checkpoint| {
            let all: Result<Vec<_>, _> = checkpoint.iter().collect();
            all
        });
        assert!(
            matches!(found, Err(DirectoryError::Damaged { .. })),
            "byte {byte}: {found:?}"
        );
    }
    for kept in (0..whole.len()).step_by(97) {
        std::fs::write(&path, &whole[..kept]).unwrap();
        assert!(Checkpoint::open(&path, SEED).is_err(), "cut at {kept}");
    }
    std::fs::write(&path, &whole).unwrap();
    assert!(
        Checkpoint::open(&path, SEED + 1).is_err(),
        "of another database"
    );
}

#[test]
fn an_abandoned_checkpoint_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.checkpoint");
    let mut writer = CheckpointWriter::create(&path, SEED, &Steps::default()).unwrap();
    writer.push(&entry(1)).unwrap();
    drop(writer);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

proptest::proptest! {
    #[test]
    fn blocks_decode_any_bytes(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300), count in 0_u32..40) {
        let mut bytes = [count.to_le_bytes().as_slice(), &bytes].concat();
        let check = checksum(&bytes, SEED);
        bytes.extend_from_slice(&check.to_le_bytes());
        if let Some(block) = Block::decode(Bytes::from(bytes), SEED) {
            for slot in 0..block.count() {
                let _ = block.entry(slot);
            }
            let _ = block.search(LogicalId::new(1, 1));
        }
    }
}

fn measure(count: u64) {
    let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let path = folder.path().join("x.checkpoint");
    let one = |number: u64| {
        let id = LogicalId::new(1, number.wrapping_mul(1 << 40));
        let body = PhysicalId {
            segment: ((1 << 32) + number % 500, 0),
            offset: 9_000_000,
            length: 7000,
        };
        let state = State::Chain(vec![body]);
        Entry {
            id,
            ticket: number,
            versions: vec![EntryVersion {
                version: 1 << 40 | number,
                state,
            }],
        }
    };
    let count = count.min(1 << 24);
    let start = std::time::Instant::now();
    drop(write(&path, count, one));
    let bytes = std::fs::metadata(&path).unwrap().len();
    eprintln!(
        "{count} entries: {bytes} bytes written in {:?}",
        start.elapsed()
    );
    let start = std::time::Instant::now();
    let checkpoint = Checkpoint::open(&path, SEED).unwrap();
    eprintln!("  opened in {:?}", start.elapsed());
    let start = std::time::Instant::now();
    for turn in 0..10_000_u64 {
        let number = turn.wrapping_mul(0x9e37_79b9) % count;
        assert!(checkpoint.get(one(number).id).unwrap().is_some());
    }
    eprintln!("  one get in {:?}", start.elapsed() / 10_000);
}

#[test]
fn a_million_entries_open_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.checkpoint");
    drop(write(&path, 1_000_000, |number| Entry {
        id: LogicalId::new(1, number),
        ticket: number,
        versions: vec![EntryVersion {
            version: number,
            state: State::Counter(1),
        }],
    }));
    let start = std::time::Instant::now();
    let checkpoint = Checkpoint::open(&path, SEED).unwrap();
    assert!(
        start.elapsed() < std::time::Duration::from_millis(50),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(checkpoint.entries_count(), 1_000_000);
}

/// Prints figures: run with `--ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn measure_opening() {
    measure(1_000_000);
    measure(10_000_000);
}
