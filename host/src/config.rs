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
}

impl std::str::FromStr for Url {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some(("memory", "")) => Ok(Self::Memory),
            Some(("dir", path)) if !path.is_empty() => Ok(Self::Directory(PathBuf::from(path))),
            _ => Err(Error::Invalid(format!(
                "`{text}` is not a database URL: write `dir:PATH` or `memory:`"
            ))),
        }
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Memory => formatter.write_str("memory:"),
            Self::Directory(path) => write!(formatter, "dir:{}", path.display()),
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
    /// How long superseded versions stay readable.
    pub retention: Duration,
    /// Most transactions open at one time; beginning another waits.
    pub transactions_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            read_only: false,
            create: true,
            durability: Durability::Sync,
            cache_bytes: limits::CACHE_BYTES_DEFAULT,
            retention: limits::RETENTION_DEFAULT,
            transactions_max: limits::TRANSACTIONS_MAX_DEFAULT,
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
        for bad in ["", "dir:", "memory", "memory:x", "./data", "redis://x"] {
            assert_eq!(bad.parse::<Url>().unwrap_err().kind(), "invalid", "{bad}");
        }
    }
}
