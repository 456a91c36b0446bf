//! The blob store as a host sees it over the network.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use sop_engine::types::PhysicalId;
use sop_host::blob::{BlobError, BlobStore, Put, SegmentKey};

use super::network::{Network, Served};

/// One host's way to the blob store.
#[derive(Debug)]
pub struct FaultyBlobs {
    network: Arc<Network>,
    inner: Arc<dyn BlobStore>,
}

type Outcome<T> = Result<T, BlobError>;

impl FaultyBlobs {
    /// A way to this store.
    pub fn new(network: &Arc<Network>, inner: Arc<dyn BlobStore>) -> Arc<Self> {
        Arc::new(Self {
            network: Arc::clone(network),
            inner,
        })
    }

    async fn send<T, F>(&self, serve: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: Fn(Arc<dyn BlobStore>) -> Served<Outcome<T>> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let answer = self.network.call(move || serve(Arc::clone(&inner))).await;
        answer.unwrap_or_else(|| Err(BlobError::Unavailable("no answer".to_owned())))
    }
}

#[async_trait]
impl BlobStore for FaultyBlobs {
    async fn put(&self, key: SegmentKey, bytes: Bytes) -> Outcome<Put> {
        self.send(move |inner| {
            let bytes = bytes.clone();
            Box::pin(async move { inner.put(key, bytes).await })
        })
        .await
    }

    async fn put_tombstone(&self, key: SegmentKey) -> Outcome<Put> {
        self.send(move |inner| Box::pin(async move { inner.put_tombstone(key).await }))
            .await
    }

    async fn claimed_after(&self, epoch: u32) -> Outcome<bool> {
        self.send(move |inner| Box::pin(async move { inner.claimed_after(epoch).await }))
            .await
    }

    async fn read(&self, id: PhysicalId, before: u32) -> Outcome<Bytes> {
        self.send(move |inner| Box::pin(async move { inner.read(id, before).await }))
            .await
    }
}
