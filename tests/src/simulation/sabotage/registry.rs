//! A registry that lies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use sop_engine::types::{Counter, Handle, LogicalId, TransactionId, Version};
use sop_host::blob::SegmentKey;
use sop_host::registry::{
    Blocker, EntryBatch, Group, History, Now, PeriodProgress, PeriodStart, Publication, Published,
    Registry, RegistryError, Reservation, Verdict,
};

use super::Sabotage;

/// How often a remembered handle is believed.
const USES: u32 = 5;

/// A registry that breaks one rule.
#[derive(Debug)]
pub(super) struct BrokenRegistry {
    inner: Arc<dyn Registry>,
    rule: Sabotage,
    handles: Mutex<BTreeMap<LogicalId, (u32, Option<Handle>)>>,
    last: Mutex<Option<(u32, Version)>>,
}

type Outcome<T> = Result<T, RegistryError>;

impl BrokenRegistry {
    pub(super) fn new(inner: Arc<dyn Registry>, rule: Sabotage) -> Arc<Self> {
        Arc::new(Self {
            inner,
            rule,
            handles: Mutex::default(),
            last: Mutex::default(),
        })
    }

    /// Makes every observation what it should be.
    async fn forge(&self, group: &mut Group) -> Outcome<()> {
        let now = self.inner.now(None, Version::MAX).await?;
        for request in &mut group.requests {
            for seen in &mut request.observed {
                let id = [seen.id];
                seen.version = if seen.id.node == LogicalId::COUNTER {
                    let counters = self.inner.counters(&id, now.version).await?;
                    counters.first().map_or(0, |counter| counter.version)
                } else {
                    let handles = self.inner.resolve(&id, now.version).await?;
                    let handle = handles.into_iter().next().flatten();
                    handle.map_or(0, |handle| handle.version)
                };
            }
        }
        self.inner.release(now.version);
        Ok(())
    }

    /// Grants those whom only earlier ones of their own group hold back.
    fn grant(group: &Group, reservation: &mut Reservation) {
        let mut claimed = BTreeSet::new();
        for (request, verdict) in group.requests.iter().zip(&mut reservation.verdicts) {
            let covered = request.claims.iter().all(|(id, _)| claimed.contains(id));
            if let Verdict::Busy(_) = verdict
                && covered
                && !request.claims.is_empty()
            {
                *verdict = Verdict::Granted;
            }
            if *verdict == Verdict::Granted {
                claimed.extend(request.claims.iter().map(|(id, _)| *id));
            }
        }
    }

    /// Clears away whatever is in the way of a group.
    async fn clear(&self, group: &Group) -> Outcome<()> {
        let claims = group.requests.iter().flat_map(|request| &request.claims);
        let ids: Vec<_> = claims.map(|(id, _)| *id).collect();
        for blocker in self.inner.blocking(&ids).await? {
            self.inner.abandon(blocker.key).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Registry for BrokenRegistry {
    async fn now(&self, at: Option<Version>, since: Version) -> Outcome<Now> {
        let at = match *self.last.lock() {
            Some((uses, last)) if self.rule == Sabotage::StaleNow && uses > 0 && at.is_none() => {
                Some(last)
            }
            _ => at,
        };
        let now = self.inner.now(at, since).await?;
        let mut last = self.last.lock();
        let uses = match *last {
            Some((uses, version)) if version == now.version && uses > 0 => uses - 1,
            _ => 2,
        };
        *last = Some((uses, now.version));
        Ok(now)
    }

    fn release(&self, at: Version) {
        self.inner.release(at);
    }

    async fn resolve(&self, ids: &[LogicalId], at: Version) -> Outcome<Vec<Option<Handle>>> {
        if self.rule != Sabotage::HandleCache {
            return self.inner.resolve(ids, at).await;
        }
        let fresh = self.inner.resolve(ids, at).await?;
        let mut handles = self.handles.lock();
        let mut answer = Vec::with_capacity(ids.len());
        for (id, fresh) in ids.iter().zip(fresh) {
            let known = handles.entry(*id).or_insert((USES, fresh.clone()));
            match known.0.checked_sub(1) {
                Some(uses) => known.0 = uses,
                None => *known = (USES, fresh),
            }
            answer.push(known.1.clone());
        }
        Ok(answer)
    }

    async fn counters(&self, ids: &[LogicalId], at: Version) -> Outcome<Vec<Counter>> {
        self.inner.counters(ids, at).await
    }

    async fn history(&self, ids: &[LogicalId]) -> Outcome<Vec<History>> {
        self.inner.history(ids).await
    }

    async fn reserve(&self, mut group: Group) -> Outcome<Reservation> {
        match self.rule {
            Sabotage::ReadValidation => self.forge(&mut group).await?,
            Sabotage::Intents => self.clear(&group).await?,
            _ => {}
        }
        let mut reservation = self.inner.reserve(group.clone()).await?;
        if self.rule == Sabotage::TwoWriters {
            Self::grant(&group, &mut reservation);
        }
        Ok(reservation)
    }

    async fn publish(
        &self,
        ticket: u64,
        publications: Vec<Publication>,
    ) -> Outcome<Option<Vec<Published>>> {
        self.inner.publish(ticket, publications).await
    }

    async fn abandon(&self, key: SegmentKey) -> Outcome<()> {
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
        Ok(match self.rule {
            Sabotage::LowWater => PeriodStart {
                low_water: start.next_ticket,
                ..start
            },
            Sabotage::Contained => PeriodStart {
                contained: Vec::new(),
                ..start
            },
            Sabotage::OlderPeriods => PeriodStart {
                oldest: start.period,
                ..start
            },
            Sabotage::SpillFloor => PeriodStart {
                spills_from: start.period,
                ..start
            },
            Sabotage::Relocations => PeriodStart {
                relocations: 0,
                ..start
            },
            _ => start,
        })
    }

    async fn hold_spills(&self, from: u32, lease: Duration) -> Outcome<()> {
        self.inner.hold_spills(from, lease).await
    }

    fn progress(&self) -> Option<PeriodProgress> {
        self.inner.progress()
    }

    async fn entries(&self, at: Version, from: &[u8], count: usize) -> Outcome<EntryBatch> {
        if self.rule != Sabotage::NewerEntries {
            let mut batch = self.inner.entries(at, from, count).await?;
            if self.rule == Sabotage::Readers {
                let entries = batch.entries.iter_mut();
                entries.for_each(|entry| entry.versions.truncate(1));
            } else if self.rule == Sabotage::Relocations {
                batch.relocations = 0;
            }
            return Ok(batch);
        }
        let newest = self.inner.now(None, Version::MAX).await?.version;
        let entries = self.inner.entries(newest, from, count).await;
        self.inner.release(newest);
        entries
    }
}
