//! `sop verify`: look at everything.

use sop_host::VerifyReport;

use super::console::Console;
use super::exit::Exit;
use super::failure::Outcome;
use super::open::{Purpose, close, open};
use super::{Global, escape, quantity, table};

/// Check every page, value and count of the database
///
/// Walks all stores at one version: checksums, order, fences, counts. Changes nothing. Prints every
/// damaged object, and then ends with exit code 6.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  sop verify\n  sop verify --quiet && echo sound\n  \
    sop verify --json        {\"sound\":true,\"version\":…,\"nodes\":…,\"stores\":[…],\"damages\":[]}"
)]
pub(crate) struct Arguments {}

impl Arguments {
    pub(crate) async fn run(self, global: &Global, console: &mut Console) -> Outcome<Exit> {
        let database = open(global, Purpose::Read).await?;
        let progress = console.progress();
        let show = |seen: sop_host::Progress| {
            progress.units(seen.done, seen.done.saturating_add(seen.ahead))
        };
        let report = database.verify(show).await.map_err(Into::into);
        drop(progress);
        let report = close(database, report).await?;
        print(console, &report)?;
        Ok(if report.is_sound() {
            Exit::Success
        } else {
            Exit::Corrupt
        })
    }
}

/// The report as JSON.
pub(crate) fn json(report: &VerifyReport) -> serde_json::Value {
    serde_json::json!({
        "sound": report.is_sound(),
        "version": report.version,
        "nodes": report.nodes,
        "stores": report.stores,
        "damages": report.damages,
    })
}

fn print(console: &mut Console, report: &VerifyReport) -> Outcome {
    let sound = report.is_sound();
    console.answer(&json(report), || {
        let mut table = table::table(&[
            "store", "items", "levels", "leaves", "branches", "values", "bytes",
        ]);
        for store in &report.stores {
            let name = if store.name.is_empty() {
                "(catalog)".to_owned()
            } else {
                escape::encode(store.name.as_bytes())
            };
            let bytes = store.page_bytes.saturating_add(store.value_bytes);
            let numbers = [
                store.items,
                u64::from(store.depth),
                store.leaves,
                store.branches,
                store.values,
            ];
            let numbers = numbers.map(|number| table::number(quantity::count(number)));
            table.add_row(
                [comfy_table::Cell::new(name)]
                    .into_iter()
                    .chain(numbers)
                    .chain([table::number(quantity::bytes(bytes))]),
            );
        }
        let verdict = if sound { "sound" } else { "DAMAGED" };
        format!(
            "{table}\n{verdict}: {} nodes at version {}",
            quantity::count(report.nodes),
            report.version
        )
    })?;
    if console.is_json() {
        return Ok(());
    }
    for damage in &report.damages {
        let store = escape::encode(damage.store.as_bytes());
        console.line(&format!(
            "damaged: store `{store}`, node {}: {}",
            damage.node, damage.message
        ))?;
    }
    Ok(())
}
