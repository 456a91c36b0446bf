//! `sop create`: create a store.

use super::Global;
use super::console::Console;
use super::exit::Exit;
use super::failure::Outcome;
use super::open::{Purpose, close, open};

/// Create a store, and the database if there is none
///
/// Exit code 3 if there is a store of that name; --if-missing leaves it as it is.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  sop create fruit\n  sop create --if-missing fruit\n  \
        sop --database dir:/srv/data create fruit"
)]
pub(crate) struct Arguments {
    /// Its name: 1 to 255 bytes
    store: String,
    /// Succeed if there is a store of that name
    #[arg(long)]
    if_missing: bool,
}

impl Arguments {
    pub(crate) async fn run(self, global: &Global, console: &mut Console) -> Outcome<Exit> {
        let database = open(global, Purpose::Create).await?;
        let body = async |transaction: sop_host::Transaction| {
            match self.if_missing {
                true => transaction.open_or_create_store(&self.store).await?,
                false => transaction.create_store(&self.store).await?,
            };
            Ok(())
        };
        let answer = database.transact(body).await.map_err(Into::into);
        close(database, answer).await?;
        console.answer(&serde_json::json!({"store": self.store}), || {
            format!("store `{}`", super::escape::encode(self.store.as_bytes()))
        })?;
        Ok(Exit::Success)
    }
}
