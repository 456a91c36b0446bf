//! Engine instances: taken warm, given back clean, never shared, never reused after an unfinished call.

use sop_host::{Database, Isolation};

use crate::memory;

#[tokio::test]
async fn an_instance_serves_one_transaction_after_another() {
    let db = memory().await;
    for round in 0..20_u8 {
        db.transact(async |tx| tx.open_or_create_store("s").await?.put([round], "v").await)
            .await
            .unwrap();
    }
    let statistics = db.statistics();
    assert_eq!(
        (statistics.instances_made, statistics.instances_reused),
        (1, 19)
    );
    assert_eq!((statistics.transactions, statistics.commits), (20, 20));
}

#[tokio::test]
async fn every_open_transaction_has_an_instance_of_its_own() {
    let db = memory().await;
    db.transact(async |tx| tx.create_store("s").await?.put("k", "0").await)
        .await
        .unwrap();
    let mut open = Vec::new();
    for number in 0..120_u8 {
        let tx = db.begin(Isolation::Serializable).await.unwrap();
        tx.open_store("s")
            .await
            .unwrap()
            .put([number, 0], "mine")
            .await
            .unwrap();
        open.push(tx);
    }
    assert_eq!(db.statistics().instances_made, 120);
    for (number, tx) in open.into_iter().enumerate() {
        let store = tx.open_store("s").await.unwrap();
        // Each sees the committed item and its own, not those of the others.
        assert_eq!(
            store
                .scan(.., sop_host::Direction::Ascending, 200)
                .await
                .unwrap()
                .len(),
            2,
            "{number}"
        );
        tx.rollback().await.unwrap();
    }
}

#[tokio::test]
async fn beginning_waits_while_the_maximum_is_open() {
    let db = Database::builder()
        .transactions_max(2)
        .open()
        .await
        .unwrap();
    let first = db.snapshot().await.unwrap();
    let _second = db.snapshot().await.unwrap();
    let waiting = tokio::spawn({
        let db = db.clone();
        async move { db.snapshot().await.unwrap().version() }
    });
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    drop(first);
    waiting.await.unwrap();
}

#[tokio::test]
async fn a_call_dropped_half_way_discards_the_instance() {
    let db = memory().await;
    db.transact(async |tx| tx.create_store("s").await.map(drop))
        .await
        .unwrap();
    let tx = db.begin(Isolation::Serializable).await.unwrap();
    let store = tx.open_store("s").await.unwrap();
    let made = db.statistics().instances_made;
    {
        let items = (0..4_096_u32).map(|n| sop_host::Item {
            key: n.to_be_bytes().to_vec(),
            value: vec![0; 4_096],
        });
        let mut call = Box::pin(store.put_many(items));
        // One poll starts the guest; it takes longer than a tick of the epoch, so it yields and is dropped there. If the
        // machine is too fast for that, the call completed, which is no error either.
        let _ = futures::poll!(call.as_mut());
    }
    match store.get("x").await {
        Err(error) => {
            assert_eq!(error.kind(), "ended");
            drop(tx);
            db.transact(async |tx| tx.open_store("s").await.map(drop))
                .await
                .unwrap();
            assert_eq!(db.statistics().instances_made, made + 1);
        }
        Ok(value) => assert_eq!(value, None),
    }
}

#[tokio::test]
async fn a_warm_point_read_makes_no_blob_call() {
    let db = memory().await;
    db.transact(async |tx| tx.create_store("s").await?.put("k", "v").await)
        .await
        .unwrap();
    let read = async |tx: sop_host::Transaction| tx.open_store("s").await?.get("k").await;
    assert_eq!(
        db.transact(read).await.unwrap().as_deref(),
        Some(b"v".as_slice())
    );
    let before = db.statistics().calls;
    assert_eq!(
        db.transact(read).await.unwrap().as_deref(),
        Some(b"v".as_slice())
    );
    let after = db.statistics().calls;
    assert_eq!(after.get, before.get, "a warm read asked for blobs");
    assert_eq!(after.now, before.now + 1);
    println!(
        "resolve calls of a warm read transaction: {}",
        after.resolve - before.resolve
    );
}
