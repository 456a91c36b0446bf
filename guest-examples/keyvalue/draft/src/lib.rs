//! `wasi:keyvalue@0.2.0-draft` on the transactions of sop: the draft that wasmCloud and the
//! wasmtime crates import.
//!
//! A cursor of `list-keys` is the number of keys that were given before. A bucket that is asked to
//! go on where its last page ended goes on after that page's last key, so that keys which come or
//! go meanwhile move nothing; any other cursor counts from the first key.
#![cfg(target_arch = "wasm32")]

mod bindings;

use std::cell::RefCell;

use bindings::exports::wasi::keyvalue::{atomics, batch, store};
use keyvalue_bucket::{Bucket, Failure, Position};

/// The type that carries the exports.
struct Adapter;

/// The exported resource `bucket`.
struct OpenBucket {
    bucket: Bucket,
    /// Where the last page of keys ended: how many were given, and the last of them.
    page_end: RefCell<Option<(u64, String)>>,
}

fn error(failure: Failure) -> store::Error {
    match failure {
        Failure::NoSuchStore => store::Error::NoSuchStore,
        Failure::AccessDenied => store::Error::AccessDenied,
        Failure::Other(words) => store::Error::Other(words),
    }
}

impl store::Guest for Adapter {
    type Bucket = OpenBucket;

    fn open(identifier: String) -> Result<store::Bucket, store::Error> {
        let bucket = Bucket::open(&identifier).map_err(error)?;
        Ok(store::Bucket::new(OpenBucket {
            bucket,
            page_end: RefCell::new(None),
        }))
    }
}

impl store::GuestBucket for OpenBucket {
    fn get(&self, key: String) -> Result<Option<Vec<u8>>, store::Error> {
        self.bucket.get(&key).map_err(error)
    }

    fn set(&self, key: String, value: Vec<u8>) -> Result<(), store::Error> {
        self.bucket.set(&key, &value).map_err(error)
    }

    fn delete(&self, key: String) -> Result<(), store::Error> {
        self.bucket.delete(&key).map_err(error)
    }

    fn exists(&self, key: String) -> Result<bool, store::Error> {
        self.bucket.exists(&key).map_err(error)
    }

    fn list_keys(&self, cursor: Option<u64>) -> Result<store::KeyResponse, store::Error> {
        let given = cursor.unwrap_or(0);
        let page_end = self.page_end.take();
        let from = match &page_end {
            Some((count, key)) if *count == given => Position::After(key),
            _ => Position::Skipping(given),
        };
        let page = self.bucket.keys(from).map_err(error)?;
        let end = given.saturating_add(page.keys.len() as u64);
        self.page_end
            .replace(page.keys.last().map(|key| (end, key.clone())));
        Ok(store::KeyResponse {
            keys: page.keys,
            cursor: (!page.is_last).then_some(end),
        })
    }
}

impl atomics::Guest for Adapter {
    fn increment(
        bucket: atomics::BucketBorrow<'_>,
        key: String,
        delta: u64,
    ) -> Result<u64, store::Error> {
        let bucket = &bucket.get::<OpenBucket>().bucket;
        let sum = bucket
            .increment(&key, delta.into(), 0..=u64::MAX.into())
            .map_err(error)?;
        u64::try_from(sum).map_err(|error| store::Error::Other(error.to_string()))
    }
}

impl batch::Guest for Adapter {
    fn get_many(
        bucket: batch::BucketBorrow<'_>,
        keys: Vec<String>,
    ) -> Result<Vec<Option<(String, Vec<u8>)>>, store::Error> {
        let bucket = &bucket.get::<OpenBucket>().bucket;
        let values = bucket.get_many(&keys).map_err(error)?;
        let items = keys.into_iter().zip(values);
        Ok(items
            .map(|(key, value)| value.map(|value| (key, value)))
            .collect())
    }

    fn set_many(
        bucket: batch::BucketBorrow<'_>,
        items: Vec<(String, Vec<u8>)>,
    ) -> Result<(), store::Error> {
        let bucket = &bucket.get::<OpenBucket>().bucket;
        bucket.set_many(items).map_err(error)
    }

    fn delete_many(bucket: batch::BucketBorrow<'_>, keys: Vec<String>) -> Result<(), store::Error> {
        let bucket = &bucket.get::<OpenBucket>().bucket;
        bucket.delete_many(&keys).map_err(error)
    }
}

#[allow(unsafe_code, reason = "generated: the exports of the component")]
mod exports {
    use super::{Adapter, bindings};

    bindings::export!(Adapter with_types_in bindings);
}
