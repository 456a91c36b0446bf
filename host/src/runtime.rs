//! Time, sleep, tasks and randomness: the only way in which protocol code (commit, recovery, cache) meets the machine.
//!
//! The shipped host runs on [`TokioRuntime`]; a simulation runs the same code in one thread under a seed.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// A boxed future without a result.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// What protocol code may ask of the machine.
pub trait Runtime: Send + Sync + std::fmt::Debug + 'static {
    /// Time since some fixed moment; never goes back. Decides only when to stop waiting and what to collect.
    fn elapsed(&self) -> Duration;
    /// A future that is ready after this time.
    fn sleep(&self, duration: Duration) -> Task;
    /// Runs a task beside the caller; it goes on when the caller is dropped.
    fn spawn(&self, task: Task);
    /// 64 random bits.
    fn random(&self) -> u64;
}

/// The runtime of a real host.
#[derive(Clone, Debug)]
pub struct TokioRuntime {
    start: std::time::Instant,
    handle: tokio::runtime::Handle,
}

impl TokioRuntime {
    /// The runtime of the calling task.
    pub fn current() -> Self {
        Self { start: std::time::Instant::now(), handle: tokio::runtime::Handle::current() }
    }
}

impl Runtime for TokioRuntime {
    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Task {
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, task: Task) {
        self.handle.spawn(task);
    }

    fn random(&self) -> u64 {
        rand::random()
    }
}
