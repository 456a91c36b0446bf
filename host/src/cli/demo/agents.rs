//! The swarm: many sandboxed runs of the indexer at once, each one document in one transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sop_host::{Database, Grant, Mode, Plugin, RunLimits, RunOptions};

use super::documents::{Document, Index};
use crate::cli::failure::{Failure, Outcome};

/// Bytes of text in one request that hands documents over.
const HANDOVER_BYTES: usize = 1 << 20;
/// Entries in one page of a report.
const PAGE_ENTRIES: usize = 5_000;
/// Longest time of one run.
const WALL: Duration = Duration::from_secs(60);

/// What the indexer is asked.
#[derive(Debug, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Request<'a> {
    Enqueue { documents: &'a [Document] },
    Work { agent: u32, shards: u32 },
    Status,
    Documents { after: Option<u64>, limit: usize },
    Terms { after: Option<&'a str>, limit: usize },
}

/// What one agent did with one document.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Worked {
    /// The document; none = the queue is empty.
    pub(super) document: Option<u64>,
    /// Transactions that were run again inside of the plugin.
    #[serde(default)]
    pub(super) retries: u64,
    /// Times that the commit validated its reads again.
    #[serde(default)]
    pub(super) revalidations: u64,
}

/// How full the queue and the index are.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Status {
    /// Documents in the queue.
    pub(super) pending: u64,
    /// Documents indexed, by their own counter.
    pub(super) documents: u64,
    /// Words indexed, by their own counter.
    pub(super) tokens: u64,
    /// Items in the store of postings.
    pub(super) postings: u64,
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
    /// Transactions that committed after validating again.
    pub(super) revalidated: u64,
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
}

fn options() -> RunOptions {
    let mut options = RunOptions {
        grants: [Grant::prefix("demo/", Mode::Create)].into_iter().collect(),
        limits: RunLimits { wall: WALL, ..RunLimits::default() },
        ..RunOptions::default()
    };
    options.retry.attempts_max = 1_000;
    options
}

impl Swarm {
    async fn ask<T: for<'de> Deserialize<'de>>(&self, request: &Request<'_>) -> Outcome<(T, u32)> {
        let internal = |error: serde_json::Error| Failure::new("internal", format!("the indexer answered nonsense: {error}"));
        let bytes = serde_json::to_vec(request).map_err(internal)?;
        let report = self.plugin.run(&self.database, &bytes, &options()).await?;
        Ok((serde_json::from_slice(&report.response).map_err(internal)?, report.retries))
    }

    /// Puts documents into the queue.
    pub(super) async fn enqueue(&self, documents: &[Document]) -> Outcome {
        let mut rest = documents;
        while !rest.is_empty() {
            let mut bytes = 0;
            let count = rest.iter().take_while(|document| {
                bytes += document.text.len();
                bytes <= HANDOVER_BYTES
            });
            let (some, after) = rest.split_at(count.count().max(1));
            self.ask::<serde_json::Value>(&Request::Enqueue { documents: some }).await?;
            rest = after;
        }
        Ok(())
    }

    /// Lets all agents work until the queue is empty or `stop` is set. `done` is called after each document.
    pub(super) async fn work(&self, done: impl Fn(u64, u64) + Send + Sync + 'static) -> Outcome<Tally> {
        let begun = Instant::now();
        let done = Arc::new(done);
        let stop = Arc::new(AtomicBool::new(false));
        let count = Arc::new(AtomicU64::new(0));
        let mut agents = tokio::task::JoinSet::new();
        for agent in 0..self.agents {
            let (swarm, done, stop, count) = (self.clone(), Arc::clone(&done), Arc::clone(&stop), Arc::clone(&count));
            agents.spawn(async move {
                let mut tally = Tally::default();
                while !stop.load(Ordering::Relaxed) {
                    let work = swarm.ask::<Worked>(&Request::Work { agent, shards: swarm.shards }).await;
                    let (worked, retries) = work.inspect_err(|_| stop.store(true, Ordering::Relaxed))?;
                    let Some(document) = worked.document else {
                        break;
                    };
                    tally.documents += 1;
                    tally.conflicts += worked.retries + u64::from(retries);
                    tally.retries += u64::from(retries);
                    tally.revalidated += u64::from(worked.revalidations > 0);
                    done(document, count.fetch_add(1, Ordering::Relaxed) + 1);
                }
                Outcome::Ok(tally)
            });
        }
        let mut all = Tally::default();
        while let Some(agent) = agents.join_next().await {
            let tally = agent.map_err(|error| Failure::new("internal", format!("an agent was lost: {error}")))?;
            all = all.plus(tally?);
        }
        Ok(Tally { elapsed: begun.elapsed(), ..all })
    }

    /// How far the work is.
    pub(super) async fn status(&self) -> Outcome<Status> {
        Ok(self.ask(&Request::Status).await?.0)
    }

    /// The index as the database has it, page by page.
    pub(super) async fn index(&self) -> Outcome<Index> {
        let status = self.status().await?;
        let mut index = Index { postings: status.postings, tokens: status.tokens, ..Index::default() };
        let mut after = None;
        loop {
            let request = Request::Documents { after, limit: PAGE_ENTRIES };
            let (page, _) = self.ask::<Vec<(u64, u64)>>(&request).await?;
            let Some((last, _)) = page.last() else {
                break;
            };
            after = Some(*last);
            index.documents.extend(page);
        }
        let mut after: Option<String> = None;
        loop {
            let request = Request::Terms { after: after.as_deref(), limit: PAGE_ENTRIES };
            let (page, _) = self.ask::<Vec<(String, u64, u64)>>(&request).await?;
            let Some((last, ..)) = page.last() else {
                break;
            };
            after = Some(last.clone());
            index.terms.extend(page.into_iter().map(|(term, documents, count)| (term, (documents, count))));
        }
        if status.documents != index.documents.len() as u64 {
            let message = format!("{} documents are counted, {} are there", status.documents, index.documents.len());
            return Err(Failure::new("unverified", message));
        }
        Ok(index)
    }
}
