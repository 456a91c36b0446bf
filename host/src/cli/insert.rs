//! `sop insert`: add an item whose key must not be there.

use super::Global;
use super::console::Console;
use super::exit::Exit;
use super::failure::Outcome;
use super::put::{ItemArguments, Write};

/// Add an item; fails if its key is there
///
/// Exit code 3 if the key is there already; nothing is changed then.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  sop insert users ada '{\"born\":1815}'\n  \
        sop insert --create users ada @ada.json")]
pub(crate) struct Arguments {
    #[command(flatten)]
    item: ItemArguments,
    /// Create the store if there is none of that name
    #[arg(long)]
    create: bool,
}

impl Arguments {
    pub(crate) async fn run(self, global: &Global, console: &mut Console) -> Outcome<Exit> {
        self.item
            .write(Write::Insert, self.create, global, console)
            .await
    }
}
