//! Point B: transactions in groups, each group one reserve, one put, one fence check, one publish.
//!
//! ```text
//!   commit ──► queue ──► group ──► reserve ──► put segment ──► fence check ──► publish ──► answers
//!                ▲                    │changed: conflict           │
//!                └──── wait ◄── busy ─┘                            └─ failed: tombstone decides ──► abandon, or go on
//! ```
//!
//! Invariants:
//! - A commit that was submitted is carried to its end in a task of its own, whoever still waits for the answer.
//! - The segment key alone decides: segment there = committed, tombstone there = never happened.
//! - `committed` is answered after publish, `conflict` and `unavailable` only when it is certain that nothing happened;
//!   everything else is `unknown-outcome`, and the background goes on finding out.
//!
//! It is *not* the place where observations are checked (the registry) nor where reads are re-run (the engine).

mod change;
#[cfg(test)]
pub(crate) mod faults;
mod group;
mod outcome;
mod queue;
mod resolution;
pub mod segment;
#[cfg(test)]
mod segment_test;
mod succession;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sop_engine::storage::StorageError;
use sop_engine::types::{CommitOutcome, LogicalId, Observation, TransactionId, TransactionOutcome};

pub use self::change::{Change, ChangeKind, Spilled};
pub(crate) use self::change::{Move, MovedPlace, Spills, Work};
pub(crate) use self::outcome::Outcomes;
pub use self::queue::Pause;
pub(crate) use self::queue::Pending;
use self::queue::Queue;
pub(crate) use self::succession::{Inclusion, Succession};
use crate::blob::{BlobStore, SegmentKey};
use crate::cache::Cache;
use crate::limits;
use crate::registry::{Group, Registry, RegistryError, Request, Reservation, Verdict};
use crate::runtime::Runtime;
use crate::statistics::Counts;

/// How commits are grouped and how long they wait.
#[derive(Clone, Copy, Debug)]
pub struct CommitOptions {
    /// Groups between reserve and publish at the same time: one for a log, more for an object store.
    pub groups_in_flight: usize,
    /// Most transactions of a group.
    pub group_transactions_max: usize,
    /// Bytes of bodies after which a group is full.
    pub group_bytes_max: usize,
    /// How long a reservation may stay unpublished before whoever meets it resolves it.
    pub reservation_lease: Duration,
    /// How long one put is waited for.
    pub put_timeout: Duration,
}

impl Default for CommitOptions {
    fn default() -> Self {
        Self {
            groups_in_flight: 1,
            group_transactions_max: limits::GROUP_TRANSACTIONS_MAX,
            group_bytes_max: limits::GROUP_BYTES_MAX,
            reservation_lease: limits::RESERVATION_LEASE,
            put_timeout: limits::PUT_TIMEOUT,
        }
    }
}

/// What carries commits from the queue to their answers.
#[derive(Debug)]
pub(crate) struct Committer {
    registry: Arc<dyn Registry>,
    blobs: Arc<dyn BlobStore>,
    cache: Arc<Cache>,
    runtime: Arc<dyn Runtime>,
    counts: Arc<Counts>,
    options: CommitOptions,
    epoch: u32,
    period: AtomicU32,
    fenced: AtomicBool,
    /// Why nothing can be written any more.
    closed: Mutex<Option<String>>,
    queue: Mutex<Queue>,
    outcomes: Arc<Mutex<Outcomes>>,
    succession: Option<Arc<dyn Succession>>,
}

/// What a committer works on.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) blobs: Arc<dyn BlobStore>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) counts: Arc<Counts>,
    /// What became of commits, kept over epochs.
    pub(crate) outcomes: Arc<Mutex<Outcomes>>,
    /// Who knows the next epoch, where there can be one.
    pub(crate) succession: Option<Arc<dyn Succession>>,
}

impl Committer {
    pub(crate) fn new(parts: Parts, epoch: u32, period: u32, options: CommitOptions) -> Self {
        assert!(
            options.groups_in_flight > 0 && options.group_transactions_max > 0,
            "a group needs room"
        );
        Self {
            registry: parts.registry,
            blobs: parts.blobs,
            cache: parts.cache,
            runtime: parts.runtime,
            counts: parts.counts,
            options,
            epoch,
            period: AtomicU32::new(period),
            fenced: AtomicBool::new(false),
            closed: Mutex::new(None),
            queue: Mutex::new(Queue::default()),
            outcomes: parts.outcomes,
            succession: parts.succession,
        }
    }

    /// Segments from now on belong to this period.
    pub(crate) fn set_period(&self, period: u32) {
        self.period.store(period, Ordering::Release);
    }

    /// Segments from now on belong to this period, unless a later one is known.
    pub(crate) fn enter_period(&self, period: u32) {
        self.period.fetch_max(period, Ordering::AcqRel);
    }

    /// The period in which segments are written.
    pub(crate) fn period(&self) -> u32 {
        self.period.load(Ordering::Acquire)
    }

    /// A segment key that nobody else will choose.
    pub(crate) fn fresh_key(&self) -> SegmentKey {
        SegmentKey {
            epoch: self.epoch,
            period: self.period(),
            unique: self.runtime.random(),
        }
    }

    /// Refuses what can no longer be written, before anything is sent.
    pub(crate) fn check_open(&self) -> Result<(), StorageError> {
        if self.fenced.load(Ordering::Acquire) {
            return Err(StorageError::Fenced);
        }
        match self.closed.lock().clone() {
            Some(reason) => Err(StorageError::Unavailable(format!(
                "{reason}; reopen the database"
            ))),
            None => Ok(()),
        }
    }

    /// Whether a claim of a later epoch was seen.
    pub(crate) fn fenced(&self) -> bool {
        self.fenced.load(Ordering::Acquire)
    }

    /// Notes if the registry says that it is not the one of this epoch.
    fn heard<T>(&self, answer: Result<T, RegistryError>) -> Result<T, RegistryError> {
        if matches!(answer, Err(RegistryError::Foreign(_))) {
            self.set_fenced();
        }
        answer
    }

    /// Another epoch follows, or must.
    pub(crate) fn set_fenced(&self) {
        self.fenced.store(true, Ordering::Release);
    }

    /// Step 1, under a fresh key: another one where the registry says that its period has ended.
    async fn reserve(
        &self,
        requests: impl Fn() -> Vec<Request>,
    ) -> (SegmentKey, Result<Reservation, RegistryError>) {
        let mut attempt = 0;
        loop {
            let key = self.fresh_key();
            let group = Group {
                key,
                lease: self.options.reservation_lease,
                requests: requests(),
            };
            match self.heard(self.registry.reserve(group).await) {
                Err(RegistryError::PeriodEnded(current)) if attempt < limits::PERIODS_MAX => {
                    self.enter_period(current);
                    attempt += 1;
                }
                answer => return (key, answer),
            }
        }
    }

    /// Checks that observations hold at one moment, and nothing else.
    pub(crate) async fn validate(
        &self,
        id: TransactionId,
        observed: Vec<Observation>,
        attempt: u32,
    ) -> Result<CommitOutcome, StorageError> {
        Counts::add(&self.counts.validations, 1);
        let priority = attempt >= limits::PRIORITY_ATTEMPT;
        let ids: Vec<LogicalId> = observed.iter().map(|observation| observation.id).collect();
        let request = Request {
            id,
            observed,
            claims: Vec::new(),
            priority,
            spills_from: None,
        };
        loop {
            if self.fenced() {
                return Err(StorageError::Fenced);
            }
            let (_, reservation) = self.reserve(|| vec![request.clone()]).await;
            let reservation = reservation?;
            match reservation.verdicts.into_iter().next() {
                Some(Verdict::Granted) => {
                    return Ok(CommitOutcome::Committed(reservation.version, Vec::new()));
                }
                Some(Verdict::Changed(changed)) => {
                    Counts::add(&self.counts.conflicts, 1);
                    if priority {
                        self.registry.mark(&ids, limits::WAITING_MARK_LEASE).await?;
                    }
                    return Ok(CommitOutcome::Conflict(changed));
                }
                Some(Verdict::Busy(busy)) => {
                    Counts::add(&self.counts.busy_waits, 1);
                    self.wait_until_free(&busy, reservation.releases).await?;
                }
                None => {
                    return Err(StorageError::Unavailable(
                        "the registry gave no verdict".to_owned(),
                    ));
                }
            }
        }
    }

    /// What became of a commit.
    pub(crate) async fn outcome(
        &self,
        id: TransactionId,
    ) -> Result<TransactionOutcome, StorageError> {
        let remembered = self.outcomes.lock().get(id);
        if matches!(
            remembered,
            TransactionOutcome::Aborted | TransactionOutcome::Committed(_)
        ) {
            return Ok(remembered);
        }
        match self.registry.outcome(id).await? {
            Some(version) => Ok(TransactionOutcome::Committed(version)),
            None => Ok(remembered),
        }
    }
}
