//! Goal: the storage keeps its promises under many tasks at once, and what it wrote brings it back.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use sop_engine::storage::StorageError;
use sop_engine::types::{CommitOutcome, Handle, LogicalId, Observation, Version};

use super::{Change, ChangeKind, Storage, StorageOptions, StorageParts};
use crate::blob::memory::MemoryBlobs;
use crate::commit::segment::Segment;
use crate::recovery::entry::Header;
use crate::recovery::replay::Replay;
use crate::registry::Registry;
use crate::registry::memory::{HistoryOptions, MemoryRegistry, epoch_version};
use crate::runtime::{Runtime, TokioRuntime};

const STORE: u64 = 7;
pub(super) const COUNT: LogicalId = LogicalId::counter(STORE);

pub(super) fn id(node: u64) -> LogicalId {
    LogicalId::new(STORE, 10 + node)
}

pub(super) fn put(id: LogicalId, value: i64) -> Change {
    Change {
        id,
        kind: ChangeKind::Put(Bytes::copy_from_slice(&value.to_le_bytes())),
    }
}

pub(super) fn add(amount: i64) -> Change {
    Change {
        id: COUNT,
        kind: ChangeKind::Add(amount),
    }
}

fn memory() -> Storage {
    Storage::memory(StorageOptions::default(), Arc::new(TokioRuntime::current()))
}

pub(super) async fn values(
    storage: &Storage,
    ids: &[LogicalId],
    at: Version,
) -> Vec<(Observation, i64)> {
    let handles = storage.resolve(ids, at).await.unwrap();
    let mut all = Vec::new();
    for (id, handle) in ids.iter().zip(handles) {
        let Handle { version, chain } = handle.unwrap();
        let body = storage.get(&chain).await.unwrap().remove(0);
        let value = i64::from_le_bytes(body.as_ref().try_into().unwrap());
        all.push((Observation { id: *id, version }, value));
    }
    all
}

/// Reads at a fresh read point, so that history cannot expire underneath.
pub(super) async fn fresh(storage: &Storage, ids: &[LogicalId]) -> Vec<(Observation, i64)> {
    let at = storage.now(None).await.unwrap().version;
    let all = values(storage, ids, at).await;
    storage.release(at);
    all
}

pub(super) async fn commit(
    storage: &Storage,
    observed: Vec<Observation>,
    changes: Vec<Change>,
    attempt: u32,
) -> CommitOutcome {
    if attempt > 0 {
        storage.revalidated();
    }
    storage
        .commit(storage.transaction_id(), observed, changes, attempt)
        .await
        .unwrap()
}

pub(super) async fn filled(storage: &Storage, count: u64, value: i64) -> Vec<LogicalId> {
    let ids: Vec<_> = (0..count).map(id).collect();
    let changes = ids
        .iter()
        .map(|id| put(*id, value))
        .chain([add(value)])
        .collect();
    assert!(matches!(
        commit(storage, vec![], changes, 0).await,
        CommitOutcome::Committed(..)
    ));
    ids
}

/// Moves one unit between two ids, with as many attempts as it takes.
pub(super) async fn transfer(storage: &Storage, from: LogicalId, to: LogicalId) {
    for attempt in 0.. {
        let seen = fresh(storage, &[from, to]).await;
        let changes = vec![put(from, seen[0].1 - 1), put(to, seen[1].1 + 1), add(1)];
        let observed = vec![seen[0].0, seen[1].0];
        if let CommitOutcome::Committed(_, handles) =
            commit(storage, observed, changes, attempt).await
        {
            assert!(handles[0].is_some() && handles[2].is_none());
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn transfers_keep_the_sum_and_every_audit_sees_it() {
    let storage = memory();
    let ids = filled(&storage, 5, 100).await;
    let done = Arc::new(AtomicBool::new(false));
    let audits: Vec<_> = (0..2)
        .map(|_| {
            let (storage, ids, done) = (storage.clone(), ids.clone(), done.clone());
            tokio::spawn(async move {
                let mut audits = 0;
                while !done.load(Ordering::Relaxed) {
                    let seen = fresh(&storage, &ids).await;
                    assert_eq!(seen.iter().map(|(_, value)| value).sum::<i64>(), 500);
                    let observed = seen.iter().map(|(observation, _)| *observation).collect();
                    commit(&storage, observed, vec![], 0).await;
                    audits += 1;
                    tokio::task::yield_now().await;
                }
                audits
            })
        })
        .collect();
    let writers: Vec<_> = (0..8_usize)
        .map(|writer| {
            let (storage, ids) = (storage.clone(), ids.clone());
            tokio::spawn(async move {
                for step in 0..200 {
                    let from = (writer * 3 + step) % ids.len();
                    let to = (from + 1 + step % (ids.len() - 1)) % ids.len();
                    transfer(&storage, ids[from], ids[to]).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    for audit in audits {
        assert!(audit.await.unwrap() > 0);
    }
    let newest = storage.now(None).await.unwrap().version;
    let total: i64 = values(&storage, &ids, newest)
        .await
        .iter()
        .map(|(_, value)| value)
        .sum();
    assert_eq!(total, 500);
    assert_eq!(
        storage.counters(&[COUNT], newest).await.unwrap()[0].value,
        100 + 8 * 200
    );
    let counts = storage.statistics();
    assert_eq!(counts.commits, 1 + 8 * 200);
    assert!(
        counts.conflicts > 0 && counts.revalidations > 0,
        "contention was real"
    );
    assert!(counts.groups <= counts.commits + counts.conflicts + counts.busy_waits);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_old_transaction_with_a_wide_footprint_gets_through() {
    let storage = memory();
    let ids = filled(&storage, 30, 0).await;
    let done = Arc::new(AtomicBool::new(false));
    let young: Vec<_> = (0..6)
        .map(|writer| {
            let (storage, ids, done) = (storage.clone(), ids.clone(), done.clone());
            tokio::spawn(async move {
                let mut commits = 0;
                for step in 0.. {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    let target = ids[(writer * 5 + step) % ids.len()];
                    let seen = fresh(&storage, &[target]).await;
                    let outcome = commit(
                        &storage,
                        vec![seen[0].0],
                        vec![put(target, seen[0].1 + 1)],
                        0,
                    )
                    .await;
                    commits += u64::from(matches!(outcome, CommitOutcome::Committed(..)));
                }
                commits
            })
        })
        .collect();
    for attempt in 0.. {
        assert!(attempt < 20, "a wide transaction starves");
        let seen = fresh(&storage, &ids).await;
        // Slower than its rivals: it would lose every race without a waiting mark.
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        let observed = seen.iter().map(|(observation, _)| *observation).collect();
        if let CommitOutcome::Committed(..) =
            commit(&storage, observed, vec![put(ids[0], -1)], attempt).await
        {
            assert!(attempt > 0, "the rivals did get in its way");
            break;
        }
    }
    done.store(true, Ordering::Relaxed);
    for writer in young {
        assert!(writer.await.unwrap() > 0);
    }
}

#[tokio::test]
async fn calls_that_break_the_contract_are_refused() {
    let storage = memory();
    let refused = [
        vec![put(COUNT, 1)],
        vec![Change {
            id: id(1),
            kind: ChangeKind::Add(1),
        }],
        vec![put(id(1), 1), put(id(1), 2)],
    ];
    for changes in refused {
        let outcome = storage
            .commit(storage.transaction_id(), vec![], changes, 0)
            .await;
        assert!(
            matches!(outcome, Err(StorageError::Invalid(_))),
            "{outcome:?}"
        );
    }
    let many = (0..20_001)
        .map(|node| Observation {
            id: id(node),
            version: 0,
        })
        .collect();
    let outcome = storage
        .commit(storage.transaction_id(), many, vec![], 0)
        .await;
    assert!(
        matches!(outcome, Err(StorageError::Limit(_, 20_000))),
        "{outcome:?}"
    );
    let options = StorageOptions {
        read_only: true,
        ..StorageOptions::default()
    };
    let read_only = Storage::memory(options, Arc::new(TokioRuntime::current()));
    let outcome = read_only
        .commit(read_only.transaction_id(), vec![], vec![put(id(1), 1)], 0)
        .await;
    assert!(
        matches!(outcome, Err(StorageError::Denied(_))),
        "{outcome:?}"
    );
    assert!(matches!(
        commit(&read_only, vec![], vec![], 0).await,
        CommitOutcome::Committed(..)
    ));
}

#[tokio::test]
async fn a_spilled_body_is_read_before_and_after_its_commit_and_forgotten_when_dropped() {
    let storage = memory();
    let body = Bytes::from(vec![3; 100_000]);
    let spilled = Arc::new(storage.spill(id(1), body.clone()).await.unwrap());
    assert_eq!(storage.get(&[spilled.id]).await.unwrap(), vec![body]);
    assert_eq!(storage.spills(), Some(vec![(spilled.id, id(1))]));
    let wrong = Change {
        id: id(2),
        kind: ChangeKind::PutSpilled(spilled.clone()),
    };
    let outcome = storage
        .commit(storage.transaction_id(), vec![], vec![wrong], 0)
        .await;
    assert!(
        matches!(outcome, Err(StorageError::Invalid(_))),
        "{outcome:?}"
    );
    let change = Change {
        id: id(1),
        kind: ChangeKind::PutSpilled(spilled.clone()),
    };
    let CommitOutcome::Committed(_, handles) = commit(&storage, vec![], vec![change], 0).await
    else {
        panic!("fresh")
    };
    assert_eq!(handles[0].as_ref().unwrap().chain, vec![spilled.id]);
    let abandoned = storage
        .spill(id(3), Bytes::from_static(b"x"))
        .await
        .unwrap();
    drop(spilled);
    drop(abandoned);
    assert_eq!(storage.spills(), Some(vec![]));
}

#[tokio::test]
async fn allocated_ids_are_never_the_reserved_ones() {
    let storage = memory();
    assert!(
        storage
            .allocate(3, 100)
            .iter()
            .all(|id| id.store == 3 && id.node > LogicalId::ROOT)
    );
    assert_ne!(storage.allocate_store(), LogicalId::CATALOG);
}

struct Parts {
    registry: Arc<MemoryRegistry>,
    blobs: Arc<MemoryBlobs>,
    runtime: Arc<dyn Runtime>,
    storage: Storage,
}

fn parts() -> Parts {
    let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::current());
    let registry = Arc::new(MemoryRegistry::new(
        1,
        HistoryOptions::default(),
        runtime.clone(),
    ));
    let blobs = Arc::new(MemoryBlobs::default());
    let assembled = StorageParts {
        registry: registry.clone(),
        blobs: blobs.clone(),
        runtime: runtime.clone(),
        epoch: 1,
        period: 1,
    };
    let storage = Storage::assemble(assembled, StorageOptions::default());
    Parts {
        registry,
        blobs,
        runtime,
        storage,
    }
}

/// The state of some ids and the counter, by body.
async fn state(
    registry: &MemoryRegistry,
    blobs: &Arc<MemoryBlobs>,
    ids: &[LogicalId],
) -> (Vec<Option<i64>>, i64) {
    let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::current());
    let at = registry.version();
    let registered: Arc<dyn Registry> = Arc::new(MemoryRegistry::new(
        1,
        HistoryOptions::default(),
        runtime.clone(),
    ));
    let reader = StorageParts {
        registry: registered,
        blobs: blobs.clone(),
        runtime,
        epoch: 1,
        period: 1,
    };
    let reader = Storage::assemble(reader, StorageOptions::default());
    let mut found = Vec::new();
    for handle in registry.resolve(ids, at).await.unwrap() {
        found.push(match handle {
            Some(handle) => {
                let body = reader.get(&handle.chain).await.unwrap().remove(0);
                Some(i64::from_le_bytes(body.as_ref().try_into().unwrap()))
            }
            None => None,
        });
    }
    (
        found,
        registry.counters(&[COUNT], at).await.unwrap()[0].value,
    )
}

#[tokio::test]
async fn replay_in_ticket_order_gives_the_same_state_and_twice_is_once() {
    let Parts {
        registry,
        blobs,
        runtime,
        storage,
    } = parts();
    let ids = filled(&storage, 5, 100).await;
    for step in 0..30 {
        transfer(&storage, ids[step % 5], ids[(step + 2) % 5]).await;
    }
    let seen = fresh(&storage, &ids).await;
    commit(
        &storage,
        vec![seen[4].0],
        vec![Change {
            id: ids[4],
            kind: ChangeKind::Remove,
        }],
        0,
    )
    .await;
    let moved = storage.relocate(&ids[..2], &|_| true).await.unwrap();
    assert!(moved > 0);
    let change = put(ids[1], 1_000);
    commit(&storage, vec![seen[1].0], vec![change], 0).await;
    let expected = state(&registry, &blobs, &ids).await;
    assert_eq!(expected.0[4], None);

    let mut segments: Vec<_> = blobs
        .segments()
        .into_iter()
        .map(|(_, place, bytes)| (Segment::decode(&bytes).unwrap(), place))
        .collect();
    segments.sort_by_key(|(segment, _)| segment.record.ticket);
    let replayed = MemoryRegistry::new(2, HistoryOptions::default(), runtime.clone());
    let mut replay = Replay::new(&replayed, &Header::default());
    for (segment, place) in &segments {
        assert!(replay.apply(&segment.record, *place).unwrap());
        assert!(
            !replay.apply(&segment.record, *place).unwrap(),
            "a ticket counts once"
        );
    }
    assert_eq!(replay.transactions(), 1 + 30 + 1 + 1 + 1);
    assert_eq!(state(&replayed, &blobs, &ids).await, expected);
    assert!(replayed.floor() >= epoch_version(2));
    // What a checkpoint contains is skipped: below its low-water mark, or by name.
    let (low_water, last) = (segments[20].0.record.ticket, segments[33].0.record.ticket);
    let header = Header {
        low_water,
        contained: vec![last],
        ..Header::default()
    };
    let partial = MemoryRegistry::new(2, HistoryOptions::default(), runtime);
    let mut replay = Replay::new(&partial, &header);
    let applied = segments
        .iter()
        .filter(|(segment, place)| replay.apply(&segment.record, *place).unwrap());
    assert_eq!(applied.count(), segments.len() - 21);
}

#[tokio::test]
async fn relocation_moves_bodies_and_no_version() {
    let Parts {
        registry,
        blobs,
        storage,
        ..
    } = parts();
    let ids = filled(&storage, 3, 5).await;
    let old = storage.now(None).await.unwrap().version;
    let seen = fresh(&storage, &ids).await;
    commit(&storage, vec![seen[0].0], vec![put(ids[0], 6)], 0).await;
    let before = fresh(&storage, &ids).await;
    let keys: Vec<_> = blobs
        .segments()
        .into_iter()
        .map(|(key, place, _)| (key, place))
        .collect();
    let leaving: Vec<_> = keys.iter().map(|(_, place)| place.segment).collect();
    let version = registry.version();
    let moved = storage
        .relocate(&ids, &|place| leaving.contains(&place.segment))
        .await
        .unwrap();
    assert_eq!(
        moved,
        4 * 8,
        "the superseded body that a snapshot reads moves too"
    );
    assert_eq!(registry.version(), version);
    for (key, _) in keys {
        blobs.remove(key);
    }
    assert_eq!(fresh(&storage, &ids).await, before);
    assert_eq!(
        values(&storage, &ids, old)
            .await
            .iter()
            .map(|seen| seen.1)
            .collect::<Vec<_>>(),
        vec![5, 5, 5]
    );
    let observed = before.iter().map(|(observation, _)| *observation).collect();
    assert!(matches!(
        commit(&storage, observed, vec![], 0).await,
        CommitOutcome::Committed(..)
    ));
    assert_eq!(
        storage
            .relocate(&ids, &|place| leaving.contains(&place.segment))
            .await
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn a_database_in_memory_drops_what_nobody_can_read() {
    let history = HistoryOptions {
        retention: std::time::Duration::ZERO,
        ..HistoryOptions::default()
    };
    let storage = Storage::memory(
        StorageOptions {
            history,
            ..StorageOptions::default()
        },
        Arc::new(TokioRuntime::current()),
    );
    let ids = filled(&storage, 3, 5).await;
    let mut version = 0;
    for _ in 0..100 {
        let change = Change {
            id: id(50),
            kind: ChangeKind::Put(Bytes::from(vec![1; 1 << 20])),
        };
        let observed = vec![Observation {
            id: id(50),
            version,
        }];
        let CommitOutcome::Committed(next, _) = commit(&storage, observed, vec![change], 0).await
        else {
            panic!("alone")
        };
        version = next;
    }
    for _ in 0..200 {
        if storage.inner.collection.as_ref().unwrap().blobs.bytes() < 40 << 20 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(storage.inner.collection.as_ref().unwrap().blobs.bytes() < 40 << 20);
    assert!(
        fresh(&storage, &ids)
            .await
            .iter()
            .all(|(_, value)| *value == 5),
        "what lives stays"
    );
}
