//! Opening a directory: for writing it begins a new epoch, step by step; for reading it changes nothing.
//!
//! ```text
//!  1 lock ─ 2 void ─ 3 claim n+1 ─ 4 checkpoint + replay ─ 5 new checkpoint ─ 6 log file ─ 7 manifest n+1
//! ```
//!
//! 1. The lock gives a clear error to a second opener. A half made directory is made again.
//! 2. If the newest claim has no manifest, its owner vanished: a void manifest says that this epoch never began.
//! 3. The claim comes before the log is read: a writer that lost its lock either has its record in the log by then, or sees
//!    the claim before it acknowledges.
//! 4. The caller reads the newest checkpoint of the newest real epoch and replays what the log holds since. What was
//!    replayed is synced: it may have been with the operating system only.
//! 5. If anything was replayed, the result is written as a checkpoint of the new epoch.
//! 6. The log of the new epoch starts with a new, empty file.
//! 7. The manifest decides: from here on the old log is never replayed again. Whoever finds a void there was too slow.
//!
//! So an epoch that began has a log file, and a log file with a record has a manifest: if one of them is gone, it was
//! taken away, and the database is not opened as if nothing had been written.
//!
//! Stopped between any two steps, the next opening finds either the old epoch with its log, or the new one.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use parking_lot::Mutex;

use super::epoch::{self, Claim, Manifest};
use super::error::DirectoryError;
use super::layout::{self, CheckpointId, DatabaseId, Found, Layout, LogFileId, LogPosition};
use super::lock::{self, Lock};
use super::log::Log;
use super::options::{DirectoryOptions, Durability};
use super::reader::Reader;
use super::scan::{self, Scanned};
use super::writer::Writer;
use super::{Directory, Steps};
use crate::blob::{SegmentKey, SegmentPlace};
use crate::limits;

/// A directory that is being opened.
#[derive(Debug)]
pub struct Opening {
    layout: Layout,
    id: DatabaseId,
    lock: Lock,
    options: DirectoryOptions,
    /// The epoch that was claimed; `None` when opened for reading.
    claimed: Option<u32>,
    /// The newest real epoch.
    real: Option<u32>,
    checkpoint: Option<CheckpointId>,
    replayed: Vec<LogFileId>,
}

impl Opening {
    /// Steps 1 to 3. `random` tells this opening from others: the identity of a new database and of the claim.
    pub fn for_writing(
        path: &Path,
        options: DirectoryOptions,
        random: [u64; 3],
    ) -> Result<Self, DirectoryError> {
        let range = limits::LOG_FILE_BYTES_MIN..=limits::LOG_FILE_BYTES_MAX;
        let options = DirectoryOptions {
            log_file_bytes: options.log_file_bytes.clamp(*range.start(), *range.end()),
            ..options
        };
        let layout = Layout::new(path);
        let [high, low, owner] = random;
        let found = layout::inspect(&layout)?;
        if found == Found::Empty {
            if !options.create {
                return Err(DirectoryError::Missing(path.to_owned()));
            }
            std::fs::create_dir_all(path)
                .map_err(|error| DirectoryError::file(path, "create", &error))?;
        }
        let lock = lock::exclusive(&layout)?;
        // Someone may have made it while the lock was taken: look again.
        let id = match layout::inspect(&layout)? {
            Found::Database(id) => id,
            Found::Empty => {
                let id = DatabaseId(u128::from(high) << 64 | u128::from(low));
                layout::create(&layout, id, &options.steps)?;
                id
            }
        };
        layout.remove_temporaries(&options.steps)?;
        let mut opening = Self {
            layout,
            id,
            lock,
            options,
            claimed: None,
            real: None,
            checkpoint: None,
            replayed: Vec::new(),
        };
        opening.claim(owner)?;
        Ok(opening)
    }

    /// Opens for reading: takes the shared lock, claims, writes and syncs nothing.
    pub fn for_reading(path: &Path) -> Result<Self, DirectoryError> {
        let layout = Layout::new(path);
        let missing = || DirectoryError::Missing(path.to_owned());
        let Found::Database(id) = layout::inspect(&layout)? else {
            return Err(missing());
        };
        let lock = lock::shared(&layout)?;
        let newest = newest_with_log(&layout, id.seed())?;
        let mut opening = Self {
            layout,
            id,
            lock,
            options: DirectoryOptions::default(),
            claimed: None,
            real: None,
            checkpoint: None,
            replayed: Vec::new(),
        };
        opening.adopt(&newest)?;
        Ok(opening)
    }

    fn claim(&mut self, owner: u64) -> Result<(), DirectoryError> {
        let seed = self.id.seed();
        let steps = self.options.steps.clone();
        let newest = newest_with_log(&self.layout, seed)?;
        if !newest.decided {
            epoch::decide(&self.layout, newest.claimed, &Manifest::Void, seed, &steps)?;
        }
        let fenced = || DirectoryError::Fenced(self.layout.root().to_owned());
        let next = newest.claimed.checked_add(1).ok_or_else(fenced)?;
        let claim = Claim {
            process: std::process::id(),
            owner,
        };
        if !epoch::claim(&self.layout, next, &claim, seed, &steps)? {
            return Err(fenced());
        }
        self.claimed = Some(next);
        // A real manifest may have come before the void.
        let newest = epoch::newest(&self.layout, seed)?;
        self.adopt(&newest)
    }

    /// Chooses the newest checkpoint of the newest real epoch.
    fn adopt(&mut self, newest: &epoch::Newest) -> Result<(), DirectoryError> {
        if let Some((real, started_from)) = newest.real {
            let own = self
                .layout
                .list_checkpoints()?
                .into_iter()
                .rfind(|id| id.epoch == real);
            self.real = Some(real);
            self.checkpoint = own.or(started_from);
        }
        Ok(())
    }

    /// The epoch that this opening claimed; `None` when opened for reading.
    pub fn claimed(&self) -> Option<u32> {
        self.claimed
    }

    /// The newest epoch that began, before this opening.
    pub fn real(&self) -> Option<u32> {
        self.real
    }

    /// The seed of every checksum of this database.
    pub fn seed(&self) -> u64 {
        self.id.seed()
    }

    /// The hook of tests.
    pub fn steps(&self) -> &Steps {
        &self.options.steps
    }

    /// The checkpoint to start from, with its path.
    pub fn checkpoint(&self) -> Option<(CheckpointId, PathBuf)> {
        self.checkpoint.map(|id| (id, self.layout.checkpoint(id)))
    }

    /// Where the checkpoint of the claimed epoch goes.
    pub fn checkpoint_path(&self, period: u32) -> Option<(CheckpointId, PathBuf)> {
        let id = CheckpointId {
            epoch: self.claimed?,
            period,
        };
        Some((id, self.layout.checkpoint(id)))
    }

    /// Step 4: delivers every segment since the checkpoint, in order. `position` is what the checkpoint says.
    pub fn replay<E: From<DirectoryError>>(
        &mut self,
        position: Option<LogPosition>,
        deliver: &mut dyn FnMut(SegmentKey, SegmentPlace, Bytes) -> Result<(), E>,
    ) -> Result<Option<Scanned>, E> {
        let Some(real) = self.real else {
            return Ok(None);
        };
        // A checkpoint of an older epoch contains the whole log of that epoch.
        let own = self.checkpoint.is_some_and(|id| id.epoch == real);
        let from = position.filter(|_| own).unwrap_or(LogPosition::start(real));
        if from.epoch != real {
            let path = self.layout.checkpoint(CheckpointId {
                epoch: real,
                period: 0,
            });
            return Err(
                DirectoryError::damaged(&path, 0, "its log position is of another epoch").into(),
            );
        }
        let scanned = scan::scan(&self.layout, self.id.seed(), from, deliver)?;
        self.replayed.clone_from(&scanned.files);
        if self.claimed.is_some() && scanned.segments > 0 {
            self.sync_replayed()?;
        }
        Ok(Some(scanned))
    }

    fn sync_replayed(&self) -> Result<(), DirectoryError> {
        for id in &self.replayed {
            let path = self.layout.log(*id);
            let synced = self.options.steps.at("sync a replayed log file");
            let synced = synced
                .and_then(|()| File::open(&path))
                .and_then(|file| file.sync_data());
            synced.map_err(|error| DirectoryError::file(&path, "sync", &error))?;
        }
        layout::sync_folder(&self.layout.logs())
    }

    /// Steps 6 and 7. `checkpoint` is the one that holds everything: a new one, or the old one if nothing was replayed.
    pub fn finish(self, checkpoint: Option<CheckpointId>) -> Result<Directory, DirectoryError> {
        let seed = self.id.seed();
        let steps = self.options.steps.clone();
        let root = self.layout.root().to_owned();
        let mut log = None;
        if let Some(epoch) = self.claimed {
            let interval = match self.options.durability {
                Durability::Sync => None,
                Durability::Relaxed { interval } => Some(interval),
            };
            let failed = |error: io::Error| DirectoryError::file(&root, "start the log in", &error);
            let writer = Writer::create(self.layout.clone(), epoch, seed, self.options);
            let writer = writer.map_err(failed)?;
            let manifest = Manifest::Real(checkpoint);
            let won = epoch::decide(&self.layout, epoch, &manifest, seed, &steps);
            if won.is_err() && matches!(self.layout.manifest(epoch).try_exists(), Ok(false)) {
                // The epoch did not begin: on a full disk, its log must not stay in the way.
                let _ = std::fs::remove_file(writer.path());
            }
            if !won? || epoch::claimed_after(&self.layout, epoch)? {
                return Err(DirectoryError::Fenced(root));
            }
            log = Some(Log::start(writer, interval).map_err(failed)?);
        }
        let epoch = self.claimed.or(self.real).unwrap_or(0);
        let reader = Reader::new(self.layout.clone(), seed);
        Ok(Directory {
            layout: self.layout,
            id: self.id,
            epoch,
            steps,
            log,
            reader,
            lock: Mutex::new(Some(self.lock)),
        })
    }
}

/// The newest epoch, if the log agrees: records of an epoch that never began mean that its manifest was taken away.
fn newest_with_log(layout: &Layout, seed: u64) -> Result<epoch::Newest, DirectoryError> {
    // The log is looked at first: a record that is seen there has its manifest already.
    let logs = layout.list_logs()?;
    let newest = epoch::newest(layout, seed)?;
    let began = newest.real.map_or(0, |(epoch, _)| epoch);
    for id in logs.into_iter().rev().take_while(|id| id.epoch > began) {
        if scan::has_record(layout, id, seed)? {
            let name = layout.log(id);
            return Err(DirectoryError::Gone {
                path: layout.manifest(id.epoch),
                reason: format!("{} has records of this epoch", name.display()),
            });
        }
    }
    Ok(newest)
}
