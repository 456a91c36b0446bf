//! The embedding API: commit, rollback, retry, streams, and what a task may do.

use std::sync::atomic::{AtomicU32, Ordering};

use futures::TryStreamExt;
use sop_host::{Direction, Error, Isolation, Item, KeyRange, TransactOptions};

use crate::memory;

#[tokio::test]
async fn what_was_committed_is_seen_by_the_next_transaction() {
    let db = memory().await;
    let info = {
        let tx = db.begin(Isolation::Serializable).await.unwrap();
        let (a, b) = (
            tx.create_store("a").await.unwrap(),
            tx.create_store("b").await.unwrap(),
        );
        a.insert("k", "1").await.unwrap();
        b.put("k", "2").await.unwrap();
        assert_eq!(a.insert("k", "1").await.unwrap_err().kind(), "exists");
        assert_eq!(
            a.update("absent", "1").await.unwrap_err().kind(),
            "not-found"
        );
        tx.commit().await.unwrap()
    };
    let tx = db.snapshot().await.unwrap();
    assert_eq!(tx.version(), info.version);
    let (a, b) = (
        tx.open_store("a").await.unwrap(),
        tx.open_store("b").await.unwrap(),
    );
    assert_eq!(
        a.get_many(&["k", "x"]).await.unwrap(),
        [Some(b"1".to_vec()), None]
    );
    assert_eq!(b.first().await.unwrap(), b.last().await.unwrap());
    assert_eq!(
        (a.count().await.unwrap(), b.contains("k").await.unwrap()),
        (1, true)
    );
    assert_eq!(a.put("k", "3").await.unwrap_err().kind(), "read-only");
    let names: Vec<_> = tx
        .stores()
        .await
        .unwrap()
        .into_iter()
        .map(|store| store.name)
        .collect();
    assert_eq!(names, ["a", "b"]);
}

#[tokio::test]
async fn a_dropped_transaction_leaves_no_trace() {
    let db = memory().await;
    db.transact(async |tx| tx.create_store("s").await.map(drop))
        .await
        .unwrap();
    let tx = db.begin(Isolation::Serializable).await.unwrap();
    let store = tx.open_store("s").await.unwrap();
    store.put("k", "v").await.unwrap();
    drop(tx);
    assert_eq!(store.get("k").await.unwrap_err().kind(), "ended");
    let value = db
        .transact(async |tx| tx.open_store("s").await?.get("k").await)
        .await
        .unwrap();
    assert_eq!(value, None);
    // The instance comes back clean, by a task of its own.
    tokio::time::timeout(std::time::Duration::from_secs(5), async {
        while db.statistics().instances_made > 2 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn an_error_of_the_body_rolls_back_and_comes_out() {
    let db = memory().await;
    db.transact(async |tx| tx.create_store("s").await.map(drop))
        .await
        .unwrap();
    let answer: Result<(), Error> = db
        .transact(async |tx| {
            tx.open_store("s").await?.put("k", "v").await?;
            Err(Error::other("changed my mind"))
        })
        .await;
    assert_eq!(answer.unwrap_err().to_string(), "changed my mind");
    assert_eq!(
        db.transact(async |tx| tx.open_store("s").await?.count().await)
            .await
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn transact_runs_again_after_a_conflict_and_only_then() {
    let db = memory().await;
    db.transact(async |tx| tx.create_store("s").await?.put("n", [0]).await)
        .await
        .unwrap();
    let runs = AtomicU32::new(0);
    let done = db
        .transact_with(&TransactOptions::default(), async |tx| {
            let store = tx.open_store("s").await?;
            let n = store.get("n").await?.unwrap()[0];
            if runs.fetch_add(1, Ordering::Relaxed) < 2 {
                // Another transaction changes what was read.
                db.transact(async |tx| tx.open_store("s").await?.put("n", [n + 10]).await)
                    .await?;
            }
            store.put("n", [n + 1]).await
        })
        .await
        .unwrap();
    assert_eq!((done.retries, runs.load(Ordering::Relaxed)), (2, 3));
    let n = db
        .transact(async |tx| tx.open_store("s").await?.get("n").await)
        .await
        .unwrap();
    assert_eq!(n, Some(vec![21]));
    assert_eq!((db.statistics().conflicts, db.statistics().retries), (2, 2));
}

#[tokio::test]
async fn attempts_are_bounded_and_the_conflict_names_the_key() {
    let db = memory().await;
    db.transact(async |tx| tx.create_store("s").await?.put("n", [0]).await)
        .await
        .unwrap();
    let options = TransactOptions {
        attempts_max: 3,
        ..TransactOptions::default()
    };
    let runs = AtomicU32::new(0);
    let error = db
        .transact_with(&options, async |tx| {
            let store = tx.open_store("s").await?;
            store.get("n").await?;
            let run = runs.fetch_add(1, Ordering::Relaxed);
            db.transact(async |tx| tx.open_store("s").await?.put("n", run.to_be_bytes()).await)
                .await?;
            store.put("m", "x").await
        })
        .await
        .unwrap_err();
    let Error::Conflict(keys) = &error else {
        panic!("{error}")
    };
    assert_eq!(
        (keys[0].store.as_str(), keys[0].key.as_slice()),
        ("s", b"n".as_slice())
    );
    assert!(
        error.to_string().contains("key `n` of store `s`"),
        "{error}"
    );
    assert_eq!(runs.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn different_keys_of_one_leaf_both_commit() {
    let db = memory().await;
    db.transact(async |tx| tx.create_store("s").await?.put("x", "0").await)
        .await
        .unwrap();
    let (one, two) = (
        db.begin(Isolation::Serializable).await.unwrap(),
        db.begin(Isolation::Serializable).await.unwrap(),
    );
    let (a, b) = (
        one.open_store("s").await.unwrap(),
        two.open_store("s").await.unwrap(),
    );
    assert_eq!(
        (a.get("a").await.unwrap(), b.get("b").await.unwrap()),
        (None, None)
    );
    a.put("a", "1").await.unwrap();
    b.put("b", "2").await.unwrap();
    assert_eq!(one.commit().await.unwrap().revalidations, 0);
    assert!(two.commit().await.unwrap().revalidations > 0);
    assert_eq!(db.statistics().revalidated, 1);
}

#[tokio::test]
async fn a_future_of_transact_can_be_spawned_and_borrow_its_surroundings() {
    let db = memory().await;
    db.transact(async |tx| {
        tx.create_store("s")
            .await?
            .put("n", 0_u64.to_be_bytes())
            .await
    })
    .await
    .unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let db = db.clone();
            tokio::spawn(async move {
                let key = format!("task {task}");
                for _ in 0..10 {
                    db.transact(async |tx| {
                        let store = tx.open_store("s").await?;
                        let n = store.get("n").await?.unwrap_or_default();
                        let n = u64::from_be_bytes(
                            n.try_into().map_err(|_| Error::other("not a number"))?,
                        );
                        store.put("n", (n + 1).to_be_bytes()).await?;
                        store.put(&key, "was here").await
                    })
                    .await
                    .unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let snapshot = db.snapshot().await.unwrap();
    let store = snapshot.open_store("s").await.unwrap();
    assert_eq!(store.get("n").await.unwrap().unwrap(), 80_u64.to_be_bytes());
    assert_eq!(store.count().await.unwrap(), 9);
}

#[tokio::test]
async fn streams_give_all_items_in_both_directions_and_can_be_left_early() {
    let db = memory().await;
    let all: Vec<Item> = (0..5_000_u32)
        .map(|n| Item {
            key: n.to_be_bytes().to_vec(),
            value: vec![7; 20],
        })
        .collect();
    db.transact(async |tx| {
        let store = tx.create_store("s").await?;
        for batch in all.chunks(1_000) {
            store.put_many(batch.to_vec()).await?;
        }
        Ok(())
    })
    .await
    .unwrap();
    let tx = db.begin(Isolation::Serializable).await.unwrap();
    let store = tx.open_store("s").await.unwrap();
    let up: Vec<Item> = store
        .stream(.., Direction::Ascending)
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(up, all);
    let mut down: Vec<Item> = store
        .stream(.., Direction::Descending)
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    down.reverse();
    assert_eq!(down, all);
    // More streams than a transaction may have open at one time: leaving one frees it.
    for _ in 0..1_100 {
        let mut few = store
            .stream(KeyRange::from(10_u32.to_be_bytes()..), Direction::Ascending)
            .await
            .unwrap();
        assert_eq!(few.next().await.unwrap().unwrap(), all[10]);
    }
    // Two at the same time, with writes in between.
    let mut one = store.stream(.., Direction::Ascending).await.unwrap();
    let mut two = store.stream(.., Direction::Descending).await.unwrap();
    for _ in 0..10 {
        let (a, b) = (
            one.next().await.unwrap().unwrap(),
            two.next().await.unwrap().unwrap(),
        );
        assert!(store.remove(&a.key).await.unwrap() && store.remove(&b.key).await.unwrap());
    }
    assert_eq!(store.count().await.unwrap(), 4_980);
}

#[tokio::test]
async fn savepoints_and_past_versions() {
    let db = memory().await;
    let options = TransactOptions::default();
    let past = db
        .transact_with(&options, async |tx| {
            tx.create_store("s").await?.put("k", "1").await
        })
        .await
        .unwrap()
        .commit
        .unwrap()
        .version;
    let tx = db.begin(Isolation::Serializable).await.unwrap();
    let store = tx.open_store("s").await.unwrap();
    store.put("k", "2").await.unwrap();
    tx.savepoint("before").await.unwrap();
    store.put("k", "3").await.unwrap();
    tx.create_store("t").await.unwrap();
    tx.rollback_to("before").await.unwrap();
    assert_eq!(tx.open_store("t").await.unwrap_err().kind(), "not-found");
    assert_eq!(
        tx.rollback_to("never").await.unwrap_err().kind(),
        "not-found"
    );
    let store = tx.open_store("s").await.unwrap();
    assert_eq!(store.get("k").await.unwrap().unwrap(), b"2");
    tx.commit().await.unwrap();
    let then = db.begin_at(past).await.unwrap();
    assert_eq!(
        then.open_store("s")
            .await
            .unwrap()
            .get("k")
            .await
            .unwrap()
            .unwrap(),
        b"1"
    );
}

#[tokio::test]
async fn verify_counts_what_is_there() {
    let db = memory().await;
    db.transact(async |tx| {
        let store = tx.create_store("s").await?;
        let items = (0..3_000_u32).map(|n| Item {
            key: n.to_be_bytes().to_vec(),
            value: vec![1; 30],
        });
        store.put_many(items).await?;
        store.put("large", vec![9; 100_000]).await
    })
    .await
    .unwrap();
    let mut steps = 0;
    let report = db.verify(|_| steps += 1).await.unwrap();
    assert!(report.is_sound(), "{:?}", report.damages);
    let store = report
        .stores
        .iter()
        .find(|store| store.name == "s")
        .unwrap();
    assert_eq!(
        (store.items, store.counted, store.values),
        (3_001, 3_001, 1)
    );
    assert!(steps > 0 && report.nodes > 10);
}
