//! Goal: every answer of a commit is true, whatever fails on the way. Method: a blob store with faults, real tasks, and
//! short times.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop"
)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sop_engine::storage::StorageError;
use sop_engine::types::{
    CommitOutcome, LogicalId, Observation, TransactionId, TransactionOutcome, Version,
};

use super::faults::Call::{Fence, Put, Tombstone};
use super::faults::{Call, Fault, FaultyBlobs};
use super::{Change, ChangeKind, CommitOptions};
use crate::blob::SegmentKey;
use crate::registry::memory::{HistoryOptions, MemoryRegistry};
use crate::registry::{Claim, Group, Registry, Request};
use crate::runtime::{Runtime, TokioRuntime};
use crate::storage::{Storage, StorageOptions, StorageParts};

const A: LogicalId = LogicalId::new(7, 10);
const B: LogicalId = LogicalId::new(7, 11);

struct Fixture {
    registry: Arc<MemoryRegistry>,
    blobs: Arc<FaultyBlobs>,
    runtime: Arc<dyn Runtime>,
    storage: Storage,
}

impl Fixture {
    fn new(faults: &[(Call, Fault)]) -> Self {
        let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::current());
        let registry = Arc::new(MemoryRegistry::new(
            1,
            HistoryOptions::default(),
            Arc::clone(&runtime),
        ));
        let blobs = FaultyBlobs::with(faults);
        let storage = storage(&registry, &blobs, &runtime);
        Self {
            registry,
            blobs,
            runtime,
            storage,
        }
    }

    async fn put(
        &self,
        id: LogicalId,
        version: Version,
        text: &'static str,
    ) -> Result<CommitOutcome, StorageError> {
        self.put_as(self.storage.transaction_id(), id, version, text)
            .await
    }

    async fn put_as(
        &self,
        transaction: TransactionId,
        id: LogicalId,
        version: Version,
        text: &'static str,
    ) -> Result<CommitOutcome, StorageError> {
        let change = Change {
            id,
            kind: ChangeKind::Put(Bytes::from_static(text.as_bytes())),
        };
        self.storage
            .commit(
                transaction,
                vec![Observation { id, version }],
                vec![change],
                0,
            )
            .await
    }

    async fn read(&self, id: LogicalId) -> Option<(Version, Bytes)> {
        let at = self.storage.now(None).await.unwrap().version;
        let handle = self.storage.resolve(&[id], at).await.unwrap().remove(0);
        self.storage.release(at);
        let handle = handle?;
        Some((
            handle.version,
            self.storage.get(&handle.chain).await.unwrap().remove(0),
        ))
    }

    /// Waits for the background to find out.
    async fn decided(&self, id: TransactionId) -> TransactionOutcome {
        for _ in 0..500 {
            let outcome = self.storage.outcome(id).await.unwrap();
            if outcome != TransactionOutcome::Undecided {
                return outcome;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        TransactionOutcome::Undecided
    }
}

fn storage(
    registry: &Arc<MemoryRegistry>,
    blobs: &Arc<FaultyBlobs>,
    runtime: &Arc<dyn Runtime>,
) -> Storage {
    let commit = CommitOptions {
        put_timeout: Duration::from_millis(100),
        reservation_lease: Duration::from_millis(300),
        ..CommitOptions::default()
    };
    let (registry, blobs, runtime) = (registry.clone(), blobs.clone(), runtime.clone());
    let parts = StorageParts {
        registry,
        blobs,
        runtime,
        epoch: 1,
        period: 1,
    };
    Storage::assemble(
        parts,
        StorageOptions {
            commit,
            ..StorageOptions::default()
        },
    )
}

fn version(outcome: Result<CommitOutcome, StorageError>) -> Version {
    match outcome.unwrap() {
        CommitOutcome::Committed(version, _) => version,
        CommitOutcome::Conflict(ids) => panic!("conflict on {ids:?}"),
    }
}

#[tokio::test]
async fn a_commit_costs_one_call_of_each_kind_and_no_blob_read() {
    let fixture = Fixture::new(&[]);
    let first = version(fixture.put(A, 0, "one").await);
    assert_eq!(
        fixture.read(A).await,
        Some((first, Bytes::from_static(b"one")))
    );
    let counts = fixture.storage.statistics();
    let calls = (
        counts.groups,
        counts.puts,
        counts.fence_checks,
        counts.publishes,
        counts.tombstones,
    );
    assert_eq!(calls, (1, 1, 1, 1, 0));
    assert_eq!(
        (counts.commits, counts.blob_reads, counts.cache_hits),
        (1, 0, 1)
    );
    assert_eq!(counts.commit_latency_microseconds.len(), 1);
    assert_eq!(
        fixture.put(A, 0, "two").await,
        Ok(CommitOutcome::Conflict(vec![A]))
    );
    assert_eq!(
        fixture.storage.statistics().puts,
        1,
        "a conflict writes nothing"
    );
}

#[tokio::test]
async fn a_put_that_fails_before_or_after_it_applied_gets_the_true_answer() {
    for (fault, applied) in [
        (Fault::Before, false),
        (Fault::After, true),
        (Fault::Hang, false),
        (Fault::HangAfter, true),
        (Fault::Full, false),
    ] {
        let fixture = Fixture::new(&[(Put, fault)]);
        let id = fixture.storage.transaction_id();
        let outcome = fixture.put_as(id, A, 0, "one").await;
        if applied {
            assert!(
                matches!(outcome, Ok(CommitOutcome::Committed(..))),
                "{fault:?}: {outcome:?}"
            );
            assert!(matches!(
                fixture.storage.outcome(id).await,
                Ok(TransactionOutcome::Committed(_))
            ));
        } else {
            assert!(
                matches!(outcome, Err(StorageError::Unavailable(_))),
                "{fault:?}: {outcome:?}"
            );
            assert_eq!(
                fixture.storage.outcome(id).await,
                Ok(TransactionOutcome::Aborted)
            );
        }
        assert_eq!(fixture.read(A).await.is_some(), applied, "{fault:?}");
        let next = if applied {
            fixture.put(B, 0, "next").await
        } else {
            fixture.put(A, 0, "next").await
        };
        assert!(
            matches!(next, Ok(CommitOutcome::Committed(..))),
            "{fault:?}: {next:?}"
        );
    }
}

#[tokio::test]
async fn an_outcome_that_cannot_be_told_is_found_out_later() {
    for (fault, applied) in [(Fault::Before, false), (Fault::After, true)] {
        let fixture = Fixture::new(&[(Put, fault)]);
        for _ in 0..4 {
            fixture.blobs.fail(Tombstone, Fault::Before);
        }
        let id = fixture.storage.transaction_id();
        assert_eq!(
            fixture.put_as(id, A, 0, "one").await,
            Err(StorageError::UnknownOutcome(id))
        );
        let outcome = fixture.decided(id).await;
        assert_eq!(
            matches!(outcome, TransactionOutcome::Committed(_)),
            applied,
            "{outcome:?}"
        );
        assert_eq!(
            outcome == TransactionOutcome::Aborted,
            !applied,
            "{outcome:?}"
        );
        assert_eq!(fixture.read(A).await.is_some(), applied);
    }
}

#[tokio::test]
async fn a_full_disk_that_takes_no_tombstone_either_is_unavailable() {
    let fixture = Fixture::new(&[(Put, Fault::Full), (Tombstone, Fault::Full)]);
    assert!(matches!(
        fixture.put(A, 0, "one").await,
        Err(StorageError::Unavailable(_))
    ));
    assert!(matches!(
        fixture.put(A, 0, "two").await,
        Ok(CommitOutcome::Committed(..))
    ));
}

#[tokio::test]
async fn a_closed_store_leaves_one_commit_unknown_and_refuses_the_rest() {
    let fixture = Fixture::new(&[(Put, Fault::Closed), (Tombstone, Fault::Closed)]);
    let id = fixture.storage.transaction_id();
    assert_eq!(
        fixture.put_as(id, A, 0, "one").await,
        Err(StorageError::UnknownOutcome(id))
    );
    let refused = fixture.put(B, 0, "two").await;
    assert!(
        matches!(&refused, Err(StorageError::Unavailable(why)) if why.contains("reopen")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_claim_seen_after_the_put_leaves_the_answer_to_the_next_epoch() {
    let fixture = Fixture::new(&[]);
    version(fixture.put(A, 0, "one").await);
    fixture.blobs.inner.claim(2);
    let id = fixture.storage.transaction_id();
    assert_eq!(
        fixture.put_as(id, B, 0, "two").await,
        Err(StorageError::UnknownOutcome(id))
    );
    assert_eq!(fixture.put(B, 0, "three").await, Err(StorageError::Fenced));
    assert_eq!(fixture.storage.now(None).await, Err(StorageError::Fenced));
    assert_eq!(
        fixture.storage.outcome(id).await,
        Ok(TransactionOutcome::Undecided)
    );
}

#[tokio::test]
async fn a_fence_check_that_fails_is_asked_again() {
    let fixture = Fixture::new(&[(Fence, Fault::Before), (Fence, Fault::Hang)]);
    version(fixture.put(A, 0, "one").await);
    assert_eq!(fixture.storage.statistics().fence_checks, 3);
}

#[tokio::test]
async fn a_dropped_caller_does_not_drop_its_commit() {
    let fixture = Fixture::new(&[(Put, Fault::HangAfter)]);
    let id = fixture.storage.transaction_id();
    let commit = fixture.put_as(id, A, 0, "one");
    assert!(
        tokio::time::timeout(Duration::from_millis(20), commit)
            .await
            .is_err()
    );
    assert_eq!(
        fixture.storage.outcome(id).await,
        Ok(TransactionOutcome::Undecided)
    );
    assert!(matches!(
        fixture.decided(id).await,
        TransactionOutcome::Committed(_)
    ));
    assert!(fixture.read(A).await.is_some());
    let unknown = fixture.storage.transaction_id();
    assert_eq!(
        fixture.storage.outcome(unknown).await,
        Ok(TransactionOutcome::Unknown)
    );
}

/// A writer that dies between reserve and publish, its segment written or not.
async fn dead_writer(fixture: &Fixture, written: bool) -> (SegmentKey, u64) {
    let key = SegmentKey {
        epoch: 1,
        period: 1,
        unique: 4711,
    };
    let id = TransactionId { high: 5, low: 5 };
    let claims = vec![(A, Claim::Exclusive)];
    let requests = vec![Request {
        id,
        observed: vec![],
        claims,
        priority: false,
        spills_from: None,
    }];
    let group = Group {
        key,
        lease: Duration::from_millis(50),
        requests,
    };
    let ticket = fixture
        .registry
        .reserve(group)
        .await
        .unwrap()
        .ticket
        .unwrap();
    if written {
        let mut builder = super::segment::SegmentBuilder::new(key, 0);
        let kind = super::segment::KindRecord::Put(builder.body(A, b"dead"));
        let change = super::segment::ChangeRecord {
            id: A,
            previous: 0,
            kind,
        };
        let record = super::segment::TransactionRecord {
            index: 0,
            id,
            changes: vec![change],
        };
        let (bytes, _) = builder.finish(ticket, vec![record]);
        crate::blob::BlobStore::put(&*fixture.blobs, key, bytes)
            .await
            .unwrap();
    }
    (key, ticket)
}

#[tokio::test]
async fn an_intent_of_a_dead_writer_without_a_segment_is_cleared() {
    let fixture = Fixture::new(&[]);
    let (key, _) = dead_writer(&fixture, false).await;
    let taken = version(fixture.put(A, 0, "alive").await);
    assert_eq!(
        fixture.read(A).await,
        Some((taken, Bytes::from_static(b"alive")))
    );
    // The paused writer wakes up and finds its key taken.
    let late = crate::blob::BlobStore::put(&*fixture.blobs, key, Bytes::from_static(b"late"))
        .await
        .unwrap();
    assert_eq!(late, crate::blob::Put::Taken(crate::blob::Taken::Tombstone));
}

#[tokio::test]
async fn an_intent_of_a_dead_writer_with_a_segment_is_published() {
    let fixture = Fixture::new(&[]);
    dead_writer(&fixture, true).await;
    assert_eq!(
        fixture.put(A, 0, "alive").await,
        Ok(CommitOutcome::Conflict(vec![A]))
    );
    assert_eq!(
        fixture.read(A).await.unwrap().1,
        Bytes::from_static(b"dead")
    );
    let id = TransactionId { high: 5, low: 5 };
    assert!(matches!(
        fixture.storage.outcome(id).await,
        Ok(TransactionOutcome::Committed(_))
    ));
}

#[tokio::test]
async fn overdue_reservations_are_resolved_without_anybody_meeting_them() {
    let fixture = Fixture::new(&[]);
    dead_writer(&fixture, true).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert!(fixture.registry.reserved());
    fixture.storage.resolve_overdue().await.unwrap();
    assert!(!fixture.registry.reserved());
    assert!(fixture.read(A).await.is_some());
}

#[tokio::test]
async fn a_writer_whose_key_got_a_tombstone_answers_conflict() {
    // The put hangs until another host has put a tombstone at its key.
    let fixture = Fixture::new(&[(Put, Fault::Held)]);
    let other = storage(&fixture.registry, &fixture.blobs, &fixture.runtime);
    let lease_over = async {
        tokio::time::sleep(Duration::from_millis(350)).await;
        other.resolve_overdue().await.unwrap();
        fixture.blobs.let_go();
    };
    let patient = CommitOptions {
        put_timeout: Duration::from_secs(20),
        reservation_lease: Duration::from_millis(300),
        ..CommitOptions::default()
    };
    let (registry, blobs, runtime) = (
        fixture.registry.clone(),
        fixture.blobs.clone(),
        fixture.runtime.clone(),
    );
    let parts = StorageParts {
        registry,
        blobs,
        runtime,
        epoch: 1,
        period: 1,
    };
    let slow = Storage::assemble(
        parts,
        StorageOptions {
            commit: patient,
            ..StorageOptions::default()
        },
    );
    let id = slow.transaction_id();
    let change = Change {
        id: A,
        kind: ChangeKind::Put(Bytes::from_static(b"slow")),
    };
    let (outcome, ()) = futures::join!(slow.commit(id, vec![], vec![change], 0), lease_over);
    assert_eq!(outcome, Ok(CommitOutcome::Conflict(vec![A])));
    assert_eq!(slow.outcome(id).await, Ok(TransactionOutcome::Aborted));
    assert_eq!(fixture.read(A).await, None);
}

#[tokio::test]
async fn a_pause_waits_for_the_group_under_way_and_holds_the_next() {
    let fixture = Fixture::new(&[(Put, Fault::HangAfter)]);
    let storage = &fixture.storage;
    let paused = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let pause = storage.pause().await;
        assert!(!fixture.registry.reserved());
        let held = tokio::time::timeout(Duration::from_millis(50), fixture.put(B, 0, "two")).await;
        assert!(held.is_err(), "no group begins during a pause");
        drop(pause);
    };
    let (first, ()) = futures::join!(fixture.put(A, 0, "one"), paused);
    version(first);
    for _ in 0..100 {
        if fixture.read(B).await.is_some() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the held commit goes on after the pause");
}

/// A reserve can arrive twice (a client that lost its connection sends it again). The second one may come after the group
/// was published, and be granted where it observes nothing: its key then names a segment of another reservation, which
/// can never be published under it. Its intents would stay for ever.
#[tokio::test]
async fn a_reserve_that_arrives_again_after_its_group_ended_holds_nobody_up() {
    let fixture = Fixture::new(&[]);
    version(fixture.put(A, 0, "a").await);
    let before = version(fixture.put(B, 0, "b").await);
    let at = fixture.storage.now(None).await.unwrap().version;
    let handle = fixture.storage.resolve(&[A], at).await.unwrap().remove(0);
    fixture.storage.release(at);
    let key = SegmentKey::from_object(handle.unwrap().chain[0].segment);
    let again = Group {
        key,
        lease: Duration::ZERO,
        requests: vec![Request {
            id: fixture.storage.transaction_id(),
            observed: Vec::new(),
            claims: vec![(B, Claim::Relocation)],
            priority: false,
            spills_from: None,
        }],
    };
    let reservation = fixture.registry.reserve(again).await.unwrap();
    assert!(reservation.ticket.is_some(), "{reservation:?}");
    version(fixture.put(B, before, "c").await);
    assert_eq!(fixture.read(A).await.unwrap().1, "a");
    assert_eq!(fixture.read(B).await.unwrap().1, "c");
    assert_eq!(fixture.registry.overdue().await.unwrap(), []);
}
