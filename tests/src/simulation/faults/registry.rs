//! The registry as a host sees it over the network.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use sop_engine::types::{Counter, Handle, LogicalId, TransactionId, Version};
use sop_host::blob::SegmentKey;
use sop_host::registry::{
    Blocker, EntryBatch, Group, History, Now, PeriodProgress, PeriodStart, Publication, Published,
    Registry, RegistryError, Reservation,
};

use super::network::{Network, Served};

/// One host's way to one registry.
#[derive(Debug)]
pub struct FaultyRegistry {
    network: Arc<Network>,
    inner: Arc<dyn Registry>,
    /// Versions that this host registered.
    registered: Mutex<BTreeMap<Version, usize>>,
    /// The registry is gone or another one.
    lost: Arc<AtomicBool>,
}

/// A registration nobody has taken over yet.
#[derive(Debug)]
struct Registered(Option<(Arc<dyn Registry>, Version)>);

impl Drop for Registered {
    fn drop(&mut self) {
        if let Some((registry, version)) = self.0.take() {
            registry.release(version);
        }
    }
}

type Outcome<T> = Result<T, RegistryError>;

fn unanswered() -> RegistryError {
    RegistryError::Unavailable("no answer".to_owned())
}

impl FaultyRegistry {
    /// A way to this registry, until it is lost.
    pub fn new(
        network: &Arc<Network>,
        inner: Arc<dyn Registry>,
        lost: &Arc<AtomicBool>,
    ) -> Arc<Self> {
        Arc::new(Self {
            network: Arc::clone(network),
            inner,
            registered: Mutex::default(),
            lost: Arc::clone(lost),
        })
    }

    /// The registrations of a host that is gone, or was silent for long, run out.
    pub fn expire(&self) {
        for (version, count) in std::mem::take(&mut *self.registered.lock()) {
            (0..count).for_each(|_| self.inner.release(version));
        }
    }

    async fn send<T, F>(&self, serve: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: Fn(Arc<dyn Registry>) -> Served<Outcome<T>> + Send + 'static,
    {
        let (inner, lost) = (Arc::clone(&self.inner), Arc::clone(&self.lost));
        let serve = move || -> Served<Outcome<T>> {
            if lost.load(Ordering::SeqCst) {
                let foreign = RegistryError::Foreign("the registry is another one".to_owned());
                return Box::pin(async move { Err(foreign) });
            }
            serve(Arc::clone(&inner))
        };
        self.network
            .call(serve)
            .await
            .unwrap_or_else(|| Err(unanswered()))
    }
}

#[async_trait]
impl Registry for FaultyRegistry {
    async fn now(&self, at: Option<Version>, since: Version) -> Outcome<Now> {
        let serve = move |inner: Arc<dyn Registry>| -> Served<Outcome<(Now, Registered)>> {
            Box::pin(async move {
                let now = inner.now(at, since).await?;
                let registered = Registered(Some((Arc::clone(&inner), now.version)));
                Ok((now, registered))
            })
        };
        let (now, mut registered) = self.send(serve).await?;
        registered.0 = None;
        *self.registered.lock().entry(now.version).or_default() += 1;
        Ok(now)
    }

    fn release(&self, at: Version) {
        let mut registered = self.registered.lock();
        if let Some(count) = registered.get_mut(&at) {
            *count -= 1;
            if *count == 0 {
                registered.remove(&at);
            }
            self.inner.release(at);
        }
    }

    async fn resolve(&self, ids: &[LogicalId], at: Version) -> Outcome<Vec<Option<Handle>>> {
        let ids = ids.to_vec();
        self.send(move |inner| {
            let ids = ids.clone();
            Box::pin(async move { inner.resolve(&ids, at).await })
        })
        .await
    }

    async fn counters(&self, ids: &[LogicalId], at: Version) -> Outcome<Vec<Counter>> {
        let ids = ids.to_vec();
        self.send(move |inner| {
            let ids = ids.clone();
            Box::pin(async move { inner.counters(&ids, at).await })
        })
        .await
    }

    async fn history(&self, ids: &[LogicalId]) -> Outcome<Vec<History>> {
        let ids = ids.to_vec();
        self.send(move |inner| {
            let ids = ids.clone();
            Box::pin(async move { inner.history(&ids).await })
        })
        .await
    }

    async fn reserve(&self, group: Group) -> Outcome<Reservation> {
        self.send(move |inner| {
            let group = group.clone();
            Box::pin(async move { inner.reserve(group).await })
        })
        .await
    }

    async fn publish(
        &self,
        ticket: u64,
        publications: Vec<Publication>,
    ) -> Outcome<Option<Vec<Published>>> {
        self.send(move |inner| {
            let publications = publications.clone();
            Box::pin(async move { inner.publish(ticket, publications).await })
        })
        .await
    }

    async fn abandon(&self, key: SegmentKey) -> Outcome<()> {
        self.send(move |inner| Box::pin(async move { inner.abandon(key).await }))
            .await
    }

    async fn blocking(&self, ids: &[LogicalId]) -> Outcome<Vec<Blocker>> {
        let ids = ids.to_vec();
        self.send(move |inner| {
            let ids = ids.clone();
            Box::pin(async move { inner.blocking(&ids).await })
        })
        .await
    }

    async fn overdue(&self) -> Outcome<Vec<Blocker>> {
        self.send(move |inner| Box::pin(async move { inner.overdue().await }))
            .await
    }

    async fn mark(&self, ids: &[LogicalId], lease: Duration) -> Outcome<()> {
        let ids = ids.to_vec();
        self.send(move |inner| {
            let ids = ids.clone();
            Box::pin(async move { inner.mark(&ids, lease).await })
        })
        .await
    }

    async fn released(&self, releases: u64) {
        self.inner.released(releases).await;
        // The word travels too; that it never comes is the caller's own limit of patience.
        let _ = self.send(|_| Box::pin(async { Ok(()) })).await;
    }

    async fn outcome(&self, id: TransactionId) -> Outcome<Option<Version>> {
        self.send(move |inner| Box::pin(async move { inner.outcome(id).await }))
            .await
    }

    fn floor(&self) -> Version {
        self.inner.floor()
    }

    async fn prune(&self) -> Outcome<()> {
        self.send(move |inner| Box::pin(async move { inner.prune().await }))
            .await
    }

    async fn begin_period(&self, ended: u32) -> Outcome<PeriodStart> {
        self.send(move |inner| Box::pin(async move { inner.begin_period(ended).await }))
            .await
    }

    async fn hold_spills(&self, from: u32, lease: Duration) -> Outcome<()> {
        self.send(move |inner| Box::pin(async move { inner.hold_spills(from, lease).await }))
            .await
    }

    fn progress(&self) -> Option<PeriodProgress> {
        self.inner.progress()
    }

    async fn entries(&self, at: Version, from: &[u8], count: usize) -> Outcome<EntryBatch> {
        let from = from.to_vec();
        self.send(move |inner| {
            let from = from.clone();
            Box::pin(async move { inner.entries(at, &from, count).await })
        })
        .await
    }
}
