//! How a directory is opened.

use std::time::Duration;

use super::steps::Steps;
use crate::limits;

/// When a commit is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// After its bytes are on the disk.
    #[default]
    Sync,
    /// After its bytes are with the operating system; they reach the disk within the interval. A crash of the machine may
    /// lose the transactions of the last interval, but never tears one; a crash of the program alone loses nothing.
    Relaxed {
        /// The longest time until a flush.
        interval: Duration,
    },
}

/// How a directory is opened for writing.
#[derive(Clone, Debug)]
pub struct DirectoryOptions {
    /// When a commit is acknowledged.
    pub durability: Durability,
    /// A log file is finished when it has grown to this length.
    pub log_file_bytes: u32,
    /// Whether an absent or empty directory becomes a new database.
    pub create: bool,
    /// The hook of tests.
    pub steps: Steps,
}

impl Default for DirectoryOptions {
    fn default() -> Self {
        Self {
            durability: Durability::Sync,
            log_file_bytes: limits::LOG_FILE_BYTES_DEFAULT,
            create: true,
            steps: Steps::default(),
        }
    }
}
