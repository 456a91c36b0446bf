//! `sop stores`: the stores of a database.

use serde::Serialize;
use sop_host::Database;

use super::console::Console;
use super::exit::Exit;
use super::failure::Outcome;
use super::get::snapshot;
use super::open::{Purpose, close, open};
use super::{Global, quantity, table};

/// List the stores with their numbers of items
///
/// A terminal gets a table, a pipe the names with escapes, one on a line.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  sop stores\n  \
        sop stores --json        {\"stores\":[{\"name\":\"fruit\",\"id\":…,\"items\":3}]}")]
pub(crate) struct Arguments {
    /// Read the past, at this version
    #[arg(long, value_name = "VERSION")]
    at: Option<sop_host::Version>,
}

/// A store and its number of items.
#[derive(Debug, Serialize)]
struct Listed {
    name: String,
    id: u64,
    items: u64,
}

impl Arguments {
    pub(crate) async fn run(self, global: &Global, console: &mut Console) -> Outcome<Exit> {
        let database = open(global, Purpose::Read).await?;
        let stores = self.list(&database).await;
        let stores = close(database, stores).await?;
        if console.is_json() {
            console.json(&serde_json::json!({"stores": stores}))?;
        } else if console.is_terminal() && !stores.is_empty() {
            let mut table = table::table(&["store", "items"]);
            for store in &stores {
                let name = super::escape::encode(store.name.as_bytes());
                table.add_row([
                    comfy_table::Cell::new(name),
                    table::number(quantity::count(store.items)),
                ]);
            }
            console.line(&table.to_string())?;
        } else {
            for store in &stores {
                console.line(&super::escape::encode(store.name.as_bytes()))?;
            }
        }
        Ok(Exit::Success)
    }

    async fn list(&self, database: &Database) -> Outcome<Vec<Listed>> {
        let transaction = snapshot(database, self.at).await?;
        let mut listed = Vec::new();
        for store in transaction.stores().await? {
            let items = transaction.open_store(&store.name).await?.count().await?;
            listed.push(Listed {
                name: store.name,
                id: store.id,
                items,
            });
        }
        transaction.rollback().await?;
        Ok(listed)
    }
}
