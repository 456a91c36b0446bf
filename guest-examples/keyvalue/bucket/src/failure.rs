//! Why a call failed.

use crate::bindings::sop::engine::types::Error;

/// `error` of `wasi:keyvalue/store`, in all drafts.
#[derive(Debug)]
pub enum Failure {
    /// There is no such bucket, and it may not be created.
    NoSuchStore,
    /// Not granted.
    AccessDenied,
    /// Anything else, in words.
    Other(String),
}

/// What can fail with a [`Failure`].
pub type Result<T> = std::result::Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let words = match error {
            // Nothing but a store is looked for by a name that may be wrong.
            Error::NotFound(_) => return Self::NoSuchStore,
            Error::Denied(_) => return Self::AccessDenied,
            Error::Conflict(_) => {
                "others changed the same keys all the time; call again later".to_owned()
            }
            Error::Unavailable(message) => {
                format!(
                    "the storage did not answer, nothing was written; call again later: {message}"
                )
            }
            Error::UnknownOutcome(id) => format!(
                "it is unknown whether commit {:016x}{:016x} happened; read before writing again",
                id.high, id.low
            ),
            Error::Corrupt(message) => format!("stored bytes are damaged: {message}"),
            Error::Limit(limit) => format!("over the limit of {} {}", limit.maximum, limit.name),
            Error::SnapshotExpired(oldest) => {
                format!("that version is no longer kept, the oldest is {oldest}; call again")
            }
            Error::Fenced => "another host took over the database; reopen it".to_owned(),
            Error::Ended => "the transaction is over; call again".to_owned(),
            Error::ReadOnly => "the bucket is only read here".to_owned(),
            Error::Exists(message) | Error::Invalid(message) => message,
        };
        Self::Other(words)
    }
}
