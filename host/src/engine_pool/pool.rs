//! Warm engine instances of one database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use wasmtime::Store;

use super::bindings::Engine;
use super::wasm::Wasm;
use crate::capability::{Authority, Budget, CallCounters, Calls, HostState, Settlement};
use crate::error::{Error, Result};
use crate::limits;
use crate::storage::Storage;

/// Engine instances of the host itself on one database. They may do everything, so no plugin ever runs in one.
pub struct EnginePool {
    storage: Arc<Storage>,
    wasm: &'static Wasm,
    calls: Arc<CallCounters>,
    #[expect(
        clippy::vec_box,
        reason = "a lease moves with each call, and a box moves fastest"
    )]
    idle: Mutex<Vec<Box<Instance>>>,
    made: AtomicU64,
    reused: AtomicU64,
}

/// One engine instance with the wasmtime store it lives in.
pub(super) struct Instance {
    pub(super) store: Store<HostState>,
    pub(super) engine: Engine,
    /// Transactions it has carried out.
    uses: u32,
}

impl EnginePool {
    /// An empty pool.
    pub(crate) fn new(storage: Arc<Storage>) -> Result<Self> {
        Ok(Self {
            storage,
            wasm: Wasm::shared()?,
            calls: Arc::default(),
            idle: Mutex::default(),
            made: AtomicU64::new(0),
            reused: AtomicU64::new(0),
        })
    }

    /// Instances made so far.
    pub fn instances_made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// Instances taken warm so far.
    pub fn instances_reused(&self) -> u64 {
        self.reused.load(Ordering::Relaxed)
    }

    /// Instances that wait to be taken.
    pub fn instances_idle(&self) -> usize {
        self.idle.lock().len()
    }

    /// Calls of the imports so far, plugins' included.
    pub fn calls(&self) -> Calls {
        self.calls.read()
    }

    /// The counters behind [`EnginePool::calls`], for plugins' instances.
    pub(crate) fn counters(&self) -> &Arc<CallCounters> {
        &self.calls
    }

    pub(super) async fn take(&self) -> Result<Box<Instance>> {
        let warm = self.idle.lock().pop();
        if let Some(instance) = warm {
            self.reused.fetch_add(1, Ordering::Relaxed);
            return Ok(instance);
        }
        self.made.fetch_add(1, Ordering::Relaxed);
        let state = HostState::new(
            Arc::clone(&self.storage),
            Authority::Host,
            Budget::host(),
            Arc::clone(&self.calls),
        );
        let mut store = self.wasm.store(state);
        let engine = self.wasm.component.instantiate_async(&mut store).await;
        let engine = engine.map_err(|error| match error.downcast_ref::<wasmtime::Trap>() {
            Some(_) => Error::Internal(format!("no engine instance: {error:#}")),
            None => Error::Unavailable(format!("no room for an engine instance: {error:#}")),
        })?;
        Ok(Box::new(Instance {
            store,
            engine,
            uses: 0,
        }))
    }

    /// Keeps an instance whose last call completed, if it is worth keeping.
    pub(super) fn give(&self, mut instance: Box<Instance>) {
        instance.uses += 1;
        let state = instance.store.data_mut();
        state.settlement = Settlement::default();
        let worth = state.is_idle()
            && state.budget.memory_bytes() <= limits::IDLE_MEMORY_BYTES_MAX
            && instance.uses < limits::INSTANCE_USES_MAX;
        let mut idle = self.idle.lock();
        if worth && idle.len() < limits::INSTANCES_IDLE_MAX {
            idle.push(instance);
        }
    }
}

impl std::fmt::Debug for EnginePool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("EnginePool")
            .field("idle", &self.instances_idle())
            .finish_non_exhaustive()
    }
}
