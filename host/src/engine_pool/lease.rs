//! One instance, taken from the pool for one transaction.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use wasmtime::Store;

use super::bindings::exports::sop::engine::{maintenance, transactions};
use super::pool::{EnginePool, Instance};
use crate::capability::HostState;
use crate::error::{Error, Result};

/// The wasmtime store of an engine instance.
pub(crate) type HostStore = Store<HostState>;

/// An engine instance and the permit to have it. Dropping it discards the instance; [`Lease::give_back`] keeps it.
pub(crate) struct Lease {
    instance: Box<Instance>,
    pool: Arc<EnginePool>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Lease {
    pub(crate) async fn take(
        pool: &Arc<EnginePool>,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<Self> {
        Ok(Self {
            instance: pool.take().await?,
            pool: Arc::clone(pool),
            _permit: permit,
        })
    }

    /// What a call of `transactions` needs.
    pub(crate) fn parts(&mut self) -> (&mut HostStore, &transactions::Guest) {
        let Instance { store, engine, .. } = &mut *self.instance;
        (store, engine.sop_engine_transactions())
    }

    /// What a call of `maintenance` needs.
    pub(crate) fn maintenance(&mut self) -> (&mut HostStore, &maintenance::Guest) {
        let Instance { store, engine, .. } = &mut *self.instance;
        (store, engine.sop_engine_maintenance())
    }

    /// The engine's answer; a trap of the engine is a defect and this lease must then be dropped.
    pub(crate) fn answer<T>(&self, answer: wasmtime::Result<T>) -> Result<T> {
        answer.map_err(|trap| Error::Internal(format!("the engine trapped: {trap:#}")))
    }

    /// Keeps the instance for another transaction. Only after a completed call.
    pub(crate) fn give_back(self) {
        self.pool.give(self.instance);
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Lease")
    }
}
