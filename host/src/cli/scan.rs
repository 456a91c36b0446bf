//! `sop scan`: the items of a range, in order.

use sop_host::{Database, Direction, Item, Version};

use super::console::Console;
use super::exit::Exit;
use super::failure::{Failure, Outcome};
use super::get::snapshot;
use super::input::{Form, RangeArguments};
use super::json::{BytesRef, ItemLineRef};
use super::open::{Purpose, advise, close, open};
use super::{Global, table};

/// Most rows of a table: it is laid out as a whole before its first line is printed.
const TABLE_ROWS_MAX: u64 = 10_000;

/// Print the items of a range, in order of their keys
///
/// One line for each item: key and value with escapes, a tab between them; with --json
/// {"key":…,"value":…}. Streams: a range of any size takes little memory.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  sop scan fruit\n  sop scan fruit --from b --to d\n  \
    sop scan log --reverse --limit 10\n  sop scan users --prefix a --keys-only\n  \
        sop scan users --prefix a --count\n  \
    sop scan fruit --table"
)]
pub(crate) struct Arguments {
    /// The store
    store: String,
    #[command(flatten)]
    range: RangeArguments,
    /// Go from the greatest key down
    #[arg(long, short)]
    reverse: bool,
    /// Stop after this many items
    #[arg(long, value_name = "ITEMS")]
    limit: Option<u64>,
    /// Print only keys
    #[arg(long, short)]
    keys_only: bool,
    /// Print only how many items there are
    #[arg(long, short, conflicts_with_all = ["keys_only", "table"])]
    count: bool,
    /// Lay the items out as a table
    #[arg(long, short, conflicts_with = "json")]
    table: bool,
    /// Read the past, at this version
    #[arg(long, value_name = "VERSION")]
    at: Option<Version>,
    #[command(flatten)]
    form: Form,
}

impl Arguments {
    pub(crate) async fn run(self, global: &Global, console: &mut Console) -> Outcome<Exit> {
        let database = open(global, Purpose::Read).await?;
        let answer = self.scan(&database, console).await;
        close(database, answer).await?;
        Ok(Exit::Success)
    }

    async fn scan(&self, database: &Database, console: &mut Console) -> Outcome {
        let range = self.range.range(self.form)?;
        let transaction = snapshot(database, self.at).await?;
        let store = transaction
            .open_store(&self.store)
            .await
            .map_err(|error| advise(error, &self.store))?;
        let direction = if self.reverse {
            Direction::Descending
        } else {
            Direction::Ascending
        };
        let mut items = store.stream(range, direction).await?;
        let mut rows = self.table.then(|| {
            table::table(if self.keys_only {
                &["key"]
            } else {
                &["key", "value"]
            })
        });
        let mut count = 0;
        while count < self.limit.unwrap_or(u64::MAX)
            && let Some(item) = items.next().await?
        {
            count += 1;
            match &mut rows {
                _ if self.count => {}
                None => self.print(console, &item)?,
                Some(_) if count > TABLE_ROWS_MAX => return Err(too_many_rows()),
                Some(rows) => {
                    rows.add_row(self.cells(&item));
                }
            }
        }
        match rows {
            Some(rows) => console.line(&rows.to_string())?,
            None if !self.count => {}
            None if console.is_json() => console.json(&serde_json::json!({"count": count}))?,
            None => console.line(&count.to_string())?,
        }
        drop(items);
        Ok(transaction.rollback().await?)
    }

    fn print(&self, console: &mut Console, item: &Item) -> Outcome {
        if console.is_json() {
            let value = (!self.keys_only).then_some(BytesRef(&item.value));
            return console.json(&ItemLineRef {
                key: BytesRef(&item.key),
                value,
            });
        }
        console.line(&self.cells(item).join("\t"))
    }

    fn cells(&self, item: &Item) -> Vec<String> {
        let mut cells = vec![self.form.print(&item.key)];
        if !self.keys_only {
            cells.push(self.form.print(&item.value));
        }
        cells
    }
}

fn too_many_rows() -> Failure {
    let message = format!(
        "a table has at most {TABLE_ROWS_MAX} rows: narrow the range, set --limit, or leave out --table"
    );
    Failure::new("limit", message)
}
