//! Goal: over a shared registry a recovery begins with the newest checkpoint and misses nothing; what became of a commit is
//! told by any host, also after its epoch. Method: storages over objects in memory and a registry server that is emptied;
//! reservations that are under way while a checkpoint is written are made by hand.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop"
)]

use std::sync::Arc;

use bytes::Bytes;
use sop_engine::types::{CommitOutcome, LogicalId, Observation, TransactionId, TransactionOutcome};

use super::shared_tests::{Server, open, open_with, total};
use super::tests::{COUNT, add, commit, filled, id, put, transfer};
use super::{CheckpointOptions, RegistryPlace, Storage};
use crate::blob::objects::Objects;
use crate::blob::objects::memory::MemoryObjects;
use crate::blob::objects::store::{ObjectBlobs, segment_key};
use crate::blob::{BlobStore, SegmentKey};
use crate::commit::segment::{ChangeRecord, KindRecord, SegmentBuilder, TransactionRecord};
use crate::recovery::epoch::{EpochStore, commit_id};
use crate::registry::{Claim, Group, Registry, RegistryError, Request};
use crate::runtime::{Runtime, TokioRuntime};

struct Place {
    objects: Arc<MemoryObjects>,
    server: Server,
}

impl Place {
    fn new() -> Self {
        Self {
            objects: Arc::default(),
            server: Server::new(),
        }
    }

    fn registry(&self) -> RegistryPlace {
        RegistryPlace::Shared(Arc::new(self.server.clone()))
    }

    async fn host(&self) -> Storage {
        open(&self.objects, self.registry()).await
    }

    async fn epochs(&self) -> EpochStore {
        let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::current());
        let objects = Arc::clone(&self.objects) as Arc<dyn Objects>;
        EpochStore::open(objects, runtime, false).await.unwrap()
    }

    /// Segments that a recovery would look at.
    async fn ahead(&self) -> u64 {
        self.epochs().await.survey().await.unwrap().segments
    }

    async fn names(&self, prefix: &str) -> Vec<String> {
        let listed = self.objects.list(prefix).await.unwrap();
        listed.into_iter().map(|listed| listed.name).collect()
    }
}

#[tokio::test]
async fn a_recovery_begins_with_the_newest_checkpoint() {
    let place = Place::new();
    let (host, other) = (place.host().await, place.host().await);
    let ids = filled(&host, 6, 100).await;
    for step in 0..20 {
        transfer(&host, ids[step % 6], ids[(step + 1) % 6]).await;
    }
    assert!(place.ahead().await >= 20);
    host.checkpoint().await.unwrap();
    assert_eq!(place.ahead().await, 0);
    // The other host has not heard of the new period: it is told when it reserves.
    for step in 0..3 {
        transfer(&other, ids[step], ids[step + 1]).await;
    }
    assert_eq!(place.ahead().await, 3);
    for name in place.names("segment/").await {
        let key = segment_key(&name).unwrap();
        assert!(key.period <= 1, "{name}");
    }
    place.server.lose();
    assert_eq!(total(&host, &ids).await, (600, 123));
    assert_eq!(total(&other, &ids).await, (600, 123));
    // And again, from the checkpoint that the recovery made.
    transfer(&other, ids[0], ids[1]).await;
    place.server.lose();
    assert_eq!(total(&place.host().await, &ids).await, (600, 124));
}

#[tokio::test]
async fn old_checkpoints_go_and_the_last_two_stay() {
    let place = Place::new();
    let host = place.host().await;
    let ids = filled(&host, 4, 10).await;
    for _ in 0..5 {
        transfer(&host, ids[0], ids[1]).await;
        host.checkpoint().await.unwrap();
    }
    let names = place.names("checkpoint/").await;
    let heads = names.iter().filter(|name| !name.contains('-'));
    let heads: Vec<&str> = heads.map(String::as_str).collect();
    assert_eq!(
        heads,
        [
            "checkpoint/00000001/00000004",
            "checkpoint/00000001/00000005"
        ]
    );
    assert_eq!(names.len(), 4, "a run for each of them: {names:?}");
    place.server.lose();
    assert_eq!(total(&host, &ids).await, (40, 15));
}

/// A reservation and its segment, made by hand: put but not published.
struct UnderWay {
    registry: Arc<dyn Registry>,
    key: SegmentKey,
    ticket: u64,
    id: TransactionId,
}

impl UnderWay {
    async fn reserve(place: &Place, period: u32, unique: u64) -> Result<Self, RegistryError> {
        let key = SegmentKey {
            epoch: 1,
            period,
            unique,
        };
        let id = commit_id(1, period, unique);
        let registry = place.server.of_epoch(1);
        let group = Group {
            key,
            lease: std::time::Duration::from_secs(3_600),
            requests: vec![Request {
                id,
                observed: Vec::new(),
                claims: vec![(COUNT, Claim::Shared)],
                priority: false,
                spills_from: None,
            }],
        };
        let ticket = registry.reserve(group).await?.ticket.unwrap();
        Ok(Self {
            registry,
            key,
            ticket,
            id,
        })
    }

    fn segment(&self, amount: i64) -> (Bytes, crate::commit::segment::Record) {
        let builder = SegmentBuilder::new(self.key, 0);
        let change = ChangeRecord {
            id: COUNT,
            previous: 0,
            kind: KindRecord::Add(amount),
        };
        let transaction = TransactionRecord {
            index: 0,
            id: self.id,
            changes: vec![change],
        };
        builder.finish(self.ticket, vec![transaction])
    }

    async fn put(&self, place: &Place, amount: i64) {
        let runtime = Arc::new(TokioRuntime::current());
        let objects = Arc::clone(&place.objects) as Arc<dyn Objects>;
        let (bytes, _) = self.segment(amount);
        let blobs = ObjectBlobs::new(objects, runtime);
        blobs.put(self.key, bytes).await.unwrap();
    }

    async fn publish(&self, amount: i64) {
        let (_, record) = self.segment(amount);
        let place = crate::blob::SegmentPlace {
            segment: self.key.object(),
            base: 0,
        };
        let publications = record.publications(place).unwrap();
        let published = self.registry.publish(self.ticket, publications).await;
        assert!(published.unwrap().is_some());
    }
}

#[tokio::test]
async fn what_was_under_way_while_a_checkpoint_was_written_is_found_once() {
    let place = Place::new();
    let host = place.host().await;
    let ids = filled(&host, 4, 10).await;
    let late = UnderWay::reserve(&place, 0, 71).await.unwrap();
    let published = UnderWay::reserve(&place, 0, 72).await.unwrap();
    published.put(&place, 1_000).await;
    published.publish(1_000).await;
    transfer(&host, ids[0], ids[1]).await;
    host.checkpoint().await.unwrap();
    // Nobody may begin anything in the period that is over.
    let refused = UnderWay::reserve(&place, 0, 73).await.err();
    assert_eq!(refused, Some(RegistryError::PeriodEnded(1)));
    transfer(&host, ids[1], ids[2]).await;
    // It arrives in a period that the checkpoint ended.
    late.put(&place, 100_000).await;
    place.server.lose();
    assert_eq!(total(&host, &ids).await, (40, 101_012));
    // Once it is resolved, the next checkpoint has done with its period.
    host.checkpoint().await.unwrap();
    assert_eq!(place.ahead().await, 0);
}

#[tokio::test]
async fn what_was_undone_in_a_period_that_is_over_is_not_included() {
    let place = Place::new();
    let host = place.host().await;
    let ids = filled(&host, 4, 10).await;
    let undone = UnderWay::reserve(&place, 0, 71).await.unwrap();
    let done = UnderWay::reserve(&place, 0, 72).await.unwrap();
    done.put(&place, 1_000).await;
    done.publish(1_000).await;
    let objects = Arc::clone(&place.objects) as Arc<dyn Objects>;
    let blobs = ObjectBlobs::new(objects, Arc::new(TokioRuntime::current()));
    blobs.put_tombstone(undone.key).await.unwrap();
    undone.registry.abandon(undone.key).await.unwrap();
    host.checkpoint().await.unwrap();
    transfer(&host, ids[0], ids[1]).await;
    place.server.lose();
    assert_eq!(total(&host, &ids).await, (40, 1_011));
    // The new epoch listed neither: their period was over.
    let epochs = place.epochs().await;
    let never = SegmentKey {
        unique: 73,
        ..done.key
    };
    for (key, included) in [(undone.key, false), (done.key, true), (never, false)] {
        assert_eq!(
            epochs.included(key).await.unwrap(),
            Some((2, included)),
            "{key:?}"
        );
    }
}

#[tokio::test]
async fn any_host_tells_what_became_of_commits_of_an_epoch_that_ended() {
    let place = Place::new();
    let host = place.host().await;
    let ids = filled(&host, 4, 10).await;
    let (early, late) = (host.transaction_id(), host.transaction_id());
    let outcome = host.commit(early, vec![], vec![add(1)], 0).await.unwrap();
    assert!(matches!(outcome, CommitOutcome::Committed(..)));
    let durable = UnderWay::reserve(&place, 0, 71).await.unwrap();
    durable.put(&place, 10).await;
    let lost = UnderWay::reserve(&place, 0, 72).await.unwrap();
    host.checkpoint().await.unwrap();
    let after = host.transaction_id();
    let outcome = host.commit(after, vec![], vec![add(1)], 0).await.unwrap();
    assert!(matches!(outcome, CommitOutcome::Committed(..)));
    place.server.lose();
    assert_eq!(total(&host, &ids).await, (40, 22));
    // Too late: the epoch is closed.
    lost.put(&place, 10).await;
    let other = place.host().await;
    for (id, committed) in [
        (early, true),
        (durable.id, true),
        (after, true),
        (lost.id, false),
    ] {
        let outcome = other.outcome(id).await.unwrap();
        let told = matches!(outcome, TransactionOutcome::Committed(_));
        assert_eq!(told, committed, "{id:?}: {outcome:?}");
        assert!(
            told || outcome == TransactionOutcome::Aborted,
            "{outcome:?}"
        );
    }
    // An id of an epoch that ended is of no use any more.
    let conflict = host.commit(late, vec![], vec![add(1)], 0).await.unwrap();
    assert!(matches!(conflict, CommitOutcome::Conflict(_)));
    assert_eq!(
        other.outcome(late).await.unwrap(),
        TransactionOutcome::Aborted
    );
    let current = other.transaction_id();
    assert_eq!(
        other.outcome(current).await.unwrap(),
        TransactionOutcome::Unknown
    );
    // One epoch more, and still.
    place.server.lose();
    assert_eq!(total(&other, &ids).await, (40, 22));
    let outcome = other.outcome(after).await.unwrap();
    assert!(
        matches!(outcome, TransactionOutcome::Committed(_)),
        "{outcome:?}"
    );
    // Segments that are gone tell nothing, and nothing is made up.
    for name in place.names("segment/00000001/").await {
        place.objects.delete(&name).await.unwrap();
    }
    let newcomer = place.host().await;
    assert_eq!(
        newcomer.outcome(after).await.unwrap(),
        TransactionOutcome::Unknown
    );
}

#[tokio::test]
async fn a_host_writes_checkpoints_by_itself() {
    let place = Place::new();
    let options = CheckpointOptions {
        segments: 5,
        ..CheckpointOptions::default()
    };
    let host = open_with(&place.objects, place.registry(), options).await;
    let other = open_with(&place.objects, place.registry(), options).await;
    let ids = filled(&host, 4, 10).await;
    let mut transfers = 0;
    while host.shared_checkpoints() + other.shared_checkpoints() < 4 {
        transfer(&host, ids[0], ids[1]).await;
        transfer(&other, ids[2], ids[3]).await;
        transfers += 2;
        assert!(transfers < 10_000, "no checkpoint");
    }
    // A host that only reads does nothing of the kind.
    let reader = open_with(&place.objects, place.registry(), options).await;
    for _ in 0..50 {
        assert_eq!(total(&reader, &ids).await, (40, 10 + transfers));
    }
    assert_eq!(reader.shared_checkpoints(), 0);
    place.server.lose();
    assert_eq!(total(&reader, &ids).await, (40, 10 + transfers));
}

#[tokio::test]
async fn history_within_retention_and_ends_are_in_a_checkpoint() {
    let place = Place::new();
    let host = place.host().await;
    let ids = filled(&host, 4, 10).await;
    transfer(&host, ids[0], ids[1]).await;
    let at = host.now(None).await.unwrap().version;
    let handle = host.resolve(&[ids[3]], at).await.unwrap()[0]
        .clone()
        .unwrap();
    host.release(at);
    let observed = vec![Observation {
        id: ids[3],
        version: handle.version,
    }];
    let gone = super::Change {
        id: ids[3],
        kind: super::ChangeKind::Remove,
    };
    let outcome = commit(&host, observed, vec![gone], 0).await;
    assert!(matches!(outcome, CommitOutcome::Committed(..)));
    let outcome = commit(&host, vec![], vec![put(id(500), 7)], 0).await;
    assert!(matches!(outcome, CommitOutcome::Committed(..)));
    host.checkpoint().await.unwrap();
    let found = place.epochs().await.checkpoint_entries(1).await.unwrap();
    let of = |id: LogicalId| found.iter().find(|entry| entry.id == id).unwrap();
    assert_eq!(
        of(ids[0]).versions.len(),
        2,
        "before and after the transfer"
    );
    assert_eq!(of(ids[3]).versions.len(), 2, "what it was, and its end");
    place.server.lose();
    let at = host.now(None).await.unwrap().version;
    let handles = host.resolve(&[ids[0], ids[3], id(500)], at).await.unwrap();
    let there: Vec<bool> = handles.iter().map(Option::is_some).collect();
    assert_eq!(there, [true, false, true]);
}
