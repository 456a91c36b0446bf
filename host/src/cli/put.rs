//! `sop put`: add or replace an item; and what `put`, `insert` and `update` have in common.

use std::ffi::OsString;

use sop_host::{Database, TransactOptions, Transacted};

use super::Global;
use super::console::Console;
use super::exit::Exit;
use super::failure::Outcome;
use super::input::{Form, ValueArgument};
use super::open::{Purpose, advise, close, open};

/// Add an item, or replace the value of its key
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  sop put fruit apple red\n  sop put --create fruit apple red\n  \
    sop put images logo @logo.png\n  echo hello | sop put notes today -\n  sop put --hex raw 00ff cafe\n  \
    sop put --literal notes address @home"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    item: ItemArguments,
    /// Create the store if there is none of that name
    #[arg(long)]
    create: bool,
}

/// A store, a key and a value.
#[derive(clap::Args, Debug)]
pub(crate) struct ItemArguments {
    /// The store
    store: String,
    /// The key: 1 to 1,024 bytes
    key: OsString,
    #[command(flatten)]
    value: ValueArgument,
    #[command(flatten)]
    form: Form,
}

/// How an item is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    /// Whether the key is there or not.
    Put,
    /// Only if it is not.
    Insert,
    /// Only if it is.
    Update,
}

impl Arguments {
    pub(crate) async fn run(self, global: &Global, console: &mut Console) -> Outcome<Exit> {
        self.item
            .write(Write::Put, self.create, global, console)
            .await
    }
}

impl ItemArguments {
    /// Writes the item in a transaction of its own.
    pub(crate) async fn write(
        &self,
        how: Write,
        create: bool,
        global: &Global,
        console: &mut Console,
    ) -> Outcome<Exit> {
        let key = self.form.parse(&self.key)?;
        let value = self.value.read(self.form)?;
        // Without --create there must be a store, so there must be a database.
        let purpose = if create {
            Purpose::Create
        } else {
            Purpose::Write
        };
        let database = open(global, purpose).await?;
        let answer = self.transact(how, create, &database, &key, &value).await;
        let done = close(database, answer).await?;
        if console.is_json() {
            let version = done.commit.map(|commit| commit.version);
            console.json(&serde_json::json!({"version": version}))?;
        }
        Ok(Exit::Success)
    }

    async fn transact(
        &self,
        how: Write,
        create: bool,
        database: &Database,
        key: &[u8],
        value: &[u8],
    ) -> Outcome<Transacted<()>> {
        let name = &self.store;
        let body = async |transaction: sop_host::Transaction| {
            let store = match create {
                true => transaction.open_or_create_store(name).await?,
                false => transaction.open_store(name).await?,
            };
            match how {
                Write::Put => store.put(key, value).await,
                Write::Insert => store.insert(key, value).await,
                Write::Update => store.update(key, value).await,
            }
        };
        database
            .transact_with(&TransactOptions::default(), body)
            .await
            .map_err(|error| advise(error, name))
    }
}
