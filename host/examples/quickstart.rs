//! Opens a database, changes two stores in one transaction, reads them back.
//!
//! `cargo run --example quickstart`

use sop_host::{Database, Direction, KeyRange, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let db = Database::open("memory:").await?;

    // The body runs again from its start if another transaction changed what it read.
    let balance = db
        .transact(async |tx| {
            let accounts = tx.open_or_create_store("accounts").await?;
            let log = tx.open_or_create_store("log").await?;
            accounts.put("ada", "120").await?;
            accounts.put("grace", "80").await?;
            log.insert("0001", "opened two accounts").await?;
            accounts.get("ada").await
        })
        .await?;
    println!(
        "ada has {}",
        String::from_utf8_lossy(&balance.unwrap_or_default())
    );

    // A snapshot reads one consistent version and never conflicts.
    let snapshot = db.snapshot().await?;
    let accounts = snapshot.open_store("accounts").await?;
    println!(
        "{} accounts at version {}",
        accounts.count().await?,
        snapshot.version()
    );
    let mut all = accounts
        .stream(KeyRange::from(..), Direction::Descending)
        .await?;
    while let Some(item) = all.next().await? {
        println!(
            "{} = {}",
            String::from_utf8_lossy(&item.key),
            String::from_utf8_lossy(&item.value)
        );
    }
    drop(snapshot);

    db.close().await
}
