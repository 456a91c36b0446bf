//! A registry of one epoch: the calls, and what this host remembers between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sop_engine::types::{Counter, Handle, LogicalId, TransactionId, Version};
use tokio::sync::Mutex;

use super::arguments::Arguments;
use super::codec::{counter_of, version_of};
use super::link::Link;
use super::reply::Reply;
use super::scripts::{LOOK, Script};
use super::snapshots::Snapshots;
use crate::blob::SegmentKey;
use crate::limits;
use crate::registry::memory::HistoryOptions;
use crate::registry::{
    Blocker, EntryBatch, Group, History, Now, PeriodProgress, PeriodStart, Publication, Published,
    Registry, RegistryError, Reservation,
};

/// The registry of one epoch on a Redis server. Every call answers [`RegistryError::Foreign`] when
/// the server no longer holds it.
#[derive(Debug)]
pub struct RedisRegistry {
    link: Arc<Link>,
    root: Arc<str>,
    pub(super) epoch: u32,
    pub(super) history: HistoryOptions,
    /// Under which this host registers its snapshots: chosen at random.
    pub(super) host: [u8; 8],
    pub(super) snapshots: Snapshots,
    /// Counters of versions, and releases: the highest that any answer named.
    pub(super) seen: AtomicU64,
    floor: AtomicU64,
    releases: AtomicU64,
    /// What the newest publication said about the period.
    pub(super) progress: parking_lot::Mutex<Option<PeriodProgress>>,
    /// Who holds it looks for releases, for all that wait.
    looking: Mutex<()>,
}

impl RedisRegistry {
    pub(super) fn new(
        link: Arc<Link>,
        root: Arc<str>,
        epoch: u32,
        history: HistoryOptions,
    ) -> Self {
        Self {
            link,
            root,
            epoch,
            history,
            host: rand::random(),
            snapshots: Snapshots::default(),
            seen: AtomicU64::new(0),
            floor: AtomicU64::new(0),
            releases: AtomicU64::new(0),
            progress: parking_lot::Mutex::default(),
            looking: Mutex::new(()),
        }
    }

    pub(super) fn arguments(&self, script: &'static Script) -> Arguments {
        let seen = self.seen.load(Ordering::Acquire);
        Arguments::new(script, &self.root, self.epoch, seen)
    }

    /// One round trip.
    pub(super) async fn call(&self, arguments: Arguments) -> Result<Reply, RegistryError> {
        Ok(self.call_with_state(arguments).await?.rest)
    }

    /// One round trip; takes the start of the answer off.
    pub(super) async fn call_with_state(
        &self,
        arguments: Arguments,
    ) -> Result<Answer, RegistryError> {
        let value = self.link.call(&arguments).await?;
        let mut reply = Reply::checked(value, |floor| {
            self.floor.fetch_max(floor, Ordering::AcqRel);
            version_of(floor, self.epoch)
        })?;
        let (version, floor, releases) = (reply.number()?, reply.number()?, reply.number()?);
        self.seen.fetch_max(version, Ordering::AcqRel);
        self.floor.fetch_max(floor, Ordering::AcqRel);
        self.releases.fetch_max(releases, Ordering::AcqRel);
        Ok(Answer {
            version,
            releases,
            rest: reply,
        })
    }

    /// What the newest answer said about releases.
    fn releases(&self) -> u64 {
        self.releases.load(Ordering::Acquire)
    }

    async fn wait_released(&self, releases: u64) {
        let mut pause = limits::RELEASE_POLL_MIN;
        while self.releases() <= releases {
            let turn = self.looking.lock().await;
            if self.releases() > releases {
                return;
            }
            match self.call(self.arguments(&LOOK)).await {
                Ok(_) if self.releases() > releases => return,
                Ok(_) | Err(RegistryError::Unavailable(_)) => {}
                // The caller's next call says the same; there is nothing to wait for.
                Err(_) => return,
            }
            tokio::time::sleep(pause).await;
            drop(turn);
            pause = (pause + pause / 2).min(limits::RELEASE_POLL_MAX);
        }
    }
}

/// What every answer begins with, as of the end of the call, and the rest.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) version: u64,
    pub(super) releases: u64,
    pub(super) rest: Reply,
}

pub(super) fn milliseconds(duration: Duration) -> u64 {
    // More than a thousand years are as good as for ever.
    u64::try_from(duration.as_millis()).map_or(1 << 45, |milliseconds| milliseconds.min(1 << 45))
}

#[async_trait]
impl Registry for RedisRegistry {
    async fn now(&self, at: Option<Version>, since: Version) -> Result<Now, RegistryError> {
        self.read_point(at, since).await
    }

    fn release(&self, at: Version) {
        if let Some(counter) = counter_of(at, self.epoch) {
            self.snapshots.release(counter);
        }
    }

    async fn resolve(
        &self,
        ids: &[LogicalId],
        at: Version,
    ) -> Result<Vec<Option<Handle>>, RegistryError> {
        self.handles(ids, at).await
    }

    async fn counters(
        &self,
        ids: &[LogicalId],
        at: Version,
    ) -> Result<Vec<Counter>, RegistryError> {
        self.counts(ids, at).await
    }

    async fn confirm(
        &self,
        known: &[(LogicalId, Option<Handle>)],
        at: Version,
    ) -> Result<Vec<Option<Option<Handle>>>, RegistryError> {
        self.differing(known, at).await
    }

    async fn history(&self, ids: &[LogicalId]) -> Result<Vec<History>, RegistryError> {
        self.kept(ids).await
    }

    async fn reserve(&self, group: Group) -> Result<Reservation, RegistryError> {
        self.reserve_group(&group).await
    }

    async fn publish(
        &self,
        ticket: u64,
        publications: Vec<Publication>,
    ) -> Result<Option<Vec<Published>>, RegistryError> {
        self.publish_group(ticket, &publications).await
    }

    async fn abandon(&self, key: SegmentKey) -> Result<(), RegistryError> {
        self.end(key).await
    }

    async fn blocking(&self, ids: &[LogicalId]) -> Result<Vec<Blocker>, RegistryError> {
        self.in_the_way(ids).await
    }

    async fn overdue(&self) -> Result<Vec<Blocker>, RegistryError> {
        self.past_deadline().await
    }

    async fn mark(&self, ids: &[LogicalId], lease: Duration) -> Result<(), RegistryError> {
        self.hold_back(ids, lease).await
    }

    async fn released(&self, releases: u64) {
        self.wait_released(releases).await;
    }

    async fn outcome(&self, id: TransactionId) -> Result<Option<Version>, RegistryError> {
        self.remembered(id).await
    }

    fn floor(&self) -> Version {
        version_of(self.floor.load(Ordering::Acquire), self.epoch)
    }

    async fn prune(&self) -> Result<(), RegistryError> {
        while self.forget().await? {}
        Ok(())
    }

    async fn begin_period(&self, ended: u32) -> Result<PeriodStart, RegistryError> {
        self.next_period(ended).await
    }

    async fn hold_spills(&self, from: u32, lease: Duration) -> Result<(), RegistryError> {
        self.hold(from, lease).await
    }

    fn progress(&self) -> Option<PeriodProgress> {
        *self.progress.lock()
    }

    async fn entries(
        &self,
        at: Version,
        from: &[u8],
        count: usize,
    ) -> Result<EntryBatch, RegistryError> {
        self.batch(at, from, count).await
    }
}
