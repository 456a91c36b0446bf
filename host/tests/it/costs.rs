//! Goal: what the README promises of costs, in exact counts. Method: the counters of imports, of segments and of syncs before
//! and after one operation on a warm database.

use sop_host::{Calls, Database, Isolation};

async fn directory() -> (tempfile::TempDir, Database) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("dir:{}", directory.path().join("db").display());
    let db = Database::open(&url).await.unwrap();
    db.transact(async |tx| {
        let store = tx.create_store("s").await?;
        for number in 0..2_000_u32 {
            store.put(number.to_be_bytes(), [7; 100]).await?;
        }
        Ok(())
    })
    .await
    .unwrap();
    (directory, db)
}

async fn read(db: &Database) {
    let tx = db.begin(Isolation::Serializable).await.unwrap();
    let store = tx.open_store("s").await.unwrap();
    assert!(store.get(1_234_u32.to_be_bytes()).await.unwrap().is_some());
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_warm_point_read_reads_no_blob_and_copies_no_page() {
    let (_directory, db) = directory().await;
    read(&db).await;
    let before: Calls = db.statistics().calls;
    read(&db).await;
    let after = db.statistics().calls;
    assert_eq!(
        (after.get, after.get_bytes),
        (before.get, before.get_bytes),
        "pages stay in the instance"
    );
    assert_eq!(
        after.commit, before.commit,
        "a reader of what nobody is publishing validates by itself"
    );
    assert_eq!(after.now - before.now, 1);
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_durable_commit_costs_one_append_and_one_sync() {
    let (_directory, db) = directory().await;
    for round in 0..5_u32 {
        let before = db.disk().unwrap().unwrap();
        db.transact(async |tx| {
            tx.open_store("s")
                .await?
                .put(round.to_be_bytes(), "new")
                .await
        })
        .await
        .unwrap();
        let after = db.disk().unwrap().unwrap();
        assert_eq!(
            (after.appends - before.appends, after.syncs - before.syncs),
            (1, 1)
        );
    }
    db.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_committers_share_their_syncs() {
    const EACH: u32 = 40;
    let (_directory, db) = directory().await;
    let before = db.disk().unwrap().unwrap();
    let committers = (0..8_u32).map(|committer| {
        let db = db.clone();
        tokio::spawn(async move {
            for number in 0..EACH {
                // Each in leaves of its own: commits to one leaf follow one another.
                let key = (committer * 250 + number).to_be_bytes();
                db.transact(async |tx| tx.open_store("s").await?.put(key, "new").await)
                    .await
                    .unwrap();
            }
        })
    });
    for committer in committers.collect::<Vec<_>>() {
        committer.await.unwrap();
    }
    let after = db.disk().unwrap().unwrap();
    let syncs = after.syncs - before.syncs;
    assert!(
        syncs < u64::from(8 * EACH) * 3 / 4,
        "{syncs} syncs for {} commits",
        8 * EACH
    );
    db.close().await.unwrap();
}
