//! `sop run`: a plugin, with the stores it is granted.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;
use sop_host::engine_pool::Metering;
use sop_host::{Database, Plugin, RunLimits, RunOptions, RunReport};

use super::console::Console;
use super::exit::Exit;
use super::failure::{Failure, Outcome};
use super::input::{self, Form};
use super::json::BytesRef;
use super::manifest::{Granted, Manifest};
use super::open::{Purpose, close, open};
use super::{Global, quantity};

/// Most runs at one time.
const PARALLEL_MAX: u32 = 256;

/// Run a plugin, sandboxed, with the stores it is granted and nothing else
///
/// The plugin is a WebAssembly component of world `plugin` (wit/engine). It gets the bytes of
/// --input and answers bytes, which are printed like those of `sop get`. A run that ends in a
/// conflict is run again from its start.
///
/// A grant is a store, or all stores that begin alike when it ends with *: to be read as STORE or
/// STORE:ro, also to be written as STORE:rw, also to be created and dropped as STORE:create.
/// Without any grant no database is opened.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
        sop run indexer.wasm --grant queue:rw --grant 'index/*:create' --input next\n  \
    sop run report.wasm --grant 'index/*' --input @request.json > report.txt\n  \
    sop run indexer.wasm --grant queue:rw --repeat 1000 --parallel 8 --warm\n  \
    sop run --json hello.wasm        {\"response\":…,\"retries\":0,…}")]
pub(crate) struct Arguments {
    /// The component; a file named .wat may have its text
    plugin: PathBuf,
    /// A store it may use: STORE[:ro|:rw|:create], PREFIX*[:ro|:rw|:create]. With any such flag the grants of the manifest
    /// do not count
    #[arg(long, value_name = "STORE[:MODE]")]
    grant: Vec<Granted>,
    /// Grants, limits and input, which flags override [default: the plugin.toml beside the component, if there is one]
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Look for no plugin.toml
    #[arg(long, conflicts_with = "manifest")]
    no_manifest: bool,
    /// What it is given: text, @PATH for a file, - for stdin [default: nothing]
    #[arg(long, value_name = "INPUT")]
    input: Option<OsString>,
    /// Most memory of a run, such as 64MiB
    #[arg(long, value_name = "BYTES", value_parser = quantity::parse_bytes, help_heading = "Limits")]
    memory_bytes: Option<u64>,
    /// Most time of a run, waiting included, such as 5s
    #[arg(long, value_name = "TIME", value_parser = quantity::parse_duration, help_heading = "Limits")]
    timeout: Option<Duration>,
    /// Most instructions of a run, counted alike on every machine, such as 100000000. Counting makes it slower
    #[arg(long, value_name = "UNITS", help_heading = "Limits")]
    fuel: Option<u64>,
    /// Most bytes between the engine and the host in a run, such as 1GiB
    #[arg(long, value_name = "BYTES", value_parser = quantity::parse_bytes, help_heading = "Limits")]
    call_bytes: Option<u64>,
    /// Most bytes of the answer
    #[arg(long, value_name = "BYTES", value_parser = quantity::parse_bytes, help_heading = "Limits")]
    response_bytes: Option<u64>,
    /// Bytes of stdout and stderr that become log lines; the rest is dropped
    #[arg(long, value_name = "BYTES", value_parser = quantity::parse_bytes, help_heading = "Limits")]
    output_bytes: Option<u64>,
    /// Most times a run is repeated after a conflict
    #[arg(long, value_name = "TIMES", help_heading = "Limits")]
    retries: Option<u32>,
    /// Run it this often; the answers are printed one on a line
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    repeat: u64,
    /// Use the instances of earlier runs again: faster, and a run finds the memory as the one before left it
    #[arg(long)]
    warm: bool,
    /// Runs at one time
    #[arg(long, value_name = "RUNS", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(PARALLEL_MAX)))]
    parallel: u32,
    #[command(flatten)]
    form: Form,
}

/// How many runs ended how.
#[derive(Debug, Default)]
struct Tally {
    succeeded: u64,
    failed: u64,
    retries: u64,
    /// The first failure: what the command ends with.
    failure: Option<Failure>,
}

impl Arguments {
    pub(crate) async fn run(self, global: &Global, console: &mut Console) -> Outcome<Exit> {
        let manifest = match &self.manifest {
            Some(path) => Manifest::read(path)?,
            None if self.no_manifest => Manifest::default(),
            None => Manifest::beside(&self.plugin)?,
        };
        let input = match &self.input {
            None => manifest.input.clone(),
            Some(input) => input::read(input, self.form)?,
        };
        let grants = match self.grant.is_empty() {
            true => manifest.grants.clone(),
            false => self.grant.clone(),
        };
        let options = self.options(&manifest, &grants);
        let plugin = load(&self.plugin, metering(&options)).await?;
        let (global, purpose) = database(global, &grants);
        let database = open(&global, purpose).await?;
        let run = Run {
            plugin,
            options,
            input,
            arguments: &self,
        };
        let answer = match self.repeat {
            1 => run.once(&database, console).await,
            _ => run.often(&database, console).await,
        };
        close(database, answer).await
    }

    fn options(&self, manifest: &Manifest, grants: &[Granted]) -> RunOptions {
        let limits = manifest.limits.clone();
        let mut options = RunOptions {
            grants: grants.iter().map(|granted| granted.grant.clone()).collect(),
            limits: RunLimits {
                memory_bytes: self.memory_bytes.unwrap_or(limits.memory_bytes),
                wall: self.timeout.unwrap_or(limits.wall),
                fuel: self.fuel.or(limits.fuel),
                call_bytes: self.call_bytes.unwrap_or(limits.call_bytes),
                response_bytes: self.response_bytes.unwrap_or(limits.response_bytes),
                output_bytes: self.output_bytes.unwrap_or(limits.output_bytes),
                ..limits
            },
            ..RunOptions::default()
        };
        if let Some(retries) = self.retries.or(manifest.retries) {
            options.retry.attempts_max = retries.saturating_add(1);
        }
        options
    }
}

/// The database that these grants need: one to write, one that is there and stays untouched, or none that is kept.
fn database(global: &Global, grants: &[Granted]) -> (Global, Purpose) {
    if grants.is_empty() {
        let database = "memory:".to_owned();
        let backends = sop_host::Backends::default();
        let global = Global {
            database,
            backends,
            ..global.clone()
        };
        return (global, Purpose::Create);
    }
    let writes = grants.iter().any(|granted| granted.writes);
    let purpose = if writes {
        Purpose::Create
    } else {
        Purpose::Read
    };
    (global.clone(), purpose)
}

/// What is run, and how.
struct Run<'a> {
    plugin: Plugin,
    options: RunOptions,
    input: Vec<u8>,
    arguments: &'a Arguments,
}

impl Run<'_> {
    async fn once(&self, database: &Database, console: &mut Console) -> Outcome<Exit> {
        let report = self
            .plugin
            .run(database, &self.input, &self.options)
            .await?;
        let form = self.arguments.form;
        if console.is_json() {
            console.json(&json(&report))?;
        } else if form.is_plain() && !console.is_terminal() {
            console.raw(&report.response)?;
        } else if !report.response.is_empty() {
            console.line(&form.print(&report.response))?;
        }
        tracing::info!(retries = report.retries, duration = ?report.duration, "run");
        Ok(Exit::Success)
    }

    async fn often(&self, database: &Database, console: &mut Console) -> Outcome<Exit> {
        let repeat = self.arguments.repeat;
        let warm = Arc::new(self.plugin.warm(database, &self.options));
        let is_warm = self.arguments.warm;
        let options = Arc::new(self.options.clone());
        let input: Arc<[u8]> = self.input.as_slice().into();
        let next = Arc::new(AtomicU64::new(0));
        let start = Instant::now();
        let progress = console.progress();
        // Each run is a task of its own, so that they share the processors.
        let runs = futures::stream::iter(0..repeat).map(|_| {
            let (database, plugin, options, input) = (
                database.clone(),
                self.plugin.clone(),
                options.clone(),
                input.clone(),
            );
            let (next, warm) = (Arc::clone(&next), Arc::clone(&warm));
            tokio::spawn(async move {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let run = match is_warm {
                    true => warm.run(&input).await,
                    false => plugin.run(&database, &input, &options).await,
                };
                (number, run)
            })
        });
        let mut runs = runs.buffer_unordered(usize::try_from(self.arguments.parallel).unwrap_or(1));
        let mut tally = Tally::default();
        while let Some(run) = runs.next().await {
            let (number, run) =
                run.map_err(|error| Failure::new("internal", format!("a run was lost: {error}")))?;
            self.print_run(console, &mut tally, number, run)?;
            progress.units(tally.succeeded + tally.failed, repeat);
        }
        drop(progress);
        let rate = quantity::rate(repeat, start.elapsed());
        console.note(&format!(
            "{} runs succeeded, {} failed, {} retries, {rate} runs/s",
            tally.succeeded, tally.failed, tally.retries
        ));
        match tally.failure {
            None => Ok(Exit::Success),
            Some(failure) if tally.failed == 1 => Err(failure),
            Some(failure) => {
                Err(failure.after(&format!("{} runs failed, the first of them", tally.failed)))
            }
        }
    }

    fn print_run(
        &self,
        console: &mut Console,
        tally: &mut Tally,
        number: u64,
        run: sop_host::Result<RunReport>,
    ) -> Outcome {
        match run {
            Ok(report) => {
                tally.succeeded += 1;
                tally.retries += u64::from(report.retries);
                if console.is_json() {
                    let mut line = json(&report);
                    if let Some(members) = line.as_object_mut() {
                        members.insert("run".to_owned(), number.into());
                    }
                    return console.json(&line);
                }
                console.line(&self.arguments.form.print(&report.response))
            }
            Err(error) => {
                tally.failed += 1;
                let failure = Failure::from(error);
                console.note(&format!("run {number}: {}", failure.message));
                tally.failure.get_or_insert(failure);
                Ok(())
            }
        }
    }
}

fn json(report: &RunReport) -> serde_json::Value {
    let mut json = serde_json::json!({
        "response": BytesRef(&report.response),
        "retries": report.retries,
        "duration_us": u64::try_from(report.duration.as_micros()).unwrap_or(u64::MAX),
        "memory_bytes": report.memory_bytes,
        "call_bytes": report.call_bytes,
        "output_bytes_dropped": report.output_bytes_dropped,
    });
    if let (Some(fuel), Some(members)) = (report.fuel, json.as_object_mut()) {
        members.insert("fuel".to_owned(), fuel.into());
    }
    json
}

/// The bytes of a component; those of a `.wat` are assembled.
pub(super) fn read(path: &Path) -> Outcome<Vec<u8>> {
    let bytes = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
    match path.extension().is_some_and(|name| name == "wat") {
        true => assemble(&bytes).map_err(|failure| failure.after(&path.display().to_string())),
        false => Ok(bytes),
    }
}

/// Instructions are counted where they are limited.
fn metering(options: &RunOptions) -> Metering {
    match options.limits.fuel {
        Some(_) => Metering::Fuel,
        None => Metering::Time,
    }
}

async fn load(path: &Path, metering: Metering) -> Outcome<Plugin> {
    let bytes = read(path)?;
    let named = |failure: Failure| failure.after(&path.display().to_string());
    let loaded = Plugin::load_metered(bytes, metering).await;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let loaded = loaded.map(|plugin| plugin.named(&name));
    loaded.map_err(|error| named(error.into()))
}

/// The component of a text.
fn assemble(text: &[u8]) -> Outcome<Vec<u8>> {
    let invalid =
        |reason: String| Failure::new("plugin-invalid", format!("not a plugin: {reason}"));
    let text = std::str::from_utf8(text).map_err(|error| invalid(error.to_string()))?;
    wat::parse_str(text).map_err(|error| {
        // The lines after the first two draw the place.
        let text = error.to_string();
        let lines: Vec<&str> = text.lines().take(2).map(str::trim).collect();
        invalid(lines.join(" ").replace("--> <anon>:", "at "))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop")]
    use super::*;

    #[test]
    fn a_grant_to_write_is_known_by_its_mode() {
        let parse = |text: &str| text.parse::<Granted>();
        assert!(!parse("queue").unwrap().writes && !parse("index/*:ro").unwrap().writes);
        assert!(parse("queue:rw").unwrap().writes && parse("index/*:create").unwrap().writes);
        for bad in ["", ":rw", "queue:all"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
