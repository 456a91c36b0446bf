//! `sop stat`: figures of a database.

use serde::Serialize;
use sop_host::{Database, Url, Version};

use super::console::Console;
use super::exit::Exit;
use super::failure::Outcome;
use super::open::{Purpose, close, open};
use super::{Global, escape, quantity, table};

/// Print figures of the database and its stores
///
/// Reads counters only. `sop verify` looks at every page and tells more.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  sop stat\n  sop stat --json")]
pub(crate) struct Arguments {}

/// What the files of a database take.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Disk {
    /// Their length in bytes, preallocated parts included.
    pub(crate) bytes: u64,
    /// How many they are.
    pub(crate) files: u64,
}

impl Disk {
    /// The files under a database's directory; a file that vanishes meanwhile counts nothing.
    pub(crate) fn of(database: &str) -> Self {
        let Ok(Url::Directory(path)) = database.parse() else {
            return Self::default();
        };
        let mut disk = Self::default();
        let files = walkdir::WalkDir::new(path)
            .into_iter()
            .filter_map(Result::ok);
        for metadata in files
            .filter_map(|entry| entry.metadata().ok())
            .filter(std::fs::Metadata::is_file)
        {
            disk.bytes = disk.bytes.saturating_add(metadata.len());
            disk.files += 1;
        }
        disk
    }
}

/// The answer.
#[derive(Debug, Serialize)]
struct Figures {
    database: String,
    version: Version,
    disk: Disk,
    stores: Vec<StoreFigures>,
}

#[derive(Debug, Serialize)]
struct StoreFigures {
    name: String,
    id: u64,
    items: u64,
}

impl Arguments {
    pub(crate) async fn run(self, global: &Global, console: &mut Console) -> Outcome<Exit> {
        let database = open(global, Purpose::Read).await?;
        let figures = self.read(&database, global).await;
        let figures = close(database, figures).await?;
        match console.is_json() {
            true => console.json(&figures)?,
            false => print(console, &figures)?,
        }
        Ok(Exit::Success)
    }

    async fn read(&self, database: &Database, global: &Global) -> Outcome<Figures> {
        let transaction = database.snapshot().await?;
        let mut stores = Vec::new();
        for store in transaction.stores().await? {
            let items = transaction.open_store(&store.name).await?.count().await?;
            stores.push(StoreFigures {
                name: store.name,
                id: store.id,
                items,
            });
        }
        let version = transaction.version();
        transaction.rollback().await?;
        Ok(Figures {
            database: database.url().to_string(),
            version,
            disk: Disk::of(&global.database),
            stores,
        })
    }
}

fn print(console: &mut Console, figures: &Figures) -> Outcome {
    let mut summary = table::table(&["database", ""]);
    summary.add_row(["place".into(), comfy_table::Cell::new(&figures.database)]);
    summary.add_row(["version".into(), table::number(figures.version)]);
    summary.add_row([
        "on disk".into(),
        table::number(quantity::bytes(figures.disk.bytes)),
    ]);
    summary.add_row([
        "files".into(),
        table::number(quantity::count(figures.disk.files)),
    ]);
    summary.add_row([
        "stores".into(),
        table::number(quantity::count(figures.stores.len() as u64)),
    ]);
    console.line(&summary.to_string())?;
    if figures.stores.is_empty() {
        return Ok(());
    }
    let mut stores = table::table(&["store", "id", "items"]);
    for store in &figures.stores {
        let name = escape::encode(store.name.as_bytes());
        let id = format!("{:016x}", store.id);
        stores.add_row([
            comfy_table::Cell::new(name),
            comfy_table::Cell::new(id),
            table::number(quantity::count(store.items)),
        ]);
    }
    console.line(&stores.to_string())
}
