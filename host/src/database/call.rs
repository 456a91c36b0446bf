//! The life of a transaction's engine instance: one call at a time, then back to the pool or away.
//!
//! ```text
//! begin ──> idle ── enter ──> in a call ── leave ──> idle ── commit, rollback, drop ──> resources freed ──> pool
//!                                 └── trap, or the call's future is dropped ──> instance discarded
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::lock::{Mutex, MutexGuard};
use sop_engine::types::Version;
use wasmtime::component::ResourceAny;

use super::convert;
use super::core::DatabaseCore;
use super::data::CommitInfo;
use crate::engine_pool::bindings::exports::sop::engine::transactions::{
    Error as GuestError, Guest,
};
use crate::engine_pool::{HostStore, Lease};
use crate::error::{Error, Result};

/// What an engine call answers: a trap, or the engine's own answer.
pub(super) type Answer<T> = wasmtime::Result<Result<T, GuestError>>;

/// What a transaction, its stores and its scans share.
#[derive(Debug)]
pub(super) struct TransactionCore {
    database: Arc<DatabaseCore>,
    version: Version,
    transaction: ResourceAny,
    /// No further call: committed, rolled back, failed or dropped.
    ended: AtomicBool,
    /// Its commit ended in a conflict: running it again may help.
    conflicted: AtomicBool,
    /// `None` while a call has it, and after the end.
    lease: Mutex<Option<Lease>>,
    resources: parking_lot::Mutex<Resources>,
}

/// The guest's resources of a transaction, freed at its end.
#[derive(Debug, Default)]
struct Resources {
    stores: Vec<ResourceAny>,
    cursors: Vec<ResourceAny>,
    /// Stores by name, so that opening one again is no call.
    opened: BTreeMap<String, ResourceAny>,
    /// Cursors whose scan was dropped: freed with the next call.
    abandoned: Vec<ResourceAny>,
}

/// The right to make one call. Dropping it without [`Call::leave`] discards the instance.
pub(super) struct Call<'a> {
    core: &'a TransactionCore,
    slot: MutexGuard<'a, Option<Lease>>,
    lease: Lease,
}

impl TransactionCore {
    /// Takes over an instance whose `begin` has answered.
    pub(super) async fn begin(
        database: &Arc<DatabaseCore>,
        mut lease: Lease,
        answer: Answer<ResourceAny>,
    ) -> Result<Arc<Self>> {
        let transaction =
            match answer.map_err(|trap| crate::error::Error::Internal(format!("{trap:#}")))? {
                Ok(transaction) => transaction,
                Err(error) => {
                    lease.give_back();
                    return Err(convert::error(error));
                }
            };
        let (store, transactions) = lease.parts();
        let answer = transactions
            .transaction()
            .call_version(store, transaction)
            .await;
        let version = answer
            .map_err(|trap| crate::error::Error::Internal(format!("{trap:#}")))?
            .map_err(convert::error)?;
        database.activity.begun();
        Ok(Arc::new(Self {
            database: Arc::clone(database),
            version,
            transaction,
            ended: AtomicBool::new(false),
            conflicted: AtomicBool::new(false),
            lease: Mutex::new(Some(lease)),
            resources: parking_lot::Mutex::default(),
        }))
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    pub(super) fn resource(&self) -> ResourceAny {
        self.transaction
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(super) fn is_conflicted(&self) -> bool {
        self.conflicted.load(Ordering::Acquire)
    }

    /// A store that this transaction has open under this name.
    pub(super) fn opened(&self, name: &str) -> Option<ResourceAny> {
        self.resources.lock().opened.get(name).copied()
    }

    /// Names may mean other stores from now on.
    pub(super) fn forget_opened(&self) {
        self.resources.lock().opened.clear();
    }

    pub(super) fn own_store(&self, name: &str, store: ResourceAny) {
        let mut resources = self.resources.lock();
        if resources.opened.insert(name.to_owned(), store) != Some(store) {
            resources.stores.push(store);
        }
    }

    pub(super) fn own_cursor(&self, cursor: ResourceAny) {
        self.resources.lock().cursors.push(cursor);
    }

    /// Frees a cursor with the next call: a destructor cannot wait for the guest.
    pub(super) fn abandon_cursor(&self, cursor: ResourceAny) {
        let mut resources = self.resources.lock();
        resources.cursors.retain(|other| *other != cursor);
        resources.abandoned.push(cursor);
    }

    /// Waits for the call before and takes the instance.
    pub(super) async fn enter(&self) -> Result<Call<'_>> {
        let mut slot = self.lease.lock().await;
        if self.is_ended() {
            return Err(Error::Ended);
        }
        let mut lease = slot.take().ok_or(Error::Ended)?;
        let abandoned = std::mem::take(&mut self.resources.lock().abandoned);
        free(&mut lease, abandoned).await?;
        Ok(Call {
            core: self,
            slot,
            lease,
        })
    }

    /// Commits and ends, unless nothing was sent.
    pub(super) async fn commit(&self) -> Result<CommitInfo> {
        let mut call = self.enter().await?;
        let (store, transactions) = call.parts();
        let answer = transactions
            .transaction()
            .call_commit(store, self.transaction)
            .await;
        let answer = call.lease.answer(answer)?;
        match answer {
            Ok(info) => {
                call.finish().await;
                let info = convert::commit_info(info);
                self.database.activity.committed(info);
                Ok(info)
            }
            Err(error) => {
                // After any other error nothing was written and the transaction goes on.
                let over = matches!(
                    error,
                    GuestError::Conflict(_)
                        | GuestError::UnknownOutcome(_)
                        | GuestError::Fenced
                        | GuestError::Ended
                );
                self.conflicted
                    .store(matches!(error, GuestError::Conflict(_)), Ordering::Release);
                if over {
                    call.finish().await;
                } else {
                    call.put_back().await;
                }
                let error = convert::error(error);
                self.database.activity.failed(&error);
                Err(error)
            }
        }
    }

    /// Ends without a trace.
    pub(super) async fn rollback(&self) -> Result<()> {
        let mut call = self.enter().await?;
        let (store, transactions) = call.parts();
        let answer = transactions
            .transaction()
            .call_rollback(store, self.transaction)
            .await;
        let answer = call.lease.answer(answer)?;
        call.finish().await;
        self.database.activity.rolled_back();
        answer.map_err(convert::error)
    }

    /// Ends from a destructor: the guest's destructors run in a task of their own.
    pub(super) fn abandon(self: &Arc<Self>) {
        if self.ended.swap(true, Ordering::AcqRel) {
            return;
        }
        self.database.activity.rolled_back();
        // A call under way sees that the transaction ended when it leaves.
        let Some(mut slot) = self.lease.try_lock() else {
            return;
        };
        let Some(lease) = slot.take() else { return };
        drop(slot);
        let core = Arc::clone(self);
        self.database
            .runtime
            .spawn(Box::pin(async move { core.free_all(lease).await }));
    }

    /// Runs the guest's destructors and gives the instance back.
    async fn free_all(&self, mut lease: Lease) {
        let resources = std::mem::take(&mut *self.resources.lock());
        let mut all = resources.abandoned;
        all.extend(resources.cursors);
        all.extend(resources.stores);
        all.push(self.transaction);
        if free(&mut lease, all).await.is_ok() {
            lease.give_back();
        }
    }
}

/// Runs the guest's destructors of these resources.
async fn free(lease: &mut Lease, resources: Vec<ResourceAny>) -> Result<()> {
    for resource in resources {
        let answer = resource.resource_drop_async(lease.parts().0).await;
        answer.map_err(|trap| crate::error::Error::Internal(format!("{trap:#}")))?;
    }
    Ok(())
}

impl Call<'_> {
    /// The instance's store and the engine's `transactions` interface.
    pub(super) fn parts(&mut self) -> (&mut HostStore, &Guest) {
        self.lease.parts()
    }

    /// Ends the call. A trap discards the instance and ends the transaction.
    pub(super) async fn leave<T>(self, answer: Answer<T>) -> Result<T> {
        let answer = self.lease.answer(answer)?;
        self.put_back().await;
        answer.map_err(convert::error)
    }

    /// Keeps the instance for the next call, or ends what was dropped meanwhile.
    async fn put_back(self) {
        let Self {
            core,
            mut slot,
            lease,
        } = self;
        *slot = Some(lease);
        drop(slot);
        // Dropped while this call ran: that destructor could not take the instance, so it is freed here.
        if core.is_ended() {
            let lease = core.lease.lock().await.take();
            if let Some(lease) = lease {
                core.free_all(lease).await;
            }
        }
    }

    /// Ends the transaction and gives the instance back.
    async fn finish(self) {
        self.core.ended.store(true, Ordering::Release);
        let Self { core, slot, lease } = self;
        drop(slot);
        core.free_all(lease).await;
    }
}
