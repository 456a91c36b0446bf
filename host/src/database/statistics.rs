//! What a database did since it was opened.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;

use super::data::CommitInfo;
pub use crate::capability::Calls;
use crate::error::Error;

/// What a database did since it was opened in this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Statistics {
    /// Transactions that this program began. Those of plugins are in `calls` only.
    pub transactions: u64,
    /// Transactions of this program that committed.
    pub commits: u64,
    /// Commits of this program that ended in a conflict.
    pub conflicts: u64,
    /// Commits of this program that validated their reads again after a conflict on a page, and went through.
    pub revalidated: u64,
    /// Transactions of this program that were rolled back or dropped.
    pub rollbacks: u64,
    /// How often `transact` ran a body again.
    pub retries: u64,
    /// Half of the commits of this program took at most so many microseconds.
    pub commit_p50_us: u64,
    /// 99 of 100 commits of this program took at most so many microseconds.
    pub commit_p99_us: u64,
    /// Engine instances made.
    pub instances_made: u64,
    /// Engine instances taken warm from the pool.
    pub instances_reused: u64,
    /// Calls of engine instances, plugins' included.
    pub calls: Calls,
}

/// The counters behind [`Statistics`].
#[derive(Debug)]
pub(crate) struct Activity {
    transactions: AtomicU64,
    commits: AtomicU64,
    conflicts: AtomicU64,
    revalidated: AtomicU64,
    rollbacks: AtomicU64,
    retries: AtomicU64,
    commit_us: parking_lot::Mutex<Option<Histogram<u64>>>,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            transactions: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            conflicts: AtomicU64::new(0),
            revalidated: AtomicU64::new(0),
            rollbacks: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            commit_us: parking_lot::Mutex::new(Histogram::new(2).ok()),
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Activity {
    pub(crate) fn begun(&self) {
        count(&self.transactions);
    }

    pub(crate) fn committed(&self, info: CommitInfo, took: Duration) {
        count(&self.commits);
        if info.revalidations > 0 {
            count(&self.revalidated);
        }
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(histogram) = self.commit_us.lock().as_mut() {
            histogram.saturating_record(took_us);
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

    /// The part of the statistics that is counted here.
    pub(crate) fn statistics(&self) -> Statistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let quantile = |at| {
            self.commit_us
                .lock()
                .as_ref()
                .map_or(0, |histogram| histogram.value_at_quantile(at))
        };
        Statistics {
            transactions: read(&self.transactions),
            commits: read(&self.commits),
            conflicts: read(&self.conflicts),
            revalidated: read(&self.revalidated),
            rollbacks: read(&self.rollbacks),
            retries: read(&self.retries),
            commit_p50_us: quantile(0.5),
            commit_p99_us: quantile(0.99),
            ..Statistics::default()
        }
    }
}
