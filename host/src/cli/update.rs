//! `sop update`: replace the value of a key that must be there.

use super::Global;
use super::console::Console;
use super::exit::Exit;
use super::failure::Outcome;
use super::put::{ItemArguments, Write};

/// Replace the value of a key; fails if the key is not there
///
/// Exit code 3 if there is no such key; nothing is changed then.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  sop update fruit apple green\n  sop update users ada @ada.json"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    item: ItemArguments,
}

impl Arguments {
    pub(crate) async fn run(self, global: &Global, console: &mut Console) -> Outcome<Exit> {
        self.item.write(Write::Update, false, global, console).await
    }
}
