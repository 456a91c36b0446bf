//! `sop export`: a store as JSON lines.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use sop_host::{Database, Direction, Version};

use super::console::Console;
use super::exit::Exit;
use super::failure::{Failure, Outcome};
use super::get::snapshot;
use super::json::{BytesRef, ItemLineRef};
use super::open::{Purpose, advise, close, open};
use super::{Global, quantity};

/// Items between two redraws of the progress.
const PROGRESS_ITEMS: u64 = 1_000;

/// Write a store as JSON lines, to stdout or a file
///
/// Each line is {"key":…,"value":…}, in order of the keys; text is a string, other bytes are
/// {"base64":"…"}. All of it is one snapshot, however long it takes. A file appears under its name
/// when it is complete, not before.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  sop export fruit > fruit.jsonl\n  sop export fruit fruit.jsonl\n  \
    sop export fruit | zstd > fruit.jsonl.zst"
)]
pub(crate) struct Arguments {
    /// The store
    store: String,
    /// The file; - or nothing writes to stdout
    file: Option<PathBuf>,
    /// Export the past, at this version
    #[arg(long, value_name = "VERSION")]
    at: Option<Version>,
}

/// What was written.
struct Exported {
    items: u64,
    version: Version,
}

impl Arguments {
    pub(crate) async fn run(self, global: &Global, console: &mut Console) -> Outcome<Exit> {
        let start = Instant::now();
        let database = open(global, Purpose::Read).await?;
        let path = self.file.as_deref().filter(|path| *path != Path::new("-"));
        let answer = match path {
            None => {
                self.export(&database, console, |console, line| console.raw(line))
                    .await
            }
            Some(path) => self.export_file(&database, console, path).await,
        };
        let exported = close(database, answer).await?;
        if path.is_some() {
            let json = serde_json::json!({"exported": exported.items, "version": exported.version});
            console.answer(&json, || {
                let rate = quantity::rate(exported.items, start.elapsed());
                format!(
                    "exported {} items at version {}, {rate} items/s",
                    quantity::count(exported.items),
                    exported.version
                )
            })?;
        }
        Ok(Exit::Success)
    }

    async fn export_file(
        &self,
        database: &Database,
        console: &mut Console,
        path: &Path,
    ) -> Outcome<Exported> {
        let fail = |error: std::io::Error| Failure::file(path, &error);
        // A pipe or a device is written as it is; only a file can be left half-done.
        let is_special = std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
        let partial = match is_special {
            true => path.to_owned(),
            false => {
                let mut name = path.as_os_str().to_owned();
                name.push(".partial");
                PathBuf::from(name)
            }
        };
        let mut file = BufWriter::new(File::create(&partial).map_err(fail)?);
        let answer = self
            .export(database, console, |_, line| {
                file.write_all(line).map_err(fail)
            })
            .await;
        let answer = answer.and_then(|exported| {
            let file = file
                .into_inner()
                .map_err(|error| fail(error.into_error()))?;
            if !is_special {
                file.sync_all().map_err(fail)?;
                std::fs::rename(&partial, path).map_err(fail)?;
            }
            Ok(exported)
        });
        if answer.is_err() && !is_special {
            // The failure of the export is what the user is told; a file left over is named .partial.
            let _ = std::fs::remove_file(&partial);
        }
        answer
    }

    async fn export(
        &self,
        database: &Database,
        console: &mut Console,
        mut write: impl FnMut(&mut Console, &[u8]) -> Outcome,
    ) -> Outcome<Exported> {
        let transaction = snapshot(database, self.at).await?;
        let version = transaction.version();
        let store = transaction
            .open_store(&self.store)
            .await
            .map_err(|error| advise(error, &self.store))?;
        let total = store.count().await?;
        // A terminal shows the lines themselves.
        let progress = (self.file.is_some() || !console.is_terminal()).then(|| console.progress());
        let mut stream = store.stream(.., Direction::Ascending).await?;
        let mut items = 0_u64;
        let mut line = Vec::new();
        while let Some(item) = stream.next().await? {
            line.clear();
            let item = ItemLineRef {
                key: BytesRef(&item.key),
                value: Some(BytesRef(&item.value)),
            };
            serde_json::to_writer(&mut line, &item).map_err(|error| {
                Failure::new("internal", format!("an item has no JSON form: {error}"))
            })?;
            line.push(b'\n');
            write(console, &line)?;
            items += 1;
            if let Some(progress) = &progress
                && items.is_multiple_of(PROGRESS_ITEMS)
            {
                progress.units(items, total);
                progress.items(items);
            }
        }
        drop(stream);
        transaction.rollback().await?;
        Ok(Exported { items, version })
    }
}
