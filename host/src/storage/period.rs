//! Checkpoints over a shared registry: written beside the commits of all hosts, by whichever host finds one due.
//!
//! ```text
//!  resolve what is overdue ─► register a version ─► begin a period ─► read all entries, batch by batch ─► runs … head
//!                                                  └ the moment: see `recovery::epoch::parts`     then collect
//! ```
//!
//! - A host looks whether one is due after its own commits, from what the answer of the registry says anyway: a host that
//!   only reads has nothing to do with it. Of several that find one due at once the first begins the period; for the others
//!   it is not due any more.
//! - The version is registered before the period begins and as long as entries are read, so no history that the entries need
//!   goes away; if it does (the host stood still for longer than registrations last), the checkpoint is given up.
//! - A host that stops anywhere leaves a period without a checkpoint and perhaps runs without a head: the next recovery
//!   lists one period more, the next checkpoint but one deletes the runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use parking_lot::Mutex;
use sop_engine::storage::StorageError;
use sop_engine::types::Version;

use super::Storage;
use super::embedded::CheckpointOptions;
use super::life::Life;
use super::shared::Shared;
use crate::limits;
use crate::recovery::entry::Header;
use crate::recovery::epoch::Target;
use crate::recovery::epoch::collection::Moment;
use crate::registry::{PeriodProgress, PeriodStart, RegistryError};

/// What a host knows about when a checkpoint is due.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    /// One is being written.
    running: AtomicBool,
    /// Not before this time, after one that failed.
    not_before: Mutex<Duration>,
    /// The life and the period that were going on last, and what this host had written before.
    period: Mutex<(u32, u32, u64)>,
    /// Checkpoints that this host wrote.
    written: AtomicU64,
}

impl Upkeep {
    /// Bytes that this host wrote in a period.
    fn bytes_in(&self, life: u32, period: u32, written: u64) -> u64 {
        let mut last = self.period.lock();
        if (last.0, last.1) != (life, period) {
            *last = (life, period, written);
        }
        written.saturating_sub(last.2)
    }
}

/// Whether a checkpoint is due when so much happened since the last one began.
fn is_due(options: &CheckpointOptions, progress: &PeriodProgress, bytes: u64) -> bool {
    let for_entries = progress.entries / limits::CHECKPOINT_ENTRIES_PER_SEGMENT;
    let segments_enough = options.segments.max(for_entries).max(1);
    // What is written is about as long as the bodies of as many segments.
    let bytes_enough = options.log_bytes.max(progress.entries.saturating_mul(100));
    let aged = progress.age >= options.age;
    let share = if aged { 10 } else { 1 };
    progress.segments > 0
        && (progress.segments.saturating_mul(share) >= segments_enough
            || bytes.saturating_mul(share) >= bytes_enough)
}

impl Storage {
    /// Checkpoints that this host wrote since it was opened, where the registry is shared.
    pub fn shared_checkpoints(&self) -> u64 {
        let shared = self.inner.shared.get();
        shared.map_or(0, |shared| shared.upkeep.written.load(Ordering::Relaxed))
    }

    /// Begins a checkpoint in the background if enough happened.
    pub(super) fn shared_checkpoint_if_due(&self) {
        let Some(shared) = self.inner.shared.get() else {
            return;
        };
        let life = self.life();
        let Some(progress) = life.registry.progress() else {
            return;
        };
        let (upkeep, options) = (&shared.upkeep, &shared.checkpoint);
        let written = self.inner.counts.bytes_written.load(Ordering::Relaxed);
        let bytes = upkeep.bytes_in(life.epoch, progress.period, written);
        let alone = !matches!(shared.target, Target::Shared(_));
        if !alone {
            life.committer.enter_period(progress.period);
        }
        let waits = self.inner.runtime.elapsed() < *upkeep.not_before.lock();
        if !options.automatic || waits || !is_due(options, &progress, bytes) {
            return;
        }
        if upkeep.running.swap(true, Ordering::AcqRel) {
            return;
        }
        let (storage, shared) = (self.clone(), Arc::clone(shared));
        let task = async move {
            let taken = match alone {
                true => storage.checkpoint_objects().await.map_err(Ended::Failed),
                false => storage.survey(&shared, &life, progress.period).await,
            };
            match taken {
                Ok(()) => {
                    if let Err(error) = storage.compact_if_sparse(&shared).await {
                        tracing::warn!(%error, "a background compaction failed");
                    }
                }
                // Another host was faster.
                Err(Ended::Period(_)) => {}
                Err(Ended::Failed(error)) => {
                    tracing::warn!(%error, "a background checkpoint failed; segments are kept");
                    let pause = storage.inner.runtime.elapsed() + limits::CHECKPOINT_PAUSE;
                    *shared.upkeep.not_before.lock() = pause;
                }
            }
            shared.upkeep.running.store(false, Ordering::Release);
        };
        self.inner.runtime.spawn(task.boxed());
    }

    /// Writes a checkpoint now, whether one is due or not.
    pub(super) async fn checkpoint_shared(&self, shared: Arc<Shared>) -> Result<(), StorageError> {
        let storage = self.clone();
        self.detached(async move {
            let shared = &shared;
            let take = |life: Arc<Life>| {
                let storage = storage.clone();
                async move {
                    storage.check_writable(&life)?;
                    let mut period = life.committer.period();
                    for _ in 0..limits::PERIODS_MAX {
                        match storage.survey(shared, &life, period).await {
                            Ok(()) => return Ok(()),
                            Err(Ended::Period(current)) => period = current,
                            Err(Ended::Failed(error)) => return Err(error),
                        }
                    }
                    Err(StorageError::Unavailable(
                        "other hosts write checkpoints all the time".to_owned(),
                    ))
                }
            };
            storage.in_life(take).await
        })
        .await
    }

    /// One checkpoint, with which `period` ends.
    async fn survey(&self, shared: &Shared, life: &Life, period: u32) -> Result<(), Ended> {
        // One that cannot be resolved holds the low-water mark back, nothing else.
        if let Err(error) = life.committer.resolve_overdue().await {
            tracing::debug!(%error, "a checkpoint leaves reservations unresolved");
        }
        // Publishing drops history as well, but perhaps nothing was published for long.
        if let Err(error) = life.registry.prune().await {
            tracing::debug!(%error, "a checkpoint leaves history that nobody needs");
        }
        let held = life.now(None).await?;
        let written = self.survey_held(shared, life, period).await;
        life.registry.release(held.version);
        written
    }

    async fn survey_held(&self, shared: &Shared, life: &Life, period: u32) -> Result<(), Ended> {
        let start = patient(self, || life.registry.begin_period(period)).await?;
        life.committer.enter_period(start.period);
        let epochs = &shared.epochs;
        let mut writer = epochs.checkpoint_writer(life.epoch, start.period, start.entries);
        let (mut from, mut batches) = (Vec::new(), 0_u64);
        let (floor, relocations) = loop {
            let read = || {
                let count = limits::CHECKPOINT_CHUNK_ENTRIES;
                life.registry.entries(start.version, &from, count)
            };
            let batch = patient(self, read).await?;
            for entry in batch.entries {
                writer.push(entry).await.map_err(StorageError::from)?;
            }
            batches += 1;
            if batches.is_multiple_of(limits::CHECKPOINT_RENEWAL_BATCHES) {
                renew_registration(life, start.version).await?;
            }
            match batch.next {
                Some(next) => from = next,
                None => break (batch.floor, batch.relocations),
            }
        };
        let number = start.period;
        let still = relocations == start.relocations;
        let moment = Moment {
            epoch: life.epoch,
            oldest: start.oldest,
            spills_from: start.spills_from,
            shared: true,
        };
        let header = header(life.epoch, start, floor);
        let (bytes, live) = writer.finish(header).await.map_err(StorageError::from)?;
        shared.upkeep.written.fetch_add(1, Ordering::Relaxed);
        tracing::info!(epoch = life.epoch, period = number, bytes, "checkpoint");
        self.sweep(shared, moment, number, still.then_some(&live))
            .await;
        Ok(())
    }
}

/// Registers a version again, so that registrations of this host do not run out while it only reads entries.
async fn renew_registration(life: &Life, version: Version) -> Result<(), Ended> {
    life.now(Some(version)).await?;
    life.registry.release(version);
    Ok(())
}

fn header(epoch: u32, start: PeriodStart, floor: Version) -> Header {
    Header {
        epoch,
        period: start.oldest,
        version: start.version,
        floor: floor.min(start.version),
        low_water: start.low_water,
        contained: start.contained,
        next_ticket: start.next_ticket,
        ..Header::default()
    }
}

/// Why there is no checkpoint.
enum Ended {
    /// The period was over already; this one is going on.
    Period(u32),
    Failed(StorageError),
}

impl From<StorageError> for Ended {
    fn from(error: StorageError) -> Self {
        Self::Failed(error)
    }
}

/// Calls until there is an answer, a few times. What is called changes nothing when it is repeated.
async fn patient<T, F>(storage: &Storage, call: impl Fn() -> F) -> Result<T, Ended>
where
    F: Future<Output = Result<T, RegistryError>>,
{
    let mut attempt = 0;
    loop {
        match call().await {
            Err(RegistryError::Unavailable(_)) if attempt + 1 < limits::CALL_ATTEMPTS_MAX => {
                let wait = limits::CALL_BACKOFF.saturating_mul(1 << attempt);
                storage.inner.runtime.sleep(wait).await;
                attempt += 1;
            }
            Err(RegistryError::PeriodEnded(current)) => return Err(Ended::Period(current)),
            Err(error) => return Err(Ended::Failed(error.into())),
            Ok(answer) => return Ok(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_due_after_segments_bytes_or_time() {
        let options = CheckpointOptions {
            log_bytes: 1_000,
            segments: 100,
            age: Duration::from_secs(60),
            automatic: true,
        };
        let progress = PeriodProgress {
            period: 1,
            segments: 100,
            age: Duration::ZERO,
            entries: 10,
        };
        assert!(is_due(&options, &progress, 0));
        let fewer = PeriodProgress {
            segments: 99,
            ..progress
        };
        assert!(!is_due(&options, &fewer, 999));
        assert!(is_due(&options, &fewer, 1_000));
        let large = PeriodProgress {
            entries: 1_000_000,
            ..progress
        };
        assert!(
            !is_due(&options, &large, 1_000),
            "it costs more than it spares"
        );
        let old = PeriodProgress {
            segments: 10,
            age: Duration::from_secs(60),
            ..progress
        };
        assert!(is_due(&options, &old, 0));
        let idle = PeriodProgress { segments: 0, ..old };
        assert!(!is_due(&options, &idle, u64::MAX));
    }
}
