//! The object store as a host sees it over the network.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use sop_host::blob::BlobError;
use sop_host::blob::objects::{Listed, Objects, Stored};

use super::network::{Network, Served};

/// One host's way to the object store.
#[derive(Debug)]
pub struct FaultyObjects {
    network: Arc<Network>,
    inner: Arc<dyn Objects>,
}

type Outcome<T> = Result<T, BlobError>;

impl FaultyObjects {
    /// A way to this store.
    pub fn new(network: &Arc<Network>, inner: Arc<dyn Objects>) -> Arc<Self> {
        Arc::new(Self {
            network: Arc::clone(network),
            inner,
        })
    }

    async fn send<T, F>(&self, name: &str, serve: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: Fn(Arc<dyn Objects>, String) -> Served<Outcome<T>> + Send + 'static,
    {
        let (inner, name) = (Arc::clone(&self.inner), name.to_owned());
        let serve = move || serve(Arc::clone(&inner), name.clone());
        let answer = self.network.call(serve).await;
        answer.unwrap_or_else(|| Err(BlobError::Unavailable("no answer".to_owned())))
    }
}

#[async_trait]
impl Objects for FaultyObjects {
    async fn put_if_absent(&self, name: &str, bytes: Bytes) -> Outcome<Stored> {
        self.send(name, move |inner, name| {
            let bytes = bytes.clone();
            Box::pin(async move { inner.put_if_absent(&name, bytes).await })
        })
        .await
    }

    async fn put(&self, name: &str, bytes: Bytes) -> Outcome<()> {
        self.send(name, move |inner, name| {
            let bytes = bytes.clone();
            Box::pin(async move { inner.put(&name, bytes).await })
        })
        .await
    }

    async fn get(&self, name: &str) -> Outcome<Option<Bytes>> {
        self.send(name, |inner, name| {
            Box::pin(async move { inner.get(&name).await })
        })
        .await
    }

    async fn get_ranges(&self, name: &str, ranges: &[Range<u64>]) -> Outcome<Option<Vec<Bytes>>> {
        let ranges = ranges.to_vec();
        self.send(name, move |inner, name| {
            let ranges = ranges.clone();
            Box::pin(async move { inner.get_ranges(&name, &ranges).await })
        })
        .await
    }

    async fn exists(&self, name: &str) -> Outcome<bool> {
        self.send(name, |inner, name| {
            Box::pin(async move { inner.exists(&name).await })
        })
        .await
    }

    async fn list(&self, prefix: &str) -> Outcome<Vec<Listed>> {
        self.send(prefix, |inner, prefix| {
            Box::pin(async move { inner.list(&prefix).await })
        })
        .await
    }

    async fn delete(&self, name: &str) -> Outcome<()> {
        self.send(name, |inner, name| {
            Box::pin(async move { inner.delete(&name).await })
        })
        .await
    }
}
