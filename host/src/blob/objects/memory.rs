//! Objects in memory. (placeholder until merge)
use super::{Listed, Objects, Stored};
use crate::blob::BlobError;
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::ops::Range;
/// Objects in memory.
#[derive(Debug, Default)]
pub struct MemoryObjects {
    objects: Mutex<BTreeMap<String, Bytes>>,
}
#[async_trait]
impl Objects for MemoryObjects {
    async fn put_if_absent(&self, name: &str, bytes: Bytes) -> Result<Stored, BlobError> {
        let mut objects = self.objects.lock();
        if objects.contains_key(name) {
            return Ok(Stored::Exists);
        }
        objects.insert(name.to_owned(), bytes);
        Ok(Stored::New)
    }
    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), BlobError> {
        self.objects.lock().insert(name.to_owned(), bytes);
        Ok(())
    }
    async fn get(&self, name: &str) -> Result<Option<Bytes>, BlobError> {
        Ok(self.objects.lock().get(name).cloned())
    }
    async fn get_ranges(
        &self,
        name: &str,
        ranges: &[Range<u64>],
    ) -> Result<Option<Vec<Bytes>>, BlobError> {
        let found = self.objects.lock().get(name).cloned();
        Ok(found.map(|bytes| {
            ranges
                .iter()
                .map(|range| {
                    let end = (range.end as usize).min(bytes.len());
                    bytes.slice((range.start as usize).min(end)..end)
                })
                .collect()
        }))
    }
    async fn exists(&self, name: &str) -> Result<bool, BlobError> {
        Ok(self.objects.lock().contains_key(name))
    }
    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, BlobError> {
        Ok(self
            .objects
            .lock()
            .iter()
            .filter(|(name, _)| name.starts_with(prefix))
            .map(|(name, bytes)| Listed {
                name: name.clone(),
                bytes: bytes.len() as u64,
            })
            .collect())
    }
    async fn delete(&self, name: &str) -> Result<(), BlobError> {
        self.objects.lock().remove(name);
        Ok(())
    }
}
