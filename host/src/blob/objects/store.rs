//! Segments as objects. (placeholder until merge)
use super::{Objects, Stored};
use crate::blob::{BlobError, BlobStore, Put, SegmentKey, SegmentPlace, Taken};
use crate::commit::segment::{SegmentHeader, SegmentKind, mark};
use crate::runtime::Runtime;
use async_trait::async_trait;
use bytes::Bytes;
use sop_engine::types::PhysicalId;
use std::sync::Arc;
/// Segments as objects.
#[derive(Debug)]
pub struct ObjectBlobs {
    objects: Arc<dyn Objects>,
}
fn name(key: SegmentKey) -> String {
    format!(
        "segment/{:08x}/{:08x}/{:016x}",
        key.epoch, key.period, key.unique
    )
}
impl ObjectBlobs {
    /// Over these objects.
    pub fn new(objects: Arc<dyn Objects>, _runtime: Arc<dyn Runtime>) -> Self {
        Self { objects }
    }
    async fn decide(&self, key: SegmentKey, bytes: Bytes) -> Result<Put, BlobError> {
        let place = SegmentPlace {
            segment: key.object(),
            base: 0,
        };
        match self
            .objects
            .put_if_absent(&name(key), bytes.clone())
            .await?
        {
            Stored::New => Ok(Put::Won(place)),
            Stored::Exists => {
                let found = self
                    .objects
                    .get(&name(key))
                    .await?
                    .ok_or_else(|| BlobError::Unavailable("gone".into()))?;
                if found == bytes {
                    return Ok(Put::Won(place));
                }
                let header = SegmentHeader::decode(&found)
                    .map_err(|error| BlobError::Damaged(error.to_string()))?;
                Ok(Put::Taken(if header.kind == SegmentKind::Tombstone {
                    Taken::Tombstone
                } else {
                    Taken::Segment(place)
                }))
            }
        }
    }
}
#[async_trait]
impl BlobStore for ObjectBlobs {
    async fn put(&self, key: SegmentKey, bytes: Bytes) -> Result<Put, BlobError> {
        self.decide(key, bytes).await
    }
    async fn put_tombstone(&self, key: SegmentKey) -> Result<Put, BlobError> {
        self.decide(key, mark(SegmentKind::Tombstone, key)).await
    }
    async fn claimed_after(&self, epoch: u32) -> Result<bool, BlobError> {
        self.objects
            .exists(&format!("epoch/{:08x}/claim", epoch + 1))
            .await
    }
    async fn read(&self, id: PhysicalId, before: u32) -> Result<Bytes, BlobError> {
        let range = u64::from(id.offset - before)..u64::from(id.offset) + u64::from(id.length);
        let found = self
            .objects
            .get_ranges(&name(SegmentKey::from_object(id.segment)), &[range])
            .await?;
        found
            .and_then(|mut found| found.pop())
            .ok_or(BlobError::Missing(id))
    }
}
