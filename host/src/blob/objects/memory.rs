//! Objects in memory: for tests and simulations, and for trying out a database of many hosts in one process.

use std::collections::BTreeMap;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use super::{Listed, Objects, Stored, part};
use crate::blob::BlobError;

/// Objects in memory, in the order of their names.
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
        let Some(bytes) = self.objects.lock().get(name).cloned() else {
            return Ok(None);
        };
        let parts = ranges.iter().map(|range| part(name, &bytes, range));
        parts.collect::<Result<_, _>>().map(Some)
    }

    async fn exists(&self, name: &str) -> Result<bool, BlobError> {
        Ok(self.objects.lock().contains_key(name))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, BlobError> {
        let objects = self.objects.lock();
        let from = objects.range(prefix.to_owned()..);
        let within = from.take_while(|(name, _)| name.starts_with(prefix));
        let listed = within.map(|(name, bytes)| Listed {
            name: name.clone(),
            bytes: bytes.len() as u64,
        });
        Ok(listed.collect())
    }

    async fn delete(&self, name: &str) -> Result<(), BlobError> {
        self.objects.lock().remove(name);
        Ok(())
    }
}
