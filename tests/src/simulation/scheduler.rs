//! One thread, virtual time, and a seed that says who runs next.
//!
//! ```text
//!   ready ──random──► poll ──► (wakes others, sets timers, spawns, commands) ──► ready …
//!     └─ empty: the clock jumps to the next timer
//! ```
//!
//! Every task has an owner: a host that dies takes all its tasks with it; those of a paused host wait.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sop_host::runtime::{Runtime, Task};

/// Whose task it is.
pub type Owner = u32;

/// Requests and answers under way: nobody can stop them.
pub const NETWORK: Owner = 0;
/// What makes things go wrong, and what looks at the end.
pub const OUTSIDE: Owner = 1;
/// The first owner that is a host.
pub const HOSTS: Owner = 2;

type LocalTask = Pin<Box<dyn Future<Output = ()>>>;

/// The part that wakers, timers and runtimes share.
#[derive(Debug)]
pub struct Scheduler {
    state: Mutex<State>,
}

struct State {
    now: Duration,
    ready: Vec<u64>,
    timers: BTreeMap<(Duration, u64), Waker>,
    timer_next: u64,
    spawned: Vec<(Owner, Task)>,
    hash: u64,
    events: u64,
}

impl std::fmt::Debug for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:?} after {} events", self.now, self.events)
    }
}

impl Scheduler {
    /// Nothing has happened yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                now: Duration::ZERO,
                ready: Vec::new(),
                timers: BTreeMap::new(),
                timer_next: 0,
                spawned: Vec::new(),
                hash: 0xcbf2_9ce4_8422_2325,
                events: 0,
            }),
        })
    }

    /// Virtual time.
    pub fn now(&self) -> Duration {
        self.state.lock().now
    }

    /// A future that is ready after this time.
    pub fn sleep(self: &Arc<Self>, duration: Duration) -> Sleep {
        Sleep {
            scheduler: Arc::clone(self),
            deadline: self.now() + duration,
            timer: None,
        }
    }

    /// Runs a task beside the others.
    pub fn spawn(&self, owner: Owner, task: Task) {
        self.state.lock().spawned.push((owner, task));
    }

    /// Takes something that happened into the event hash.
    pub fn note(&self, words: &[u64]) {
        let mut state = self.state.lock();
        for word in words {
            state.hash = (state.hash ^ word)
                .wrapping_mul(0x0000_0100_0000_01b3)
                .rotate_left(23);
        }
    }

    /// How much happened, and its hash.
    pub fn events(&self) -> (u64, u64) {
        let state = self.state.lock();
        (state.events, state.hash)
    }
}

/// A moment of virtual time that somebody waits for.
#[derive(Debug)]
pub struct Sleep {
    scheduler: Arc<Scheduler>,
    deadline: Duration,
    timer: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let scheduler = Arc::clone(&self.scheduler);
        let mut state = scheduler.state.lock();
        if state.now >= self.deadline {
            return Poll::Ready(());
        }
        let timer = *self.timer.get_or_insert_with(|| {
            state.timer_next += 1;
            state.timer_next
        });
        let waker = context.waker().clone();
        state.timers.insert((self.deadline, timer), waker);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            let waker = self
                .scheduler
                .state
                .lock()
                .timers
                .remove(&(self.deadline, timer));
            drop(waker);
        }
    }
}

struct TaskWaker {
    scheduler: Arc<Scheduler>,
    task: u64,
    queued: AtomicBool,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::SeqCst) {
            self.scheduler.state.lock().ready.push(self.task);
        }
    }
}

/// What tasks may ask of the executor that runs them.
enum Command {
    Spawn(Owner, LocalTask),
    Crash(Owner),
    Pause(Owner),
    Resume(Owner),
}

/// The way from a running task to its executor; everything happens after the poll.
#[derive(Clone, Default)]
pub struct Control {
    commands: Rc<RefCell<Vec<Command>>>,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} commands", self.commands.borrow().len())
    }
}

impl Control {
    fn push(&self, command: Command) {
        self.commands.borrow_mut().push(command);
    }

    /// Runs a task that stays in this thread.
    pub fn spawn(&self, owner: Owner, task: impl Future<Output = ()> + 'static) {
        self.push(Command::Spawn(owner, Box::pin(task)));
    }

    /// All tasks of this owner are gone.
    pub fn crash(&self, owner: Owner) {
        self.push(Command::Crash(owner));
    }

    /// The tasks of this owner stand still.
    pub fn pause(&self, owner: Owner) {
        self.push(Command::Pause(owner));
    }

    /// They go on.
    pub fn resume(&self, owner: Owner) {
        self.push(Command::Resume(owner));
    }
}

struct Entry {
    owner: Owner,
    task: LocalTask,
    waker: Arc<TaskWaker>,
}

/// Why a run came to no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stuck {
    /// Nothing is ready and nothing will be.
    Deadlock,
    /// Too much time or too many events.
    Late,
}

/// The one that polls.
pub struct Executor {
    scheduler: Arc<Scheduler>,
    control: Control,
    tasks: BTreeMap<u64, Entry>,
    task_next: u64,
    paused: BTreeMap<Owner, Vec<u64>>,
    random: StdRng,
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} tasks", self.tasks.len())
    }
}

impl Executor {
    /// An executor whose choices follow from the seed.
    pub fn new(scheduler: &Arc<Scheduler>, seed: u64) -> Self {
        Self {
            scheduler: Arc::clone(scheduler),
            control: Control::default(),
            tasks: BTreeMap::new(),
            task_next: 0,
            paused: BTreeMap::new(),
            random: StdRng::seed_from_u64(seed),
        }
    }

    /// For tasks to spawn, crash, pause and resume.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Polls until `done`.
    pub fn run(
        &mut self,
        mut done: impl FnMut() -> bool,
        time_max: Duration,
        events_max: u64,
    ) -> Result<(), Stuck> {
        loop {
            self.obey();
            if done() {
                return Ok(());
            }
            if self.scheduler.state.lock().events > events_max {
                return Err(Stuck::Late);
            }
            match self.next() {
                Some(id) => self.poll(id),
                None => self.advance(time_max)?,
            }
        }
    }

    fn add(&mut self, owner: Owner, task: LocalTask) {
        self.task_next += 1;
        let waker = Arc::new(TaskWaker {
            scheduler: Arc::clone(&self.scheduler),
            task: self.task_next,
            queued: AtomicBool::new(true),
        });
        self.scheduler.state.lock().ready.push(self.task_next);
        self.tasks
            .insert(self.task_next, Entry { owner, task, waker });
    }

    fn obey(&mut self) {
        loop {
            let spawned = std::mem::take(&mut self.scheduler.state.lock().spawned);
            let commands = std::mem::take(&mut *self.control.commands.borrow_mut());
            if spawned.is_empty() && commands.is_empty() {
                return;
            }
            for (owner, task) in spawned {
                self.add(owner, task);
            }
            for command in commands {
                match command {
                    Command::Spawn(owner, task) => self.add(owner, task),
                    Command::Crash(owner) => {
                        self.paused.remove(&owner);
                        let gone: Vec<_> = self
                            .tasks
                            .extract_if(.., |_, entry| entry.owner == owner)
                            .collect();
                        drop(gone);
                        self.forget(owner);
                    }
                    Command::Pause(owner) => {
                        self.paused.entry(owner).or_default();
                    }
                    Command::Resume(owner) => {
                        let waiting = self.paused.remove(&owner).unwrap_or_default();
                        self.scheduler.state.lock().ready.extend(waiting);
                    }
                }
            }
        }
    }

    /// What a dying task spawned dies with it.
    fn forget(&self, owner: Owner) {
        let mut state = self.scheduler.state.lock();
        let (gone, kept) = std::mem::take(&mut state.spawned)
            .into_iter()
            .partition(|(of, _)| *of == owner);
        state.spawned = kept;
        drop(state);
        let gone: Vec<(Owner, Task)> = gone;
        drop(gone);
    }

    fn next(&mut self) -> Option<u64> {
        loop {
            let id = {
                let mut state = self.scheduler.state.lock();
                if state.ready.is_empty() {
                    return None;
                }
                let index = self.random.random_range(0..state.ready.len());
                state.ready.swap_remove(index)
            };
            let Some(entry) = self.tasks.get(&id) else {
                continue;
            };
            match self.paused.get_mut(&entry.owner) {
                Some(waiting) => waiting.push(id),
                None => return Some(id),
            }
        }
    }

    fn poll(&mut self, id: u64) {
        let Some(mut entry) = self.tasks.remove(&id) else {
            return;
        };
        {
            let mut state = self.scheduler.state.lock();
            state.events += 1;
        }
        let now = u64::try_from(self.scheduler.now().as_micros()).unwrap_or(u64::MAX);
        self.scheduler.note(&[id, u64::from(entry.owner), now]);
        entry.waker.queued.store(false, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&entry.waker));
        if entry
            .task
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
        {
            self.tasks.insert(id, entry);
        }
    }

    fn advance(&self, time_max: Duration) -> Result<(), Stuck> {
        let mut state = self.scheduler.state.lock();
        let Some(((deadline, _), waker)) = state.timers.pop_first() else {
            return Err(Stuck::Deadlock);
        };
        if deadline > time_max {
            return Err(Stuck::Late);
        }
        state.now = deadline.max(state.now);
        drop(state);
        waker.wake();
        Ok(())
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        // Wakers hold the scheduler, which holds timers, which hold wakers.
        self.control.commands.borrow_mut().clear();
        self.tasks.clear();
        let mut state = self.scheduler.state.lock();
        let rest = (
            std::mem::take(&mut state.timers),
            std::mem::take(&mut state.spawned),
        );
        drop(state);
        drop(rest);
    }
}

/// The runtime of one simulated host.
#[derive(Debug)]
pub struct HostRuntime {
    scheduler: Arc<Scheduler>,
    owner: Owner,
    random: Mutex<StdRng>,
}

impl HostRuntime {
    /// A runtime whose random numbers follow from the seed and the owner.
    pub fn new(scheduler: &Arc<Scheduler>, owner: Owner, seed: u64) -> Arc<Self> {
        let seed = seed ^ u64::from(owner).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Arc::new(Self {
            scheduler: Arc::clone(scheduler),
            owner,
            random: Mutex::new(StdRng::seed_from_u64(seed)),
        })
    }
}

impl Runtime for HostRuntime {
    fn elapsed(&self) -> Duration {
        self.scheduler.now()
    }

    fn sleep(&self, duration: Duration) -> Task {
        Box::pin(self.scheduler.sleep(duration))
    }

    fn spawn(&self, task: Task) {
        self.scheduler.spawn(self.owner, task);
    }

    fn random(&self) -> u64 {
        self.random.lock().random()
    }
}
