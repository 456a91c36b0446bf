//! `sop compact`: give space back.

use std::time::Duration;

use super::console::Console;
use super::exit::Exit;
use super::failure::Outcome;
use super::open::{Purpose, close, open_keeping};
use super::stat::Disk;
use super::{Global, quantity};

/// Move what lives in mostly dead log files together, and free those files
///
/// Old versions of what has changed take room too: they are dropped unless --retention keeps the youngest. No other process can
/// be reading them, because this one holds the database alone. Safe to kill at any moment.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  sop compact\n  \
        sop compact --json        {\"disk_bytes_before\":…,\"disk_bytes_after\":…}")]
pub(crate) struct Arguments {
    /// Keep versions that are younger than this, such as 10min
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = quantity::parse_duration)]
    retention: Duration,
}

impl Arguments {
    pub(crate) async fn run(self, global: &Global, console: &mut Console) -> Outcome<Exit> {
        let before = Disk::of(&global.database);
        let database = open_keeping(global, Purpose::Write, Some(self.retention)).await?;
        let answer = self.compact(&database, console).await;
        close(database, answer).await?;
        let after = Disk::of(&global.database);
        let json =
            serde_json::json!({"disk_bytes_before": before.bytes, "disk_bytes_after": after.bytes});
        console.answer(&json, || {
            format!(
                "compacted; on disk: {} before, {} now",
                quantity::bytes(before.bytes),
                quantity::bytes(after.bytes)
            )
        })?;
        Ok(Exit::Success)
    }

    async fn compact(&self, database: &sop_host::Database, console: &Console) -> Outcome {
        // Pages of dropped stores are dead weight that only reclaiming them shows.
        database.reclaim().await?;
        let progress = console.progress();
        let show = |seen: sop_host::Progress| {
            progress.bytes(seen.done.saturating_add(seen.ahead));
            progress.position(seen.done);
        };
        Ok(database.compact(show).await?)
    }
}
