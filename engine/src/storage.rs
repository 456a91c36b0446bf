//! What the engine asks of the world: one synchronous trait, the Rust form of the two imports.
//!
//! As a component the engine runs on the host's `registry` and `blobs`; natively, in tests and in the simulation, on
//! anything that implements [`Storage`]. Nothing else enters the engine: no clock, no randomness, no file.

use crate::types::{
    Access, Change, CommitOutcome, Counter, Handle, LogicalId, Observation, PhysicalId, ReadPoint,
    TransactionId, TransactionOutcome, Version,
};

/// Why a storage call failed: the Rust form of `sop:storage/types.error`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// No answer; nothing was changed. Retry later.
    #[error("storage unavailable: {0}")]
    Unavailable(String),
    /// The commit may or may not have happened.
    #[error("the outcome of commit {:016x}{:016x} is unknown", .0.high, .0.low)]
    UnknownOutcome(TransactionId),
    /// Stored bytes are damaged; names the blob.
    #[error("corrupt: {0}")]
    Corrupt(String),
    /// A blob was relocated or collected: resolve its handle afresh.
    #[error("blob {0} is gone")]
    Missing(PhysicalId),
    /// The grant does not cover this.
    #[error("denied: {0}")]
    Denied(String),
    /// A declared limit was exceeded.
    #[error("over the limit of {1} {0}")]
    Limit(String, u64),
    /// The history of that version is gone; carries the oldest readable one.
    #[error("the version is older than the history kept (oldest readable: {0})")]
    SnapshotExpired(Version),
    /// Another host took over.
    #[error("another host took over the database")]
    Fenced,
    /// The call breaks the contract.
    #[error("invalid storage call: {0}")]
    Invalid(String),
}

/// The two imports, synchronously. Lists are index-aligned with the request. See `wit/storage/storage.wit` for the
/// contract of each call.
pub trait Storage {
    /// A body that was written ahead of its commit; dropping it abandons it.
    type Spilled: std::fmt::Debug;

    /// Point A: registers the version until [`Storage::release`].
    fn now(&self, at: Option<Version>) -> Result<ReadPoint, StorageError>;
    /// Ends one [`Storage::now`].
    fn release(&self, at: Version);
    /// Handles as of `at`.
    fn resolve(&self, ids: &[LogicalId], at: Version) -> Result<Vec<Option<Handle>>, StorageError>;
    /// Item counters as of `at`.
    fn counters(&self, ids: &[LogicalId], at: Version) -> Result<Vec<Counter>, StorageError>;
    /// Fresh ids of a store.
    fn allocate(&self, store: u64, count: u32) -> Result<Vec<LogicalId>, StorageError>;
    /// A fresh store id for a name.
    fn allocate_store(&self, name: &[u8]) -> Result<u64, StorageError>;
    /// What may be done with stores of these names.
    fn granted(&self, names: &[&[u8]]) -> Vec<Access>;
    /// Point B. A commit that answers `Committed` consumes its spilled bodies.
    fn commit(
        &self,
        observed: &[Observation],
        changes: &[Change<'_, Self::Spilled>],
        attempt: u32,
    ) -> Result<CommitOutcome, StorageError>;
    /// What became of a commit.
    fn outcome(&self, id: TransactionId) -> Result<TransactionOutcome, StorageError>;
    /// Bodies by physical id.
    fn get(&self, ids: &[PhysicalId]) -> Result<Vec<Vec<u8>>, StorageError>;
    /// Writes the body of a fresh logical id ahead of its commit.
    fn spill(&self, id: LogicalId, body: &[u8]) -> Result<Self::Spilled, StorageError>;
    /// Where a spilled body lies.
    fn place(&self, spilled: &Self::Spilled) -> PhysicalId;
}
