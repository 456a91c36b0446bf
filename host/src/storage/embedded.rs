//! The directory under a storage: what is known about its disk, and when a checkpoint is due.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sop_engine::storage::StorageError;

use crate::blob::directory::{Directory, DirectoryError, LogFileId, LogPosition};
use crate::limits;
use crate::recovery::checkpoint::Checkpoint;
use crate::registry::memory::MemoryRegistry;

/// When checkpoints are taken.
#[derive(Clone, Copy, Debug)]
pub struct CheckpointOptions {
    /// After this many bytes of log; over a shared registry, of segments that this host wrote.
    pub log_bytes: u64,
    /// Over a shared registry also after this many segments of all hosts.
    pub segments: u64,
    /// Over a shared registry: after so long a tenth of that is enough.
    pub age: Duration,
    /// Whether they are taken on their own at all.
    pub automatic: bool,
}

impl Default for CheckpointOptions {
    fn default() -> Self {
        Self {
            log_bytes: limits::CHECKPOINT_LOG_BYTES_DEFAULT,
            segments: limits::CHECKPOINT_SEGMENTS_DEFAULT,
            age: limits::CHECKPOINT_AGE_DEFAULT,
            automatic: true,
        }
    }
}

/// What a database takes on the disk and how it came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskStatistics {
    /// Room that log files and checkpoints take, in bytes.
    pub disk_bytes: u64,
    /// The log files' part of it.
    pub log_bytes: u64,
    /// Bytes of blobs that any kept version reaches, as of the last checkpoint. What was written since is not in it.
    pub live_bytes: u64,
    /// Bytes appended to the log since the last checkpoint.
    pub since_checkpoint_bytes: u64,
    /// How many log files there are.
    pub log_files: u64,
    /// Checkpoints taken since opening.
    pub checkpoints: u64,
    /// Log files freed since opening.
    pub log_files_freed: u64,
    /// Segments appended since opening.
    pub appends: u64,
    /// Syncs of the log since opening.
    pub syncs: u64,
    /// Segments that opening replayed.
    pub replayed_segments: u64,
    /// Transactions in these.
    pub replayed_transactions: u64,
    /// How long opening took.
    pub opening_time: Duration,
}

impl DiskStatistics {
    /// Room on the disk per live byte, in percent; what was written since the last checkpoint counts as live.
    pub fn amplification_percent(&self) -> u64 {
        let live = self
            .live_bytes
            .saturating_add(self.since_checkpoint_bytes)
            .max(1);
        self.disk_bytes.saturating_mul(100) / live
    }
}

/// What the last checkpoint established.
#[derive(Debug)]
pub(super) struct Last {
    pub(super) period: u32,
    pub(super) file: Option<Arc<Checkpoint>>,
    pub(super) position: LogPosition,
    /// Appends when it was taken.
    pub(super) appends: u64,
}

/// The directory under a storage.
#[derive(Debug)]
pub(super) struct Embedded {
    pub(super) directory: Arc<Directory>,
    pub(super) registry: Arc<MemoryRegistry>,
    pub(super) options: CheckpointOptions,
    /// Held while a checkpoint is taken.
    pub(super) last: futures::lock::Mutex<Last>,
    pub(super) closed: AtomicBool,
    /// A background checkpoint is under way.
    pub(super) running: AtomicBool,
    /// Bytes of log since opening at which the next checkpoint is due.
    due: AtomicU64,
    figures: Mutex<DiskStatistics>,
    /// Appended bytes at the last checkpoint.
    appended: AtomicU64,
}

impl Embedded {
    pub(super) fn new(
        directory: Arc<Directory>,
        registry: Arc<MemoryRegistry>,
        options: CheckpointOptions,
        last: Last,
        figures: DiskStatistics,
    ) -> Self {
        Self {
            directory,
            registry,
            options,
            last: futures::lock::Mutex::new(last),
            closed: AtomicBool::new(false),
            running: AtomicBool::new(false),
            due: AtomicU64::new(options.log_bytes),
            figures: Mutex::new(figures),
            appended: AtomicU64::new(0),
        }
    }

    /// Whether enough was written since the last checkpoint.
    pub(super) fn is_due(&self) -> bool {
        self.options.automatic && self.directory.counts().bytes >= self.due.load(Ordering::Relaxed)
    }

    /// Notes a checkpoint and decides when the next one is due.
    pub(super) fn taken(
        &self,
        checkpoint: Option<&Checkpoint>,
        appended: u64,
    ) -> Result<(), DirectoryError> {
        let log_bytes = self.log_bytes()?;
        let live: u64 = checkpoint.map_or(0, |checkpoint| checkpoint.live().values().sum());
        let written = checkpoint.map_or(0, Checkpoint::file_bytes);
        let room = (live.saturating_mul(limits::LOG_PERCENT_MAX) / 100).saturating_sub(log_bytes);
        let most = self.options.log_bytes.max(written);
        let least = limits::CHECKPOINT_LOG_BYTES_MIN.max(written).min(most);
        self.due.store(
            appended.saturating_add(room.clamp(least, most)),
            Ordering::Relaxed,
        );
        self.appended.store(appended, Ordering::Relaxed);
        self.figures.lock().live_bytes = live;
        Ok(())
    }

    /// Puts the next automatic checkpoint off after a failed one.
    pub(super) fn postpone(&self) {
        let next = self
            .directory
            .counts()
            .bytes
            .saturating_add(limits::CHECKPOINT_LOG_BYTES_MIN);
        self.due.fetch_max(next, Ordering::Relaxed);
    }

    pub(super) fn count_checkpoint(&self) {
        self.figures.lock().checkpoints += 1;
    }

    pub(super) fn count_freed(&self, files: usize) {
        self.figures.lock().log_files_freed += files as u64;
    }

    fn log_bytes(&self) -> Result<u64, DirectoryError> {
        Ok(self
            .directory
            .log_files()?
            .iter()
            .map(|(_, bytes)| bytes)
            .sum())
    }

    /// Looks at the disk.
    pub(super) fn statistics(&self) -> Result<DiskStatistics, DirectoryError> {
        let logs = self.directory.log_files()?;
        let checkpoints: u64 = self
            .directory
            .checkpoint_files()?
            .iter()
            .map(|(_, bytes)| bytes)
            .sum();
        let counts = self.directory.counts();
        let mut figures = self.figures.lock().clone();
        figures.log_bytes = logs.iter().map(|(_, bytes)| bytes).sum();
        figures.log_files = logs.len() as u64;
        figures.disk_bytes = figures.log_bytes + checkpoints;
        figures.appends = counts.appends;
        figures.syncs = counts.syncs;
        figures.since_checkpoint_bytes = counts
            .bytes
            .saturating_sub(self.appended.load(Ordering::Relaxed));
        Ok(figures)
    }

    /// The log files below a position in which live blobs are less than `percent` of the room, emptiest first.
    pub(super) fn sparse(
        &self,
        live: &BTreeMap<u64, u64>,
        below: LogFileId,
        percent: u64,
    ) -> Result<Vec<(LogFileId, u64)>, DirectoryError> {
        let mut sparse = Vec::new();
        for (id, bytes) in self.directory.log_files()? {
            let (number, _) = id.segment();
            let live = live.get(&number).copied().unwrap_or(0);
            if id < below && live > 0 && live.saturating_mul(100) < bytes.saturating_mul(percent) {
                sparse.push((id, live));
            }
        }
        sparse.sort_unstable_by_key(|(_, live)| *live);
        Ok(sparse)
    }
}

impl From<DirectoryError> for StorageError {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Damaged { .. } | DirectoryError::Gone { .. } => {
                Self::Corrupt(error.to_string())
            }
            DirectoryError::Denied { .. } => Self::Denied(error.to_string()),
            DirectoryError::Fenced(_) => Self::Fenced,
            _ => Self::Unavailable(error.to_string()),
        }
    }
}
