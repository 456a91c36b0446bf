//! The command `sop`: one file per command.
//!
//! ```text
//!  arguments ──clap──> command ──open──> Database ──> answer ──> Console ──> stdout: text, bytes or JSON
//!    input: keys, values, ranges                        │                    stderr: progress, notes, failures
//!                                                    Failure ── kind ──> Exit
//! ```
//!
//! Invariants:
//! - stdout carries the answer and nothing else; with `--json` it is JSON, one value on a line,
//!   failures included;
//! - what a terminal is shown has escapes, so that no stored byte can act on it, and nothing is lost by them;
//! - a command that only reads opens the database read-only and never creates it;
//! - the exit code follows from the kind of the failure, by the table in [`exit`].
//!
//! It is not a second embedding API: every command is a few calls of the library, so that a program
//! can do the same.

mod batches;
mod checkpoint;
mod compact;
mod console;
mod count;
mod create;
mod demo;
mod doctor;
mod drop;
mod engine;
mod escape;
mod exit;
mod export;
mod failure;
mod get;
mod import;
mod input;
mod insert;
mod json;
mod lines;
mod manifest;
mod open;
mod plugin;
mod progress;
mod put;
mod quantity;
mod recover;
mod rm;
mod run;
mod scan;
mod settings;
mod shell;
mod stat;
mod stores;
mod table;
mod update;
mod verify;

use clap::{Parser, Subcommand};

use console::Console;
use exit::Exit;
use failure::{Failure, Outcome};
pub(crate) use settings::Global;
use sop_host::engine_pool::{COMPILE_COMMAND, compile_standard_input, set_compiler};

/// A transactional store for swarms of sandboxed programs
#[derive(Parser, Debug)]
#[command(name = "sop", version, after_help = exit::help(), max_term_width = 110)]
#[command(
    long_about = "A transactional, ordered object store for swarms of sandboxed programs.\n\n\
    A database holds named stores; a store maps keys to values, ordered bytewise by key. Commands that read leave the \
    database untouched; `create`, `import`, `run`, `shell` and `put --create` create it if there is none.\n\n\
    Quick start:\n  sop create fruit\n  sop put fruit apple red\n  sop get fruit apple\n  sop scan fruit"
)]
struct Arguments {
    #[command(flatten)]
    flags: settings::Flags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Get(get::Arguments),
    Put(put::Arguments),
    Insert(insert::Arguments),
    Update(update::Arguments),
    Rm(rm::Arguments),
    Scan(scan::Arguments),
    Count(count::Arguments),
    Stores(stores::Arguments),
    Create(create::Arguments),
    Drop(drop::Arguments),
    Import(import::Arguments),
    Export(export::Arguments),
    Run(run::Arguments),
    Plugin(plugin::Arguments),
    Demo(demo::Arguments),
    Engine(engine::Arguments),
    Shell(shell::Arguments),
    Stat(stat::Arguments),
    Verify(verify::Arguments),
    Checkpoint(checkpoint::Arguments),
    Compact(compact::Arguments),
    Recover(recover::Arguments),
    Doctor(doctor::Arguments),
}

impl Command {
    async fn run(self, global: &Global, console: &mut Console) -> Outcome<Exit> {
        match self {
            Self::Get(arguments) => arguments.run(global, console).await,
            Self::Put(arguments) => arguments.run(global, console).await,
            Self::Insert(arguments) => arguments.run(global, console).await,
            Self::Update(arguments) => arguments.run(global, console).await,
            Self::Rm(arguments) => arguments.run(global, console).await,
            Self::Scan(arguments) => arguments.run(global, console).await,
            Self::Count(arguments) => arguments.run(global, console).await,
            Self::Stores(arguments) => arguments.run(global, console).await,
            Self::Create(arguments) => arguments.run(global, console).await,
            Self::Drop(arguments) => arguments.run(global, console).await,
            Self::Import(arguments) => arguments.run(global, console).await,
            Self::Export(arguments) => arguments.run(global, console).await,
            Self::Run(arguments) => arguments.run(global, console).await,
            Self::Plugin(arguments) => arguments.run(global, console).await,
            Self::Demo(arguments) => arguments.run(global, console).await,
            Self::Engine(arguments) => arguments.run(global, console).await,
            Self::Shell(arguments) => arguments.run(global, console).await,
            Self::Stat(arguments) => arguments.run(global, console).await,
            Self::Verify(arguments) => arguments.run(global, console).await,
            Self::Checkpoint(arguments) => arguments.run(global, console).await,
            Self::Compact(arguments) => arguments.run(global, console).await,
            Self::Recover(arguments) => arguments.run(global, console).await,
            Self::Doctor(arguments) => arguments.run(global, console).await,
        }
    }
}

/// Runs the command of this process.
pub(crate) fn main() -> std::process::ExitCode {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|name| name == COMPILE_COMMAND)
    {
        return compile();
    }
    if let Ok(program) = std::env::current_exe() {
        set_compiler(program);
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error).into(),
    };
    log(arguments.flags.verbose);
    let mut console = Console::new(arguments.flags.json, arguments.flags.quiet);
    let global = arguments.flags.complete();
    let answer = global.and_then(|global| {
        let runtime = runtime()?;
        let answer = runtime.block_on(arguments.command.run(&global, &mut console));
        // A thread that waits for a line of stdin must not hold the end back.
        runtime.shutdown_background();
        answer
    });
    let answer = answer.and_then(|exit| console.flush().map(|()| exit));
    answer
        .unwrap_or_else(|failure| {
            console.fail(&failure);
            failure.exit()
        })
        .into()
}

/// What a process of this program does that compiles a plugin for another one.
fn compile() -> std::process::ExitCode {
    match compile_standard_input(std::env::args_os().skip(2)) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            let message = match error {
                sop_host::Error::PluginInvalid(reason) => reason,
                error => error.to_string(),
            };
            eprintln!("{message}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// Handles that the runtime takes, with some to spare.
const HANDLES_MIN: usize = 10;

fn runtime() -> Outcome<tokio::runtime::Runtime> {
    let failed = |error: &dyn std::fmt::Display| {
        let advice =
            "allow more threads (ulimit -u) and open files (ulimit -n), or try again later";
        Failure::new("unavailable", format!("cannot start: {error}; {advice}"))
    };
    // Where there is no handle or no thread to be had, tokio panics: those that are tried by hand answer an error.
    let spare = (0..HANDLES_MIN).map(|_| std::fs::File::open("/dev/null"));
    let spare: Result<Vec<_>, _> = spare.collect();
    drop(spare.map_err(|error| failed(&error))?);
    let first = std::thread::Builder::new().spawn(|| ());
    first
        .map_err(|error| failed(&error))?
        .join()
        .map_err(|_| failed(&"the first one failed"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(&error))?;
    runtime.block_on(async { outlive_file_size_limit() });
    Ok(runtime)
}

/// Lets a write beyond the largest file size fail like one to a full disk; by default it would end the process.
fn outlive_file_size_limit() {
    let signal = rustix::process::Signal::XFSZ.as_raw();
    let kind = tokio::signal::unix::SignalKind::from_raw(signal);
    // Once listened to, it stays so. Where that fails, the limit ends the process as it does by default.
    drop(tokio::signal::unix::signal(kind));
}

/// Prints help, the version, or what is wrong with the command line.
fn refuse(error: &clap::Error) -> Exit {
    let wrong = error.use_stderr();
    if wrong && std::env::args_os().any(|argument| argument == "--json") {
        let rendered = error.render().to_string();
        // What is missing stands on lines of its own, up to an empty one.
        let lines: Vec<&str> = rendered
            .lines()
            .take_while(|line| !line.is_empty())
            .map(str::trim)
            .collect();
        let message = lines.join(" ");
        let message = message.trim_start_matches("error: ");
        let answer = serde_json::json!({"error": {"kind": "usage", "message": message}});
        // Nobody can be told that stdout is gone.
        let _ = std::io::Write::write_all(&mut std::io::stdout(), format!("{answer}\n").as_bytes());
    }
    let _ = error.print();
    if wrong { Exit::Usage } else { Exit::Success }
}

/// Sends the log to stderr, where `SOP_LOG` or `-v` ask for one.
fn log(verbose: u8) {
    use tracing_subscriber::EnvFilter;
    let default = match verbose {
        // What plugins say is for whoever runs them.
        0 => "warn,sop_host::plugin::output=info",
        1 => "warn,sop=info,sop_host=info",
        2 => "info,sop=debug,sop_host=debug",
        _ => "debug,sop=trace,sop_host=trace",
    };
    let filter = EnvFilter::try_from_env("SOP_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr)
        .init();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop")]
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples_of_itself() {
        let root = Arguments::command();
        for command in root.get_subcommands() {
            let name = command.get_name();
            let help = command.clone().render_long_help().to_string();
            assert!(help.contains("Examples:"), "{name}");
            assert!(
                help.contains(&format!("sop {name}")) || help.contains(&format!(" {name} ")),
                "{name}"
            );
        }
    }
}
