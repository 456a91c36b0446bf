//! Why a call failed, and what to do about it: the Rust form of `sop:engine/types.error`.

use crate::storage::StorageError;
use crate::types::{TransactionId, Version};

/// The result of an engine call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A key whose observation no longer held at commit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConflictingKey {
    /// The store; empty for the catalog.
    pub store: String,
    /// The key, or the first key of the range that changed; empty where the item count changed.
    pub key: Vec<u8>,
}

/// Why a call failed. Each case says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Run the transaction again from its start.
    #[error("conflict: something this transaction observed was changed by another; run it again")]
    Conflict(Vec<ConflictingKey>),
    /// Retry later; nothing was written.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// Ask for the outcome before running the transaction again.
    #[error("the outcome of commit {:016x}{:016x} is unknown: ask for it by this id", .0.high, .0.low)]
    UnknownOutcome(TransactionId),
    /// Stored bytes are damaged.
    #[error("corrupt: {0}")]
    Corrupt(String),
    /// The grants do not cover this.
    #[error("denied: {0}")]
    Denied(String),
    /// A declared limit was exceeded.
    #[error("over the limit of {maximum} {name}")]
    Limit {
        /// Which limit, in words, units included.
        name: String,
        /// Its value.
        maximum: u64,
    },
    /// The version read at is older than the history kept.
    #[error("snapshot expired: the oldest readable version is {0}")]
    SnapshotExpired(Version),
    /// Another host took over the database; reopen it.
    #[error("fenced: another host took over the database; reopen it")]
    Fenced,
    /// The transaction is over.
    #[error("the transaction has ended")]
    Ended,
    /// There is no such store, key to update, or savepoint.
    #[error("not found: {0}")]
    NotFound(String),
    /// There already is such a store or key.
    #[error("exists: {0}")]
    Exists(String),
    /// A snapshot transaction cannot write.
    #[error("a snapshot transaction cannot write")]
    ReadOnly,
    /// The call makes no sense.
    #[error("invalid: {0}")]
    Invalid(String),
}

impl Error {
    /// The error for a limit that was exceeded.
    pub fn limit(name: &str, maximum: usize) -> Self {
        Self::Limit {
            name: name.to_owned(),
            maximum: maximum as u64,
        }
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Unavailable(message) => Self::Unavailable(message),
            StorageError::UnknownOutcome(id) => Self::UnknownOutcome(id),
            StorageError::Corrupt(message) => Self::Corrupt(message),
            StorageError::Missing(id) => {
                Self::Corrupt(format!("blob {id} is gone although its handle names it"))
            }
            StorageError::Denied(message) => Self::Denied(message),
            StorageError::Limit(name, maximum) => Self::Limit { name, maximum },
            StorageError::SnapshotExpired(oldest) => Self::SnapshotExpired(oldest),
            StorageError::Fenced => Self::Fenced,
            StorageError::Invalid(message) => Self::Invalid(message),
        }
    }
}
