//! The swarm: many sandboxed runs of the indexer at once, each claiming and indexing documents.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sop_host::{Database, Grant, Item, Mode, Plugin, RunLimits, RunOptions};

use super::documents::Document;
use crate::cli::failure::{Failure, Outcome};

/// The stores of the indexer, which documents them.
pub(super) const STORES: [&str; 5] = ["queue", "texts", "documents", "index", "terms"];
/// Documents that one transaction puts into the queue.
const HANDOVER_DOCUMENTS: usize = 500;
/// Documents that an agent indexes in one run.
const RUN_DOCUMENTS: u64 = 2;
/// Longest time of one run.
const WALL: Duration = Duration::from_secs(60);
/// How long an agent rests after a run that failed.
const PAUSE: Duration = Duration::from_millis(100);
/// Most times a run is repeated after a conflict.
const ATTEMPTS_MAX: u32 = 1_000;

/// What an agent is asked.
#[derive(Debug, Serialize)]
struct Order {
    op: &'static str,
    /// Together with the turn it decides which shard and lane a try draws.
    agent: u32,
    /// Counts the runs of this agent.
    turn: u64,
    documents: u64,
    shards: u32,
    lanes: u32,
    span: u64,
    tries: u32,
}

/// What it did.
#[derive(Debug, Deserialize)]
struct Report {
    documents: Vec<u64>,
    conflicts: u64,
    revalidated: u64,
    empty: bool,
}

/// What a round of work came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Documents indexed: committed transactions.
    pub(super) documents: u64,
    /// Transactions that ended in a conflict and were run again.
    pub(super) conflicts: u64,
    /// Runs of the plugin that were repeated by the host.
    pub(super) retries: u64,
    /// Transactions that committed after validating their reads again.
    pub(super) revalidated: u64,
    /// Runs that failed while the storage was away, and were given up.
    pub(super) failures: u64,
    /// How long it took.
    pub(super) elapsed: Duration,
}

impl Tally {
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            documents: self.documents + other.documents,
            conflicts: self.conflicts + other.conflicts,
            retries: self.retries + other.retries,
            revalidated: self.revalidated + other.revalidated,
            failures: self.failures + other.failures,
            elapsed: self.elapsed + other.elapsed,
        }
    }
}

/// The indexer on one database.
#[derive(Clone)]
pub(super) struct Swarm {
    pub(super) database: Database,
    pub(super) plugin: Plugin,
    pub(super) agents: u32,
    pub(super) shards: u32,
    /// Documents have ids below this one.
    pub(super) span: u64,
    /// Failed runs that each agent may leave behind: hosts and servers that die are part of the show.
    pub(super) failures_max: u64,
}

fn options() -> RunOptions {
    let mut options = RunOptions {
        grants: STORES
            .map(|store| Grant::exact(store, Mode::Write))
            .into_iter()
            .collect(),
        limits: RunLimits {
            wall: WALL,
            ..RunLimits::default()
        },
        ..RunOptions::default()
    };
    options.retry.attempts_max = ATTEMPTS_MAX;
    options
}

impl Swarm {
    /// Puts documents into the queue.
    pub(super) async fn enqueue(&self, documents: &[Document]) -> Outcome {
        for some in documents.chunks(HANDOVER_DOCUMENTS) {
            let put = self.database.transact(async |transaction| {
                for store in STORES {
                    transaction.open_or_create_store(store).await?;
                }
                let item = |document: &Document, value: &str| Item {
                    key: document.id.to_be_bytes().to_vec(),
                    value: value.as_bytes().to_vec(),
                };
                let texts = some.iter().map(|document| item(document, &document.text));
                transaction
                    .open_store("texts")
                    .await?
                    .put_many(texts)
                    .await?;
                let paths = some.iter().map(|document| item(document, &document.path));
                transaction.open_store("queue").await?.put_many(paths).await
            });
            put.await?;
        }
        Ok(())
    }

    async fn run(&self, agent: u32, turn: u64, options: &RunOptions) -> Outcome<(Report, u32)> {
        let internal = |error: serde_json::Error| {
            Failure::new(
                "internal",
                format!("the indexer answered nonsense: {error}"),
            )
        };
        let order = Order {
            op: "work",
            agent,
            turn,
            documents: RUN_DOCUMENTS,
            shards: self.shards,
            lanes: self.agents.saturating_mul(2),
            span: self.span,
            tries: 16,
        };
        let bytes = serde_json::to_vec(&order).map_err(internal)?;
        let done = self.plugin.run(&self.database, &bytes, options).await?;
        Ok((
            serde_json::from_slice(&done.response).map_err(internal)?,
            done.retries,
        ))
    }

    async fn agent(
        &self,
        agent: u32,
        done: &(dyn Fn(u64) + Send + Sync),
        stop: &AtomicBool,
    ) -> Outcome<Tally> {
        let options = options();
        let mut tally = Tally::default();
        let mut turn = 0;
        while !stop.load(Ordering::Relaxed) {
            let (report, retries) = match self.run(agent, turn, &options).await {
                Ok(done) => done,
                Err(failure) if tally.failures < self.failures_max => {
                    tracing::info!(agent, failure.message, "a run failed; the agent goes on");
                    tally.failures += 1;
                    turn += 1;
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            turn += 1;
            tally.documents += report.documents.len() as u64;
            tally.conflicts += report.conflicts + u64::from(retries);
            tally.retries += u64::from(retries);
            tally.revalidated += report.revalidated;
            report.documents.iter().for_each(|document| done(*document));
            if report.empty {
                break;
            }
        }
        Ok(tally)
    }

    /// Lets all agents work until the queue is empty. `done` is called with each document and how many there are so far.
    pub(super) async fn work(
        &self,
        done: impl Fn(u64, u64) + Send + Sync + 'static,
    ) -> Outcome<Tally> {
        let begun = Instant::now();
        let stop = Arc::new(AtomicBool::new(false));
        let count = AtomicU64::new(0);
        let done =
            Arc::new(move |document| done(document, count.fetch_add(1, Ordering::Relaxed) + 1));
        let mut agents = tokio::task::JoinSet::new();
        for agent in 0..self.agents {
            let (swarm, done, stop) = (self.clone(), Arc::clone(&done), Arc::clone(&stop));
            agents.spawn(async move {
                let tally = swarm.agent(agent, &*done, &stop).await;
                tally.inspect_err(|_| stop.store(true, Ordering::Relaxed))
            });
        }
        let mut all = Tally::default();
        while let Some(agent) = agents.join_next().await {
            let tally = agent
                .map_err(|error| Failure::new("internal", format!("an agent was lost: {error}")))?;
            all = all.plus(tally?);
        }
        Ok(Tally {
            elapsed: begun.elapsed(),
            ..all
        })
    }
}
