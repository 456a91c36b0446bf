//! Opening a database with options.

use std::path::PathBuf;
use std::time::Duration;

use super::Database;
use crate::config::{Backends, Config, Durability, Url};
use crate::error::Result;

/// Options for opening a database, from [`Database::builder`].
///
/// ```no_run
/// # async fn example() -> sop_host::Result<()> {
/// use std::time::Duration;
/// use sop_host::{Database, Durability};
///
/// let db = Database::builder()
///     .url("dir:./data")
///     .durability(Durability::Relaxed { interval: Duration::from_millis(100) })
///     .cache_bytes(64 << 20)
///     .open()
///     .await?;
/// # db.close().await
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct DatabaseBuilder {
    url: Option<String>,
    config: Config,
}

impl DatabaseBuilder {
    /// Where the database lives: `memory:` (the default), `dir:PATH`, or a prefix of an object store such as
    /// `s3://BUCKET/PREFIX`.
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// Opens without claiming or writing anything. Off by default.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.config.read_only = read_only;
        self
    }

    /// Whether to create the database if there is none. On by default.
    #[must_use]
    pub fn create(mut self, create: bool) -> Self {
        self.config.create = create;
        self
    }

    /// When an acknowledged commit survives a crash of the machine: always, by default.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.config.durability = durability;
        self
    }

    /// Bytes of immutable blobs kept in memory (L1). 256 MiB by default.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.config.cache_bytes = bytes;
        self
    }

    /// Keeps blobs of an object store in a folder on a local disk too, so that a host that starts again is warm. Nothing in
    /// it is ever needed or believed unchecked. For a database with an object store, or a directory with a registry; one
    /// process at a time uses it, others go without. Off by default.
    #[must_use]
    pub fn disk_cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.config.disk_cache = Some(folder.into());
        self
    }

    /// Most bytes of this database in the disk cache. 4 GiB by default.
    #[must_use]
    pub fn disk_cache_bytes(mut self, bytes: u64) -> Self {
        self.config.disk_cache_bytes = bytes;
        self
    }

    /// How long superseded versions stay readable. One minute by default.
    #[must_use]
    pub fn retention(mut self, retention: Duration) -> Self {
        self.config.retention = retention;
        self
    }

    /// Most transactions open at one time; beginning another waits. 1,000 by default.
    #[must_use]
    pub fn transactions_max(mut self, transactions: usize) -> Self {
        self.config.transactions_max = transactions;
        self
    }

    /// The registry that several hosts share, such as `redis://HOST`. Without one, handles live in this process, which is
    /// then the only writer.
    #[must_use]
    pub fn registry(mut self, url: impl Into<String>) -> Self {
        self.config.backends.registry = Some(url.into());
        self
    }

    /// Begins a new epoch even if the registry seems to be fine: rebuilds it from the blob store. Off by default; hosts do
    /// it by themselves when they notice that a registry lost its state.
    #[must_use]
    pub fn recover(mut self, recover: bool) -> Self {
        self.config.recover = recover;
        self
    }

    /// How object store and registry are reached, all of it.
    #[must_use]
    pub fn backends(mut self, backends: Backends) -> Self {
        self.config.backends = backends;
        self
    }

    /// Opens the database.
    ///
    /// # Errors
    /// [`Error::MissingDatabase`](crate::Error::MissingDatabase), [`Error::ForeignDatabase`](crate::Error::ForeignDatabase),
    /// [`Error::Locked`](crate::Error::Locked), [`Error::NewerFormat`](crate::Error::NewerFormat),
    /// [`Error::Corrupt`](crate::Error::Corrupt), or [`Error::Invalid`](crate::Error::Invalid) for a bad URL.
    pub async fn open(self) -> Result<Database> {
        let url = match &self.url {
            Some(url) => url.parse()?,
            None => Url::Memory,
        };
        Database::open_with(url, self.config).await
    }
}
