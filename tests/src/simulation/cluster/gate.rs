//! A server's registry, as long as it is of one epoch.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sop_engine::types::{Counter, Handle, LogicalId, TransactionId, Version};
use sop_host::blob::SegmentKey;
use sop_host::registry::{
    Blocker, EntryBatch, Group, History, Now, PeriodProgress, PeriodStart, Publication, Published,
    Registry, RegistryError, Reservation,
};

use super::route::Route;

/// Checks with every call that this is the registry of its epoch.
#[derive(Debug)]
pub(super) struct Gate {
    route: Route,
    epoch: u32,
}

type Outcome<T> = Result<T, RegistryError>;

impl Gate {
    pub(super) const fn new(route: Route, epoch: u32) -> Self {
        Self { route, epoch }
    }

    fn open(&self) -> Outcome<Arc<dyn Registry>> {
        self.route.cluster.registry(self.route.server(), self.epoch)
    }
}

#[async_trait]
impl Registry for Gate {
    async fn now(&self, at: Option<Version>, since: Version) -> Outcome<Now> {
        self.open()?.now(at, since).await
    }

    fn release(&self, at: Version) {
        if let Ok(registry) = self.open() {
            registry.release(at);
        }
    }

    async fn resolve(&self, ids: &[LogicalId], at: Version) -> Outcome<Vec<Option<Handle>>> {
        self.open()?.resolve(ids, at).await
    }

    async fn counters(&self, ids: &[LogicalId], at: Version) -> Outcome<Vec<Counter>> {
        self.open()?.counters(ids, at).await
    }

    async fn history(&self, ids: &[LogicalId]) -> Outcome<Vec<History>> {
        self.open()?.history(ids).await
    }

    async fn reserve(&self, group: Group) -> Outcome<Reservation> {
        self.open()?.reserve(group).await
    }

    async fn publish(
        &self,
        ticket: u64,
        publications: Vec<Publication>,
    ) -> Outcome<Option<Vec<Published>>> {
        self.open()?.publish(ticket, publications).await
    }

    async fn abandon(&self, key: SegmentKey) -> Outcome<()> {
        self.open()?.abandon(key).await
    }

    async fn blocking(&self, ids: &[LogicalId]) -> Outcome<Vec<Blocker>> {
        self.open()?.blocking(ids).await
    }

    async fn overdue(&self) -> Outcome<Vec<Blocker>> {
        self.open()?.overdue().await
    }

    async fn mark(&self, ids: &[LogicalId], lease: Duration) -> Outcome<()> {
        self.open()?.mark(ids, lease).await
    }

    async fn released(&self, releases: u64) {
        if let Ok(registry) = self.open() {
            registry.released(releases).await;
        }
    }

    async fn outcome(&self, id: TransactionId) -> Outcome<Option<Version>> {
        self.open()?.outcome(id).await
    }

    fn floor(&self) -> Version {
        self.open().map_or(0, |registry| registry.floor())
    }

    async fn prune(&self) -> Outcome<()> {
        self.open()?.prune().await
    }

    async fn begin_period(&self, ended: u32) -> Outcome<PeriodStart> {
        self.open()?.begin_period(ended).await
    }

    async fn hold_spills(&self, from: u32, lease: Duration) -> Outcome<()> {
        self.open()?.hold_spills(from, lease).await
    }

    fn progress(&self) -> Option<PeriodProgress> {
        self.open().ok()?.progress()
    }

    async fn entries(&self, at: Version, from: &[u8], count: usize) -> Outcome<EntryBatch> {
        self.open()?.entries(at, from, count).await
    }
}
