//! L1: immutable blobs in memory, keyed by physical id.
//!
//! ```text
//!   get(id) ──► moka ──hit──► body
//!                 └─miss, one loader per id──► blob store ──► checksum ──ok──► kept and answered
//!                                                               └─damaged──► once more ──► `corrupt`, naming the blob
//! ```
//!
//! A body under a physical id never changes, so nothing here can be stale and nothing is ever invalidated. Commits fill
//! it with what they wrote. It is *not* a cache of handles: which physical id is current only the registry says.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use moka::future::Cache as Moka;
use sop_engine::storage::StorageError;
use sop_engine::types::PhysicalId;

use crate::blob::{BlobError, BlobStore};
use crate::commit::segment::{FRAME_BYTES, verify_body};
use crate::limits::FETCHES_MAX;
use crate::statistics::Counts;

/// Bytes that an entry costs beyond its body.
const ENTRY_BYTES: usize = 128;

impl From<BlobError> for StorageError {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Unavailable(message) | BlobError::Full(message) => {
                Self::Unavailable(message)
            }
            BlobError::Denied(_) | BlobError::Closed(_) => Self::Unavailable(error.to_string()),
            BlobError::Damaged(message) => Self::Corrupt(message),
            BlobError::Missing(id) => Self::Missing(id),
        }
    }
}

/// The cache of one open database.
#[derive(Debug)]
pub struct Cache {
    blobs: Arc<dyn BlobStore>,
    bodies: Moka<PhysicalId, Bytes>,
    counts: Arc<Counts>,
}

impl Cache {
    /// A cache of this many bytes over a blob store.
    pub(crate) fn new(blobs: Arc<dyn BlobStore>, bytes_max: u64, counts: Arc<Counts>) -> Self {
        let bodies = Moka::builder()
            .max_capacity(bytes_max)
            .weigher(|_, body: &Bytes| u32::try_from(body.len() + ENTRY_BYTES).unwrap_or(u32::MAX))
            .build();
        Self {
            blobs,
            bodies,
            counts,
        }
    }

    /// Verified bodies, index-aligned.
    pub(crate) async fn get(&self, ids: &[PhysicalId]) -> Result<Vec<Bytes>, StorageError> {
        if let [id] = ids {
            return Ok(vec![self.get_one(*id).await?]);
        }
        let fetches: Vec<_> = ids.iter().map(|id| self.get_one(*id)).collect();
        futures::stream::iter(fetches)
            .buffered(FETCHES_MAX)
            .try_collect()
            .await
    }

    async fn get_one(&self, id: PhysicalId) -> Result<Bytes, StorageError> {
        if let Some(body) = self.bodies.get(&id).await {
            Counts::add(&self.counts.cache_hits, 1);
            return Ok(body);
        }
        Counts::add(&self.counts.cache_misses, 1);
        let loaded = self.bodies.try_get_with(id, self.load(id)).await;
        loaded.map_err(|error: Arc<StorageError>| StorageError::clone(&error))
    }

    /// A verified body that will not be asked for again under this id: it does not enter the cache.
    pub(crate) async fn get_past(&self, id: PhysicalId) -> Result<Bytes, StorageError> {
        match self.bodies.get(&id).await {
            Some(body) => Ok(body),
            None => self.load(id).await,
        }
    }

    async fn load(&self, id: PhysicalId) -> Result<Bytes, StorageError> {
        match self.fetch(id).await {
            Err(StorageError::Corrupt(_)) => self.fetch(id).await,
            fetched => fetched,
        }
    }

    async fn fetch(&self, id: PhysicalId) -> Result<Bytes, StorageError> {
        Counts::add(&self.counts.blob_reads, 1);
        Counts::add(&self.counts.blob_bytes_read, u64::from(id.length));
        let framed = self
            .blobs
            .read(id, FRAME_BYTES)
            .await
            .map_err(|error| match error {
                BlobError::Damaged(message) => StorageError::Corrupt(message),
                other => other.into(),
            })?;
        let damaged = |reason: &dyn std::fmt::Display| {
            let place = self.blobs.place(id);
            StorageError::Corrupt(format!("{place}: {reason}; restore it from a backup"))
        };
        let length = u64::from(FRAME_BYTES) + u64::from(id.length);
        if framed.len() as u64 != length {
            let reason = format!("{} bytes instead of {length}", framed.len());
            return Err(damaged(&reason));
        }
        match verify_body(&framed) {
            Ok((_, body)) => Ok(body),
            Err(error) => Err(damaged(&error)),
        }
    }

    /// Keeps a body that was just made durable.
    pub(crate) async fn fill(&self, id: PhysicalId, body: Bytes) {
        assert_eq!(
            body.len() as u64,
            u64::from(id.length),
            "the physical id names the whole body"
        );
        self.bodies.insert(id, body).await;
    }
}
