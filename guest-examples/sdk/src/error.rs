//! Why something failed. Each case says what to do.

use crate::key::KeyError;

/// A key whose observation no longer held at commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictingKey {
    /// The store; empty for the list of stores itself.
    pub store: String,
    /// The key, or the first key of the range that changed; empty where the item count changed.
    pub key: Vec<u8>,
}

/// Identifies a commit whose outcome is to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionId {
    /// Upper half.
    pub high: u64,
    /// Lower half.
    pub low: u64,
}

/// Why a call failed. Unless it says otherwise, the transaction goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Something this transaction observed was changed by another: run it again.
    /// [`transact`](crate::transact) does.
    #[error("another transaction changed what this one had read; run it again")]
    Conflict(Vec<ConflictingKey>),
    /// The storage did not answer. Nothing was written.
    #[error("the storage did not answer; retry later: {0}")]
    Unavailable(String),
    /// The commit may or may not have happened. Ask [`outcome`](crate::outcome) before running it
    /// again.
    #[error("the outcome of the commit {:016x}{:016x} is unknown; ask for it before running it again", .0.high, .0.low)]
    UnknownOutcome(TransactionId),
    /// Stored bytes are damaged.
    #[error("stored bytes are damaged: {0}")]
    Corrupt(String),
    /// The grants of this plugin do not cover this.
    #[error("not granted: {0}")]
    Denied(String),
    /// A declared limit was exceeded; ask for less.
    #[error("over the limit of {maximum} {name}")]
    Limit {
        /// Which.
        name: String,
        /// Its value.
        maximum: u64,
    },
    /// The version read at is older than the history kept.
    #[error("that version is no longer kept; the oldest is {0}")]
    SnapshotExpired(u64),
    /// Another host took over the database. The transaction is ended.
    #[error("another host took over the database; reopen it")]
    Fenced,
    /// The transaction is over.
    #[error("the transaction is over; begin another")]
    Ended,
    /// There is no such store, key to update, or savepoint.
    #[error("not found: {0}")]
    NotFound(String),
    /// There already is such a store or key.
    #[error("exists already: {0}")]
    Exists(String),
    /// A snapshot transaction cannot write.
    #[error("a snapshot transaction cannot write; use a serializable one")]
    ReadOnly,
    /// The call makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// A stored key is not of the store's key type.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A stored value is not of the store's value type.
    #[error("a value is not of the store's type ({0}); was it written by another program?")]
    Value(#[from] postcard::Error),
    /// The request or the response is not what it should be.
    #[error("the request is not understood: {0}")]
    Request(String),
    /// A failure of the plugin's own, in words.
    #[error("{0}")]
    Failed(String),
}

impl Error {
    /// Whether running the transaction again may succeed.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_))
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Request(error.to_string())
    }
}

/// What can fail with an [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
