//! `sop demo`: a swarm of sandboxed agents on one store, and the proof that nothing was lost.
//!
//! ```text
//!  documents ──enqueue──> queue, texts ──N agents, one transaction a document──> documents, index, terms
//!                                                                                 │
//!  recount in plain Rust ────────────────────── equal? ──────────────────────────┘
//!
//!  round 1: this process                      prove
//!  round 2: another process, killed half-way  reopen, prove; go on to the end, prove
//! ```
//!
//! With `--hosts` the agents are spread over several processes on one shared database; see [`hosts`].

mod agents;
mod child;
mod documents;
mod hosts;
mod proof;
mod report;
mod stored;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sop_host::{Database, Plugin};

use super::Global;
use super::console::Console;
use super::exit::Exit;
use super::failure::{Failure, Outcome};
use super::quantity;
use agents::{Swarm, Tally};
use documents::Document;

/// Where a build of the examples puts the indexer.
const PLUGIN: &str = "guest-examples/target/wasm32-unknown-unknown/release/indexer.wasm";
/// How long old versions stay readable: nobody here looks back, and what is kept takes room.
const RETENTION: Duration = Duration::from_secs(1);
/// Parts of each count for each agent: conflicts are real, and rare enough that the work goes on.
const SHARDS_EACH: u32 = 3;
/// Share of the second round, in percent, after which its process is killed.
const KILL_PERCENT: u64 = 45;

/// Let a swarm of sandboxed agents index documents, kill it, and prove the result
///
/// Each agent claims a document from a shared queue, splits it into words and updates a shared inverted index and shared
/// counts, in one transaction. The result is compared with a recount in plain Rust; then a second process does the same and
/// kills itself with SIGKILL half-way, the database is reopened, the work is finished and proved again.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  sop demo\n  sop demo --agents 100 --documents /usr/share/doc\n  \
    sop demo --directory ./demo --keep     then: sop --database dir:./demo scan documents\n  \
    sop demo --hosts 3 --database s3://bucket/demo --registry redis://localhost"
)]
pub(crate) struct Arguments {
    /// Agents at work at the same time
    #[arg(long, value_name = "AGENTS", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    agents: u32,
    /// The folder whose text files are indexed
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    documents: PathBuf,
    /// Files are cut into documents of about this size
    #[arg(long, value_name = "BYTES", default_value = "2KiB", value_parser = quantity::parse_bytes)]
    piece_bytes: u64,
    /// Most documents in each round
    #[arg(long, value_name = "DOCUMENTS", default_value_t = 1_000)]
    documents_max: usize,
    /// Parts that each count is kept in: fewer parts, more conflicts [default: 3 for each agent]
    #[arg(long, value_name = "PARTS", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    shards: Option<u32>,
    /// The indexer component
    #[arg(long, value_name = "FILE", default_value = PLUGIN)]
    plugin: PathBuf,
    /// Where the database is made [default: a new folder for temporary files]
    #[arg(long, value_name = "FOLDER")]
    directory: Option<PathBuf>,
    /// Keep the database
    #[arg(long)]
    keep: bool,
    /// Spread the agents over so many host processes on the database and the registry that the global options name, and kill
    /// one of them half-way. The prefix must be empty
    #[arg(long, value_name = "HOSTS", value_parser = clap::value_parser!(u32).range(2..=64))]
    hosts: Option<u32>,
    /// With --hosts: empty the whole registry server half-way. Only for a server that holds nothing else
    #[arg(long, requires = "hosts")]
    flush_registry: bool,
    /// Be one of the hosts
    #[arg(long, hide = true)]
    be_host: bool,
    /// Be the process that dies: after so many documents
    #[arg(long, hide = true, value_name = "DOCUMENTS")]
    die_after: Option<u64>,
    /// Documents have ids below this one
    #[arg(long, hide = true, default_value_t = 0)]
    span: u64,
}

impl Arguments {
    pub(crate) async fn run(self, global: &Global, console: &mut Console) -> Outcome<Exit> {
        let plugin = load(&self.plugin).await?;
        if self.be_host {
            let swarm = self.swarm(hosts::open(global).await?, plugin, self.span);
            return hosts::work(swarm).await.map(|()| Exit::Success);
        }
        if let Some(count) = self.hosts {
            return hosts::run(&self, count, plugin, global, console)
                .await
                .map(|()| Exit::Success);
        }
        if let (Some(count), Some(directory)) = (self.die_after, &self.directory) {
            let swarm = self.swarm(open(directory).await?, plugin, self.span);
            return child::work_and_die(&swarm, count)
                .await
                .map(|()| Exit::Success);
        }
        let directory = self.directory.clone().unwrap_or_else(|| {
            std::env::temp_dir().join(format!("sop-demo-{}", std::process::id()))
        });
        if directory.exists() {
            return Err(Failure::usage(format!(
                "{} is there already: name a new folder",
                directory.display()
            )));
        }
        let done = self.rounds(&directory, plugin, global, console).await;
        if self.keep {
            console.note(&format!(
                "the database is kept: sop --database dir:{} stat",
                directory.display()
            ));
        } else if let Err(error) = std::fs::remove_dir_all(&directory)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            console.note(&format!(
                "{} could not be removed: {error}",
                directory.display()
            ));
        }
        done.map(|()| Exit::Success)
    }

    fn shards(&self) -> u32 {
        self.shards
            .unwrap_or(self.agents.saturating_mul(SHARDS_EACH))
    }

    fn swarm(&self, database: Database, plugin: Plugin, span: u64) -> Swarm {
        Swarm {
            database,
            plugin,
            agents: self.agents,
            shards: self.shards(),
            span,
            failures_max: if self.be_host { hosts::FAILURES_MAX } else { 0 },
        }
    }

    async fn rounds(
        &self,
        directory: &Path,
        plugin: Plugin,
        global: &Global,
        console: &mut Console,
    ) -> Outcome {
        let piece_bytes = usize::try_from(self.piece_bytes).unwrap_or(usize::MAX);
        let mut all = documents::collect(&self.documents, piece_bytes, self.documents_max)?;
        let count = all.len() as u64;
        console.note(&format!(
            "{count} documents of {}, {} agents",
            self.documents.display(),
            self.agents
        ));

        let swarm = self.swarm(open(directory).await?, plugin.clone(), count);
        swarm.enqueue(&all).await?;
        let first = self.work(&swarm, count, console, "round 1").await?;
        let done = all.iter().map(|document| document.id).collect();
        let proof = proof::prove(&swarm, &all, &done).await?;
        console.note(&format!(
            "proved: {} documents, {} terms, {} postings, {} words, as counted again; {} pages sound",
            count,
            quantity::count(proof.index.terms.len() as u64),
            quantity::count(proof.index.postings.len() as u64),
            quantity::count(proof.index.tokens),
            quantity::count(proof.report.stores.iter().map(|store| store.leaves + store.branches).sum()),
        ));
        let statistics = swarm.database.statistics().storage;

        let again: Vec<_> = all
            .iter()
            .map(|document| Document {
                id: document.id + count,
                ..document.clone()
            })
            .collect();
        swarm.enqueue(&again).await?;
        all.extend(again);
        swarm.database.close().await?;
        let acknowledged = self.killed_round(directory, count, console).await?;
        let mut expected: BTreeSet<u64> = done;
        expected.extend(&acknowledged);

        let swarm = self.swarm(open(directory).await?, plugin, 2 * count);
        proof::prove(&swarm, &all, &expected).await?;
        console.note(&format!(
            "killed after {} acknowledged documents; reopened and proved: all of them are there, each once",
            acknowledged.len()
        ));
        let second = self
            .work(
                &swarm,
                2 * count - expected.len() as u64,
                console,
                "the rest of round 2",
            )
            .await?;
        let everything = all.iter().map(|document| document.id).collect();
        let proof = proof::prove(&swarm, &all, &everything).await?;
        let report = report::Report::new(
            first,
            second,
            &statistics,
            &swarm.database,
            &proof,
            directory,
        );
        swarm.database.close().await?;
        report.check_contention()?;
        report.print(global, console)
    }

    async fn work(
        &self,
        swarm: &Swarm,
        total: u64,
        console: &mut Console,
        name: &str,
    ) -> Outcome<Tally> {
        let progress = console.progress();
        let tally = swarm
            .work(move |_, count| progress.units(count, total))
            .await?;
        console.note(&format!(
            "{name}: {} documents in {:.1?}, {} transactions/s, {} conflicts, {} validated again",
            tally.documents,
            tally.elapsed,
            quantity::rate(tally.documents, tally.elapsed),
            tally.conflicts,
            tally.revalidated
        ));
        Ok(tally)
    }

    async fn killed_round(
        &self,
        directory: &Path,
        count: u64,
        console: &mut Console,
    ) -> Outcome<BTreeSet<u64>> {
        let kill_after = (count * KILL_PERCENT / 100).max(1);
        let arguments = [
            "demo",
            "--die-after",
            &kill_after.to_string(),
            "--directory",
            &directory.display().to_string(),
            "--plugin",
            &self.plugin.display().to_string(),
            "--agents",
            &self.agents.to_string(),
            "--shards",
            &self.shards().to_string(),
            "--span",
            &(2 * count).to_string(),
        ];
        child::run(
            arguments.map(str::to_owned).to_vec(),
            count,
            console.progress(),
        )
        .await
    }
}

async fn open(directory: &Path) -> Outcome<Database> {
    let builder = Database::builder()
        .url(format!("dir:{}", directory.display()))
        .retention(RETENTION);
    Ok(builder.open().await?)
}

async fn load(path: &Path) -> Outcome<Plugin> {
    let bytes = std::fs::read(path).map_err(|error| {
        Failure::file(path, &error)
            .advise("build the examples with `make plugins`, or name the indexer with --plugin")
    })?;
    Ok(Plugin::load(bytes).await?)
}
