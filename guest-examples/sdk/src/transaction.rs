//! Transactions by hand. Most plugins need only [`transact`](crate::transact).

use crate::engine;
use crate::error::{Result, TransactionId};
use crate::key::Key;
use crate::store::Store;
use crate::typed::TypedStore;
use crate::types::{CommitInfo, Isolation, StoreInfo, TransactionOutcome};

/// A transaction. Every call sees its own writes; nothing is visible to others before
/// [`commit`](Self::commit) answers. Dropping it rolls it back.
pub struct Transaction(engine::Transaction);

impl Transaction {
    /// Begins at a fresh version: it sees everything that was acknowledged anywhere before this
    /// call.
    pub fn begin(isolation: Isolation) -> Result<Self> {
        engine::Transaction::begin(isolation).map(Self)
    }

    /// Begins a snapshot transaction at a past version: `SnapshotExpired` when its history is gone.
    pub fn begin_at(version: u64) -> Result<Self> {
        engine::Transaction::begin_at(version).map(Self)
    }

    /// The version it reads at.
    pub fn version(&self) -> Result<u64> {
        self.0.version()
    }

    /// Creates a store, empty: `Exists` if there is one of that name.
    pub fn create_store(&self, name: &str) -> Result<Store<'_>> {
        self.0.create_store(name).map(Store::new)
    }

    /// Opens a store: `NotFound` if there is none of that name.
    pub fn open_store(&self, name: &str) -> Result<Store<'_>> {
        self.0.open_store(name).map(Store::new)
    }

    /// Opens a store, creating it if there is none of that name.
    pub fn open_or_create_store(&self, name: &str) -> Result<Store<'_>> {
        self.0.open_or_create_store(name).map(Store::new)
    }

    /// Opens a store of typed keys and values, creating it if there is none of that name. In a
    /// snapshot transaction, which cannot create, `NotFound`.
    pub fn typed<K: Key, V>(&self, name: &str) -> Result<TypedStore<'_, K, V>> {
        match self.open_store(name) {
            Err(crate::Error::NotFound(message)) => match self.open_or_create_store(name) {
                Err(crate::Error::ReadOnly) => Err(crate::Error::NotFound(message)),
                created => created.map(TypedStore::new),
            },
            opened => opened.map(TypedStore::new),
        }
    }

    /// Drops a store with all its items: `NotFound` if there is none of that name.
    pub fn drop_store(&self, name: &str) -> Result<()> {
        self.0.drop_store(name)
    }

    /// The stores this plugin may read, by name.
    pub fn list_stores(&self) -> Result<Vec<StoreInfo>> {
        self.0.list_stores()
    }

    /// Marks a point to come back to. A name that is in use moves to the new point.
    pub fn savepoint(&self, name: &str) -> Result<()> {
        self.0.savepoint(name)
    }

    /// Forgets all writes since the savepoint, which stays. What was read since then still counts
    /// at commit.
    pub fn rollback_to(&self, name: &str) -> Result<()> {
        self.0.rollback_to(name)
    }

    /// Makes all writes durable and visible, or none.
    pub fn commit(self) -> Result<CommitInfo> {
        self.0.commit()
    }

    /// Ends the transaction without a trace.
    pub fn rollback(self) -> Result<()> {
        self.0.rollback()
    }
}

/// What became of a commit that answered [`Error::UnknownOutcome`](crate::Error::UnknownOutcome).
pub fn outcome(id: TransactionId) -> Result<TransactionOutcome> {
    engine::outcome(id)
}
