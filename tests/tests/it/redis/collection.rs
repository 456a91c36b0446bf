//! Goal: over a real Redis, segments that nothing reaches become stubs, and stubs go in the end; what something may still
//! reach stays: older versions, bodies written ahead. Method: storages over objects in memory, which show what is left.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sop_engine::types::{LogicalId, TransactionOutcome};
use sop_host::blob::objects::Objects;
use sop_host::limits;
use sop_host::storage::{Change, ChangeKind, HistoryOptions, Storage};
use sop_tests::servers::redis::RedisProcess;

use super::checkpoint::{Counted, change, commit, counted, id, load, open, open_keeping, text};

/// A tombstone or a stub.
const MARK_BYTES: u64 = 64;
/// Periods after which marks go.
const PERIODS: usize = 7;

/// How many segments and how many marks there are.
async fn left(objects: &Counted) -> (usize, usize) {
    let listed = objects.below.list("segment/").await.unwrap();
    let marks = listed.iter().filter(|listed| listed.bytes == MARK_BYTES);
    let marks = marks.count();
    (listed.len() - marks, marks)
}

/// A host that keeps no history that nobody uses.
async fn forgetful(objects: &Arc<Counted>, redis: &RedisProcess) -> Storage {
    let history = HistoryOptions {
        retention: Duration::ZERO,
        bytes_max: u64::MAX,
    };
    open_keeping(objects, redis, history).await
}

/// Lets hosts say anew which versions they have in use: they say so once in a while only, and then what they heard last.
async fn renew(hosts: &[&Storage]) {
    for _ in 0..2 {
        tokio::time::sleep(limits::SNAPSHOT_RENEWAL + Duration::from_millis(100)).await;
        for host in hosts {
            counted(host).await;
        }
    }
}

/// Changes one item, a segment each time.
async fn overwrite(storage: &Storage, number: u64, times: usize) {
    for _ in 0..times {
        change(storage, id(number), "again").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_segments_become_stubs_and_go_in_the_end() {
    let redis = RedisProcess::start_with(&["--save", ""]);
    let objects = Arc::new(Counted::default());
    let storage = open(&objects, &redis).await;
    load(&storage, 0, 10).await;
    overwrite(&storage, 3, 50).await;
    assert_eq!(left(&objects).await, (51, 0));
    // A snapshot keeps what it reads.
    let held = storage.now(None).await.unwrap().version;
    overwrite(&storage, 3, 50).await;
    let unknown = storage.transaction_id();
    storage.checkpoint().await.unwrap();
    storage.checkpoint().await.unwrap();
    assert_eq!(left(&objects).await, (101, 0), "all is within retention");
    let handle = storage.resolve(&[id(3)], held).await.unwrap().remove(0);
    let chain = handle.unwrap().chain;
    storage.get(&chain).await.unwrap();
    storage.release(held);
    renew(&[&storage]).await;
    let short = forgetful(&objects, &redis).await;
    short.checkpoint().await.unwrap();
    short.checkpoint().await.unwrap();
    let (segments, marks) = left(&objects).await;
    assert!(segments <= 3, "{segments} segments for two bodies");
    assert_eq!(marks, 101 - segments);
    assert_eq!(text(&storage, 3).await.as_deref(), Some("again"));
    for _ in 0..PERIODS {
        short.checkpoint().await.unwrap();
    }
    let (segments, marks) = left(&objects).await;
    assert!(segments <= 3 && marks == 0, "{segments}, {marks}");
    assert_eq!(text(&storage, 3).await.as_deref(), Some("again"));
    assert_eq!(text(&storage, 7).await.as_deref(), Some("first"));
    // A recovery goes by what is left, and what nobody can tell any more is not guessed.
    redis.command(&["FLUSHALL"]);
    assert_eq!(counted(&storage).await, 110);
    assert_eq!(text(&storage, 3).await.as_deref(), Some("again"));
    let outcome = storage.outcome(unknown).await.unwrap();
    assert_eq!(outcome, TransactionOutcome::Unknown);
    // Of the closed epoch nothing is left but what lives.
    let short = forgetful(&objects, &redis).await;
    overwrite(&short, 3, 2).await;
    overwrite(&short, 7, 2).await;
    renew(&[&storage, &short]).await;
    for _ in 0..PERIODS {
        short.checkpoint().await.unwrap();
    }
    let (segments, marks) = left(&objects).await;
    assert!(segments <= 4 && marks == 0, "{segments}, {marks}");
    let old = objects.below.list("checkpoint/00000001/").await.unwrap();
    assert_eq!(old, [], "an epoch that is closed needs no checkpoint");
    assert_eq!(counted(&short).await, 114);
}

/// A body that was written ahead and not consumed yet outlives any number of collections of other hosts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_written_ahead_stay_until_they_are_consumed() {
    let redis = RedisProcess::start();
    let objects = Arc::new(Counted::default());
    let storage = open(&objects, &redis).await;
    load(&storage, 0, 2).await;
    let large = Bytes::from(vec![7_u8; 100_000]);
    let owner = LogicalId::new(id(0).store, 99);
    let consumed = storage.spill(owner, large.clone()).await.unwrap();
    let abandoned = storage.spill(id(5), large.clone()).await.unwrap();
    let other = forgetful(&objects, &redis).await;
    for _ in 0..PERIODS {
        other.checkpoint().await.unwrap();
    }
    let place = consumed.id;
    let change = Change {
        id: owner,
        kind: ChangeKind::PutSpilled(Arc::new(consumed)),
    };
    commit(&storage, Vec::new(), vec![change]).await;
    drop(abandoned);
    // The hold goes on until it is renewed from a later period on: by the next body written ahead.
    let next = storage.spill(id(6), large.clone()).await.unwrap();
    drop(next);
    for _ in 0..3 {
        other.checkpoint().await.unwrap();
    }
    let (segments, _) = left(&objects).await;
    // The first items, the consumed body, the record that consumed it, and perhaps the one that was written last.
    assert!((2..=4).contains(&segments), "{segments} segments");
    assert_eq!(other.get(&[place]).await.unwrap(), [large]);
    // Two processes that compact at once leave everything as it is.
    let third = forgetful(&objects, &redis).await;
    let (one, two) = tokio::join!(other.compact(|_| ()), third.compact(|_| ()));
    one.and(two).unwrap();
    let at = third.now(None).await.unwrap().version;
    let handle = third.resolve(&[owner], at).await.unwrap().remove(0);
    let bodies = third.get(&handle.unwrap().chain).await.unwrap();
    assert_eq!(bodies[0].len(), 100_000);
}
