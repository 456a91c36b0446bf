//! The embedded blob store: one directory of append logs, written by one process.
//!
//! ```text
//!  PATH/
//!    format                         whose directory this is: magic, format version, identity of the database, checksum
//!    lock                           flock: one writer or many readers; names the writer's process
//!    epoch/00000003.claim           put-if-absent: since then nobody writes in epoch 2
//!    epoch/00000003.manifest        put-if-absent: which checkpoint epoch 3 started from, or that it never began
//!    log/00000003-00000001.log      segments of epoch 3, appended in order; file 2 follows when file 1 is full
//!    checkpoint/00000003-00000001.checkpoint   all handles, sorted, at the beginning of period 1 of epoch 3
//! ```
//!
//! A group of transactions is one append with one sync, shared by everyone who waits at that time (`log`). The position
//! in the log plays the part of a key: a put succeeds by being written, and nothing else can take the place. What a put
//! must not do is succeed *after* someone decided that it never happened, so a key that was given up is remembered.
//!
//! Opening for writing is a recovery (`opening`): it claims the next epoch, replays the log since the newest checkpoint
//! (`scan`), writes a checkpoint if there was anything to replay, starts a new log file, and decides the manifest.
//! Opening for reading claims, writes and syncs nothing.
//!
//! - Names of epochs and log files are never used twice, so physical ids are not either.
//! - Every checksum is seeded with the identity of the database and covers where the bytes belong: bytes of another
//!   database, file, or life of the same blocks are never taken for records.
//! - A checkpoint, claim or manifest has its whole contents as soon as it has its name.
//! - A log file is deleted only below the position of a durable checkpoint that reaches none of its blobs.
//!
//! It is not a key-value store and knows nothing about transactions; the commit protocol and the registry do.

mod epoch;
mod error;
mod file;
mod frame;
mod layout;
mod lock;
mod log;
mod opening;
mod options;
mod reader;
mod scan;
mod steps;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use sop_engine::types::PhysicalId;

use self::layout::Layout;
use self::lock::Lock;
use self::log::Log;
use self::reader::Reader;
use super::{BlobError, BlobStore, Put, SegmentKey};

pub use self::error::DirectoryError;
pub(crate) use self::frame::checksum;
pub use self::layout::{CheckpointId, DatabaseId, LogFileId, LogPosition};
pub(crate) use self::layout::{sync_folder, temporary};
pub use self::opening::Opening;
pub use self::options::{DirectoryOptions, Durability};
pub use self::scan::Scanned;
pub use self::steps::Steps;

/// An open directory.
#[derive(Debug)]
pub struct Directory {
    layout: Layout,
    id: DatabaseId,
    epoch: u32,
    steps: Steps,
    /// Absent when opened for reading.
    log: Option<Log>,
    reader: Reader,
    lock: Mutex<Option<Lock>>,
}

/// What a directory has done since it was opened, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectoryCounts {
    /// Segments appended.
    pub appends: u64,
    /// Syncs of the log: concurrent appends share them.
    pub syncs: u64,
    /// Bytes of these segments, with their frames.
    pub bytes: u64,
}

impl Directory {
    /// The epoch that this opening began; of a directory opened for reading: the newest one.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Identity of the database.
    pub fn id(&self) -> DatabaseId {
        self.id
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.layout.root()
    }

    /// The seed of every checksum of this database.
    pub fn seed(&self) -> u64 {
        self.id.seed()
    }

    /// The hook of tests.
    pub fn steps(&self) -> &Steps {
        &self.steps
    }

    /// Where the next record of the log goes: every put that was answered lies before.
    pub fn end(&self) -> LogPosition {
        self.log
            .as_ref()
            .map_or(LogPosition::start(self.epoch), Log::end)
    }

    /// What was done since opening.
    pub fn counts(&self) -> DirectoryCounts {
        self.log
            .as_ref()
            .map_or_else(DirectoryCounts::default, |log| DirectoryCounts {
                appends: log.counts().appends.load(Ordering::Relaxed),
                syncs: log.counts().syncs.load(Ordering::Relaxed),
                bytes: log.counts().bytes.load(Ordering::Relaxed),
            })
    }

    /// Waits until everything that was acknowledged is on the disk: at once at durability `sync`.
    pub async fn sync(&self) -> Result<(), BlobError> {
        self.log()?.sync(false).await
    }

    /// Syncs and goes on in a new log file, so that everything before lies in files that are no longer written.
    pub async fn roll(&self) -> Result<(), BlobError> {
        self.log()?.sync(true).await
    }

    /// Finishes what is queued, syncs the log and gives its spare room back. Every later call answers `Closed`. Blocks.
    /// Another process may open the directory afterwards.
    pub fn close(&self) -> Result<(), BlobError> {
        let closed = self.log.as_ref().map_or(Ok(()), Log::close);
        self.lock.lock().take();
        closed
    }

    /// Where a checkpoint of this epoch goes.
    pub fn checkpoint_path(&self, period: u32) -> PathBuf {
        self.layout.checkpoint(CheckpointId {
            epoch: self.epoch,
            period,
        })
    }

    /// Where a log file lies.
    pub fn log_path(&self, id: LogFileId) -> PathBuf {
        self.layout.log(id)
    }

    /// The log files with their lengths on the disk, in order.
    pub fn log_files(&self) -> Result<Vec<(LogFileId, u64)>, DirectoryError> {
        sizes(self.layout.list_logs()?, |id| self.layout.log(*id))
    }

    /// The checkpoint files with their lengths, in order.
    pub fn checkpoint_files(&self) -> Result<Vec<(CheckpointId, u64)>, DirectoryError> {
        sizes(self.layout.list_checkpoints()?, |id| {
            self.layout.checkpoint(*id)
        })
    }

    /// Deletes log files whose blobs nobody reaches any more. Stops if another process took over.
    pub fn remove_logs(&self, files: &[LogFileId]) -> Result<(), DirectoryError> {
        self.check_fence()?;
        for id in files {
            assert!(*id < self.end().file(), "the file that is written stays");
            self.remove("remove a log file", &self.layout.log(*id))?;
            self.reader.forget(*id);
        }
        Ok(())
    }

    /// Deletes every checkpoint but this one. Stops if another process took over.
    pub fn remove_checkpoints_but(&self, kept: CheckpointId) -> Result<(), DirectoryError> {
        self.check_fence()?;
        for id in self
            .layout
            .list_checkpoints()?
            .into_iter()
            .filter(|id| *id != kept)
        {
            self.remove("remove a checkpoint", &self.layout.checkpoint(id))?;
        }
        Ok(())
    }

    fn remove(&self, step: &'static str, path: &Path) -> Result<(), DirectoryError> {
        let removed = self
            .steps
            .at(step)
            .and_then(|()| std::fs::remove_file(path));
        removed.map_err(|error| DirectoryError::file(path, "remove", &error))
    }

    fn check_fence(&self) -> Result<(), DirectoryError> {
        if epoch::claimed_after(&self.layout, self.epoch)? {
            return Err(DirectoryError::Fenced(self.layout.root().to_owned()));
        }
        Ok(())
    }

    fn log(&self) -> Result<&Log, BlobError> {
        self.log
            .as_ref()
            .ok_or_else(|| BlobError::Closed("the database is open for reading only".to_owned()))
    }
}

/// The room that files take on the disk; those that are deleted meanwhile are left out.
fn sizes<T>(ids: Vec<T>, path: impl Fn(&T) -> PathBuf) -> Result<Vec<(T, u64)>, DirectoryError> {
    let mut sizes = Vec::with_capacity(ids.len());
    for id in ids {
        let path = path(&id);
        match std::fs::metadata(&path) {
            Ok(metadata) => {
                sizes.push((id, std::os::unix::fs::MetadataExt::blocks(&metadata) * 512))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(DirectoryError::file(&path, "look at", &error)),
        }
    }
    Ok(sizes)
}

#[async_trait]
impl BlobStore for Directory {
    async fn put(&self, key: SegmentKey, bytes: Bytes) -> Result<Put, BlobError> {
        self.log()?.put(key, bytes).await
    }

    async fn put_tombstone(&self, key: SegmentKey) -> Result<Put, BlobError> {
        self.log()?.put_tombstone(key).await
    }

    async fn claimed_after(&self, epoch: u32) -> Result<bool, BlobError> {
        self.log()?.check()?;
        Ok(epoch::claimed_after(&self.layout, epoch)?)
    }

    async fn read(&self, id: PhysicalId, before: u32) -> Result<Bytes, BlobError> {
        if let Some(log) = &self.log {
            log.check()?;
        }
        self.reader.read(id, before)
    }

    fn place(&self, id: PhysicalId) -> String {
        match LogFileId::from_segment(id.segment) {
            Some(file) => {
                let path = self.layout.log(file);
                format!("{} is damaged at byte {}", path.display(), id.offset)
            }
            None => format!("blob {id}"),
        }
    }
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
#[path = "directory_test.rs"]
mod test;
