//! Goal: a kept handle is never answered for a version at which the registry says otherwise, and a warm read asks for
//! nothing. Method: random commits and reads, each answer compared with the registry below.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may stop"
)]

use std::sync::atomic::{AtomicUsize, Ordering};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sop_engine::types::{Observation, PhysicalId};

use super::*;
use crate::registry::memory::{HistoryOptions, MemoryRegistry};
use crate::registry::{Claim, Flip, FlipKind, Request, Verdict};
use crate::runtime::TokioRuntime;

/// Counts what reaches the registry.
#[derive(Debug)]
struct Counted {
    inner: MemoryRegistry,
    nows: AtomicUsize,
    confirmed: AtomicUsize,
    registered: AtomicUsize,
    released: AtomicUsize,
}

#[async_trait]
impl Registry for Counted {
    async fn now(&self, at: Option<Version>, since: Version) -> Result<Now, RegistryError> {
        self.nows.fetch_add(1, Ordering::SeqCst);
        self.registered.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let answer = self.inner.now(at, since).await;
        tokio::task::yield_now().await;
        answer
    }
    fn release(&self, at: Version) {
        self.released.fetch_add(1, Ordering::SeqCst);
        self.inner.release(at);
    }
    async fn resolve(
        &self,
        ids: &[LogicalId],
        at: Version,
    ) -> Result<Vec<Option<Handle>>, RegistryError> {
        self.confirmed.fetch_add(ids.len(), Ordering::SeqCst);
        tokio::task::yield_now().await;
        let answer = self.inner.resolve(ids, at).await;
        tokio::task::yield_now().await;
        answer
    }
    async fn counters(&self, _: &[LogicalId], _: Version) -> Result<Vec<Counter>, RegistryError> {
        unreachable!()
    }
    async fn history(&self, _: &[LogicalId]) -> Result<Vec<History>, RegistryError> {
        unreachable!()
    }
    async fn reserve(&self, group: Group) -> Result<Reservation, RegistryError> {
        self.inner.reserve(group).await
    }
    async fn publish(
        &self,
        ticket: u64,
        publications: Vec<Publication>,
    ) -> Result<Option<Vec<Published>>, RegistryError> {
        self.inner.publish(ticket, publications).await
    }
    async fn abandon(&self, _: SegmentKey) -> Result<(), RegistryError> {
        unreachable!()
    }
    async fn blocking(&self, _: &[LogicalId]) -> Result<Vec<Blocker>, RegistryError> {
        unreachable!()
    }
    async fn overdue(&self) -> Result<Vec<Blocker>, RegistryError> {
        unreachable!()
    }
    async fn mark(&self, _: &[LogicalId], _: Duration) -> Result<(), RegistryError> {
        unreachable!()
    }
    async fn released(&self, _: u64) {}
    async fn outcome(&self, _: TransactionId) -> Result<Option<Version>, RegistryError> {
        unreachable!()
    }
    fn floor(&self) -> Version {
        self.inner.floor()
    }
    async fn prune(&self) -> Result<(), RegistryError> {
        Ok(())
    }
    async fn hold_spills(&self, _: u32, _: Duration) -> Result<(), RegistryError> {
        Ok(())
    }
}

fn id(number: u64) -> LogicalId {
    LogicalId::new(9, 100 + number)
}

fn registries() -> (Arc<Counted>, Arc<Confirmed>) {
    let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::current());
    let counted = Arc::new(Counted {
        inner: MemoryRegistry::new(1, HistoryOptions::default(), Arc::clone(&runtime)),
        nows: AtomicUsize::new(0),
        confirmed: AtomicUsize::new(0),
        registered: AtomicUsize::new(0),
        released: AtomicUsize::new(0),
    });
    let confirmed = Arc::new(Confirmed::new(Arc::clone(&counted) as _, runtime));
    (counted, confirmed)
}

/// Puts or removes one id, by this host or by another one that goes past the kept handles.
async fn change(through: &dyn Registry, below: &MemoryRegistry, random: &mut StdRng, ids: u64) {
    let id = id(random.random_range(0..ids));
    let removes = random.random_bool(0.2);
    publish(through, below, id, removes, random).await;
}

async fn put(through: &dyn Registry, below: &MemoryRegistry, id: LogicalId, random: &mut StdRng) {
    publish(through, below, id, false, random).await;
}

async fn publish(
    through: &dyn Registry,
    below: &MemoryRegistry,
    id: LogicalId,
    removes: bool,
    random: &mut StdRng,
) {
    let version = below.version();
    let handle = below.resolve(&[id], version).await.unwrap().remove(0);
    let observed = handle.as_ref().map_or(0, |handle| handle.version);
    let key = SegmentKey {
        epoch: 1,
        period: 1,
        unique: random.random(),
    };
    let transaction = TransactionId {
        high: random.random(),
        low: random.random(),
    };
    let reservation = below
        .reserve(Group {
            key,
            lease: Duration::from_secs(10),
            requests: vec![Request {
                id: transaction,
                observed: vec![Observation {
                    id,
                    version: observed,
                }],
                claims: vec![(id, Claim::Exclusive)],
                priority: false,
                spills_from: None,
            }],
        })
        .await
        .unwrap();
    assert_eq!(reservation.verdicts, [Verdict::Granted]);
    let place = PhysicalId {
        segment: key.object(),
        offset: 80,
        length: 10,
    };
    let kind = if handle.is_some() && removes {
        FlipKind::Remove
    } else if handle.is_some() && random.random_bool(0.3) {
        FlipKind::Delta(place)
    } else {
        FlipKind::Put(place)
    };
    let publication = Publication {
        id: transaction,
        flips: vec![Flip { id, kind }],
    };
    through
        .publish(reservation.ticket.unwrap(), vec![publication])
        .await
        .unwrap();
}

#[tokio::test]
async fn kept_handles_agree_with_the_registry_at_every_version() {
    for seed in 0..30 {
        let mut random = StdRng::seed_from_u64(seed);
        let (counted, confirmed) = registries();
        // Few ids: the feed suffices; many: it overflows.
        let ids = match seed % 3 {
            0 => 4,
            1 => 40,
            _ => 400,
        };
        let mut points: Vec<Version> = Vec::new();
        for _ in 0..600 {
            match random.random_range(0..10) {
                0..=2 => {
                    let host: &dyn Registry = if random.random_bool(0.5) {
                        confirmed.as_ref()
                    } else {
                        &counted.inner
                    };
                    for _ in 0..random.random_range(1..20) {
                        change(host, &counted.inner, &mut random, ids).await;
                    }
                }
                3..=4 => points.push(confirmed.now(None, Version::MAX).await.unwrap().version),
                5 if !points.is_empty() => {
                    let gone = points.swap_remove(random.random_range(0..points.len()));
                    confirmed.release(gone);
                }
                _ => {
                    let Some(at) = points.get(random.random_range(0..points.len().max(1))) else {
                        continue;
                    };
                    let wanted: Vec<_> = (0..random.random_range(1..8))
                        .map(|_| id(random.random_range(0..ids)))
                        .collect();
                    let expected = counted.inner.resolve(&wanted, *at).await.unwrap();
                    let found = match confirmed.resolve_here(&wanted, *at) {
                        Some(found) => found.unwrap(),
                        None => confirmed.resolve(&wanted, *at).await.unwrap(),
                    };
                    assert_eq!(found, expected, "seed {seed} at {at}");
                }
            }
        }
        for point in points {
            confirmed.release(point);
        }
        assert_eq!(
            counted.registered.load(Ordering::SeqCst),
            counted.released.load(Ordering::SeqCst)
        );
    }
}

#[tokio::test]
async fn a_warm_read_asks_for_a_read_point_and_nothing_else() {
    let mut random = StdRng::seed_from_u64(1);
    let (counted, confirmed) = registries();
    for _ in 0..50 {
        change(&counted.inner, &counted.inner, &mut random, 20).await;
    }
    let ids: Vec<_> = (0..20).map(id).collect();
    let first = confirmed.now(None, Version::MAX).await.unwrap().version;
    confirmed.resolve(&ids, first).await.unwrap();
    let asked = counted.confirmed.load(Ordering::SeqCst);
    change(&counted.inner, &counted.inner, &mut random, 1).await;
    let second = confirmed.now(None, Version::MAX).await.unwrap().version;
    assert!(confirmed.resolve_here(&ids[1..], second).is_some());
    assert!(
        confirmed.resolve_here(&ids[..1], second).is_none(),
        "it changed"
    );
    confirmed.resolve(&ids, second).await.unwrap();
    assert_eq!(
        counted.confirmed.load(Ordering::SeqCst),
        asked + 1,
        "only what changed is asked for"
    );
}

#[tokio::test]
async fn what_this_host_published_itself_is_not_asked_for() {
    let mut random = StdRng::seed_from_u64(2);
    let (counted, confirmed) = registries();
    let ids: Vec<_> = (0..20).map(id).collect();
    let first = confirmed.now(None, Version::MAX).await.unwrap().version;
    confirmed.resolve(&ids, first).await.unwrap();
    let asked = counted.confirmed.load(Ordering::SeqCst);
    for round in 0..100 {
        // Sometimes another host publishes something else meanwhile.
        let own = id(round % 10);
        put(confirmed.as_ref(), &counted.inner, own, &mut random).await;
        if round % 3 == 0 {
            let other = id(10 + round % 7);
            put(&counted.inner, &counted.inner, other, &mut random).await;
        }
        let at = confirmed.now(None, Version::MAX).await.unwrap().version;
        let expected = counted.inner.resolve(&[own], at).await.unwrap();
        let found = confirmed.resolve_here(&[own], at);
        assert_eq!(
            found.expect("it is known").unwrap(),
            expected,
            "round {round}"
        );
        confirmed.release(at);
    }
    assert_eq!(counted.confirmed.load(Ordering::SeqCst), asked);
}

#[tokio::test]
async fn read_points_that_begin_together_share_a_call_and_who_went_away_holds_nothing() {
    let (counted, confirmed) = registries();
    let all = (0..100).map(|_| {
        let confirmed = Arc::clone(&confirmed);
        async move { confirmed.now(None, Version::MAX).await.unwrap().version }
    });
    let points = futures::future::join_all(all).await;
    let calls = counted.nows.load(Ordering::SeqCst);
    assert!(calls <= limits::NOWS_IN_FLIGHT + 1, "{calls} calls");
    for point in points {
        confirmed.release(point);
    }
    // One that is given up while it waits.
    let given_up = confirmed.now(None, Version::MAX);
    assert!(given_up.now_or_never().is_none());
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        counted.registered.load(Ordering::SeqCst),
        counted.released.load(Ordering::SeqCst)
    );
}
