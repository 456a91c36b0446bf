//! `sop plugin`: beginning plugins, and looking at them before they run.

mod check;
mod new;

use super::Global;
use super::console::Console;
use super::exit::Exit;
use super::failure::Outcome;

/// Begin a plugin, or look at one
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  sop plugin new --lang python visits\n  sop plugin check indexer.wasm"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    New(new::New),
    Check(check::Check),
}

impl Arguments {
    pub(crate) async fn run(self, global: &Global, console: &mut Console) -> Outcome<Exit> {
        match self.command {
            Command::New(new) => new.run(console),
            Command::Check(check) => check.run(global, console).await,
        }
    }
}
