//! One open transaction and the engine instance that carries it out.

use std::sync::Arc;

use sop_engine::types::Version;

use super::call::TransactionCore;
use super::convert;
use super::core::DatabaseCore;
use super::data::{CommitInfo, Isolation, StoreInfo};
use super::store::Store;
use crate::error::{Error, Result};

/// A transaction. Every call sees its own writes; nothing is visible to others before [`Transaction::commit`] answers.
///
/// Calls on one transaction and its stores run one at a time; calling from several tasks is safe and queues. Dropping a
/// transaction rolls it back; its stores then answer [`Error::Ended`].
///
/// A call whose future is dropped half-way ends the transaction: its instance is in an unknown state and is discarded.
/// If that call was the commit, the commit goes on by itself.
#[derive(Debug)]
pub struct Transaction {
    core: Arc<TransactionCore>,
    /// Dropping this value rolls back; false for the one that a `transact` body is given.
    owner: bool,
}

impl Transaction {
    /// `reruns` says how often the same work ended in a conflict before.
    pub(super) async fn begin(
        database: &Arc<DatabaseCore>,
        isolation: Isolation,
        reruns: u32,
    ) -> Result<Self> {
        // A database opened read-only does not change, so a snapshot is as good; its writes then say `read-only` at once.
        let isolation = if database.config.read_only {
            Isolation::Snapshot
        } else {
            isolation
        };
        let mut lease = database.lease().await?;
        let (store, transactions) = lease.parts();
        store.data_mut().reruns = reruns;
        let answer = transactions
            .transaction()
            .call_begin(store, convert::isolation(isolation))
            .await;
        let core = TransactionCore::begin(database, lease, answer).await?;
        Ok(Self { core, owner: true })
    }

    pub(super) async fn begin_at(database: &Arc<DatabaseCore>, version: Version) -> Result<Self> {
        let mut lease = database.lease().await?;
        let (store, transactions) = lease.parts();
        let answer = transactions
            .transaction()
            .call_begin_at(store, version)
            .await;
        let core = TransactionCore::begin(database, lease, answer).await?;
        Ok(Self { core, owner: true })
    }

    /// The same transaction for the body of a `transact`: dropping it does not roll back.
    pub(super) fn lent(&self) -> Self {
        Self {
            core: Arc::clone(&self.core),
            owner: false,
        }
    }

    pub(super) fn core(&self) -> &Arc<TransactionCore> {
        &self.core
    }

    /// The version it reads at.
    pub fn version(&self) -> Version {
        self.core.version()
    }

    /// Creates a store, empty. A name is 1 to 255 bytes of UTF-8 without NUL.
    ///
    /// # Errors
    /// [`Error::Exists`] if there is one of that name.
    pub async fn create_store(&self, name: &str) -> Result<Store> {
        let mut call = self.core.enter().await?;
        let (store, transactions) = call.parts();
        let answer = transactions
            .transaction()
            .call_create_store(store, self.core.resource(), name)
            .await;
        let resource = call.leave(answer).await?;
        Ok(Store::new(&self.core, name, resource))
    }

    /// Opens a store. Opening is a read of the catalog: the transaction conflicts if the store is dropped before it
    /// commits.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none of that name.
    pub async fn open_store(&self, name: &str) -> Result<Store> {
        if let Some(resource) = self.core.opened(name) {
            return Ok(Store::new(&self.core, name, resource));
        }
        let mut call = self.core.enter().await?;
        let (store, transactions) = call.parts();
        let answer = transactions
            .transaction()
            .call_open_store(store, self.core.resource(), name)
            .await;
        let resource = call.leave(answer).await?;
        Ok(Store::new(&self.core, name, resource))
    }

    /// Opens a store, creating it if there is none of that name.
    pub async fn open_or_create_store(&self, name: &str) -> Result<Store> {
        if let Some(resource) = self.core.opened(name) {
            return Ok(Store::new(&self.core, name, resource));
        }
        let mut call = self.core.enter().await?;
        let (store, transactions) = call.parts();
        let answer = transactions
            .transaction()
            .call_open_or_create_store(store, self.core.resource(), name)
            .await;
        let resource = call.leave(answer).await?;
        Ok(Store::new(&self.core, name, resource))
    }

    /// Drops a store with all its items.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none of that name.
    pub async fn drop_store(&self, name: &str) -> Result<()> {
        let mut call = self.core.enter().await?;
        self.core.forget_opened();
        let (store, transactions) = call.parts();
        let answer = transactions
            .transaction()
            .call_drop_store(store, self.core.resource(), name)
            .await;
        call.leave(answer).await
    }

    /// The stores of the database, by name.
    pub async fn stores(&self) -> Result<Vec<StoreInfo>> {
        let mut call = self.core.enter().await?;
        let (store, transactions) = call.parts();
        let answer = transactions
            .transaction()
            .call_list_stores(store, self.core.resource())
            .await;
        Ok(call
            .leave(answer)
            .await?
            .into_iter()
            .map(convert::store_info)
            .collect())
    }

    /// Marks a point to come back to. A name that is in use moves to the new point. At most 64.
    pub async fn savepoint(&self, name: &str) -> Result<()> {
        let mut call = self.core.enter().await?;
        let (store, transactions) = call.parts();
        let answer = transactions
            .transaction()
            .call_savepoint(store, self.core.resource(), name)
            .await;
        call.leave(answer).await
    }

    /// Forgets all writes since the savepoint, which stays. What was read since then still counts at commit. Stores
    /// created since then are gone.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such savepoint.
    pub async fn rollback_to(&self, name: &str) -> Result<()> {
        let mut call = self.core.enter().await?;
        self.core.forget_opened();
        let (store, transactions) = call.parts();
        let answer = transactions
            .transaction()
            .call_rollback_to(store, self.core.resource(), name)
            .await;
        call.leave(answer).await
    }

    /// Makes all writes durable and visible, or none, and ends the transaction.
    ///
    /// # Errors
    /// [`Error::Conflict`]: nothing was written, run the transaction again from its start.
    /// [`Error::UnknownOutcome`]: ask [`Database::outcome`](crate::Database::outcome).
    pub async fn commit(self) -> Result<CommitInfo> {
        self.core.commit().await
    }

    /// Ends the transaction without a trace.
    ///
    /// # Errors
    /// [`Error::Ended`] if it was over.
    pub async fn rollback(self) -> Result<()> {
        self.core.rollback().await
    }

    /// Like [`Transaction::commit`], but keeps the transaction when nothing was sent, so that it can be tried again.
    pub async fn try_commit(self) -> Result<CommitInfo, (Option<Self>, Error)> {
        match self.core.commit().await {
            Ok(info) => Ok(info),
            Err(error) if self.core.is_ended() => Err((None, error)),
            Err(error) => Err((Some(self), error)),
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if self.owner {
            self.core.abandon();
        }
    }
}
