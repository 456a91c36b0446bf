//! `sop compact`: give space back.

use std::time::Duration;

use super::console::Console;
use super::exit::Exit;
use super::failure::Outcome;
use super::open::{Purpose, close, open_keeping};
use super::stat::Disk;
use super::{Global, quantity};

/// Move what lives in mostly dead log files or segments together, in the order of scans, and free those
///
/// Old versions of what has changed take room too: they are dropped unless --retention keeps the youngest; those that snapshots
/// of other hosts use stay. Other hosts go on meanwhile. Safe to kill at any moment.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  sop compact\n  \
        sop compact --json        {\"disk_bytes_before\":…,\"disk_bytes_after\":…,\"live_bytes\":…,\"moved_bytes\":…}")]
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
        let done = close(database, answer).await?;
        // Closing a directory writes a last checkpoint, which the files show.
        let (before, after) = match before.files {
            0 => (done.before_bytes, done.after_bytes),
            _ => (before.bytes, Disk::of(&global.database).bytes),
        };
        let json = serde_json::json!({
            "disk_bytes_before": before,
            "disk_bytes_after": after,
            "live_bytes": done.live_bytes,
            "moved_bytes": done.moved_bytes,
        });
        console.answer(&json, || {
            format!(
                "compacted; on disk: {} before, {} now, of which {} are alive; {} were moved",
                quantity::bytes(before),
                quantity::bytes(after),
                quantity::bytes(done.live_bytes),
                quantity::bytes(done.moved_bytes)
            )
        })?;
        Ok(Exit::Success)
    }

    async fn compact(
        &self,
        database: &sop_host::Database,
        console: &Console,
    ) -> Outcome<sop_host::storage::Compacted> {
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
