//! Opening what lies under the capability layer.

use std::sync::Arc;

use crate::blob::directory::{DirectoryError, DirectoryOptions, Durability as LogDurability};
use crate::config::{Config, Durability, Url};
use crate::error::{Error, Result};
use crate::runtime::Runtime;
use crate::storage::{
    CheckpointOptions, HistoryOptions, OpenError, OpenOptions, Storage, StorageOptions,
};

/// The storage at a URL.
pub(super) async fn open_storage(
    url: &Url,
    config: &Config,
    runtime: &Arc<dyn Runtime>,
) -> Result<Arc<Storage>> {
    let history = HistoryOptions {
        retention: config.retention,
        ..HistoryOptions::default()
    };
    let (cache_bytes, read_only) = (config.cache_bytes, config.read_only);
    let storage = StorageOptions {
        cache_bytes,
        history,
        read_only,
        ..StorageOptions::default()
    };
    let runtime = Arc::clone(runtime);
    let storage = match url {
        Url::Memory => Storage::memory(storage, runtime),
        Url::Directory(path) => {
            let durability = match config.durability {
                Durability::Sync => LogDurability::Sync,
                Durability::Relaxed { interval } => LogDurability::Relaxed { interval },
            };
            let directory = DirectoryOptions {
                durability,
                create: config.create,
                ..DirectoryOptions::default()
            };
            let options = OpenOptions {
                storage,
                directory,
                checkpoint: CheckpointOptions::default(),
            };
            Storage::open_directory(path, options, runtime).await?
        }
    };
    Ok(Arc::new(storage))
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        let message = error.to_string();
        match error {
            OpenError::Directory(error) => error.into(),
            OpenError::Segment { .. } | OpenError::Replay { .. } => Self::Corrupt(message),
            OpenError::Ended => Self::Unavailable(message),
        }
    }
}

impl From<DirectoryError> for Error {
    fn from(error: DirectoryError) -> Self {
        let message = error.to_string();
        match error {
            DirectoryError::Missing(_) => Self::MissingDatabase(message),
            DirectoryError::Foreign { .. } => Self::ForeignDatabase(message),
            DirectoryError::Newer { .. } => Self::NewerFormat(message),
            DirectoryError::Locked { .. } => Self::Locked(message),
            DirectoryError::Damaged { .. } | DirectoryError::Gone { .. } => Self::Corrupt(message),
            DirectoryError::Denied { .. } => Self::Denied(message),
            DirectoryError::Fenced(_) => Self::Fenced,
            DirectoryError::Full(_) | DirectoryError::File { .. } => Self::Unavailable(message),
        }
    }
}
