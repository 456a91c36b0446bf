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

pub mod disk;

#[cfg(test)]
mod disk_tests;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use moka::future::Cache as Moka;
use sop_engine::storage::StorageError;
use sop_engine::types::PhysicalId;

use crate::blob::{BlobError, BlobStore};
use crate::commit::segment::{FRAME_BYTES, verify_body};
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
        let mut bodies = Vec::with_capacity(ids.len());
        for id in ids {
            bodies.push(self.bodies.get(id).await);
        }
        let absent = ids.iter().zip(&bodies).filter(|(_, body)| body.is_none());
        let absent: Vec<_> = absent.map(|(id, _)| (*id, FRAME_BYTES)).collect();
        Counts::add(&self.counts.cache_hits, (ids.len() - absent.len()) as u64);
        Counts::add(&self.counts.cache_misses, absent.len() as u64);
        // One call for all of them, made when the first of them turns out not to be loaded by anybody else.
        let batch = async { Arc::new(self.blobs.read_many(&absent).await) }
            .boxed()
            .shared();
        let loads = absent.iter().enumerate().map(|(index, (id, _))| {
            let batch = batch.clone();
            let read = async move {
                let read = batch.await.get(index).cloned();
                read.unwrap_or_else(|| Err(BlobError::Missing(*id)))
            };
            self.bodies.try_get_with(*id, self.load(*id, read))
        });
        let loaded = futures::future::try_join_all(loads).await;
        let mut loaded = loaded
            .map_err(|error| StorageError::clone(&error))?
            .into_iter();
        let filled = bodies
            .into_iter()
            .filter_map(|body| body.or_else(|| loaded.next()));
        Ok(filled.collect())
    }

    async fn get_one(&self, id: PhysicalId) -> Result<Bytes, StorageError> {
        if let Some(body) = self.bodies.get(&id).await {
            Counts::add(&self.counts.cache_hits, 1);
            return Ok(body);
        }
        Counts::add(&self.counts.cache_misses, 1);
        let loaded = self
            .bodies
            .try_get_with(id, self.load(id, self.read(id)))
            .await;
        loaded.map_err(|error: Arc<StorageError>| StorageError::clone(&error))
    }

    /// A verified body that will not be asked for again under this id: it does not enter the cache.
    pub(crate) async fn get_past(&self, id: PhysicalId) -> Result<Bytes, StorageError> {
        match self.bodies.get(&id).await {
            Some(body) => Ok(body),
            None => self.load(id, self.read(id)).await,
        }
    }

    async fn read(&self, id: PhysicalId) -> Result<Bytes, BlobError> {
        self.blobs.read(id, FRAME_BYTES).await
    }

    /// A blob that `read` reads; a damaged one is read once more.
    async fn load(
        &self,
        id: PhysicalId,
        read: impl Future<Output = Result<Bytes, BlobError>>,
    ) -> Result<Bytes, StorageError> {
        match self.fetch(id, read).await {
            Err(StorageError::Corrupt(_)) => self.fetch(id, self.read(id)).await,
            fetched => fetched,
        }
    }

    async fn fetch(
        &self,
        id: PhysicalId,
        read: impl Future<Output = Result<Bytes, BlobError>>,
    ) -> Result<Bytes, StorageError> {
        Counts::add(&self.counts.blob_reads, 1);
        Counts::add(&self.counts.blob_bytes_read, u64::from(id.length));
        let framed = read.await.map_err(|error| match error {
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
