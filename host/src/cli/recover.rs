//! `sop recover`: begin a new epoch.

use super::Global;
use super::console::Console;
use super::exit::Exit;
use super::failure::Outcome;
use super::open::{Purpose, builder, close};

/// Rebuild the registry from the blob store, and go on in a new epoch
///
/// Hosts do this by themselves when they notice that a registry lost its state. This command does it at once, whatever the
/// registry says: after it was restored from a backup, say, or to move to another one. Nothing that was acknowledged is
/// lost; transactions under way end in a conflict, or in their true outcome.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  sop recover --database s3://bucket/data --registry redis://new-host\n  \
        sop recover --json        {\"version\":…,\"replayed_segments\":…,\"replayed_transactions\":…}"
)]
pub(crate) struct Arguments {}

impl Arguments {
    pub(crate) async fn run(self, global: &Global, console: &mut Console) -> Outcome<Exit> {
        let progress = console.progress();
        progress.items(0);
        let opened = builder(global, Purpose::Write)?.recover(true).open().await;
        drop(progress);
        let database = opened?;
        let recovered = database.recovered();
        let version = database.snapshot().await.map(|snapshot| snapshot.version());
        let version = close(database, version.map_err(Into::into)).await?;
        let (segments, transactions) = recovered.unwrap_or_default();
        let json = serde_json::json!({
            "version": version,
            "replayed_segments": segments,
            "replayed_transactions": transactions,
        });
        console.answer(&json, || {
            format!(
                "recovered: {transactions} transactions of {segments} segments replayed; now at version {version}"
            )
        })?;
        Ok(Exit::Success)
    }
}
