//! The storage of one database, as the capability layer sees it: the two imports before grants and limits.
//!
//! ```text
//!   now, resolve, counters ──► registry
//!   get ─────────────────────► cache ──► blob store
//!   commit, spill, relocate ─► committer ──► registry, blob store
//! ```
//!
//! Data flows from here to the right only: cache and commit, then registry and blobs.

mod checkpoint;
mod collection;
mod compaction;
mod compaction_objects;
mod embedded;
#[cfg(test)]
mod embedded_tests;
mod life;
mod open;
mod order;
mod period;
#[cfg(test)]
mod period_tests;
mod relocation;
mod shared;
#[cfg(test)]
mod shared_tests;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures::channel::oneshot;
use sop_engine::storage::StorageError;
use sop_engine::types::{
    CommitOutcome, Counter, Handle, LogicalId, Observation, PhysicalId, ReadPoint, TransactionId,
    TransactionOutcome, Version,
};

use parking_lot::{Mutex, RwLock};

use self::collection::Collection;
pub use self::compaction::{CompactProgress, Compacted};
pub use self::embedded::{CheckpointOptions, DiskStatistics};
use self::life::Life;
pub use self::open::{OpenError, OpenOptions};
pub use self::shared::{ObjectOptions, RegistryPlace};
use crate::blob::BlobStore;
use crate::blob::memory::MemoryBlobs;
use crate::cache::Cache;
pub use crate::commit::{Change, ChangeKind, CommitOptions, Pause, Spilled};
use crate::commit::{Outcomes, Parts, Pending, Spills, Work};
use crate::limits;
use crate::recovery::epoch::commit_id;
use crate::registry::Registry;
pub use crate::registry::memory::HistoryOptions;
use crate::registry::memory::MemoryRegistry;
use crate::runtime::Runtime;
use crate::statistics::Counts;
pub use crate::statistics::Statistics;

/// How a storage behaves.
#[derive(Clone, Copy, Debug)]
pub struct StorageOptions {
    /// Bytes of the L1 cache.
    pub cache_bytes: u64,
    /// How much history is kept.
    pub history: HistoryOptions,
    /// How commits are grouped.
    pub commit: CommitOptions,
    /// Commits with changes are refused.
    pub read_only: bool,
}

impl Default for StorageOptions {
    fn default() -> Self {
        Self {
            cache_bytes: limits::CACHE_BYTES_DEFAULT,
            history: HistoryOptions::default(),
            commit: CommitOptions::default(),
            read_only: false,
        }
    }
}

/// What a storage is put together from.
#[derive(Debug)]
pub struct StorageParts {
    /// The handles.
    pub registry: Arc<dyn Registry>,
    /// The bodies.
    pub blobs: Arc<dyn BlobStore>,
    /// Time, tasks and randomness.
    pub runtime: Arc<dyn Runtime>,
    /// The epoch in which it writes.
    pub epoch: u32,
    /// The period in which it begins to write.
    pub period: u32,
}

#[derive(Debug)]
struct Inner {
    /// The epoch it works in; another one after a registry was lost.
    life: RwLock<Arc<Life>>,
    blobs: Arc<dyn BlobStore>,
    commit: CommitOptions,
    outcomes: Arc<Mutex<Outcomes>>,
    cache: Arc<Cache>,
    runtime: Arc<dyn Runtime>,
    counts: Arc<Counts>,
    spills: Arc<Spills>,
    /// A database in memory collects its own garbage.
    collection: Option<Collection>,
    read_only: bool,
    /// The directory under it, if it has one.
    embedded: OnceLock<Arc<embedded::Embedded>>,
    /// The object store under it, if it has one.
    shared: OnceLock<Arc<shared::Shared>>,
}

/// The storage of one open database. Cheap to share: everything is behind `Arc`.
#[derive(Clone, Debug)]
pub struct Storage {
    inner: Arc<Inner>,
}

impl Storage {
    /// An empty database that lasts as long as this process.
    pub fn memory(options: StorageOptions, runtime: Arc<dyn Runtime>) -> Self {
        let registry = Arc::new(MemoryRegistry::new(
            1,
            options.history,
            Arc::clone(&runtime),
        ));
        let blobs = Arc::new(MemoryBlobs::default());
        let collection = Collection::new(Arc::clone(&registry), Arc::clone(&blobs));
        Self::build(
            StorageParts {
                registry,
                blobs,
                runtime,
                epoch: 1,
                period: 1,
            },
            options,
            Some(collection),
        )
    }

    /// A storage over a registry and a blob store.
    pub fn assemble(parts: StorageParts, options: StorageOptions) -> Self {
        Self::build(parts, options, None)
    }

    fn build(parts: StorageParts, options: StorageOptions, collection: Option<Collection>) -> Self {
        let StorageParts {
            registry,
            blobs,
            runtime,
            epoch,
            period,
        } = parts;
        let counts = Arc::new(Counts::default());
        let cache = Arc::new(Cache::new(
            Arc::clone(&blobs),
            options.cache_bytes,
            Arc::clone(&counts),
        ));
        let outcomes = Arc::default();
        let parts = Parts {
            registry: Arc::clone(&registry),
            blobs: Arc::clone(&blobs),
            cache: Arc::clone(&cache),
            runtime: Arc::clone(&runtime),
            counts: Arc::clone(&counts),
            outcomes: Arc::clone(&outcomes),
            succession: None,
        };
        let life = Life::new(parts, epoch, period, options.commit);
        let inner = Inner {
            life: RwLock::new(Arc::new(life)),
            blobs,
            commit: options.commit,
            outcomes,
            cache,
            runtime,
            counts,
            spills: Arc::default(),
            collection,
            read_only: options.read_only,
            embedded: OnceLock::new(),
            shared: OnceLock::new(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Point A: a read point, registered until [`Storage::release`].
    pub async fn now(&self, at: Option<Version>) -> Result<ReadPoint, StorageError> {
        Counts::add(&self.inner.counts.nows, 1);
        let now = self
            .in_life(|life| async move { life.now(at).await })
            .await?;
        Ok(ReadPoint {
            version: now.version,
            publishing: now.publishing,
        })
    }

    /// Ends one [`Storage::now`].
    pub fn release(&self, at: Version) {
        self.life().registry.release(at);
    }

    /// Handles as of `at`, index-aligned.
    pub async fn resolve(
        &self,
        ids: &[LogicalId],
        at: Version,
    ) -> Result<Vec<Option<Handle>>, StorageError> {
        Counts::add(&self.inner.counts.resolves, 1);
        let life = self.life();
        match life.registry.resolve_here(ids, at) {
            Some(handles) => Ok(handles?),
            None => {
                self.in_life(|life| async move { Ok(life.registry.resolve(ids, at).await?) })
                    .await
            }
        }
    }

    /// Item counters as of `at`, index-aligned.
    pub async fn counters(
        &self,
        ids: &[LogicalId],
        at: Version,
    ) -> Result<Vec<Counter>, StorageError> {
        self.in_life(|life| async move { Ok(life.registry.counters(ids, at).await?) })
            .await
    }

    /// Fresh ids of a store.
    pub fn allocate(&self, store: u64, count: u32) -> Vec<LogicalId> {
        (0..count)
            .map(|_| LogicalId::new(store, self.random_above(LogicalId::ROOT)))
            .collect()
    }

    /// A fresh store id.
    pub fn allocate_store(&self) -> u64 {
        self.random_above(LogicalId::CATALOG)
    }

    fn random_above(&self, reserved: u64) -> u64 {
        loop {
            let random = self.inner.runtime.random();
            if random > reserved {
                return random;
            }
        }
    }

    /// A fresh commit id. Over a shared registry it says where to look for what became of it once its epoch has ended.
    pub fn transaction_id(&self) -> TransactionId {
        if self.has_successors() {
            let life = self.life();
            return commit_id(
                life.epoch,
                life.committer.period(),
                self.inner.runtime.random(),
            );
        }
        TransactionId {
            high: self.inner.runtime.random(),
            low: self.inner.runtime.random(),
        }
    }

    /// Counts a commit call that is not the first of its transaction.
    pub(crate) fn revalidated(&self) {
        Counts::add(&self.inner.counts.revalidations, 1);
    }

    /// Point B. `attempt` says how often the same work failed before: an old one holds others back for a moment. Goes on in
    /// a task of its own when the caller is dropped; then its outcome can be asked.
    pub async fn commit(
        &self,
        id: TransactionId,
        mut observed: Vec<Observation>,
        changes: Vec<Change>,
        attempt: u32,
    ) -> Result<CommitOutcome, StorageError> {
        check_changes(&observed, &changes)?;
        observed.sort_unstable();
        observed.dedup();
        let life = self.life();
        if !life.reaches(&changes) {
            // Written ahead in an epoch that ended: the bodies may be gone.
            return Ok(CommitOutcome::Conflict(ids_of(&observed, &changes)));
        }
        let ids = ids_of(&observed, &changes);
        if self.has_successors() && !life.made(id) {
            // Made in an epoch that ended, where nobody would look for it under this one.
            return Ok(CommitOutcome::Conflict(ids));
        }
        let answer = if changes.is_empty() {
            life.committer.validate(id, observed, attempt).await
        } else {
            self.submit(&life, id, observed, Work::Changes(changes), attempt)
                .await
        };
        match answer {
            // Nothing happened, and the next epoch has other versions: look again at everything.
            Err(StorageError::Fenced) if self.has_successors() => {
                self.renew(life.epoch).await?;
                Ok(CommitOutcome::Conflict(ids))
            }
            answer => answer,
        }
    }

    async fn submit(
        &self,
        life: &Life,
        id: TransactionId,
        observed: Vec<Observation>,
        work: Work,
        attempt: u32,
    ) -> Result<CommitOutcome, StorageError> {
        self.check_writable(life)?;
        let since = self.inner.runtime.elapsed();
        let (answer, receiver) = oneshot::channel();
        life.committer.submit(Pending {
            id,
            observed,
            work,
            attempt,
            since,
            answer,
        })?;
        // The worker answers every commit; if the process tears it down before, nobody knows how far it came.
        let answer = receiver
            .await
            .unwrap_or(Err(StorageError::UnknownOutcome(id)));
        self.collect_when_due();
        self.checkpoint_if_due();
        answer
    }

    fn check_writable(&self, life: &Life) -> Result<(), StorageError> {
        if self.inner.read_only {
            return Err(StorageError::Denied(
                "the database is open for reading only".to_owned(),
            ));
        }
        life.committer.check_open()
    }

    /// What became of a commit.
    pub async fn outcome(&self, id: TransactionId) -> Result<TransactionOutcome, StorageError> {
        let known = self
            .in_life(|life| async move { life.committer.outcome(id).await })
            .await?;
        match (known, self.inner.shared.get()) {
            (TransactionOutcome::Unknown, Some(shared)) => shared.outcome_before(id).await,
            _ => Ok(known),
        }
    }

    /// Verified bodies, index-aligned, through the L1 cache.
    pub async fn get(&self, ids: &[PhysicalId]) -> Result<Vec<Bytes>, StorageError> {
        let life = self.life();
        let bodies = self.inner.cache.get(ids).await;
        if matches!(bodies, Err(StorageError::Missing(_))) {
            // It was moved and collected: whoever asked resolves afresh.
            life.registry.forget();
            self.check_reach(&life).await?;
        }
        bodies
    }

    /// Writes a body ahead of its commit.
    pub async fn spill(&self, id: LogicalId, body: Bytes) -> Result<Spilled, StorageError> {
        let life = self.life();
        self.check_writable(&life)?;
        check_bytes(body.len())?;
        let writing = self.inner.spills.begin(life.epoch, life.committer.period());
        if let Err(error) = self.hold_spills(&life).await {
            return Err(match error {
                // The transaction observed what ended with the epoch: it begins again.
                StorageError::Fenced if self.has_successors() => {
                    self.renew(life.epoch).await?;
                    StorageError::SnapshotExpired(self.life().registry.floor())
                }
                error => error,
            });
        }
        let place = life.committer.write_ahead(id, &body).await?;
        let spilled = writing.register(place, id);
        self.inner.cache.fill(place, body).await;
        Ok(spilled)
    }

    /// The bodies written ahead that no handle names yet: a collector keeps them. `None` = one is being written at this
    /// moment, so where it will lie is not known.
    pub fn spills(&self) -> Option<Vec<(PhysicalId, LogicalId)>> {
        self.inner.spills.list()
    }

    /// Waits until no group of commits is under way, and lets none begin until the pause is dropped.
    pub async fn pause(&self) -> Pause {
        self.life().committer.pause().await
    }

    /// Segments from now on belong to this period. Call it during a pause.
    pub fn set_period(&self, period: u32) {
        self.life().committer.set_period(period);
    }

    /// Resolves reservations past their deadline, so that they do not hold the low-water mark back.
    pub async fn resolve_overdue(&self) -> Result<(), StorageError> {
        self.in_life(|life| async move { life.committer.resolve_overdue().await })
            .await
    }

    /// What the storage counted so far.
    pub fn statistics(&self) -> Statistics {
        self.inner.counts.read()
    }
}

/// Everything a commit observed or changes.
fn ids_of(observed: &[Observation], changes: &[Change]) -> Vec<LogicalId> {
    let observed = observed.iter().map(|observation| observation.id);
    let mut ids: Vec<_> = observed
        .chain(changes.iter().map(|change| change.id))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn check_bytes(bytes: usize) -> Result<(), StorageError> {
    if bytes > limits::SEGMENT_BYTES_MAX {
        let name = "bytes of bodies in one commit that were not written ahead".to_owned();
        return Err(StorageError::Limit(name, limits::SEGMENT_BYTES_MAX as u64));
    }
    Ok(())
}

/// Refuses what breaks the contract, before anything is sent.
fn check_changes(observed: &[Observation], changes: &[Change]) -> Result<(), StorageError> {
    let ids_max = limits::TRANSACTION_IDS_MAX;
    if observed.len() > ids_max || changes.len() > ids_max {
        return Err(StorageError::Limit(
            "ids observed or changed by one commit".to_owned(),
            ids_max as u64,
        ));
    }
    let mut bytes = 0_usize;
    for change in changes {
        let counter = change.id.node == LogicalId::COUNTER;
        let fits = match &change.kind {
            ChangeKind::Add(_) => counter,
            ChangeKind::Remove => true,
            ChangeKind::PutSpilled(spilled) => !counter && spilled.owner == change.id,
            ChangeKind::Put(body) | ChangeKind::Delta(body) => {
                bytes = bytes.saturating_add(body.len());
                !counter
            }
        };
        if !fits {
            return Err(StorageError::Invalid(format!(
                "{} cannot be changed in this way",
                change.id
            )));
        }
    }
    check_bytes(bytes)?;
    let mut ids: Vec<_> = changes.iter().map(|change| change.id).collect();
    ids.sort_unstable();
    match ids.windows(2).find(|pair| pair.first() == pair.last()) {
        Some(pair) => Err(StorageError::Invalid(format!(
            "{:?} is changed twice in one commit",
            pair.first()
        ))),
        None => Ok(()),
    }
}
