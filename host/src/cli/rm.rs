//! `sop rm`: remove keys, or a range of keys.

use std::ffi::OsString;

use sop_host::{Database, KeyRange, Transaction};

use super::Global;
use super::console::Console;
use super::exit::Exit;
use super::failure::{Failure, Outcome};
use super::input::{Form, RangeArguments};
use super::open::{Purpose, advise, close, open};
use super::quantity;

/// Remove keys, or all keys of a range
///
/// All in one transaction. Exit code 3 if keys were named and none of them was there. A range with
/// more items than one transaction writes is refused: remove it in parts, or drop the store.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  sop rm fruit apple pear\n  sop rm sessions --prefix 2024-\n  \
    sop rm numbers --from 10 --to 20\n  sop rm numbers --all"
)]
pub(crate) struct Arguments {
    /// The store
    store: String,
    /// The keys
    #[arg(conflicts_with_all = ["from", "to", "prefix", "all"])]
    key: Vec<OsString>,
    /// Remove every key of the store
    #[arg(long, conflicts_with_all = ["from", "to", "prefix"])]
    all: bool,
    #[command(flatten)]
    range: RangeArguments,
    #[command(flatten)]
    form: Form,
}

/// What is to be removed.
enum Target {
    Keys(Vec<Vec<u8>>),
    Range(KeyRange),
}

impl Arguments {
    pub(crate) async fn run(self, global: &Global, console: &mut Console) -> Outcome<Exit> {
        let target = self.target()?;
        let database = open(global, Purpose::Write).await?;
        let removed = self.remove(&database, &target).await;
        let removed = close(database, removed).await?;
        if removed == 0 && matches!(target, Target::Keys(_)) {
            return Err(Failure::not_found(format!(
                "none of these keys is in store `{}`",
                self.store
            )));
        }
        console.answer(&serde_json::json!({"removed": removed}), || {
            format!("removed {}", quantity::count(removed))
        })?;
        Ok(Exit::Success)
    }

    fn target(&self) -> Outcome<Target> {
        if !self.key.is_empty() {
            return Ok(Target::Keys(
                self.key
                    .iter()
                    .map(|key| self.form.parse(key))
                    .collect::<Outcome<_>>()?,
            ));
        }
        if self.range.is_unbounded() && !self.all {
            return Err(Failure::usage(
                "name the keys to remove, a range, or --all for every key of the store",
            ));
        }
        Ok(Target::Range(self.range.range(self.form)?))
    }

    async fn remove(&self, database: &Database, target: &Target) -> Outcome<u64> {
        let body = async |transaction: Transaction| {
            let store = transaction.open_store(&self.store).await?;
            match target {
                Target::Range(range) => store.remove_range(range.clone()).await,
                Target::Keys(keys) => {
                    let mut removed = 0;
                    for key in keys {
                        removed += u64::from(store.remove(key).await?);
                    }
                    Ok(removed)
                }
            }
        };
        database
            .transact(body)
            .await
            .map_err(|error| advise(error, &self.store))
    }
}
