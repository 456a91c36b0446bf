//! Why a host function does not answer with what was asked for.

use sop_engine::storage::StorageError;

use super::convert;
use crate::engine_pool::bindings::sop::storage::types::{self, Error as GuestError};

/// An error for the guest to handle, or the end of the run.
#[derive(Debug)]
pub enum Refusal {
    /// The guest is told.
    Answer(StorageError),
    /// The guest is stopped.
    Stop(wasmtime::Error),
}

/// A run was stopped because it reached one of its limits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("over the limit of {maximum} {name}")]
pub struct LimitReached {
    /// Which limit, in words, units included.
    pub name: &'static str,
    /// Its value.
    pub maximum: u64,
}

impl Refusal {
    /// The guest is told which limit its call exceeds.
    pub(super) fn limit(name: &str, maximum: usize) -> Self {
        Self::Answer(StorageError::Limit(name.to_owned(), maximum as u64))
    }
}

impl From<StorageError> for Refusal {
    fn from(error: StorageError) -> Self {
        Self::Answer(error)
    }
}

impl From<LimitReached> for Refusal {
    fn from(limit: LimitReached) -> Self {
        Self::Stop(limit.into())
    }
}

impl types::Host for super::HostState {
    fn convert_error(&mut self, refusal: Refusal) -> wasmtime::Result<GuestError> {
        match refusal {
            Refusal::Answer(error) => Ok(convert::error(error)),
            Refusal::Stop(error) => Err(error),
        }
    }
}
