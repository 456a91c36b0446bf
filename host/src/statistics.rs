//! What the storage counts about itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;

/// Counters of one open database, since it was opened.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// Commits that changed something.
    pub commits: u64,
    /// Commits that only validated.
    pub validations: u64,
    /// Reservations for groups of commits.
    pub groups: u64,
    /// Commit calls that ended in a conflict.
    pub conflicts: u64,
    /// Commit calls after the first of their transaction: it re-validated.
    pub revalidations: u64,
    /// How often a commit waited because someone else was publishing.
    pub busy_waits: u64,
    /// Commits whose outcome could not be told at once.
    pub unknown_outcomes: u64,
    /// Segments put.
    pub puts: u64,
    /// Bytes of segments put.
    pub bytes_written: u64,
    /// Fence checks.
    pub fence_checks: u64,
    /// Calls of `publish`.
    pub publishes: u64,
    /// Tombstones put.
    pub tombstones: u64,
    /// Reads of the blob store.
    pub blob_reads: u64,
    /// Bytes of these.
    pub blob_bytes_read: u64,
    /// Blobs found in L1.
    pub cache_hits: u64,
    /// Blobs not found in L1.
    pub cache_misses: u64,
    /// Calls of `resolve`.
    pub resolves: u64,
    /// Calls of `now`.
    pub nows: u64,
    /// Bodies moved by relocation.
    pub relocated: u64,
    /// Time from a commit call to its answer, in microseconds; commits that changed something.
    pub commit_latency_microseconds: Histogram<u64>,
}

macro_rules! counts {
    ($($name:ident),* $(,)?) => {
        /// The live counters.
        #[derive(Debug)]
        pub(crate) struct Counts {
            $(pub(crate) $name: AtomicU64,)*
            latency: Mutex<Histogram<u64>>,
        }

        impl Default for Counts {
            fn default() -> Self {
                Self { $($name: AtomicU64::new(0),)* latency: Mutex::new(latencies()) }
            }
        }

        impl Counts {
            /// All counters at one moment.
            pub(crate) fn read(&self) -> Statistics {
                Statistics {
                    $($name: self.$name.load(Ordering::Relaxed),)*
                    commit_latency_microseconds: self.latency.lock().clone(),
                }
            }
        }
    };
}

counts!(
    commits,
    validations,
    groups,
    conflicts,
    revalidations,
    busy_waits,
    unknown_outcomes,
    puts,
    bytes_written,
    fence_checks,
    publishes,
    tombstones,
    blob_reads,
    blob_bytes_read,
    cache_hits,
    cache_misses,
    resolves,
    nows,
    relocated,
);

/// From a microsecond to two minutes, in two significant digits.
#[expect(
    clippy::expect_used,
    reason = "the bounds are constants that hdrhistogram accepts"
)]
fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 120_000_000, 2).expect("constant bounds")
}

impl Counts {
    /// Adds to one counter.
    pub(crate) fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }

    /// Notes how long a commit took.
    pub(crate) fn latency(&self, duration: Duration) {
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.latency.lock().saturating_record(microseconds.max(1));
    }
}
