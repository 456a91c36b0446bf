//! Opening a database in a directory: recovery, then a storage over what came back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::channel::oneshot;

use super::embedded::{CheckpointOptions, DiskStatistics, Embedded, Last};
use super::{Storage, StorageOptions, StorageParts};
use crate::blob::directory::{
    CheckpointId, Directory, DirectoryError, DirectoryOptions, LogFileId, LogPosition, Opening,
};
use crate::commit::segment::{Segment, SegmentError, SegmentKind};
use crate::limits;
use crate::recovery::checkpoint::{Checkpoint, CheckpointWriter};
use crate::recovery::entry::{self, Base, Header};
use crate::recovery::replay::{Replay, ReplayError};
use crate::registry::memory::MemoryRegistry;
use crate::runtime::Runtime;

/// How a database in a directory is opened.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// How the storage behaves. `read_only` opens without claiming, writing or syncing anything.
    pub storage: StorageOptions,
    /// How the directory is written.
    pub directory: DirectoryOptions,
    /// When checkpoints are taken.
    pub checkpoint: CheckpointOptions,
}

/// Why a database cannot be opened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory says no.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The log cannot be read back.
    #[error(
        "{path} is damaged in the segment at byte {offset}: {reason}; restore it from a backup"
    )]
    Segment {
        /// The log file.
        path: PathBuf,
        /// Where the segment starts.
        offset: u32,
        /// What is wrong.
        reason: SegmentError,
    },
    /// Log and checkpoint do not fit together.
    #[error("the log of {path} cannot be replayed: {reason}; restore it from a backup")]
    Replay {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        reason: ReplayError,
    },
    /// The opening was given up.
    #[error("the opening of the database ended without an answer")]
    Ended,
}

impl From<LogPosition> for entry::LogPosition {
    fn from(position: LogPosition) -> Self {
        let (file, _) = position.file().segment();
        Self {
            file,
            offset: u64::from(position.offset),
        }
    }
}

/// The position that a checkpoint recorded.
fn recorded(position: entry::LogPosition) -> Option<LogPosition> {
    let LogFileId { epoch, index } = LogFileId::from_segment((position.file, 0))?;
    Some(LogPosition {
        epoch,
        index,
        offset: u32::try_from(position.offset).ok()?,
    })
}

/// What an opening brought back.
struct Opened {
    directory: Directory,
    registry: MemoryRegistry,
    checkpoint: Option<(CheckpointId, Arc<Checkpoint>)>,
    figures: DiskStatistics,
}

impl Storage {
    /// Opens the database in a directory. For writing this is a recovery: it begins a new epoch.
    pub async fn open_directory(
        path: &Path,
        options: OpenOptions,
        runtime: Arc<dyn Runtime>,
    ) -> Result<Self, OpenError> {
        let (sender, receiver) = oneshot::channel();
        let task = (path.to_owned(), options.clone(), Arc::clone(&runtime));
        // Reading the log blocks, and the caller may have one thread only.
        let thread = std::thread::Builder::new().spawn(move || {
            let (path, options, runtime) = task;
            // Whoever gave up waiting gets a closed directory.
            let _ = sender.send(open(&path, options, &runtime));
        });
        thread.map_err(|error| DirectoryError::file(path, "start a thread for", &error))?;
        let opened = receiver.await.map_err(|_| OpenError::Ended)??;
        Ok(Self::over_directory(opened, &options, runtime)?)
    }

    fn over_directory(
        opened: Opened,
        options: &OpenOptions,
        runtime: Arc<dyn Runtime>,
    ) -> Result<Self, DirectoryError> {
        let Opened {
            directory,
            registry,
            checkpoint,
            figures,
        } = opened;
        let (directory, registry) = (Arc::new(directory), Arc::new(registry));
        let parts = StorageParts {
            registry: Arc::clone(&registry) as _,
            blobs: Arc::clone(&directory) as _,
            runtime,
            epoch: directory.epoch(),
            period: 1,
        };
        let storage = Self::assemble(parts, options.storage);
        let (id, file) = checkpoint.unzip();
        let position = LogPosition::start(directory.epoch());
        let last = Last {
            period: 1,
            file: file.clone(),
            position,
            appends: 0,
        };
        if let Some(file) = &file {
            warn_of_gone_logs(&directory, file)?;
        }
        let embedded = Embedded::new(directory, registry, options.checkpoint, last, figures);
        embedded.taken(file.as_deref(), 0)?;
        if !options.storage.read_only {
            let live = file
                .as_ref()
                .map(|file| file.live().clone())
                .unwrap_or_default();
            embedded.free(id, &live, &[], position)?;
        }
        // Nobody else has this storage yet.
        let _ = storage.inner.embedded.set(Arc::new(embedded));
        Ok(storage)
    }

    /// What the database takes on the disk; `None` if it has no directory.
    pub fn disk(&self) -> Result<Option<DiskStatistics>, DirectoryError> {
        self.inner
            .embedded
            .get()
            .map(|embedded| embedded.statistics())
            .transpose()
    }
}

/// Names the log files that are gone although something in them is alive. The rest can be read and saved all the same, so
/// the database is opened; what lay in them is answered as corrupt.
fn warn_of_gone_logs(directory: &Directory, checkpoint: &Checkpoint) -> Result<(), DirectoryError> {
    let files = directory.log_files()?;
    for number in checkpoint.live().keys() {
        let Some(id) = LogFileId::from_segment((*number, 0)) else {
            continue;
        };
        if files.binary_search_by_key(&id, |(id, _)| *id).is_err() {
            let path = directory.log_path(id);
            tracing::warn!(
                "{} is missing: what lay in it cannot be read; restore it from a backup",
                path.display()
            );
        }
    }
    Ok(())
}

fn open(
    path: &Path,
    options: OpenOptions,
    runtime: &Arc<dyn Runtime>,
) -> Result<Opened, OpenError> {
    let start = runtime.elapsed();
    let mut opening = if options.storage.read_only {
        Opening::for_reading(path)?
    } else {
        let random = [runtime.random(), runtime.random(), runtime.random()];
        Opening::for_writing(path, options.directory, random)?
    };
    let mut checkpoint = match opening.checkpoint() {
        Some((id, path)) => Some((id, Arc::new(Checkpoint::open(&path, opening.seed())?))),
        None => None,
    };
    let epoch = opening.claimed().or(opening.real()).unwrap_or(0);
    let history = options.storage.history;
    let registry = match &checkpoint {
        Some((_, file)) => {
            MemoryRegistry::over(Arc::clone(file) as _, epoch, history, Arc::clone(runtime))
        }
        None => MemoryRegistry::new(epoch, history, Arc::clone(runtime)),
    };
    let header = checkpoint
        .as_ref()
        .map(|(_, file)| file.header().clone())
        .unwrap_or_default();
    let (segments, transactions) = replay(path, &mut opening, &registry, &header)?;
    if segments > 0
        && let Some((id, path)) = opening.checkpoint_path(0)
    {
        let position = LogPosition::start(epoch).into();
        let write = |header: &Header| Header {
            period: 0,
            position,
            ..header.clone()
        };
        let file = write_checkpoint(&registry, &path, opening.seed(), opening.steps(), write)?;
        checkpoint = Some((id, file));
    }
    let directory = opening.finish(checkpoint.as_ref().map(|(id, _)| *id))?;
    let figures = DiskStatistics {
        replayed_segments: segments,
        replayed_transactions: transactions,
        opening_time: runtime.elapsed().saturating_sub(start),
        ..DiskStatistics::default()
    };
    Ok(Opened {
        directory,
        registry,
        checkpoint,
        figures,
    })
}

fn replay(
    path: &Path,
    opening: &mut Opening,
    registry: &MemoryRegistry,
    header: &Header,
) -> Result<(u64, u64), OpenError> {
    let mut replay = Replay::new(registry, header);
    let scanned = opening.replay(recorded(header.position), &mut |key, place, bytes| {
        let damaged = |reason: SegmentError| {
            let name = LogFileId::from_segment(place.segment);
            let name = name
                .map(|id| format!("log/{:08x}-{:08x}.log", id.epoch, id.index))
                .unwrap_or_default();
            OpenError::Segment {
                path: path.join(name),
                offset: place.base,
                reason,
            }
        };
        let segment = Segment::decode(&bytes).map_err(damaged)?;
        if segment.key != key || segment.kind != SegmentKind::Segment {
            return Err(damaged(SegmentError::Foreign));
        }
        let applied = replay.apply(&segment.record, place);
        applied.map_err(|reason| OpenError::Replay {
            path: path.to_owned(),
            reason,
        })?;
        Ok(())
    })?;
    Ok((
        scanned.map_or(0, |scanned| scanned.segments),
        replay.transactions() as u64,
    ))
}

/// Writes all entries of a registry as they are when this begins, and lets the registry lie over them.
pub(super) fn write_checkpoint(
    registry: &MemoryRegistry,
    path: &Path,
    seed: u64,
    steps: &crate::blob::directory::Steps,
    header: impl FnOnce(&Header) -> Header,
) -> Result<Arc<Checkpoint>, DirectoryError> {
    let mut survey = registry.survey();
    let mut writer = CheckpointWriter::create(path, seed, steps)?;
    let header = header(survey.header());
    loop {
        let entries = survey.next_entries(limits::CHECKPOINT_CHUNK_ENTRIES);
        let entries =
            entries.map_err(|error| DirectoryError::file(path, "gather the entries of", &error))?;
        if entries.is_empty() {
            break;
        }
        for entry in &entries {
            writer.push(entry)?;
        }
    }
    let file = Arc::new(writer.finish(&header)?);
    registry.rebase(Arc::clone(&file) as Arc<dyn Base>, &survey);
    Ok(file)
}
