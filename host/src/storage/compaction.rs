//! Moves live blobs out of mostly dead log files, so that these can be freed.

use std::collections::BTreeSet;
use std::sync::Arc;

use sop_engine::storage::StorageError;
use sop_engine::types::{LogicalId, PhysicalId};

use super::Storage;
use super::embedded::{Embedded, Last};
use crate::blob::directory::LogFileId;
use crate::limits;
use crate::recovery::checkpoint::blobs;

/// How far a compaction is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactProgress {
    /// Bytes moved so far.
    pub moved_bytes: u64,
    /// Bytes to move in all.
    pub total_bytes: u64,
}

/// What a compaction came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Room on the disk or in the object store before, in bytes.
    pub before_bytes: u64,
    /// Room after.
    pub after_bytes: u64,
    /// Bytes of bodies that something reaches, kept versions included.
    pub live_bytes: u64,
    /// Bytes of bodies that were moved.
    pub moved_bytes: u64,
}

pub(super) type Progress = Box<dyn FnMut(CompactProgress) + Send>;

impl Storage {
    /// Rewrites log files that hold more than a little that nothing reaches. Online; versions stay what they are; safe to
    /// kill. History within retention counts as live.
    pub async fn compact(
        &self,
        progress: impl FnMut(CompactProgress) + Send + 'static,
    ) -> Result<Compacted, StorageError> {
        self.check_writable(&self.life())?;
        let mut progress: Progress = Box::new(progress);
        let Some(embedded) = self.inner.embedded.get().cloned() else {
            return match self.inner.shared.get().cloned() {
                Some(shared) => self.compact_objects(shared, progress).await,
                None => Ok(Compacted::default()),
            };
        };
        let storage = self.clone();
        self.detached(async move {
            let before_bytes = embedded.statistics()?.disk_bytes;
            let mut last = embedded.last.lock().await;
            storage.life().registry.prune().await?;
            storage.take_checkpoint(&embedded, &mut last).await?;
            let percent = limits::COMPACTION_LIVE_PERCENT;
            let moved_bytes = storage
                .move_out(&embedded, &last, percent, &mut progress)
                .await?;
            if moved_bytes > 0 {
                storage.take_checkpoint(&embedded, &mut last).await?;
            }
            let after = embedded.statistics()?;
            Ok(Compacted {
                before_bytes,
                after_bytes: after.disk_bytes,
                live_bytes: after.live_bytes,
                moved_bytes,
            })
        })
        .await
    }

    /// After a checkpoint: rewrites what is mostly dead if the log has grown too large for what is live.
    pub(super) async fn relocate_sparse(
        &self,
        embedded: &Arc<Embedded>,
        last: &mut Last,
    ) -> Result<(), StorageError> {
        let figures = embedded.statistics()?;
        let room = figures.live_bytes.saturating_mul(limits::LOG_PERCENT_MAX) / 100;
        // Moving at three quarters of the bound leaves room until the next checkpoint.
        if figures.log_bytes <= room / 4 * 3 {
            return Ok(());
        }
        let mut unheard: Progress = Box::new(|_| ());
        let percent = limits::RELOCATION_LIVE_PERCENT;
        if self.move_out(embedded, last, percent, &mut unheard).await? > 0 {
            self.take_checkpoint(embedded, last).await?;
        }
        Ok(())
    }

    /// Moves what is live out of every log file in which it is less than `percent`. Answers the bytes moved.
    async fn move_out(
        &self,
        embedded: &Arc<Embedded>,
        last: &Last,
        percent: u64,
        progress: &mut Progress,
    ) -> Result<u64, StorageError> {
        let Some(checkpoint) = last.file.clone() else {
            return Ok(0);
        };
        let sparse = embedded.sparse(checkpoint.live(), last.position.file(), percent)?;
        if sparse.is_empty() {
            return Ok(0);
        }
        let total_bytes = sparse.iter().map(|(_, live)| live).sum();
        let files: BTreeSet<LogFileId> = sparse.into_iter().map(|(id, _)| id).collect();
        let leaves = move |id: &PhysicalId| {
            let file = LogFileId::from_segment(id.segment);
            file.is_some_and(|file| files.contains(&file))
        };
        let mut ids = Vec::new();
        let mut after: Option<LogicalId> = None;
        loop {
            let entries = checkpoint.entries_after(after, limits::CHECKPOINT_CHUNK_ENTRIES)?;
            let Some(end) = entries.last() else { break };
            after = Some(end.id);
            let touched = entries
                .iter()
                .filter(|entry| blobs(entry).iter().any(&leaves));
            ids.extend(touched.map(|entry| entry.id));
        }
        let count = limits::RELOCATION_IDS_LOG;
        self.relocate_all(ids, &leaves, count, total_bytes, progress)
            .await
    }

    /// Relocates ids in the order of scans, so many at a time: whoever wants to change one of them waits for no more.
    pub(super) async fn relocate_all(
        &self,
        mut ids: Vec<LogicalId>,
        leaves: &(dyn Fn(&PhysicalId) -> bool + Send + Sync),
        count: usize,
        total_bytes: u64,
        progress: &mut Progress,
    ) -> Result<u64, StorageError> {
        self.sort_by_scan(&mut ids).await;
        let mut moved_bytes = 0;
        for ids in ids.chunks(count) {
            moved_bytes += self.relocate(ids, leaves).await?;
            progress(CompactProgress {
                moved_bytes,
                total_bytes,
            });
        }
        Ok(moved_bytes)
    }
}
