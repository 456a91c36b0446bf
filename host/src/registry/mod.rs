//! The registry: the small part of a database that changes.
//!
//! A **handle** says which immutable blobs are the current body of a logical id, and under which version. Commits pass
//! through here twice, with one durable put between the two calls:
//!
//! ```text
//!   reserve ──► intents on all changed ids ──► (segment put, fence check) ──► publish ──► handles flipped, intents gone
//!      │                                             │
//!      └─ changed(ids) / busy(ids)                   └─ tombstone won ──► abandon ──► intents gone, nothing happened
//! ```
//!
//! Invariants:
//! - An id has at most one exclusive intent, or any number of shared ones (of `add`), never both.
//! - What is visible is durable and decided: handles change in `publish` only.
//! - Versions are assigned in `publish`, so the state at a version is a prefix of the publish order.
//! - All checks of a call come before its first write; repeating `publish` or `abandon` changes nothing.
//!
//! It is *not* a lock table: intents live for one put, and whoever meets one past its deadline resolves it.

pub mod confirmed;
pub mod memory;
pub mod period;
pub mod redis;
pub mod server;

use std::time::Duration;

use async_trait::async_trait;
use sop_engine::storage::StorageError;
use sop_engine::types::{
    Counter, Handle, LogicalId, Observation, PhysicalId, TransactionId, Version,
};

pub use self::period::{EntryBatch, PeriodProgress, PeriodStart};
use crate::blob::SegmentKey;

/// Why a registry call failed. Nothing was changed, except where a lost reply is a failure too.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// No answer. Retry later.
    #[error("registry unavailable: {0}")]
    Unavailable(String),
    /// This is not the registry of the epoch the caller lives in: reopen the database.
    #[error("not the registry of this epoch: {0}")]
    Foreign(String),
    /// The version is below the floor, which is carried.
    #[error("the version is older than the history kept (oldest readable: {0})")]
    SnapshotExpired(Version),
    /// The period of the segment is over; the current one is carried. Nothing was reserved: choose another key.
    #[error("the period has ended (current: {0})")]
    PeriodEnded(u32),
    /// The call breaks the contract.
    #[error("invalid registry call: {0}")]
    Invalid(String),
}

/// The answer of a registry that no other host shares.
fn unshared<T>() -> Result<T, RegistryError> {
    Err(RegistryError::Invalid(
        "this registry has no periods".to_owned(),
    ))
}

impl From<RegistryError> for StorageError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Unavailable(message) => Self::Unavailable(message),
            error @ RegistryError::PeriodEnded(_) => Self::Unavailable(error.to_string()),
            RegistryError::Foreign(_) => Self::Fenced,
            RegistryError::SnapshotExpired(floor) => Self::SnapshotExpired(floor),
            RegistryError::Invalid(message) => Self::Invalid(message),
        }
    }
}

/// The answer of [`Registry::now`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Now {
    /// The version to read at.
    pub version: Version,
    /// The ids that carry an intent at this moment; `None` = too many to list.
    pub publishing: Option<Vec<LogicalId>>,
    /// The ids changed after the version asked about, ascending, each with the version that changed it last; `None` = too
    /// many to list, or too long ago.
    pub changed: Option<Vec<(LogicalId, Version)>>,
}

/// Ids ascending, each once, with its highest version.
fn newest_of_each(mut ids: Vec<(LogicalId, Version)>) -> Vec<(LogicalId, Version)> {
    ids.sort_unstable_by_key(|&(id, version)| (id, std::cmp::Reverse(version)));
    ids.dedup_by_key(|(id, _)| *id);
    ids
}

/// How a change claims its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nobody else may observe or change the id meanwhile. It was observed, or it is fresh.
    Exclusive,
    /// An addition: passes other additions, nothing else.
    Shared,
    /// A relocation: exclusive, but it changes no version, so it needs no observation.
    Relocation,
}

/// One transaction that asks for a reservation.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its commit id.
    pub id: TransactionId,
    /// Its footprint.
    pub observed: Vec<Observation>,
    /// What it changes. Empty = it is validated and nothing else.
    pub claims: Vec<(LogicalId, Claim)>,
    /// It failed often enough that waiting marks do not hold it back.
    pub priority: bool,
    /// The earliest period of a segment with a body that it wrote ahead and consumes. Of one whose bodies may have been
    /// collected by now the verdict is that everything changed.
    pub spills_from: Option<u32>,
}

impl Request {
    /// All ids that it observed or changes, sorted.
    pub(crate) fn ids(&self) -> Vec<LogicalId> {
        let observed = self.observed.iter().map(|observation| observation.id);
        let claimed = self.claims.iter().map(|(id, _)| *id);
        let mut ids: Vec<_> = observed.chain(claimed).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

/// Transactions that ask together.
#[derive(Clone, Debug)]
pub struct Group {
    /// The segment that will decide them.
    pub key: SegmentKey,
    /// How long the reservation may stay unpublished before others resolve it.
    pub lease: Duration,
    /// In the order in which they count as executed.
    pub requests: Vec<Request>,
}

/// What became of one transaction of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its observations hold and its intents are placed.
    Granted,
    /// These ids no longer have the version that was observed, or are neither observed nor fresh. Nothing was reserved.
    Changed(Vec<LogicalId>),
    /// These ids are being published, or held back by waiting marks. Nothing was reserved: wait and ask again.
    Busy(Vec<LogicalId>),
}

/// The answer of [`Registry::reserve`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The number of the reservation; `None` if no granted transaction changes anything.
    pub ticket: Option<u64>,
    /// Index-aligned with the requests.
    pub verdicts: Vec<Verdict>,
    /// The current version: at it the observations of all granted transactions hold.
    pub version: Version,
    /// How often intents or marks have gone away so far, for [`Registry::released`].
    pub releases: u64,
}

/// How one handle or counter flips.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlipKind {
    /// The chain is now this base.
    Put(PhysicalId),
    /// The chain that is current now gets one more delta.
    Delta(PhysicalId),
    /// The counter grows by this.
    Add(i64),
    /// The id ends.
    Remove,
    /// Where version and chain are still these, the bodies lie elsewhere from now on.
    Relocate {
        /// The version that is relocated; `None` = whichever has the chain (in replay, where versions are new).
        version: Option<Version>,
        /// Its chain so far.
        from: Vec<PhysicalId>,
        /// Its chain from now on.
        to: Vec<PhysicalId>,
    },
}

/// One flip of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flip {
    /// Whose handle.
    pub id: LogicalId,
    /// How.
    pub kind: FlipKind,
}

/// One decided transaction of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Its commit id.
    pub id: TransactionId,
    /// What it changes.
    pub flips: Vec<Flip>,
}

/// The result of one published transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The version under which its changes are visible.
    pub version: Version,
    /// The new handles, index-aligned with its flips; `None` for everything without a new body.
    pub handles: Vec<Option<Handle>>,
}

/// A reservation that is in somebody's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocker {
    /// Its number.
    pub ticket: u64,
    /// The segment that decides it.
    pub key: SegmentKey,
    /// How long ago it was made.
    pub age: Duration,
    /// Whether its deadline has passed, so that whoever meets it should resolve it.
    pub overdue: bool,
}

/// The kept versions of one handle, newest first.
pub type History = Vec<(Version, Vec<PhysicalId>)>;

/// The state machine of one database's handles, counters, intents and reservations. Every call is one round trip.
#[async_trait]
pub trait Registry: Send + Sync + std::fmt::Debug + 'static {
    /// Point A. The version to read at (`at`, or the newest), whose history is kept until [`Registry::release`], and
    /// what changed after `since`.
    async fn now(&self, at: Option<Version>, since: Version) -> Result<Now, RegistryError>;

    /// Ends one `now`.
    fn release(&self, at: Version);

    /// Handles as of `at`, index-aligned.
    async fn resolve(
        &self,
        ids: &[LogicalId],
        at: Version,
    ) -> Result<Vec<Option<Handle>>, RegistryError>;

    /// Counters as of `at`, index-aligned.
    async fn counters(&self, ids: &[LogicalId], at: Version)
    -> Result<Vec<Counter>, RegistryError>;

    /// Like `resolve` where no waiting is needed; `None` = ask [`Registry::resolve`].
    fn resolve_here(
        &self,
        _ids: &[LogicalId],
        _at: Version,
    ) -> Option<Result<Vec<Option<Handle>>, RegistryError>> {
        None
    }

    /// Which of these cached handles are no longer what `at` says: index-aligned, `None` = still the same (version *and*
    /// chain), else the handle as of `at`. So a confirmation costs the bytes of what changed, not of what is known.
    async fn confirm(
        &self,
        known: &[(LogicalId, Option<Handle>)],
        at: Version,
    ) -> Result<Vec<Option<Option<Handle>>>, RegistryError> {
        let ids: Vec<LogicalId> = known.iter().map(|(id, _)| *id).collect();
        let current = self.resolve(&ids, at).await?;
        let pairs = known.iter().zip(current);
        Ok(pairs
            .map(|((_, known), current)| (*known != current).then_some(current))
            .collect())
    }

    /// Forgets handles that are kept in this process: a body they name is gone.
    fn forget(&self) {}

    /// All kept versions of handles, index-aligned.
    async fn history(&self, ids: &[LogicalId]) -> Result<Vec<History>, RegistryError>;

    /// Step 1 of a commit. Of each transaction in order: every observation still holds, what it claims exclusively it
    /// observed or is fresh, and no id carries an intent of another transaction, earlier ones of the group included.
    /// [`RegistryError::PeriodEnded`] if the segment is of an earlier period than the current one.
    async fn reserve(&self, group: Group) -> Result<Reservation, RegistryError>;

    /// Step 4: flips the handles of a reservation whose segment is durable and not fenced off. Repeatable; answers
    /// `None` if this ticket is neither reserved nor remembered.
    async fn publish(
        &self,
        ticket: u64,
        publications: Vec<Publication>,
    ) -> Result<Option<Vec<Published>>, RegistryError>;

    /// Clears the intents of the reservation of this segment, and only those. Only after a tombstone lies at the key.
    async fn abandon(&self, key: SegmentKey) -> Result<(), RegistryError>;

    /// The reservations in the way of these ids.
    async fn blocking(&self, ids: &[LogicalId]) -> Result<Vec<Blocker>, RegistryError>;

    /// All reservations past their deadline.
    async fn overdue(&self) -> Result<Vec<Blocker>, RegistryError>;

    /// Waiting marks: for a moment only transactions with priority may change these ids.
    async fn mark(&self, ids: &[LogicalId], lease: Duration) -> Result<(), RegistryError>;

    /// Ready when more than `releases` intents or marks have gone away.
    async fn released(&self, releases: u64);

    /// The version of a committed transaction that is still remembered.
    async fn outcome(&self, id: TransactionId) -> Result<Option<Version>, RegistryError>;

    /// The oldest version that can be read.
    fn floor(&self) -> Version;

    /// Drops history that neither retention nor a snapshot in use needs. Publishing does so step by step as well.
    async fn prune(&self) -> Result<(), RegistryError>;

    /// Ends the period `ended` and begins the next one, in one step. [`RegistryError::PeriodEnded`] if another one is
    /// going on; a repeated call therefore begins nothing.
    async fn begin_period(&self, _ended: u32) -> Result<PeriodStart, RegistryError> {
        unshared()
    }

    /// Holds bodies written ahead in segments of this period and later ones until the hold is renewed from a later period
    /// on, or runs out. To be called before such a segment is put. [`RegistryError::PeriodEnded`] with the current period
    /// if what lies in segments of that period may be collected already.
    async fn hold_spills(&self, from: u32, lease: Duration) -> Result<(), RegistryError>;

    /// How far the period has come, as far as this host heard; `None` = it heard nothing.
    fn progress(&self) -> Option<PeriodProgress> {
        None
    }

    /// About `count` of the entries as of `at`, a registered version, from a place on that an earlier call named (empty =
    /// from the first). All calls together give each id that is there at `at` at least once.
    async fn entries(
        &self,
        _at: Version,
        _from: &[u8],
        _count: usize,
    ) -> Result<EntryBatch, RegistryError> {
        unshared()
    }
}
