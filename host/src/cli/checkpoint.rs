//! `sop checkpoint`: bound the next recovery.

use super::console::Console;
use super::exit::Exit;
use super::failure::Outcome;
use super::open::{Purpose, close, open};
use super::stat::Disk;
use super::{Global, quantity};

/// Write a checkpoint, and free the log files that nothing reaches any more
///
/// Closing a database does so too. This command is for one that was not closed cleanly. Hosts that share a registry write
/// checkpoints by themselves now and then; here, one more bounds the next recovery at once.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  sop checkpoint\n  \
        sop checkpoint --json        {\"disk_bytes_before\":…,\"disk_bytes_after\":…}")]
pub(crate) struct Arguments {}

impl Arguments {
    pub(crate) async fn run(self, global: &Global, console: &mut Console) -> Outcome<Exit> {
        let before = Disk::of(&global.database);
        let database = open(global, Purpose::Write).await?;
        let progress = console.progress();
        progress.items(0);
        let answer = database.checkpoint().await.map_err(Into::into);
        drop(progress);
        close(database, answer).await?;
        let after = Disk::of(&global.database);
        let json =
            serde_json::json!({"disk_bytes_before": before.bytes, "disk_bytes_after": after.bytes});
        console.answer(&json, || {
            if after.files == 0 {
                return "checkpoint written".to_owned();
            }
            format!(
                "checkpoint written; on disk: {} before, {} now",
                quantity::bytes(before.bytes),
                quantity::bytes(after.bytes)
            )
        })?;
        Ok(Exit::Success)
    }
}
