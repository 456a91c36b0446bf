//! A blob store that lies.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use sop_engine::types::PhysicalId;
use sop_host::blob::{BlobError, BlobStore, Put, SegmentKey, SegmentPlace};
use sop_host::runtime::Runtime;

use super::Sabotage;
use crate::simulation::scheduler::HostRuntime;

/// A store that breaks one rule.
#[derive(Debug)]
pub(super) struct BrokenBlobs {
    inner: Arc<dyn BlobStore>,
    rule: Sabotage,
    runtime: Arc<HostRuntime>,
}

impl BrokenBlobs {
    pub(super) fn new(
        inner: Arc<dyn BlobStore>,
        rule: Sabotage,
        runtime: &Arc<HostRuntime>,
    ) -> Arc<Self> {
        Arc::new(Self {
            inner,
            rule,
            runtime: Arc::clone(runtime),
        })
    }
}

fn place(key: SegmentKey) -> SegmentPlace {
    let high = u64::from(key.epoch) << 32 | u64::from(key.period);
    SegmentPlace {
        segment: (high, key.unique),
        base: 0,
    }
}

#[async_trait]
impl BlobStore for BrokenBlobs {
    async fn put(&self, key: SegmentKey, bytes: Bytes) -> Result<Put, BlobError> {
        if self.rule != Sabotage::EarlyAnswer {
            return self.inner.put(key, bytes).await;
        }
        let inner = Arc::clone(&self.inner);
        let later = async move { drop(inner.put(key, bytes).await) };
        self.runtime.spawn(Box::pin(later));
        Ok(Put::Won(place(key)))
    }

    async fn put_tombstone(&self, key: SegmentKey) -> Result<Put, BlobError> {
        if self.rule == Sabotage::Tombstone {
            return Ok(Put::Won(place(key)));
        }
        self.inner.put_tombstone(key).await
    }

    async fn claimed_after(&self, epoch: u32) -> Result<bool, BlobError> {
        if self.rule == Sabotage::FenceCheck {
            return Ok(false);
        }
        self.inner.claimed_after(epoch).await
    }

    async fn read(&self, id: PhysicalId, before: u32) -> Result<Bytes, BlobError> {
        self.inner.read(id, before).await
    }
}
