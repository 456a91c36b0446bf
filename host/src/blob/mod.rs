//! Where immutable bytes lie: the trait of blob stores and its implementations.

pub mod directory;
pub mod memory;
pub mod objects;
pub mod segment_header;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use sop_engine::types::PhysicalId;

/// Identity of one segment: the new blobs and the commit records of one group of transactions.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct SegmentKey {
    /// The epoch it was written in.
    pub epoch: u32,
    /// The period of that epoch: a checkpoint starts a new one.
    pub period: u32,
    /// Chosen at random before anything is reserved.
    pub unique: u64,
}

impl SegmentKey {
    /// What stands for this segment in the physical ids of its bodies, where each segment is an object of its own.
    pub const fn object(self) -> (u64, u64) {
        ((self.epoch as u64) << 32 | self.period as u64, self.unique)
    }

    /// The segment whose bodies have such physical ids.
    pub const fn from_object((front, unique): (u64, u64)) -> Self {
        Self {
            epoch: (front >> 32) as u32,
            period: (front & 0xffff_ffff) as u32,
            unique,
        }
    }
}

/// Where a segment came to lie: a body at relative offset `o` of the segment has the physical id
/// `{segment, offset: base + o, length}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentPlace {
    /// The `segment` part of the physical ids of its bodies.
    pub segment: (u64, u64),
    /// Added to the relative offset of each body.
    pub base: u32,
}

/// The answer to a put-if-absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// The bytes are durable under this key.
    Won(SegmentPlace),
    /// The key was taken before: a real segment of the same identity (an own write whose answer was lost counts as won).
    Taken(Taken),
}

/// What lies under a key that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A segment: its transactions are committed.
    Segment(SegmentPlace),
    /// A tombstone: its transactions never happened.
    Tombstone,
}

/// Why a blob store call failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BlobError {
    /// No answer, or a fault that may pass. A put may or may not have happened.
    #[error("blob store unavailable: {0}")]
    Unavailable(String),
    /// No room left.
    #[error("blob store is full: {0}")]
    Full(String),
    /// Credentials or permissions do not allow it. Nothing was written.
    #[error("the blob store denies it: {0}")]
    Denied(String),
    /// The bytes are not what was written.
    #[error("damaged: {0}")]
    Damaged(String),
    /// There is no such blob.
    #[error("blob {0} is missing")]
    Missing(PhysicalId),
    /// This store was closed, or poisoned by a failed sync: reopen the database.
    #[error("blob store closed: {0}")]
    Closed(String),
}

/// Immutable bytes by position, with the put-if-absent that decides commits.
#[async_trait]
pub trait BlobStore: Send + Sync + std::fmt::Debug + 'static {
    /// Makes a segment durable under its key, if the key is free. The one call that decides a commit.
    async fn put(&self, key: SegmentKey, bytes: Bytes) -> Result<Put, BlobError>;
    /// Makes a tombstone under the key, if the key is free.
    async fn put_tombstone(&self, key: SegmentKey) -> Result<Put, BlobError>;
    /// Fence check: whether someone claimed an epoch after this one.
    async fn claimed_after(&self, epoch: u32) -> Result<bool, BlobError>;
    /// The first period of an epoch whose keys tell what was decided. Those of earlier ones may have been taken away when
    /// nothing depended on them any more, so a tombstone or nothing found there says nothing.
    async fn decided_from(&self, _epoch: u32) -> Result<u32, BlobError> {
        Ok(0)
    }
    /// Several reads at once, index-aligned: each is a physical id and its `before`. One that fails does not fail the others.
    async fn read_many(&self, reads: &[(PhysicalId, u32)]) -> Vec<Result<Bytes, BlobError>> {
        let each: Vec<_> = reads
            .iter()
            .map(|(id, before)| self.read(*id, *before))
            .collect();
        futures::stream::iter(each)
            .buffered(crate::limits::FETCHES_MAX)
            .collect()
            .await
    }
    /// The bytes from `offset - before` to `offset + length` of a segment, unverified.
    async fn read(&self, id: PhysicalId, before: u32) -> Result<Bytes, BlobError>;
    /// Where a blob lies, in words for people.
    fn place(&self, id: PhysicalId) -> String {
        format!("blob {id}")
    }
}
