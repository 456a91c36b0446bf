//! The storage of one database, as the capability layer sees it: the two imports before grants and limits.
//!
//! Data flows from here to the right only: cache and commit, then registry and blobs.

use bytes::Bytes;
use sop_engine::storage::StorageError;
use sop_engine::types::{
    CommitOutcome, Counter, Handle, LogicalId, Observation, PhysicalId, ReadPoint, TransactionId,
    TransactionOutcome, Version,
};

/// What a transaction does to one logical id, as it reaches the host.
#[derive(Debug)]
pub enum ChangeKind {
    /// A new body.
    Put(Bytes),
    /// A new body that was written ahead.
    PutSpilled(std::sync::Arc<Spilled>),
    /// A body to append to the current chain.
    Delta(Bytes),
    /// Adds to an item counter.
    Add(i64),
    /// The logical id ends.
    Remove,
}

/// One change of a transaction.
#[derive(Debug)]
pub struct Change {
    /// What is changed.
    pub id: LogicalId,
    /// How.
    pub kind: ChangeKind,
}

/// A body that was written ahead; abandoned when dropped before a commit consumed it.
#[derive(Debug)]
pub struct Spilled {
    /// Where it lies.
    pub id: PhysicalId,
}

/// The storage of one open database. Cheap to share: everything is behind `Arc`.
#[derive(Debug)]
pub struct Storage {}

#[expect(
    unused_variables,
    clippy::unused_async,
    clippy::todo,
    reason = "signatures before bodies"
)]
impl Storage {
    /// Point A: a read point, registered until [`Storage::release`].
    pub async fn now(&self, at: Option<Version>) -> Result<ReadPoint, StorageError> {
        todo!()
    }
    /// Ends one [`Storage::now`].
    pub fn release(&self, at: Version) {}
    /// Handles as of `at`, index-aligned.
    pub async fn resolve(
        &self,
        ids: &[LogicalId],
        at: Version,
    ) -> Result<Vec<Option<Handle>>, StorageError> {
        todo!()
    }
    /// Item counters as of `at`, index-aligned.
    pub async fn counters(
        &self,
        ids: &[LogicalId],
        at: Version,
    ) -> Result<Vec<Counter>, StorageError> {
        todo!()
    }
    /// Fresh ids of a store.
    pub fn allocate(&self, store: u64, count: u32) -> Vec<LogicalId> {
        todo!()
    }
    /// A fresh store id.
    pub fn allocate_store(&self) -> u64 {
        todo!()
    }
    /// A fresh commit id.
    pub fn transaction_id(&self) -> TransactionId {
        todo!()
    }
    /// Point B. Goes on in a task of its own when the caller is dropped; then its outcome can be asked.
    pub async fn commit(
        &self,
        id: TransactionId,
        observed: Vec<Observation>,
        changes: Vec<Change>,
        attempt: u32,
    ) -> Result<CommitOutcome, StorageError> {
        todo!()
    }
    /// What became of a commit.
    pub async fn outcome(&self, id: TransactionId) -> Result<TransactionOutcome, StorageError> {
        todo!()
    }
    /// Verified bodies, index-aligned, through the L1 cache.
    pub async fn get(&self, ids: &[PhysicalId]) -> Result<Vec<Bytes>, StorageError> {
        todo!()
    }
    /// Writes a body ahead of its commit.
    pub async fn spill(&self, id: LogicalId, body: Bytes) -> Result<Spilled, StorageError> {
        todo!()
    }
}
