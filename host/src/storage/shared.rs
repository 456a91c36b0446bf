//! A database on an object store: opening it, and going on when its registry loses its state.
//!
//! ```text
//!   call ─► life ─► registry ─"not of this epoch"─► renew: adopt what another host recovered, or recover
//!             ▲                                       │ one at a time
//!             └────────────── next life ◄─────────────┘
//! ```

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use sop_engine::storage::StorageError;
use sop_engine::types::{TransactionId, TransactionOutcome};

use super::embedded::CheckpointOptions;
use super::period::Upkeep;
use super::{Inner, Life, Storage, StorageOptions, StorageParts};
use crate::blob::objects::store::ObjectBlobs;
use crate::blob::{BlobStore, SegmentKey};
use crate::cache::disk::DiskTier;
use crate::commit::{Inclusion, Parts, Succession};
use crate::limits;
use crate::recovery::epoch::collection::{Moment, Room};
use crate::recovery::epoch::{Closed, Epoch, EpochError, EpochStore, Target};
use crate::registry::confirmed::Confirmed;
use crate::registry::memory::{MemoryRegistry, epoch_version};
use crate::registry::server::RegistryServer;
use crate::registry::{Registry, RegistryError};
use crate::runtime::Runtime;

/// Where the handles of a database on an object store live.
#[derive(Clone, Debug)]
pub enum RegistryPlace {
    /// In this process: one writer at a time, the newest; older ones are fenced.
    Own,
    /// In a server that several hosts share.
    Shared(Arc<dyn RegistryServer>),
}

/// How a database on an object store is opened.
#[derive(Clone, Debug)]
pub struct ObjectOptions {
    /// How the storage behaves. `read_only` claims and writes nothing.
    pub storage: StorageOptions,
    /// Where its handles live.
    pub registry: RegistryPlace,
    /// Begin a new epoch even if one is active.
    pub recover: bool,
    /// When checkpoints are taken; with a registry of its own also at the end.
    pub checkpoint: CheckpointOptions,
    /// A folder on a local disk, and how many bytes of it, for blobs that were fetched.
    pub disk: Option<(PathBuf, u64)>,
}

/// The object store under a storage.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) epochs: EpochStore,
    pub(super) target: Target,
    pub(super) checkpoint: CheckpointOptions,
    pub(super) upkeep: Upkeep,
    /// What became of the commits of an epoch that ended, as far as it was asked last.
    closed: futures::lock::Mutex<Option<Closed>>,
    /// The handles, if they live in this process.
    own: Option<Arc<MemoryRegistry>>,
    /// Segments and transactions that opening replayed, if it was a recovery.
    replayed: Option<(usize, usize)>,
    /// One renewal at a time.
    renewal: futures::lock::Mutex<()>,
    storage: Mutex<Weak<Inner>>,
    /// The period in which segments are written, where this host alone decides it.
    period: futures::lock::Mutex<u32>,
    /// What this host holds of bodies written ahead.
    hold: futures::lock::Mutex<Hold>,
    /// What the last collection of this host found.
    pub(super) room: Mutex<Option<Room>>,
    /// Held while bodies are moved.
    pub(super) compacting: futures::lock::Mutex<()>,
}

/// A hold on bodies written ahead, in a registry that is shared.
#[derive(Debug, Default)]
struct Hold {
    epoch: u32,
    /// The earliest period of them.
    from: u32,
    /// When it was last renewed.
    since: Duration,
}

impl Storage {
    /// Opens a database on an object store. With a registry of its own this is a recovery and fences the writer before;
    /// with a shared one it joins the others, and recovers only what nobody else has.
    pub async fn open_objects(
        epochs: EpochStore,
        options: ObjectOptions,
        runtime: Arc<dyn Runtime>,
    ) -> Result<Self, EpochError> {
        let read_only = options.storage.read_only;
        let objects = Arc::clone(epochs.objects());
        let target = match options.registry {
            RegistryPlace::Own => Target::Own(options.storage.history),
            RegistryPlace::Shared(server) => Target::Shared(server),
        };
        let epoch = match (&target, read_only) {
            (_, false) if options.recover => epochs.supersede(&target).await?,
            (_, false) => epochs.obtain(&target, 0).await?,
            (Target::Own(history), true) => epochs.read(*history).await?,
            (Target::Shared(server), true) => epochs.adopt(server).await?,
        };
        let blobs: Arc<dyn BlobStore> = Arc::new(ObjectBlobs::new(objects, Arc::clone(&runtime)));
        let blobs = match &options.disk {
            Some((folder, bytes_max)) => DiskTier::before(blobs, folder, *bytes_max).await,
            None => blobs,
        };
        let parts = StorageParts {
            registry: Arc::clone(&epoch.registry),
            blobs,
            runtime,
            epoch: epoch.number,
            period: 0,
        };
        let storage = Self::assemble(parts, options.storage);
        let shared = Arc::new(Shared {
            epochs,
            target,
            checkpoint: options.checkpoint,
            upkeep: Upkeep::default(),
            closed: futures::lock::Mutex::new(None),
            own: epoch.own.clone(),
            replayed: epoch.replayed,
            renewal: futures::lock::Mutex::new(()),
            storage: Mutex::new(Arc::downgrade(&storage.inner)),
            period: futures::lock::Mutex::new(0),
            hold: futures::lock::Mutex::default(),
            room: Mutex::new(None),
            compacting: futures::lock::Mutex::new(()),
        });
        // Nobody else has this storage yet.
        let _ = storage.inner.shared.set(shared);
        if epoch.own.is_none() {
            storage.live(&epoch);
        }
        Ok(storage)
    }

    /// Goes on in this epoch.
    fn live(&self, epoch: &Epoch) {
        let inner = &self.inner;
        let succession = inner
            .shared
            .get()
            .map(|shared| Arc::clone(shared) as Arc<dyn Succession>);
        let registry = Confirmed::new(Arc::clone(&epoch.registry), Arc::clone(&inner.runtime));
        let parts = Parts {
            registry: Arc::new(registry),
            blobs: Arc::clone(&inner.blobs),
            cache: Arc::clone(&inner.cache),
            runtime: Arc::clone(&inner.runtime),
            counts: Arc::clone(&inner.counts),
            outcomes: Arc::clone(&inner.outcomes),
            succession,
        };
        let life = Life::new(parts, epoch.number, 0, inner.commit);
        let before = std::mem::replace(&mut *inner.life.write(), Arc::new(life));
        // What is still under way there asks this epoch what became of it.
        before.committer.set_fenced();
    }

    /// Segments and transactions that opening replayed, if that was a recovery on an object store.
    pub fn replayed(&self) -> Option<(usize, usize)> {
        self.inner.shared.get()?.replayed
    }

    /// Whether another life can follow this one.
    pub(super) fn has_successors(&self) -> bool {
        let shared = self.inner.shared.get();
        shared.is_some_and(|shared| matches!(shared.target, Target::Shared(_)))
    }

    /// Sees to it that a life after this epoch goes on. Carried to its end even if the caller stops waiting: a recovery
    /// that stopped half-way would make all others wait for it.
    pub(super) async fn renew(&self, ended: u32) -> Result<(), StorageError> {
        let Some(shared) = self.inner.shared.get().cloned() else {
            return Err(StorageError::Fenced);
        };
        let storage = self.clone();
        self.detached(async move {
            let _one = shared.renewal.lock().await;
            if storage.life().epoch > ended {
                return Ok(());
            }
            let epoch = if storage.inner.read_only {
                match &shared.target {
                    Target::Shared(server) => shared.epochs.adopt(server).await?,
                    Target::Own(_) => return Err(StorageError::Fenced),
                }
            } else {
                shared.epochs.obtain(&shared.target, ended).await?
            };
            tracing::warn!(
                ended,
                epoch = epoch.number,
                recovered_here = epoch.replayed.is_some(),
                "the registry lost its state; going on in a new epoch"
            );
            storage.live(&epoch);
            Ok(())
        })
        .await
    }

    /// After a body was not there: refuses to go on where the handles are not those that a collector goes by.
    pub(super) async fn check_reach(&self, life: &Life) -> Result<(), StorageError> {
        let Some(shared) = self.inner.shared.get() else {
            return Ok(());
        };
        if self.has_successors() {
            let claimed = self.inner.blobs.claimed_after(life.epoch).await?;
            if claimed {
                // The epoch is over, whatever the registry at which this host looks says.
                life.committer.set_fenced();
                self.renew(life.epoch).await?;
            } else if self.life().epoch == life.epoch {
                return Ok(());
            }
        } else if !(self.inner.read_only && shared.own.is_some()) {
            return Ok(());
        }
        // Or they are those that were there when this process opened the database for reading, and a writer went on since.
        Err(StorageError::SnapshotExpired(self.life().registry.floor()))
    }

    /// Sees to it that no other host takes away what is written ahead from now on. One call for many of them.
    pub(super) async fn hold_spills(&self, life: &Life) -> Result<(), StorageError> {
        let Some(shared) = self.inner.shared.get() else {
            return Ok(());
        };
        if !self.has_successors() {
            return Ok(());
        }
        let mut hold = shared.hold.lock().await;
        let mut from = life.committer.period();
        from = self
            .inner
            .spills
            .earliest(life.epoch)
            .map_or(from, |held| held.min(from));
        let now = self.inner.runtime.elapsed();
        let fresh = now < hold.since + limits::SPILL_LEASE / 2;
        if hold.epoch == life.epoch && hold.from == from && fresh {
            return Ok(());
        }
        for _ in 0..limits::PERIODS_MAX {
            match life.registry.hold_spills(from, limits::SPILL_LEASE).await {
                Ok(()) => {
                    let (epoch, since) = (life.epoch, now);
                    *hold = Hold { epoch, from, since };
                    return Ok(());
                }
                // What lies in earlier periods is lost already: whoever wants to consume it conflicts.
                Err(RegistryError::PeriodEnded(current)) => {
                    life.committer.enter_period(current);
                    from = current;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(StorageError::Unavailable(
            "other hosts write checkpoints all the time".to_owned(),
        ))
    }

    /// Writes a checkpoint, so that the next recovery replays nothing before it, and takes away what nothing reaches.
    pub(super) async fn checkpoint_objects(&self) -> Result<(), StorageError> {
        let Some(shared) = self.inner.shared.get().cloned() else {
            return Ok(());
        };
        let Some(own) = shared.own.clone() else {
            return self.checkpoint_shared(shared).await;
        };
        self.check_writable(&self.life())?;
        let storage = self.clone();
        self.detached(async move { storage.checkpoint_own(&shared, &own).await })
            .await
    }

    /// A checkpoint of handles that live in this process.
    pub(super) async fn checkpoint_own(
        &self,
        shared: &Shared,
        own: &MemoryRegistry,
    ) -> Result<(), StorageError> {
        let mut period = shared.period.lock().await;
        let life = self.life();
        life.committer.resolve_overdue().await?;
        own.prune().await?;
        let next = period.checked_add(1).ok_or(StorageError::Fenced)?;
        // The moment: nothing is under way, and what comes later lies in the next period.
        let pause = self.pause().await;
        if own.reserved() {
            return Err(StorageError::Unavailable(
                "a commit of unknown outcome is left: no checkpoint before it is known".to_owned(),
            ));
        }
        life.committer.set_period(next);
        own.enter_period(next);
        let survey = own.survey();
        let relocations = own.relocations();
        let spills = self.spills();
        drop(pause);
        let epochs = &shared.epochs;
        let (_, mut live) = epochs.put_survey(survey, life.epoch, next).await?;
        *period = next;
        let moment = Moment {
            epoch: life.epoch,
            oldest: next,
            // One that is being written may lie anywhere.
            spills_from: if spills.is_some() { next } else { 0 },
            shared: false,
        };
        for (place, _) in spills.into_iter().flatten() {
            live.add_place(place);
        }
        let still = own.relocations() == relocations;
        self.sweep(shared, moment, next, still.then_some(&live))
            .await;
        Ok(())
    }

    /// Finishes what is under way, and lets the next opening begin with a fresh checkpoint.
    pub(super) async fn close_objects(&self) -> Result<(), StorageError> {
        if self.inner.read_only || self.inner.shared.get().is_none() {
            return Ok(());
        }
        let alone = !self.has_successors();
        let wrote = alone && self.inner.counts.puts.load(Ordering::Relaxed) > 0;
        let checkpoint = if wrote {
            self.checkpoint_objects().await
        } else {
            Ok(())
        };
        drop(self.pause().await);
        checkpoint
    }
}

impl Shared {
    /// What became of a commit of an epoch that has ended.
    pub(super) async fn outcome_before(
        &self,
        id: TransactionId,
    ) -> Result<TransactionOutcome, StorageError> {
        // One look at a time: the next question may be answered by the same.
        let mut closed = self.closed.lock().await;
        if let Some(outcome) = closed.as_ref().and_then(|closed| closed.outcome(id)) {
            return Ok(outcome);
        }
        let Some(found) = self.epochs.closed(id).await? else {
            return Ok(TransactionOutcome::Unknown);
        };
        let outcome = found.outcome(id).unwrap_or(TransactionOutcome::Unknown);
        *closed = Some(found).filter(Closed::is_small);
        Ok(outcome)
    }
}

#[async_trait]
impl Succession for Shared {
    async fn inclusion(&self, key: SegmentKey) -> Option<Inclusion> {
        let storage = Storage {
            inner: self.storage.lock().upgrade()?,
        };
        if let Err(error) = storage.renew(key.epoch).await {
            tracing::warn!(%error, "no epoch follows yet");
            return None;
        }
        match self.epochs.included(key).await {
            Ok(Some((epoch, true))) => Some(Inclusion::Included(epoch_version(epoch))),
            Ok(Some((_, false))) => Some(Inclusion::Excluded),
            Ok(None) => None,
            Err(error) => {
                tracing::warn!(%error, "the manifest of the next epoch cannot be read");
                None
            }
        }
    }
}

impl From<EpochError> for StorageError {
    fn from(error: EpochError) -> Self {
        match error {
            EpochError::Blob(error) => error.into(),
            EpochError::Registry(error) => error.into(),
            EpochError::Record { .. }
            | EpochError::Segment { .. }
            | EpochError::Replay(_)
            | EpochError::Checkpoint(_) => Self::Corrupt(error.to_string()),
            EpochError::Missing
            | EpochError::Foreign(_)
            | EpochError::Configuration(_)
            | EpochError::ReadOnly
            | EpochError::Gone(_)
            | EpochError::Overtaken(_) => Self::Unavailable(error.to_string()),
        }
    }
}
