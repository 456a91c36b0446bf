//! The registry in process: the same state machine that a server would run, under one lock, with reads beside it.
//!
//! ```text
//!   now, reserve, publish, abandon ──► Core (one mutex): version, tickets, intents, marks, feed, retention, outcomes
//!                                        │ flips
//!   resolve, counters ───────────────► Handles: 64 shards ──(miss)──► Base: a checkpoint, searched in place
//! ```
//!
//! A read takes one shard lock per id and never the core: it reads at a version, and a version is given out only after
//! everything it contains is in the shards. The floor is raised before anything below it is dropped and checked after the
//! read, so a read below the floor is told so and never finds "absent".
//!
//! It is *not* durable: segments and checkpoints are.

mod core;
mod feed;
mod handles;
mod holds;
mod intents;
mod period;
mod publish;
mod record;
mod reserve;
mod retention;
mod survey;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use sop_engine::types::{Counter, Handle, LogicalId, TransactionId, Version};

use self::core::Core;
use self::handles::Handles;
use self::record::Body;
pub use self::survey::Survey;
use super::{
    Blocker, EntryBatch, Group, History, Now, PeriodProgress, PeriodStart, Publication, Published,
    Registry, RegistryError, Reservation,
};
use crate::blob::SegmentKey;
use crate::recovery::entry::{Base, Entry, Header};
use crate::runtime::Runtime;

/// Bits of a version that count within its epoch.
const COUNTER_BITS: u32 = 40;

/// The first version of an epoch.
pub const fn epoch_version(epoch: u32) -> Version {
    (epoch as u64) << COUNTER_BITS
}

/// How much history is kept.
#[derive(Clone, Copy, Debug)]
pub struct HistoryOptions {
    /// How long superseded versions stay readable.
    pub retention: Duration,
    /// Bytes of superseded bodies and handles beyond which the oldest go earlier.
    pub bytes_max: u64,
}

impl Default for HistoryOptions {
    fn default() -> Self {
        Self {
            retention: crate::limits::RETENTION_DEFAULT,
            bytes_max: crate::limits::HISTORY_BYTES_DEFAULT,
        }
    }
}

/// The registry of one database in this process.
#[derive(Debug)]
pub struct MemoryRegistry {
    core: Mutex<Core>,
    handles: Handles,
    floor: AtomicU64,
    runtime: Arc<dyn Runtime>,
}

fn failed_read(error: &std::io::Error) -> RegistryError {
    RegistryError::Unavailable(format!("the checkpoint cannot be read: {error}"))
}

impl MemoryRegistry {
    /// An empty registry.
    pub fn new(epoch: u32, history: HistoryOptions, runtime: Arc<dyn Runtime>) -> Self {
        let header = Header {
            epoch,
            version: epoch_version(epoch),
            next_ticket: 1,
            ..Header::default()
        };
        let header = Header {
            floor: header.version,
            ..header
        };
        Self::build(&header, header.version, None, history, runtime)
    }

    /// A registry over a checkpoint. An epoch above the checkpoint's begins a new life (after a claim); the same epoch
    /// goes on reading where it ended.
    pub fn over(
        base: Arc<dyn Base>,
        epoch: u32,
        history: HistoryOptions,
        runtime: Arc<dyn Runtime>,
    ) -> Self {
        let header = base.header().clone();
        let version = header.version.max(epoch_version(epoch));
        Self::build(&header, version, Some(base), history, runtime)
    }

    fn build(
        header: &Header,
        version: Version,
        base: Option<Arc<dyn Base>>,
        history: HistoryOptions,
        runtime: Arc<dyn Runtime>,
    ) -> Self {
        let core = Core::new(header, version, history, runtime.elapsed());
        Self {
            core: Mutex::new(core),
            handles: Handles::new(base),
            floor: AtomicU64::new(header.floor),
            runtime,
        }
    }

    fn checked_floor(&self, at: Version) -> Result<(), RegistryError> {
        let floor = self.floor.load(Ordering::Acquire);
        if at < floor {
            Err(RegistryError::SnapshotExpired(floor))
        } else {
            Ok(())
        }
    }

    fn resolve_now(
        &self,
        ids: &[LogicalId],
        at: Version,
    ) -> Result<Vec<Option<Handle>>, RegistryError> {
        let mut handles = Vec::with_capacity(ids.len());
        for &id in ids {
            let handle = self.handles.read(id, |record| {
                record.and_then(|record| record.at(at)?.handle())
            });
            handles.push(handle.map_err(|error| failed_read(&error))?);
        }
        self.checked_floor(at)?;
        Ok(handles)
    }

    fn counters_now(&self, ids: &[LogicalId], at: Version) -> Result<Vec<Counter>, RegistryError> {
        let mut counters = Vec::with_capacity(ids.len());
        for &id in ids {
            let counter =
                self.handles
                    .read(id, |record| match record.and_then(|record| record.at(at)) {
                        Some(kept) => match kept.body {
                            Body::Counter(value) => Counter {
                                value,
                                version: kept.version,
                            },
                            Body::Chain(_) | Body::Removed => Counter {
                                value: 0,
                                version: 0,
                            },
                        },
                        None => Counter {
                            value: 0,
                            version: 0,
                        },
                    });
            counters.push(counter.map_err(|error| failed_read(&error))?);
        }
        self.checked_floor(at)?;
        Ok(counters)
    }

    /// The newest version.
    pub fn version(&self) -> Version {
        self.core.lock().version
    }

    /// How many records are held in memory rather than in the base.
    pub fn records(&self) -> usize {
        self.handles.records()
    }

    /// Bytes of superseded bodies and handles that are kept.
    pub fn history_bytes(&self) -> u64 {
        self.core.lock().retention.bytes
    }

    /// Up to `count` entries after an id in the order of ids, with all their kept versions; not of one moment.
    pub fn entries_after(
        &self,
        after: Option<LogicalId>,
        count: usize,
    ) -> std::io::Result<Vec<Entry>> {
        let mut survey = Survey::unregistered(self, after);
        survey.next_entries(count)
    }
}

#[async_trait]
impl Registry for MemoryRegistry {
    async fn now(&self, at: Option<Version>, since: Version) -> Result<Now, RegistryError> {
        let mut core = self.core.lock();
        let version = at.unwrap_or(core.version);
        if version > core.version {
            let message = format!(
                "version {version} lies in the future (newest: {})",
                core.version
            );
            return Err(RegistryError::Invalid(message));
        }
        self.checked_floor(version)?;
        core.retention.register(version);
        Ok(Now {
            version,
            publishing: core.intents.ids(crate::limits::PUBLISHING_IDS_MAX),
            changed: core.feed.changed(since),
        })
    }

    fn release(&self, at: Version) {
        self.core.lock().retention.release(at);
    }

    async fn resolve(
        &self,
        ids: &[LogicalId],
        at: Version,
    ) -> Result<Vec<Option<Handle>>, RegistryError> {
        self.resolve_now(ids, at)
    }

    async fn counters(
        &self,
        ids: &[LogicalId],
        at: Version,
    ) -> Result<Vec<Counter>, RegistryError> {
        self.counters_now(ids, at)
    }

    fn resolve_here(
        &self,
        ids: &[LogicalId],
        at: Version,
    ) -> Option<Result<Vec<Option<Handle>>, RegistryError>> {
        Some(self.resolve_now(ids, at))
    }

    async fn history(&self, ids: &[LogicalId]) -> Result<Vec<History>, RegistryError> {
        let mut histories = Vec::with_capacity(ids.len());
        for &id in ids {
            let history = self.handles.read(id, |record| {
                let kept = record
                    .map(|record| record.kept.iter())
                    .into_iter()
                    .flatten();
                kept.filter_map(|kept| Some((kept.version, kept.handle()?.chain)))
                    .collect()
            });
            histories.push(history.map_err(|error| failed_read(&error))?);
        }
        Ok(histories)
    }

    async fn reserve(&self, group: Group) -> Result<Reservation, RegistryError> {
        let now = self.runtime.elapsed();
        self.core.lock().reserve(&self.handles, group, now)
    }

    async fn publish(
        &self,
        ticket: u64,
        publications: Vec<Publication>,
    ) -> Result<Option<Vec<Published>>, RegistryError> {
        let now = self.runtime.elapsed();
        let mut core = self.core.lock();
        let published = core.publish(&self.handles, &self.floor, ticket, &publications, now)?;
        core.prune(&self.handles, &self.floor, now, crate::limits::PRUNE_STEPS);
        Ok(published)
    }

    async fn abandon(&self, key: SegmentKey) -> Result<(), RegistryError> {
        let mut core = self.core.lock();
        if let Some(ticket) = core.intents.ticket(key) {
            core.intents.end(ticket);
            core.release();
        }
        Ok(())
    }

    async fn blocking(&self, ids: &[LogicalId]) -> Result<Vec<Blocker>, RegistryError> {
        let now = self.runtime.elapsed();
        Ok(self.core.lock().intents.blocking(ids, now))
    }

    async fn overdue(&self) -> Result<Vec<Blocker>, RegistryError> {
        let now = self.runtime.elapsed();
        Ok(self.core.lock().intents.overdue(now))
    }

    async fn mark(&self, ids: &[LogicalId], lease: Duration) -> Result<(), RegistryError> {
        let deadline = self.runtime.elapsed() + lease;
        self.core.lock().mark(ids, deadline);
        Ok(())
    }

    async fn released(&self, releases: u64) {
        let waiter = self.core.lock().wait(releases);
        if let Some(waiter) = waiter {
            // A sender dropped without a word means that the registry is gone: nothing is left to wait for.
            let _ = waiter.await;
        }
    }

    async fn outcome(&self, id: TransactionId) -> Result<Option<Version>, RegistryError> {
        Ok(self.core.lock().outcomes.get(&id))
    }

    fn floor(&self) -> Version {
        self.floor.load(Ordering::Acquire)
    }

    async fn prune(&self) -> Result<(), RegistryError> {
        let now = self.runtime.elapsed();
        while self
            .core
            .lock()
            .prune(&self.handles, &self.floor, now, crate::limits::PRUNE_STEPS)
        {}
        Ok(())
    }

    async fn begin_period(&self, ended: u32) -> Result<PeriodStart, RegistryError> {
        self.next_period(ended)
    }

    async fn hold_spills(&self, from: u32, lease: Duration) -> Result<(), RegistryError> {
        self.hold(from, lease)
    }

    fn progress(&self) -> Option<PeriodProgress> {
        Some(self.period_progress())
    }

    async fn entries(
        &self,
        at: Version,
        from: &[u8],
        count: usize,
    ) -> Result<EntryBatch, RegistryError> {
        self.batch(at, from, count)
    }
}
