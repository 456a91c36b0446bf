//! Databases in directories, through the embedding API: what is committed is there after reopening, and what cannot be opened
//! says why.

use sop_host::{Database, Durability};

fn url(directory: &tempfile::TempDir) -> String {
    format!("dir:{}", directory.path().join("db").display())
}

#[tokio::test]
async fn what_was_committed_is_there_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let url = url(&directory);
    for round in 0..3_u8 {
        let db = Database::open(&url).await.unwrap();
        let count = db
            .transact(async |tx| {
                let store = tx.open_or_create_store("s").await?;
                store.insert([round], "v").await?;
                store.count().await
            })
            .await
            .unwrap();
        assert_eq!(count, u64::from(round) + 1);
        if round == 1 {
            db.checkpoint().await.unwrap();
            db.compact(|_| ()).await.unwrap();
        }
        assert!(db.verify(|_| ()).await.unwrap().is_sound());
        db.close().await.unwrap();
    }
}

#[tokio::test]
async fn relaxed_durability_survives_a_clean_close() {
    let directory = tempfile::tempdir().unwrap();
    let url = url(&directory);
    let interval = std::time::Duration::from_millis(20);
    let db = Database::builder()
        .url(&url)
        .durability(Durability::Relaxed { interval })
        .open()
        .await
        .unwrap();
    db.transact(async |tx| tx.create_store("s").await?.put("k", "v").await)
        .await
        .unwrap();
    db.close().await.unwrap();
    let db = Database::builder()
        .url(&url)
        .read_only(true)
        .open()
        .await
        .unwrap();
    let tx = db.snapshot().await.unwrap();
    assert_eq!(
        tx.open_store("s")
            .await
            .unwrap()
            .get("k")
            .await
            .unwrap()
            .unwrap(),
        b"v"
    );
    let error = db
        .transact(async |tx| tx.open_store("s").await?.put("k", "w").await)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), "read-only");
}

#[tokio::test]
async fn what_cannot_be_opened_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let url = url(&directory);
    let missing = Database::builder()
        .url(&url)
        .create(false)
        .open()
        .await
        .unwrap_err();
    assert_eq!(missing.kind(), "missing-database");
    let missing = Database::builder()
        .url(&url)
        .read_only(true)
        .open()
        .await
        .unwrap_err();
    assert_eq!(missing.kind(), "missing-database");
    let db = Database::open(&url).await.unwrap();
    assert_eq!(Database::open(&url).await.unwrap_err().kind(), "locked");
    db.close().await.unwrap();
    std::fs::create_dir(directory.path().join("other")).unwrap();
    std::fs::write(directory.path().join("other/readme.txt"), "mine").unwrap();
    let foreign = format!("dir:{}", directory.path().join("other").display());
    assert_eq!(
        Database::open(&foreign).await.unwrap_err().kind(),
        "foreign-database"
    );
    assert_eq!(
        Database::open("postgres://x").await.unwrap_err().kind(),
        "invalid"
    );
}
