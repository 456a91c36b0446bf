//! What a database did since it was opened.

use std::sync::atomic::{AtomicU64, Ordering};

use super::data::CommitInfo;
pub use crate::capability::Calls;
use crate::error::Error;

/// What this process did with a database since it opened it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Statistics {
    /// Transactions that this program began. What plugins do is counted in `runs`, `calls` and `storage`.
    pub transactions: u64,
    /// Transactions of this program that committed.
    pub commits: u64,
    /// Commits of this program that ended in a conflict.
    pub conflicts: u64,
    /// Commits of this program that validated their reads again after a conflict on a page, and went through.
    pub revalidated: u64,
    /// Transactions of this program that were rolled back or dropped.
    pub rollbacks: u64,
    /// How often `transact` or a run of a plugin began again after a conflict.
    pub retries: u64,
    /// Runs of plugins, repetitions not counted.
    pub runs: u64,
    /// Runs of plugins that ended in an error.
    pub runs_failed: u64,
    /// Engine instances made for this program.
    pub instances_made: u64,
    /// Engine instances taken warm from the pool.
    pub instances_reused: u64,
    /// Calls of engine instances, plugins' included.
    pub calls: Calls,
    /// What the storage did for all of them.
    pub storage: StorageStatistics,
}

/// What the storage of a database did, for this program and its plugins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct StorageStatistics {
    /// Commits that changed something.
    pub commits: u64,
    /// Commits that only validated.
    pub validations: u64,
    /// Groups of commits.
    pub groups: u64,
    /// Commit calls that met a conflict, those that were then re-validated included.
    pub conflicts: u64,
    /// Commit calls after the first of their transaction: it re-validated.
    pub revalidations: u64,
    /// How often a commit waited because someone else was publishing.
    pub busy_waits: u64,
    /// Commits whose outcome could not be told at once.
    pub unknown_outcomes: u64,
    /// Segments put.
    pub segments_written: u64,
    /// Bytes of segments put.
    pub bytes_written: u64,
    /// Reads of the blob store.
    pub blob_reads: u64,
    /// Bytes of these.
    pub blob_bytes_read: u64,
    /// Blobs found in L1.
    pub cache_hits: u64,
    /// Blobs not found in L1.
    pub cache_misses: u64,
    /// Bodies moved by compaction.
    pub relocated: u64,
    /// Half of the commits that changed something took at most so many microseconds, from the engine's call to its answer.
    pub commit_p50_us: u64,
    /// 99 of 100 of them took at most so many microseconds.
    pub commit_p99_us: u64,
}

impl From<crate::storage::Statistics> for StorageStatistics {
    fn from(counted: crate::storage::Statistics) -> Self {
        Self {
            commits: counted.commits,
            validations: counted.validations,
            groups: counted.groups,
            conflicts: counted.conflicts,
            revalidations: counted.revalidations,
            busy_waits: counted.busy_waits,
            unknown_outcomes: counted.unknown_outcomes,
            segments_written: counted.puts,
            bytes_written: counted.bytes_written,
            blob_reads: counted.blob_reads,
            blob_bytes_read: counted.blob_bytes_read,
            cache_hits: counted.cache_hits,
            cache_misses: counted.cache_misses,
            relocated: counted.relocated,
            commit_p50_us: counted.commit_latency_microseconds.value_at_quantile(0.5),
            commit_p99_us: counted.commit_latency_microseconds.value_at_quantile(0.99),
        }
    }
}

/// The counters behind [`Statistics`].
#[derive(Debug, Default)]
pub(crate) struct Activity {
    transactions: AtomicU64,
    commits: AtomicU64,
    conflicts: AtomicU64,
    revalidated: AtomicU64,
    rollbacks: AtomicU64,
    retries: AtomicU64,
    runs: AtomicU64,
    runs_failed: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Activity {
    pub(crate) fn begun(&self) {
        count(&self.transactions);
    }

    pub(crate) fn committed(&self, info: CommitInfo) {
        count(&self.commits);
        if info.revalidations > 0 {
            count(&self.revalidated);
        }
    }

    pub(crate) fn failed(&self, error: &Error) {
        if error.is_conflict() {
            count(&self.conflicts);
        }
    }

    pub(crate) fn rolled_back(&self) {
        count(&self.rollbacks);
    }

    pub(crate) fn retried(&self) {
        count(&self.retries);
    }

    pub(crate) fn ran(&self, succeeded: bool) {
        count(&self.runs);
        if !succeeded {
            count(&self.runs_failed);
        }
    }

    /// The part of the statistics that is counted here.
    pub(crate) fn statistics(&self) -> Statistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            transactions: read(&self.transactions),
            commits: read(&self.commits),
            conflicts: read(&self.conflicts),
            revalidated: read(&self.revalidated),
            rollbacks: read(&self.rollbacks),
            retries: read(&self.retries),
            runs: read(&self.runs),
            runs_failed: read(&self.runs_failed),
            ..Statistics::default()
        }
    }
}
