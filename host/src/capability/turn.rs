//! Runs that compute take turns, so that a thread of the runtime stays free for everybody else.
//!
//! ```text
//! tick ──> called the host since the last tick? ── yes ──> goes on after the others of its thread
//!                      └── no: it computes ──> waits for a turn; there is one less than there are threads
//! ```
//!
//! Without turns as many endless loops as there are threads make every other transaction wait for their ticks.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::UpdateDeadline;

/// The turn of one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turn(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// It has not called the host since the last tick.
    computes: bool,
    permit: Option<OwnedSemaphorePermit>,
}

impl Turn {
    /// It calls the host: whoever waits for a turn may have this one meanwhile.
    pub(super) fn end(&self) {
        let mut state = self.0.lock();
        state.computes = false;
        state.permit = None;
    }

    /// What a run does at a tick.
    pub(crate) fn tick(&self) -> UpdateDeadline {
        let computes = {
            let mut state = self.0.lock();
            state.permit = None;
            std::mem::replace(&mut state.computes, true)
        };
        if !computes {
            return UpdateDeadline::Yield(1);
        }
        let turn = self.clone();
        UpdateDeadline::YieldCustom(
            1,
            Box::pin(async move {
                // The others of this thread come first, also when a turn is free.
                tokio::task::yield_now().await;
                // The turns are never closed.
                turn.0.lock().permit = turns().acquire_owned().await.ok();
            }),
        )
    }
}

/// The turns of this process.
fn turns() -> Arc<Semaphore> {
    static TURNS: OnceLock<Arc<Semaphore>> = OnceLock::new();
    let count = || {
        let threads = tokio::runtime::Handle::current().metrics().num_workers();
        threads.saturating_sub(1).max(1)
    };
    Arc::clone(TURNS.get_or_init(|| Arc::new(Semaphore::new(count()))))
}
