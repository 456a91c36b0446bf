//! Opening what lies under the capability layer.

use std::sync::Arc;

use crate::blob::BlobError;
use crate::blob::directory::{DirectoryError, DirectoryOptions, Durability as LogDurability};
use crate::blob::objects::Objects;
use crate::blob::objects::memory::MemoryObjects;
use crate::blob::objects::probe::probe;
use crate::blob::objects::remote::RemoteObjects;
use crate::config::{Backends, Config, Durability, Url};
use crate::error::{Error, Result};
use crate::limits;
use crate::recovery::epoch::{EpochError, EpochStore, RecordError};
use crate::registry::RegistryError;
use crate::registry::redis::{RedisOptions, RedisServer};
use crate::runtime::Runtime;
use crate::storage::{
    CheckpointOptions, CommitOptions, HistoryOptions, ObjectOptions, OpenError, OpenOptions,
    RegistryPlace, Storage, StorageOptions,
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
        Url::Memory if config.backends.registry.is_some() => {
            return Err(Error::Invalid(
                "a database in memory belongs to this process alone: it takes no registry"
                    .to_owned(),
            ));
        }
        Url::Memory => Storage::memory(storage, runtime),
        Url::Objects(_) => Box::pin(open_objects(url, config, storage, runtime)).await?,
        Url::Directory(_) if config.backends.registry.is_some() => {
            Box::pin(open_objects(url, config, storage, runtime)).await?
        }
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

/// A database whose segments are objects, with a registry of its own or a shared one.
async fn open_objects(
    url: &Url,
    config: &Config,
    storage: StorageOptions,
    runtime: Arc<dyn Runtime>,
) -> Result<Storage> {
    if config.durability != Durability::Sync {
        return Err(Error::Invalid(
            "relaxed durability is for a directory with one writer: an object store and a shared registry are always \
             in sync"
                .to_owned(),
        ));
    }
    let create = config.create && !config.read_only;
    let objects = connect_objects(url, &config.backends, create)?;
    let named = |error: EpochError| named(url, error);
    let epochs = EpochStore::open(Arc::clone(&objects), Arc::clone(&runtime), create);
    let epochs = epochs.await.map_err(named)?;
    if !config.read_only {
        probe(objects.as_ref(), runtime.as_ref())
            .await
            .map_err(|error| named(error.into()))?;
    }
    let registry = match &config.backends.registry {
        None => RegistryPlace::Own,
        Some(registry) => {
            let name = format!("{:016x}", epochs.seed());
            let options = RedisOptions {
                history: storage.history,
                ..RedisOptions::default()
            };
            let server = RedisServer::connect(registry, &name, options).await;
            let server = server.map_err(|error| match error {
                RegistryError::Invalid(message) => Error::Invalid(message),
                error => named(EpochError::Registry(error)),
            })?;
            RegistryPlace::Shared(Arc::new(server))
        }
    };
    // Each database has a folder of its own.
    let folder = config.disk_cache.as_ref();
    let folder = folder.map(|folder| folder.join(format!("{:016x}", epochs.seed())));
    let disk = folder.map(|folder| (folder, config.disk_cache_bytes));
    let storage = StorageOptions {
        commit: CommitOptions {
            groups_in_flight: limits::GROUPS_IN_FLIGHT_OBJECTS,
            ..storage.commit
        },
        ..storage
    };
    let options = ObjectOptions {
        storage,
        registry,
        recover: config.recover,
        checkpoint: CheckpointOptions::default(),
        disk,
    };
    let opened = Storage::open_objects(epochs, options, runtime).await;
    opened.map_err(named)
}

/// The object store at a URL, or a directory that plays its part.
pub(crate) fn connect_objects(
    url: &Url,
    backends: &Backends,
    create: bool,
) -> Result<Arc<dyn Objects>> {
    let connected = match url {
        Url::Memory => return Ok(Arc::new(MemoryObjects::default())),
        Url::Directory(path) if !create && !path.is_dir() => {
            return Err(Error::MissingDatabase(path.display().to_string()));
        }
        Url::Directory(path) => RemoteObjects::directory(path),
        Url::Objects(text) => RemoteObjects::connect(text, &backends.object_store),
    };
    let connected = connected.map_err(|error| Error::Invalid(format!("{url}: {error}")))?;
    Ok(Arc::new(connected))
}

fn named(url: &Url, error: EpochError) -> Error {
    match error {
        EpochError::Missing => Error::MissingDatabase(url.to_string()),
        EpochError::Foreign(_) => Error::ForeignDatabase(format!("{url}: {error}")),
        EpochError::Record {
            reason: RecordError::Newer(_),
            ..
        } => Error::NewerFormat(format!(
            "{url}: {error}; use a newer release of this program"
        )),
        EpochError::Record {
            reason: RecordError::Foreign,
            ..
        } => Error::ForeignDatabase(format!("{url}: {error}")),
        EpochError::Configuration(_) => Error::Invalid(format!("{url}: {error}")),
        EpochError::Blob(BlobError::Denied(_)) => Error::Denied(format!("{url}: {error}")),
        error => match Error::from(sop_engine::storage::StorageError::from(error)) {
            Error::Unavailable(message) => Error::Unavailable(format!("{url}: {message}")),
            Error::Corrupt(message) => Error::Corrupt(format!("{url}: {message}")),
            other => other,
        },
    }
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
