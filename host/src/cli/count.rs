//! `sop count`: how many items a store has.

use super::Global;
use super::console::Console;
use super::exit::Exit;
use super::failure::Outcome;
use super::get::snapshot;
use super::open::{Purpose, advise, close, open};

/// Print the number of items of a store
///
/// Reads a counter, not the items. `sop scan --count` counts those of a range.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  sop count fruit\n  sop count --json fruit        {\"count\":3}"
)]
pub(crate) struct Arguments {
    /// The store
    store: String,
    /// Read the past, at this version
    #[arg(long, value_name = "VERSION")]
    at: Option<sop_host::Version>,
}

impl Arguments {
    pub(crate) async fn run(self, global: &Global, console: &mut Console) -> Outcome<Exit> {
        let database = open(global, Purpose::Read).await?;
        let count = self.count(&database).await;
        let count = close(database, count).await?;
        match console.is_json() {
            true => console.json(&serde_json::json!({"count": count}))?,
            false => console.line(&count.to_string())?,
        }
        Ok(Exit::Success)
    }

    async fn count(&self, database: &sop_host::Database) -> Outcome<u64> {
        let transaction = snapshot(database, self.at).await?;
        let store = transaction
            .open_store(&self.store)
            .await
            .map_err(|error| advise(error, &self.store))?;
        let count = store.count().await?;
        transaction.rollback().await?;
        Ok(count)
    }
}
