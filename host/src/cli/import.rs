//! `sop import`: items from JSON lines.

use std::ffi::OsString;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

use sop_host::{Database, Item, Transaction};
use tokio::sync::mpsc;

use super::batches::{BATCH_ITEMS_DEFAULT, Batch, Batches};
use super::console::Console;
use super::exit::Exit;
use super::failure::{Failure, Outcome};
use super::lines::{LINE_BYTES_MAX, Lines};
use super::open::{Purpose, close, open};
use super::{Global, quantity};

/// Batches that are parsed ahead of the one being committed.
const BATCHES_AHEAD: usize = 2;
/// Bad lines that are shown when they are skipped.
const BAD_LINES_SHOWN: u64 = 10;
/// Items of one call of the engine.
const CALL_ITEMS_MAX: usize = sop_engine::limits::BATCH_ITEMS_MAX;
/// Bytes of the input buffer.
const BUFFER_BYTES: usize = 256 << 10;

/// Put items from JSON lines into a store, and create it if there is none of that name
///
/// Each line is {"key":…,"value":…}; text is a string, other bytes are {"base64":"…"}. Items are
/// put in transactions of --batch items; an item whose key is there replaces it. Sorted input is
/// fastest: batches grow as long as keys do.
///
/// A bad line stops the import: the transactions before it stay, nothing of its own is done, and
/// the message names the line. Running the import again after mending the line is safe.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  sop import fruit fruit.jsonl\n  \
        sop export fruit | sop -d dir:./copy import fruit -\n  \
    sop import --skip-bad fruit scraped.jsonl\n  sop import --batch 100 fruit fruit.jsonl")]
pub(crate) struct Arguments {
    /// The store
    store: String,
    /// The file; - reads stdin
    #[arg(default_value = "-")]
    file: OsString,
    /// Items of each transaction [default: 2000, more as long as keys only grow]
    #[arg(long, value_name = "ITEMS", value_parser = clap::value_parser!(u32).range(1..=200_000))]
    batch: Option<u32>,
    /// Skip bad lines instead of stopping; tells how many there were
    #[arg(long)]
    skip_bad: bool,
}

/// What was done.
#[derive(Debug, Default)]
struct Imported {
    items: u64,
    transactions: u64,
    retries: u64,
    line_last: u64,
    skipped: u64,
    is_sorted: bool,
}

/// What the reading thread hands over.
type Handed = Result<Batch, Failure>;

impl Arguments {
    pub(crate) async fn run(self, global: &Global, console: &mut Console) -> Outcome<Exit> {
        let (reader, length, source) = self.input()?;
        let database = open(global, Purpose::Create).await?;
        let start = Instant::now();
        let progress = console.progress();
        if let Some(length) = length {
            progress.bytes(length);
        }
        let mut batches = self.read(reader, source, !global.quiet);
        let mut done = Imported {
            is_sorted: true,
            ..Imported::default()
        };
        let answer = self
            .commit_all(&database, &mut batches, &mut done, &progress)
            .await;
        drop(progress);
        let answer = answer.map_err(|failure| failure.advise(&done.so_far()));
        close(database, answer).await?;
        done.print(console, start)?;
        Ok(Exit::Success)
    }

    /// The input, its length if that is known, and its name.
    fn input(&self) -> Outcome<(Box<dyn Read + Send>, Option<u64>, PathBuf)> {
        if self.file == "-" {
            return Ok((Box::new(std::io::stdin()), None, PathBuf::from("stdin")));
        }
        let path = Path::new(&self.file);
        let file = std::fs::File::open(path).map_err(|error| Failure::file(path, &error))?;
        let metadata = file
            .metadata()
            .map_err(|error| Failure::file(path, &error))?;
        let length = metadata.is_file().then(|| metadata.len());
        Ok((Box::new(file), length, path.to_owned()))
    }

    /// Reads and parses in a thread of its own, a few batches ahead.
    fn read(
        &self,
        reader: Box<dyn Read + Send>,
        source: PathBuf,
        tell: bool,
    ) -> mpsc::Receiver<Handed> {
        let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
        let items_max = self.batch.and_then(|items| usize::try_from(items).ok());
        let skip_bad = self.skip_bad;
        let mut bad = 0;
        let skip = move |message: &str| {
            bad += 1;
            if skip_bad && tell && bad <= BAD_LINES_SHOWN {
                // Nobody can be told that stderr is gone.
                let _ = std::io::Write::write_all(
                    &mut std::io::stderr(),
                    format!("skipped: {message}\n").as_bytes(),
                );
            }
            skip_bad
        };
        std::thread::spawn(move || {
            let lines = Lines::new(
                BufReader::with_capacity(BUFFER_BYTES, reader),
                LINE_BYTES_MAX,
            );
            let mut batches = Batches::new(lines, &source, items_max, skip);
            while let Some(batch) = batches.next().transpose() {
                let failed = batch.is_err();
                // The other side went away: it failed and says so itself.
                if sender.blocking_send(batch).is_err() || failed {
                    return;
                }
            }
        });
        receiver
    }

    async fn commit_all(
        &self,
        database: &Database,
        batches: &mut mpsc::Receiver<Handed>,
        done: &mut Imported,
        progress: &super::progress::Progress,
    ) -> Outcome {
        while let Some(batch) = batches.recv().await {
            let batch = batch?;
            if !batch.items.is_empty() {
                done.retries += self.commit(database, &batch.items).await?;
                done.transactions += 1;
            }
            done.add(&batch);
            progress.position(batch.input_bytes);
            progress.items(done.items);
        }
        if done.transactions == 0 {
            // An empty import makes an empty store.
            self.commit(database, &[]).await?;
        }
        Ok(())
    }

    /// One transaction. Answers how often it was run again.
    async fn commit(&self, database: &Database, items: &[Item]) -> Outcome<u64> {
        let body = async |transaction: Transaction| {
            let store = transaction.open_or_create_store(&self.store).await?;
            for items in items.chunks(CALL_ITEMS_MAX) {
                store.put_many(items.iter().cloned()).await?;
            }
            Ok(())
        };
        let done = database
            .transact_with(&sop_host::TransactOptions::default(), body)
            .await?;
        Ok(u64::from(done.retries))
    }
}

impl Imported {
    fn add(&mut self, batch: &Batch) {
        self.items += batch.items.len() as u64;
        self.line_last = batch.line_last;
        self.skipped = batch.skipped;
        self.is_sorted = batch.is_sorted;
    }

    /// What a failure leaves behind.
    fn so_far(&self) -> String {
        match self.line_last {
            0 => "nothing was imported".to_owned(),
            last => format!(
                "lines 1 to {last} are imported ({} items), nothing after them",
                self.items
            ),
        }
    }

    fn print(&self, console: &mut Console, start: Instant) -> Outcome {
        let json = serde_json::json!({
            "imported": self.items,
            "skipped": self.skipped,
            "transactions": self.transactions,
            "retries": self.retries,
            "sorted": self.is_sorted,
        });
        console.answer(&json, || {
            let order = if self.is_sorted {
                "sorted"
            } else {
                "in no order"
            };
            let skipped = if self.skipped == 0 {
                String::new()
            } else {
                format!("; skipped {} bad lines", self.skipped)
            };
            let rate = quantity::rate(self.items, start.elapsed());
            format!(
                "imported {} items ({order}) in {} transactions, {rate} items/s{skipped}",
                quantity::count(self.items),
                quantity::count(self.transactions),
            )
        })
    }
}

const _: () = assert!(CALL_ITEMS_MAX >= BATCH_ITEMS_DEFAULT);
