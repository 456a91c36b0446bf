//! How a database is opened: its URL and its options.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::limits;

/// Where a database lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Url {
    /// In this process, gone when it is closed: `memory:`.
    Memory,
    /// In a local directory: `dir:PATH`.
    Directory(PathBuf),
    /// Under a prefix of an object store: `s3://BUCKET/PREFIX`, `gs://…`, `az://…`. Kept as it was written.
    Objects(String),
}

/// How the URLs of object stores begin.
const OBJECT_SCHEMES: [&str; 4] = ["s3", "gs", "az", "azure"];

impl std::str::FromStr for Url {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some(("memory", "")) => Ok(Self::Memory),
            Some(("dir", path)) if !path.is_empty() => Ok(Self::Directory(PathBuf::from(path))),
            Some((scheme, place)) if OBJECT_SCHEMES.contains(&scheme) => {
                match place.strip_prefix("//") {
                    Some(place) if !place.trim_matches('/').is_empty() => {
                        Ok(Self::Objects(text.trim_end_matches('/').to_owned()))
                    }
                    _ => Err(Error::Invalid(format!(
                        "`{text}` names no bucket: write `{scheme}://BUCKET/PREFIX`"
                    ))),
                }
            }
            Some(("redis" | "rediss" | "redis+sentinel" | "redis+cluster", _)) => {
                Err(Error::Invalid(format!(
                    "`{text}` is a registry, not a database: name it with --registry, and where \
                     the data lies (`s3://BUCKET/PREFIX` or `dir:PATH`) with --database"
                )))
            }
            _ => Err(Error::Invalid(format!(
                "`{text}` is not a database URL: write `dir:PATH`, `s3://BUCKET/PREFIX` or `memory:`"
            ))),
        }
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Memory => formatter.write_str("memory:"),
            Self::Directory(path) => write!(formatter, "dir:{}", path.display()),
            Self::Objects(url) => formatter.write_str(url),
        }
    }
}

/// When an acknowledged commit survives a crash of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Always: a commit is acknowledged after it is on disk.
    #[default]
    Sync,
    /// A crash may lose what was acknowledged within the last interval; it never tears a transaction.
    Relaxed {
        /// How long a commit may stay unwritten.
        interval: Duration,
    },
}

/// How an object store and a registry are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backends {
    /// The registry that several hosts share: `redis://HOST`, `rediss://…`, `redis+sentinel://…`, `redis+cluster://…`.
    /// `None` = handles live in this process, which is the only writer.
    pub registry: Option<String>,
    /// Settings of the object store by the names that its crate documents (`aws_access_key_id`, `aws_endpoint`,
    /// `aws_region`, `aws_allow_http`, `google_service_account`, `azure_storage_account_name`, …). What is not named here is
    /// taken from the environment, under the same names in capitals.
    pub object_store: std::collections::BTreeMap<String, String>,
}

/// The options of an open database. Every field has a default.
#[derive(Clone, Debug)]
pub struct Config {
    /// Open without claiming or writing anything. Commits with changes fail with `read-only`.
    pub read_only: bool,
    /// Create the database if there is none.
    pub create: bool,
    /// When an acknowledged commit survives a crash.
    pub durability: Durability,
    /// Bytes of immutable blobs kept in memory (L1).
    pub cache_bytes: u64,
    /// A folder on a local disk that keeps blobs of an object store, so that a host that starts again is warm; each database
    /// gets a folder of its own in it. Whatever is there may be deleted at any time. Off by default.
    pub disk_cache: Option<PathBuf>,
    /// Most bytes that this database may take there; what was not used for longest goes first.
    pub disk_cache_bytes: u64,
    /// How long superseded versions stay readable.
    pub retention: Duration,
    /// Most transactions open at one time; beginning another waits.
    pub transactions_max: usize,
    /// Begin a new epoch even if the registry seems to be fine.
    pub recover: bool,
    /// How an object store and a registry are reached.
    pub backends: Backends,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            read_only: false,
            create: true,
            durability: Durability::Sync,
            cache_bytes: limits::CACHE_BYTES_DEFAULT,
            disk_cache: None,
            disk_cache_bytes: limits::DISK_CACHE_BYTES_DEFAULT,
            retention: limits::RETENTION_DEFAULT,
            transactions_max: limits::TRANSACTIONS_MAX_DEFAULT,
            recover: false,
            backends: Backends::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop")]
    use super::*;

    #[test]
    fn urls_name_a_place_or_are_refused() {
        assert_eq!("memory:".parse::<Url>().unwrap(), Url::Memory);
        assert_eq!(
            "dir:./data".parse::<Url>().unwrap(),
            Url::Directory("./data".into())
        );
        let bucket = Url::Objects("s3://bucket/a/b".to_owned());
        assert_eq!("s3://bucket/a/b/".parse::<Url>().unwrap(), bucket);
        for bad in [
            "",
            "dir:",
            "memory",
            "memory:x",
            "./data",
            "redis://x",
            "s3:",
            "s3://",
            "s3:/x",
            "s4://x",
        ] {
            assert_eq!(bad.parse::<Url>().unwrap_err().kind(), "invalid", "{bad}");
        }
    }
}
