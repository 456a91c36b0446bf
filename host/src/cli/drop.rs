//! `sop drop`: drop a store.

use super::Global;
use super::console::Console;
use super::exit::Exit;
use super::failure::{Failure, Outcome};
use super::open::{Purpose, advise, close, open};

/// Drop a store with all its items
///
/// In a terminal it asks first; --yes does not. The space is freed after the next checkpoint.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  sop drop fruit\n  sop drop --yes fruit")]
pub(crate) struct Arguments {
    /// The store
    store: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

impl Arguments {
    pub(crate) async fn run(self, global: &Global, console: &mut Console) -> Outcome<Exit> {
        if !self.yes && !confirmed(&self.store)? {
            return Err(Failure::new(
                "cancelled",
                "not confirmed: nothing was dropped",
            ));
        }
        let database = open(global, Purpose::Write).await?;
        let answer = self.drop(&database).await;
        close(database, answer).await?;
        console.answer(&serde_json::json!({"dropped": self.store}), || {
            format!("dropped `{}`", self.store)
        })?;
        Ok(Exit::Success)
    }

    async fn drop(&self, database: &sop_host::Database) -> Outcome {
        let body =
            async |transaction: sop_host::Transaction| transaction.drop_store(&self.store).await;
        database
            .transact(body)
            .await
            .map_err(|error| advise(error, &self.store))?;
        Ok(database.reclaim().await?)
    }
}

/// Asks a person; a script has nobody to ask.
fn confirmed(store: &str) -> Outcome<bool> {
    use std::io::{IsTerminal, Write};
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(true);
    }
    write!(
        std::io::stderr(),
        "drop store `{store}` with all its items? [y/N] "
    )?;
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .map_err(|error| Failure::file(std::path::Path::new("stdin"), &error))?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}
