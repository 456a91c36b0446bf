//! Instances of a plugin that are used again.

use parking_lot::Mutex;
use wasmtime::Store;
use wasmtime::component::Instance;

use super::load::Plugin;
use super::options::{RunLimits, RunOptions};
use super::run::RunReport;
use crate::capability::HostState;
use crate::database::Database;
use crate::error::Result;
use crate::limits;

/// A plugin on one database, with options that stay, whose instances are used for one run after another: what a start costs, which is most
/// of a short run in an interpreted language, is paid once. Cheaper runs for less isolation: a run finds the memory as the
/// run before it left it, of the same plugin under the same grants.
///
/// An instance that was stopped, trapped, left a transaction open or has grown to half of its memory is not used again.
pub struct WarmPlugin {
    plugin: Plugin,
    database: Database,
    options: RunOptions,
    idle: Idle,
}

impl Plugin {
    /// This plugin with instances that are used again.
    pub fn warm(&self, database: &Database, options: &RunOptions) -> WarmPlugin {
        WarmPlugin {
            plugin: self.clone(),
            database: database.clone(),
            options: options.clone(),
            idle: Idle::default(),
        }
    }
}

impl WarmPlugin {
    /// Like [`Plugin::run`]; runs at the same time have an instance each.
    ///
    /// # Errors
    /// Those of [`Plugin::run`].
    pub async fn run(&self, request: &[u8]) -> Result<RunReport> {
        let idle = Some(&self.idle);
        let run = self
            .plugin
            .run_in(&self.database, request, &self.options, idle);
        run.await
    }

    /// Instances that wait for a run.
    pub fn instances_idle(&self) -> usize {
        self.idle.0.lock().len()
    }
}

impl std::fmt::Debug for WarmPlugin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("WarmPlugin")
    }
}

/// Instances that wait for a run.
#[derive(Default)]
pub(super) struct Idle(Mutex<Vec<Kept>>);

/// An instance with the wasmtime store it lives in.
pub(super) struct Kept {
    pub(super) store: Store<HostState>,
    /// None = it is still to be made.
    pub(super) instance: Option<Instance>,
    uses: u32,
}

impl Kept {
    pub(super) fn new(store: Store<HostState>) -> Self {
        let (instance, uses) = (None, 0);
        Self {
            store,
            instance,
            uses,
        }
    }
}

impl Idle {
    /// One that waits, with nothing used up.
    pub(super) fn take(&self, limits: &RunLimits) -> Option<Kept> {
        let mut kept = self.0.lock().pop()?;
        kept.store.data_mut().begin_again(limits.output_bytes);
        Some(kept)
    }

    /// Keeps one whose call has answered, if it is worth keeping.
    pub(super) fn give(&self, mut kept: Kept, limits: &RunLimits) {
        kept.uses += 1;
        let state = kept.store.data();
        let worth = state.is_idle()
            && state.budget.memory_bytes() <= limits.memory_bytes / 2
            && kept.uses < limits::INSTANCE_USES_MAX;
        let mut idle = self.0.lock();
        if worth && idle.len() < limits::INSTANCES_IDLE_MAX {
            idle.push(kept);
        }
    }
}
