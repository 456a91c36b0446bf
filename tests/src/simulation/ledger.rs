//! What the registries of all epochs really did, written down where it happens, and what must never happen there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use sop_engine::types::{Counter, Handle, LogicalId, TransactionId, Version};
use sop_host::blob::SegmentKey;
use sop_host::registry::memory::MemoryRegistry;
use sop_host::registry::{
    Blocker, EntryBatch, Group, History, Now, PeriodProgress, PeriodStart, Publication, Published,
    Registry, RegistryError, Reservation,
};

use super::scheduler::Scheduler;

/// Whether a segment lies under its key.
pub type Durable = Arc<dyn Fn(SegmentKey) -> bool + Send + Sync>;

/// What was published, and what was wrong.
#[derive(Debug, Default)]
pub struct Ledger {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By epoch and version.
    published: BTreeMap<u32, BTreeMap<Version, TransactionId>>,
    keys: BTreeMap<(u32, u64), SegmentKey>,
    done: BTreeSet<(u32, u64)>,
    newest: BTreeMap<u32, Version>,
    violations: Vec<String>,
}

impl Ledger {
    /// Something happened that must never happen.
    pub fn violation(&self, message: String) {
        self.state.lock().violations.push(message);
    }

    /// Whether something was wrong.
    pub fn is_broken(&self) -> bool {
        !self.state.lock().violations.is_empty()
    }

    /// What was wrong so far.
    pub fn violations(&self) -> Vec<String> {
        self.state.lock().violations.clone()
    }

    /// What the registry of an epoch published, by version.
    pub fn published(&self, epoch: u32) -> BTreeMap<Version, TransactionId> {
        let state = self.state.lock();
        state.published.get(&epoch).cloned().unwrap_or_default()
    }

    /// The version a transaction was published under, in any epoch.
    pub fn version(&self, id: TransactionId) -> Option<Version> {
        let state = self.state.lock();
        let mut all = state.published.values().flatten();
        all.find(|(_, of)| **of == id).map(|(version, _)| *version)
    }

    fn reserved(&self, epoch: u32, ticket: u64, key: SegmentKey) {
        let mut state = self.state.lock();
        if state.keys.insert((epoch, ticket), key).is_some() {
            let message = format!("ticket {ticket} of epoch {epoch} was given out twice");
            state.violations.push(message);
        }
    }

    fn publish(
        &self,
        (epoch, ticket): (u32, u64),
        durable: &Durable,
        publications: &[Publication],
        published: &[Published],
    ) {
        let mut state = self.state.lock();
        if !state.done.insert((epoch, ticket)) {
            return;
        }
        let key = state.keys.get(&(epoch, ticket)).copied();
        if !key.is_some_and(|key| durable(key)) {
            let message = format!("ticket {ticket} of epoch {epoch} is visible but not durable");
            state.violations.push(message);
        }
        for (publication, published) in publications.iter().zip(published) {
            let newest = state.newest.entry(epoch).or_default();
            let before = std::mem::replace(newest, published.version.max(*newest));
            let log = state.published.entry(epoch).or_default();
            if published.version > before {
                log.insert(published.version, publication.id);
            }
        }
    }
}

/// The registry of one epoch, with everything it does written down.
pub struct LedgerRegistry {
    /// The registry itself.
    pub inner: MemoryRegistry,
    epoch: u32,
    durable: Durable,
    ledger: Arc<Ledger>,
    scheduler: Arc<Scheduler>,
}

impl std::fmt::Debug for LedgerRegistry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "the registry of epoch {}", self.epoch)
    }
}

impl LedgerRegistry {
    /// The registry of an epoch.
    pub fn new(
        inner: MemoryRegistry,
        epoch: u32,
        (durable, ledger, scheduler): (Durable, &Arc<Ledger>, &Arc<Scheduler>),
    ) -> Arc<Self> {
        Arc::new(Self {
            inner,
            epoch,
            durable,
            ledger: Arc::clone(ledger),
            scheduler: Arc::clone(scheduler),
        })
    }
}

impl LedgerRegistry {
    /// Its epoch.
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }
}

type Outcome<T> = Result<T, RegistryError>;

#[async_trait]
impl Registry for LedgerRegistry {
    async fn now(&self, at: Option<Version>, since: Version) -> Outcome<Now> {
        let now = self.inner.now(at, since).await?;
        self.scheduler.note(&[1, now.version]);
        Ok(now)
    }

    fn release(&self, at: Version) {
        self.inner.release(at);
    }

    async fn resolve(&self, ids: &[LogicalId], at: Version) -> Outcome<Vec<Option<Handle>>> {
        self.inner.resolve(ids, at).await
    }

    async fn counters(&self, ids: &[LogicalId], at: Version) -> Outcome<Vec<Counter>> {
        self.inner.counters(ids, at).await
    }

    async fn history(&self, ids: &[LogicalId]) -> Outcome<Vec<History>> {
        self.inner.history(ids).await
    }

    async fn reserve(&self, group: Group) -> Outcome<Reservation> {
        let key = group.key;
        let reservation = self.inner.reserve(group).await?;
        self.scheduler
            .note(&[2, key.unique, reservation.ticket.unwrap_or(0)]);
        if let Some(ticket) = reservation.ticket {
            self.ledger.reserved(self.epoch, ticket, key);
        }
        Ok(reservation)
    }

    async fn publish(
        &self,
        ticket: u64,
        publications: Vec<Publication>,
    ) -> Outcome<Option<Vec<Published>>> {
        let published = self.inner.publish(ticket, publications.clone()).await?;
        self.scheduler.note(&[3, ticket, self.inner.version()]);
        if let Some(published) = &published {
            self.ledger.publish(
                (self.epoch, ticket),
                &self.durable,
                &publications,
                published,
            );
        }
        Ok(published)
    }

    async fn abandon(&self, key: SegmentKey) -> Outcome<()> {
        self.scheduler.note(&[4, key.unique]);
        self.inner.abandon(key).await
    }

    async fn blocking(&self, ids: &[LogicalId]) -> Outcome<Vec<Blocker>> {
        self.inner.blocking(ids).await
    }

    async fn overdue(&self) -> Outcome<Vec<Blocker>> {
        self.inner.overdue().await
    }

    async fn mark(&self, ids: &[LogicalId], lease: Duration) -> Outcome<()> {
        self.inner.mark(ids, lease).await
    }

    async fn released(&self, releases: u64) {
        self.inner.released(releases).await;
    }

    async fn outcome(&self, id: TransactionId) -> Outcome<Option<Version>> {
        self.inner.outcome(id).await
    }

    fn floor(&self) -> Version {
        self.inner.floor()
    }

    async fn prune(&self) -> Outcome<()> {
        self.inner.prune().await
    }

    async fn begin_period(&self, ended: u32) -> Outcome<PeriodStart> {
        let start = self.inner.begin_period(ended).await?;
        self.scheduler
            .note(&[8, u64::from(start.period), start.low_water]);
        Ok(start)
    }

    async fn hold_spills(&self, from: u32, lease: Duration) -> Outcome<()> {
        self.inner.hold_spills(from, lease).await
    }

    fn progress(&self) -> Option<PeriodProgress> {
        self.inner.progress()
    }

    async fn entries(&self, at: Version, from: &[u8], count: usize) -> Outcome<EntryBatch> {
        self.inner.entries(at, from, count).await
    }
}
