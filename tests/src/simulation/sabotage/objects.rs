//! An object store that lies.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use sop_host::blob::BlobError;
use sop_host::blob::objects::{Listed, Objects, Stored};
use sop_host::commit::segment::{SegmentHeader, SegmentKind};
use sop_host::runtime::Runtime;

use super::Sabotage;
use crate::simulation::scheduler::HostRuntime;

/// A store that breaks one rule.
#[derive(Debug)]
pub(super) struct BrokenObjects {
    inner: Arc<dyn Objects>,
    rule: Sabotage,
    runtime: Arc<HostRuntime>,
}

/// Longer than a manifest that says nothing.
const VOID_BYTES_MAX: usize = 16;

impl BrokenObjects {
    pub(super) fn new(
        inner: Arc<dyn Objects>,
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

#[async_trait]
impl Objects for BrokenObjects {
    async fn put_if_absent(&self, name: &str, bytes: Bytes) -> Result<Stored, BlobError> {
        let segment = name.starts_with("segment/");
        let tombstone = || {
            let header = SegmentHeader::decode(&bytes);
            header.is_ok_and(|header| header.kind == SegmentKind::Tombstone)
        };
        let void = name.ends_with("/manifest") && bytes.len() < VOID_BYTES_MAX;
        match self.rule {
            Sabotage::Tombstone if segment && tombstone() => Ok(Stored::New),
            Sabotage::Void if void => Ok(Stored::New),
            Sabotage::EarlyAnswer if segment => {
                let (inner, name) = (Arc::clone(&self.inner), name.to_owned());
                let later = async move { drop(inner.put_if_absent(&name, bytes).await) };
                self.runtime.spawn(Box::pin(later));
                Ok(Stored::New)
            }
            _ => self.inner.put_if_absent(name, bytes).await,
        }
    }

    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), BlobError> {
        self.inner.put(name, bytes).await
    }

    async fn get(&self, name: &str) -> Result<Option<Bytes>, BlobError> {
        self.inner.get(name).await
    }

    async fn get_ranges(
        &self,
        name: &str,
        ranges: &[Range<u64>],
    ) -> Result<Option<Vec<Bytes>>, BlobError> {
        self.inner.get_ranges(name, ranges).await
    }

    async fn exists(&self, name: &str) -> Result<bool, BlobError> {
        if self.rule == Sabotage::FenceCheck && name.ends_with("/claim") {
            return Ok(false);
        }
        self.inner.exists(name).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, BlobError> {
        if self.rule == Sabotage::Forgotten && prefix.ends_with("/collected/") {
            return Ok(Vec::new());
        }
        self.inner.list(prefix).await
    }

    async fn delete(&self, name: &str) -> Result<(), BlobError> {
        self.inner.delete(name).await
    }
}
