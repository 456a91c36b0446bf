//! `sop get`: the values of keys.

use std::ffi::OsString;

use sop_host::{Database, Transaction, Version};

use super::console::Console;
use super::exit::Exit;
use super::failure::{Failure, Outcome};
use super::input::Form;
use super::json::{Bytes, BytesRef};
use super::open::{Purpose, advise, close, open};
use super::{Global, escape};

/// Most keys of one command: what one read of the engine takes.
const KEYS_MAX: usize = 4_096;

/// Print the value of a key, or of several
///
/// One key: a pipe or file gets the bytes of the value and nothing else; a terminal gets them with
/// escapes, so that no byte can act on it. Several keys: one line each, key and value with escapes,
/// a tab between them. A key that is not there makes the exit code 3.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  sop get fruit apple\n  sop get fruit apple pear\n  \
        sop get images logo > logo.png\n  \
    sop get --hex raw 00ff\n  sop get --json fruit apple        {\"value\":\"red\"}"
)]
pub(crate) struct Arguments {
    /// The store
    store: String,
    /// The keys
    #[arg(required = true, num_args = 1..=KEYS_MAX)]
    key: Vec<OsString>,
    /// Read the past, at this version
    #[arg(long, value_name = "VERSION")]
    at: Option<Version>,
    #[command(flatten)]
    form: Form,
}

/// A read-only transaction, now or in the past.
pub(crate) async fn snapshot(database: &Database, at: Option<Version>) -> Outcome<Transaction> {
    Ok(match at {
        None => database.snapshot().await?,
        Some(version) => database.begin_at(version).await?,
    })
}

impl Arguments {
    pub(crate) async fn run(self, global: &Global, console: &mut Console) -> Outcome<Exit> {
        let keys: Vec<Vec<u8>> = self
            .key
            .iter()
            .map(|key| self.form.parse(key))
            .collect::<Outcome<_>>()?;
        let database = open(global, Purpose::Read).await?;
        let values = self.read(&database, &keys).await;
        let values = close(database, values).await?;
        match (keys.as_slice(), values.as_slice()) {
            ([key], [value]) => self.print_one(console, key, value.as_deref()),
            _ => self.print_many(console, &keys, &values),
        }
    }

    async fn read(&self, database: &Database, keys: &[Vec<u8>]) -> Outcome<Vec<Option<Vec<u8>>>> {
        let transaction = snapshot(database, self.at).await?;
        let store = transaction
            .open_store(&self.store)
            .await
            .map_err(|error| advise(error, &self.store))?;
        let values = match keys {
            [key] => vec![store.get(key).await?],
            keys => store.get_many(keys).await?,
        };
        transaction.rollback().await?;
        Ok(values)
    }

    fn print_one(&self, console: &mut Console, key: &[u8], value: Option<&[u8]>) -> Outcome<Exit> {
        let Some(value) = value else {
            return Err(Failure::not_found(format!(
                "no key `{}` in store `{}`",
                escape::encode(key),
                self.store
            )));
        };
        if console.is_json() {
            console.json(&serde_json::json!({"value": BytesRef(value)}))?;
        } else if self.form.is_plain() && !console.is_terminal() {
            console.raw(value)?;
        } else {
            console.line(&self.form.print(value))?;
        }
        Ok(Exit::Success)
    }

    fn print_many(
        &self,
        console: &mut Console,
        keys: &[Vec<u8>],
        values: &[Option<Vec<u8>>],
    ) -> Outcome<Exit> {
        let mut exit = Exit::Success;
        for (key, value) in keys.iter().zip(values) {
            if value.is_none() {
                exit = Exit::Presence;
            }
            if console.is_json() {
                let value = value.as_deref().map(BytesRef);
                console.json(&serde_json::json!({"key": Bytes(key.clone()), "value": value}))?;
            } else if let Some(value) = value {
                console.line(&format!(
                    "{}\t{}",
                    self.form.print(key),
                    self.form.print(value)
                ))?;
            } else {
                console.note(&format!(
                    "sop: no key `{}` in store `{}`",
                    escape::encode(key),
                    self.store
                ));
            }
        }
        Ok(exit)
    }
}
