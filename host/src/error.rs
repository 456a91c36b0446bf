//! Why a call on a database or a plugin failed, and what to do about it.

use sop_engine::storage::StorageError;
use sop_engine::types::{TransactionId, Version};

pub use sop_engine::error::ConflictingKey;

/// The result of a call on a database.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed. Each case says what to do; [`Error::kind`] names it for programs.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something this transaction observed was changed by another: run it again from its start.
    #[error("conflict: another transaction changed {}; run this transaction again", conflicting(.0))]
    Conflict(Vec<ConflictingKey>),
    /// The storage did not answer; nothing was written. Retry later.
    #[error("unavailable: {0}; nothing was written, retry later")]
    Unavailable(String),
    /// The commit may or may not have happened: ask [`Database::outcome`](crate::Database::outcome) with this id.
    #[error("the outcome of commit {:016x}{:016x} is unknown: ask for it by this id before running it again", .0.high, .0.low)]
    UnknownOutcome(TransactionId),
    /// Stored bytes are damaged; names them. Retrying does not help.
    #[error("corrupt: {0}")]
    Corrupt(String),
    /// The grants do not cover this.
    #[error("denied: {0}")]
    Denied(String),
    /// A declared limit was exceeded: ask for less, or raise the limit if it is yours.
    #[error("over the limit of {maximum} {name}")]
    Limit {
        /// Which limit, in words, units included.
        name: String,
        /// Its value.
        maximum: u64,
    },
    /// The version read at is older than the history kept; carries the oldest readable version.
    #[error(
        "snapshot expired: its history is gone; the oldest readable version is {0}, begin there or later"
    )]
    SnapshotExpired(Version),
    /// Another host took over the database: reopen it.
    #[error("fenced: another host took over the database; reopen it")]
    Fenced,
    /// The transaction is over: begin another.
    #[error("the transaction has ended (committed, rolled back or failed); begin another")]
    Ended,
    /// There is no such store, key or savepoint. Says which.
    #[error("not found: {0}")]
    NotFound(String),
    /// There already is such a store or key. Says which.
    #[error("exists: {0}")]
    Exists(String),
    /// A snapshot transaction, or a database opened read-only, cannot write.
    #[error("read-only: begin a serializable transaction on a database opened for writing")]
    ReadOnly,
    /// The call makes no sense. Says why.
    #[error("invalid: {0}")]
    Invalid(String),

    /// There is no database at this place. Says what to do.
    #[error("{0}")]
    MissingDatabase(String),
    /// What lies at this place is not a database of this program. Says what was found.
    #[error("{0}")]
    ForeignDatabase(String),
    /// Another process has the database open for writing. Says which.
    #[error("{0}")]
    Locked(String),
    /// The database was written by a newer release. Says which format it has.
    #[error("{0}")]
    NewerFormat(String),

    /// The bytes are not a plugin. Says why.
    #[error("not a plugin: {0}")]
    PluginInvalid(String),
    /// The plugin imports something that plugins are not given.
    #[error(
        "the plugin imports `{0}`, which plugins are not given: only sop:engine, the drafts 0.2.0-draft and 0.2.0-draft2 of wasi:keyvalue, and an inert WASI 0.2"
    )]
    PluginImport(String),
    /// The plugin trapped; its transactions were rolled back. Carries the trap.
    #[error("the plugin trapped and was rolled back: {0}")]
    PluginTrap(String),
    /// The plugin answered that it failed, in its own words.
    #[error("the plugin failed: {0}")]
    PluginFailed(String),

    /// The run of a plugin failed after one of its transactions had committed: that one stays. Running it again would do its
    /// work twice. Carries why it failed, which is also what [`Error::kind`] names.
    #[error("{cause}; a transaction of this run had committed before, and stays")]
    AfterCommit {
        /// Why the run failed.
        cause: Box<Error>,
    },
    /// The run of a plugin was stopped while one of its transactions was being committed, so that one may have taken
    /// effect. Carries why it was stopped, which is also what [`Error::kind`] names.
    #[error("{cause}; a transaction of this run was being committed and may have taken effect")]
    DuringCommit {
        /// Why the run was stopped.
        cause: Box<Error>,
    },

    /// The engine or the host broke its own rules: a defect of this program, please report it.
    #[error("internal defect, please report it: {0}")]
    Internal(String),
    /// The caller's own error, from the body of a `transact`. See [`Error::other`].
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// The caller's own error: makes a `transact` roll back and answer it.
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }

    /// The error for a limit that was exceeded.
    pub fn limit(name: impl Into<String>, maximum: u64) -> Self {
        Self::Limit {
            name: name.into(),
            maximum,
        }
    }

    /// Whether running the same transaction again from its start may succeed.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_))
    }

    /// The case as a word for programs, in kebab-case.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Conflict(_) => "conflict",
            Self::Unavailable(_) => "unavailable",
            Self::UnknownOutcome(_) => "unknown-outcome",
            Self::Corrupt(_) => "corrupt",
            Self::Denied(_) => "denied",
            Self::Limit { .. } => "limit",
            Self::SnapshotExpired(_) => "snapshot-expired",
            Self::Fenced => "fenced",
            Self::Ended => "ended",
            Self::NotFound(_) => "not-found",
            Self::Exists(_) => "exists",
            Self::ReadOnly => "read-only",
            Self::Invalid(_) => "invalid",
            Self::MissingDatabase(_) => "missing-database",
            Self::ForeignDatabase(_) => "foreign-database",
            Self::Locked(_) => "locked",
            Self::NewerFormat(_) => "newer-format",
            Self::PluginInvalid(_) => "plugin-invalid",
            Self::PluginImport(_) => "plugin-import",
            Self::PluginTrap(_) => "plugin-trap",
            Self::PluginFailed(_) => "plugin-failed",
            Self::AfterCommit { cause } | Self::DuringCommit { cause } => cause.kind(),
            Self::Internal(_) => "internal",
            Self::Other(_) => "other",
        }
    }
}

/// Names the first of the keys that changed.
fn conflicting(keys: &[ConflictingKey]) -> String {
    let Some(first) = keys.first() else {
        return "what it observed".to_owned();
    };
    let key = String::from_utf8_lossy(&first.key);
    let place = match (first.store.is_empty(), first.key.is_empty()) {
        (true, _) => format!("the catalog entry of `{key}`"),
        (false, true) => format!("the item count of store `{}`", first.store),
        (false, false) => format!("key `{key}` of store `{}`", first.store),
    };
    match keys.len() {
        1 => place,
        count => format!("{place} and {} more", count - 1),
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        sop_engine::error::Error::from(error).into()
    }
}

impl From<sop_engine::error::Error> for Error {
    fn from(error: sop_engine::error::Error) -> Self {
        use sop_engine::error::Error as Engine;
        match error {
            Engine::Conflict(keys) => Self::Conflict(keys),
            Engine::Unavailable(message) => Self::Unavailable(message),
            Engine::UnknownOutcome(id) => Self::UnknownOutcome(id),
            Engine::Corrupt(message) => Self::Corrupt(message),
            Engine::Denied(message) => Self::Denied(message),
            Engine::Limit { name, maximum } => Self::Limit { name, maximum },
            Engine::SnapshotExpired(version) => Self::SnapshotExpired(version),
            Engine::Fenced => Self::Fenced,
            Engine::Ended => Self::Ended,
            Engine::NotFound(what) => Self::NotFound(what),
            Engine::Exists(what) => Self::Exists(what),
            Engine::ReadOnly => Self::ReadOnly,
            Engine::Invalid(why) => Self::Invalid(why),
        }
    }
}
