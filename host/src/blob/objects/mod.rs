//! Objects by name, shared by any number of hosts: what an object store gives, and all that the protocol asks of it.
//!
//! ```text
//!   segment/<epoch>/<period>/<unique>    segments, tombstones, stubs; put-if-absent decides a commit
//!   epoch/<n>/claim                      put-if-absent: who recovers into epoch n
//!   epoch/<n>/manifest                   put-if-absent: what epoch n begins with, or a void
//!   epoch/<n>/collected/<period>         segment keys of earlier periods of epoch n may be gone, and say nothing
//!   checkpoint/<epoch>/<period>          put last: says which runs hold all handles as of one moment
//!   checkpoint/<epoch>/<period>-<attempt>/<number>   one such run
//! ```
//!
//! Everything that decides is one single put-if-absent. **Its answer is not to be trusted when it is an error or "exists":**
//! whoever wrote reads the object back. That rule lives above this trait, so that it is the same for every backend and
//! runs in the simulation; an implementation only says honestly what it was told.

pub mod memory;
pub mod probe;
pub mod remote;
pub mod store;

mod connect;
mod fault;
mod local;

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;

use super::BlobError;

/// The answer of one conditional put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// The store says that these bytes are durable under this name now.
    New,
    /// The store says that the name is taken; perhaps by these very bytes, of an attempt whose answer was lost.
    Exists,
}

/// One object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name, the prefix of the database left out.
    pub name: String,
    /// Its length.
    pub bytes: u64,
}

/// A flat, strongly consistent store of whole objects. Names are relative to the database: `segment/…`, `epoch/…`.
///
/// Errors: [`BlobError::Unavailable`] = no answer or a passing fault; a write may or may not have happened, or happen
/// later. [`BlobError::Full`] = certainly not written. [`BlobError::Denied`] = credentials or permissions; not written.
#[async_trait]
pub trait Objects: Send + Sync + std::fmt::Debug + 'static {
    /// Makes an object durable if the name is free. One single request, never multipart, retried at most by the caller.
    async fn put_if_absent(&self, name: &str, bytes: Bytes) -> Result<Stored, BlobError>;
    /// Makes an object durable, over whatever is there. For checkpoints, stubs and bodies written ahead; may be multipart.
    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), BlobError>;
    /// A whole object; `None` = there is none.
    async fn get(&self, name: &str) -> Result<Option<Bytes>, BlobError>;
    /// Parts of an object, index-aligned with the ranges; neighbours may be fetched together. A range that goes beyond the
    /// end gives fewer bytes, or fails the call with [`BlobError::Damaged`]. `None` = there is no such object.
    async fn get_ranges(
        &self,
        name: &str,
        ranges: &[Range<u64>],
    ) -> Result<Option<Vec<Bytes>>, BlobError>;
    /// Whether an object is there.
    async fn exists(&self, name: &str) -> Result<bool, BlobError>;
    /// All objects whose names begin with `prefix` (whole path segments, ending in `/`), in the order of their names.
    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, BlobError>;
    /// Those of them whose names come after `from`, which begins with `prefix` and is not that of a folder.
    async fn list_from(&self, prefix: &str, from: &str) -> Result<Vec<Listed>, BlobError> {
        let mut listed = self.list(prefix).await?;
        listed.retain(|listed| listed.name.as_str() > from);
        Ok(listed)
    }
    /// Deletes an object; one that is not there is no error.
    async fn delete(&self, name: &str) -> Result<(), BlobError>;
}

/// A range of an object that is all there.
fn part(name: &str, bytes: &Bytes, range: &Range<u64>) -> Result<Bytes, BlobError> {
    let clamp = |offset: u64| usize::try_from(offset).map_or(bytes.len(), |at| at.min(bytes.len()));
    let (start, end) = (clamp(range.start), clamp(range.end));
    if start < end {
        return Ok(bytes.slice(start..end));
    }
    Err(BlobError::Damaged(format!(
        "`{name}` has {} bytes, {} to {} were asked for",
        bytes.len(),
        range.start,
        range.end
    )))
}
