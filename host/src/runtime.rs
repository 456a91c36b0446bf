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
        Self {
            start: std::time::Instant::now(),
            handle: tokio::runtime::Handle::current(),
        }
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

/// A runtime whose time is set by hand; for tests of calls that never wait.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct ManualRuntime {
    elapsed_microseconds: std::sync::atomic::AtomicU64,
    randoms: std::sync::atomic::AtomicU64,
}

#[cfg(test)]
impl ManualRuntime {
    /// Lets time pass.
    pub(crate) fn advance(&self, duration: Duration) {
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.elapsed_microseconds
            .fetch_add(microseconds, std::sync::atomic::Ordering::SeqCst);
    }
}

#[cfg(test)]
impl Runtime for ManualRuntime {
    fn elapsed(&self) -> Duration {
        Duration::from_micros(
            self.elapsed_microseconds
                .load(std::sync::atomic::Ordering::SeqCst),
        )
    }

    fn sleep(&self, _duration: Duration) -> Task {
        Box::pin(std::future::pending())
    }

    fn spawn(&self, _task: Task) {
        unreachable!("a test without waiting has no tasks");
    }

    fn random(&self) -> u64 {
        let number = self
            .randoms
            .fetch_add(1, std::sync::atomic::Ordering::SeqCst)
            + 1;
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}
