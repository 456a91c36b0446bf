//! Why a call failed.

use super::{BodyId, Version};

/// The cases of `sop:storage/types.error` that can happen here.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No such body.
    #[error("there is no body {}", .0.0)]
    Missing(BodyId),
    /// A declared limit was exceeded.
    #[error("over the limit of {maximum} {name}")]
    Limit {
        /// Which.
        name: &'static str,
        /// Its value.
        maximum: u64,
    },
    /// The history of that version is gone; carries the oldest that can be read.
    #[error("the oldest version is {0}")]
    SnapshotExpired(Version),
    /// The call breaks the contract.
    #[error("{0}")]
    Invalid(String),
}

impl Failure {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    /// Fails when there are more than so many.
    pub(super) fn above(
        name: &'static str,
        count: usize,
        maximum: usize,
    ) -> std::result::Result<(), Self> {
        if count <= maximum {
            return Ok(());
        }
        let maximum = maximum as u64;
        Err(Self::Limit { name, maximum })
    }
}

/// What can fail with a [`Failure`].
pub type Result<T> = std::result::Result<T, Failure>;
