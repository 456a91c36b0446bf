//! Synchronous code on a stack of its own: an engine that waits for a storage call gives the thread back.

use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};

/// Bytes of a stack; only touched pages cost anything.
const STACK_BYTES: usize = 1 << 20;

/// Synchronous code as a task.
pub struct Fiber {
    coroutine: Coroutine<Waker, (), ()>,
}

impl std::fmt::Debug for Fiber {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Fiber")
    }
}

/// What a fiber waits with.
pub struct Baton<'y> {
    yielder: &'y Yielder<Waker, ()>,
    waker: RefCell<Waker>,
}

impl std::fmt::Debug for Baton<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Baton")
    }
}

impl Fiber {
    /// A fiber that begins when it is polled first. Dropping it unwinds its stack.
    pub fn new(body: impl FnOnce(&Baton<'_>) + 'static) -> Self {
        let stack = DefaultStack::new(STACK_BYTES).expect("memory for a stack");
        let coroutine = Coroutine::with_stack(stack, move |yielder, waker| {
            body(&Baton {
                yielder,
                waker: RefCell::new(waker),
            });
        });
        Self { coroutine }
    }
}

impl Future for Fiber {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match self.get_mut().coroutine.resume(context.waker().clone()) {
            CoroutineResult::Yield(()) => Poll::Pending,
            CoroutineResult::Return(()) => Poll::Ready(()),
        }
    }
}

impl Baton<'_> {
    /// Waits for a future; others run meanwhile.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        loop {
            let waker = self.waker.borrow().clone();
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
            let waker = self.yielder.suspend(());
            self.waker.replace(waker);
        }
    }
}
