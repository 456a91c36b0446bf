//! The object store, which never forgets how a segment's key was decided: a collector may take the segment away.

use std::collections::BTreeMap;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use sop_host::blob::BlobError;
use sop_host::blob::objects::memory::MemoryObjects;
use sop_host::blob::objects::{Listed, Objects, Stored};

type Outcome<T> = Result<T, BlobError>;

/// Objects in memory, and what was first put under each name of a segment.
#[derive(Debug, Default)]
pub struct Archive {
    objects: MemoryObjects,
    first: Mutex<BTreeMap<String, Bytes>>,
}

impl Archive {
    /// What decided a key.
    pub fn first(&self, name: &str) -> Option<Bytes> {
        self.first.lock().get(name).cloned()
    }

    /// Everything that decided a key, in the order of the names.
    pub fn segments(&self) -> Vec<Bytes> {
        self.first.lock().values().cloned().collect()
    }
}

#[async_trait]
impl Objects for Archive {
    async fn put_if_absent(&self, name: &str, bytes: Bytes) -> Outcome<Stored> {
        let stored = self.objects.put_if_absent(name, bytes.clone()).await?;
        if stored == Stored::New && name.starts_with("segment/") {
            self.first.lock().entry(name.to_owned()).or_insert(bytes);
        }
        Ok(stored)
    }

    async fn put(&self, name: &str, bytes: Bytes) -> Outcome<()> {
        self.objects.put(name, bytes).await
    }

    async fn get(&self, name: &str) -> Outcome<Option<Bytes>> {
        self.objects.get(name).await
    }

    async fn get_ranges(&self, name: &str, ranges: &[Range<u64>]) -> Outcome<Option<Vec<Bytes>>> {
        self.objects.get_ranges(name, ranges).await
    }

    async fn exists(&self, name: &str) -> Outcome<bool> {
        self.objects.exists(name).await
    }

    async fn list(&self, prefix: &str) -> Outcome<Vec<Listed>> {
        self.objects.list(prefix).await
    }

    async fn delete(&self, name: &str) -> Outcome<()> {
        self.objects.delete(name).await
    }
}
