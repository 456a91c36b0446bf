//! Checkpoints of a database in a directory, and what they allow to be freed.
//!
//! ```text
//!  roll the log ─ pause commits ─ fix the moment ─ go on ─ write all entries ─ rebase ─ free old files
//!                 └────────── a millisecond ──────────┘
//! ```
//!
//! - The moment is fixed while no group of commits is under way, so everything before the log position is contained, and
//!   nothing after it. If some commit is of unknown outcome, the position stays where it was.
//! - A log file is freed only if it lies before the position and neither a kept version (snapshots in use included) nor a
//!   body written ahead reaches into it. Bodies written ahead are listed at the same moment: one that is consumed later is
//!   on that list, one that is written later lies after the position.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::FutureExt;
use futures::channel::oneshot;
use sop_engine::storage::StorageError;
use sop_engine::types::{LogicalId, PhysicalId};

use super::Storage;
use super::embedded::{Embedded, Last};
use super::open::write_checkpoint;
use crate::blob::directory::{CheckpointId, DirectoryError, LogFileId, LogPosition};
use crate::recovery::checkpoint::Checkpoint;
use crate::recovery::entry::Header;

/// What was true at the moment of a checkpoint.
struct Moment {
    position: LogPosition,
    /// Commits of unknown outcome are left: nothing may be freed.
    unresolved: bool,
    /// Bodies written ahead; `None` = one was being written.
    spills: Option<Vec<(PhysicalId, LogicalId)>>,
    appends: u64,
    appended: u64,
}

impl Storage {
    /// Writes a checkpoint, so that the next opening replays nothing before it, frees log files that nothing reaches any
    /// more, and moves live blobs out of mostly dead ones. Commits go on meanwhile. Nothing to do without a directory.
    pub async fn checkpoint(&self) -> Result<(), StorageError> {
        let Some(embedded) = self.inner.embedded.get().cloned() else {
            return self.checkpoint_objects().await;
        };
        self.check_writable(&self.life())?;
        let storage = self.clone();
        self.detached(async move {
            let mut last = embedded.last.lock().await;
            storage.take_checkpoint(&embedded, &mut last).await?;
            storage.relocate_sparse(&embedded, &mut last).await
        })
        .await
    }

    /// Carries work to its end even if the caller stops waiting.
    pub(super) async fn detached<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StorageError>> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (sender, receiver) = oneshot::channel();
        self.inner
            .runtime
            .spawn(work.map(|result| drop(sender.send(result))).boxed());
        let ended = || StorageError::Unavailable("the runtime ended".to_owned());
        receiver.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Begins a checkpoint in the background if enough was written.
    pub(super) fn checkpoint_if_due(&self) {
        let Some(embedded) = self.inner.embedded.get() else {
            return self.shared_checkpoint_if_due();
        };
        if !embedded.is_due() || embedded.closed.load(Ordering::Acquire) {
            return;
        }
        if embedded.running.swap(true, Ordering::AcqRel) {
            return;
        }
        let (storage, embedded) = (self.clone(), Arc::clone(embedded));
        let task = async move {
            if let Err(error) = storage.checkpoint().await {
                tracing::warn!(%error, "a background checkpoint failed; the log is kept");
                embedded.postpone();
            }
            embedded.running.store(false, Ordering::Release);
        };
        self.inner.runtime.spawn(task.boxed());
    }

    pub(super) async fn take_checkpoint(
        &self,
        embedded: &Arc<Embedded>,
        last: &mut Last,
    ) -> Result<(), StorageError> {
        self.resolve_overdue().await?;
        embedded.directory.roll().await?;
        let period = last.period.checked_add(1).ok_or(StorageError::Fenced)?;
        let (moment, written) = self.fix_moment(embedded, last, period).await?;
        let ended = || StorageError::Unavailable("the checkpoint was given up".to_owned());
        let file = written.await.unwrap_or_else(|_| Err(ended()))?;
        let id = CheckpointId {
            epoch: embedded.directory.epoch(),
            period,
        };
        *last = Last {
            period,
            file: Some(Arc::clone(&file)),
            position: moment.position,
            appends: moment.appends,
        };
        embedded.count_checkpoint();
        if let Some(spills) = moment.spills.filter(|_| !moment.unresolved) {
            embedded.free(Some(id), file.live(), &spills, moment.position)?;
        }
        Ok(embedded.taken(Some(&file), moment.appended)?)
    }

    /// Stops commits for a moment and lets a thread begin to write what is there then.
    async fn fix_moment(
        &self,
        embedded: &Arc<Embedded>,
        last: &Last,
        period: u32,
    ) -> Result<
        (
            Moment,
            oneshot::Receiver<Result<Arc<Checkpoint>, StorageError>>,
        ),
        StorageError,
    > {
        let pause = self.pause().await;
        embedded.directory.sync().await?;
        let unresolved = embedded.registry.reserved();
        let counts = embedded.directory.counts();
        let moment = Moment {
            position: if unresolved {
                last.position
            } else {
                embedded.directory.end()
            },
            unresolved,
            spills: self.spills(),
            appends: counts.appends,
            appended: counts.bytes,
        };
        self.set_period(period);
        let (fixed, is_fixed) = oneshot::channel();
        let (done, written) = oneshot::channel();
        let position = moment.position.into();
        let embedded = Arc::clone(embedded);
        std::thread::spawn(move || {
            let directory = &embedded.directory;
            let header = |header: &Header| {
                // The moment is fixed: commits may go on.
                let _ = fixed.send(());
                Header {
                    period,
                    position,
                    ..header.clone()
                }
            };
            let path = directory.checkpoint_path(period);
            let file = write_checkpoint(
                &embedded.registry,
                &path,
                directory.seed(),
                directory.steps(),
                header,
            );
            let _ = done.send(file.map_err(StorageError::from));
        });
        // A lost word means that the thread failed before: its result says why.
        let _ = is_fixed.await;
        drop(pause);
        Ok((moment, written))
    }

    /// Finishes what is under way, takes a last checkpoint if anything was written since, and closes the directory. Later
    /// calls that write answer an error. Another process may open the database afterwards.
    pub async fn close(&self) -> Result<(), StorageError> {
        let Some(embedded) = self.inner.embedded.get().cloned() else {
            return self.close_objects().await;
        };
        if embedded.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let storage = self.clone();
        self.detached(async move {
            let mut last = embedded.last.lock().await;
            let mut result = Ok(());
            if !storage.inner.read_only && embedded.directory.counts().appends != last.appends {
                result = storage.take_checkpoint(&embedded, &mut last).await;
            }
            // Commits that were submitted meanwhile come to their end first.
            let _pause = storage.pause().await;
            let directory = Arc::clone(&embedded.directory);
            let closed = blocking(move || directory.close()).await;
            result.and(closed)
        })
        .await
    }
}

/// Runs what blocks in a thread of its own.
async fn blocking<E: Into<StorageError> + Send + 'static>(
    work: impl FnOnce() -> Result<(), E> + Send + 'static,
) -> Result<(), StorageError> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || drop(sender.send(work().map_err(Into::into))));
    let ended = || StorageError::Unavailable("a thread ended without an answer".to_owned());
    receiver.await.unwrap_or_else(|_| Err(ended()))
}

impl Embedded {
    /// Deletes the checkpoints before this one, and the log files before `position` that nothing reaches.
    pub(super) fn free(
        &self,
        checkpoint: Option<CheckpointId>,
        live: &BTreeMap<u64, u64>,
        spills: &[(PhysicalId, LogicalId)],
        position: LogPosition,
    ) -> Result<(), DirectoryError> {
        if let Some(id) = checkpoint {
            self.directory.remove_checkpoints_but(id)?;
        }
        let written_ahead: BTreeSet<u64> = spills.iter().map(|(id, _)| id.segment.0).collect();
        let mut dead: Vec<LogFileId> = Vec::new();
        for (id, _) in self.directory.log_files()? {
            let (number, _) = id.segment();
            if id < position.file()
                && !live.contains_key(&number)
                && !written_ahead.contains(&number)
            {
                dead.push(id);
            }
        }
        self.directory.remove_logs(&dead)?;
        self.count_freed(dead.len());
        Ok(())
    }
}
