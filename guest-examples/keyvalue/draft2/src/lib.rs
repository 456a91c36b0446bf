//! `wasi:keyvalue@0.2.0-draft2` on the transactions of sop: the draft that Spin imports.
//!
//! `cas.new` looks at the value, `current` answers what it saw, and `swap` compares and changes in
//! one serializable transaction. It is the value that is compared: one that was changed and changed
//! back is the same.
#![cfg(target_arch = "wasm32")]

mod bindings;

use bindings::exports::wasi::keyvalue::{atomics, batch, store};
use keyvalue_bucket::{Bucket, Failure, Position, Swap};

/// The type that carries the exports.
struct Adapter;

/// The exported resource `bucket`.
struct OpenBucket(Bucket);

/// The exported resource `cas`.
struct Seen {
    bucket: Bucket,
    key: String,
    value: Option<Vec<u8>>,
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
        Ok(store::Bucket::new(OpenBucket(bucket)))
    }
}

impl store::GuestBucket for OpenBucket {
    fn get(&self, key: String) -> Result<Option<Vec<u8>>, store::Error> {
        self.0.get(&key).map_err(error)
    }

    fn set(&self, key: String, value: Vec<u8>) -> Result<(), store::Error> {
        self.0.set(&key, &value).map_err(error)
    }

    fn delete(&self, key: String) -> Result<(), store::Error> {
        self.0.delete(&key).map_err(error)
    }

    fn exists(&self, key: String) -> Result<bool, store::Error> {
        self.0.exists(&key).map_err(error)
    }

    fn list_keys(&self, cursor: Option<String>) -> Result<store::KeyResponse, store::Error> {
        let from = match &cursor {
            Some(key) => Position::After(key),
            None => Position::Skipping(0),
        };
        let page = self.0.keys(from).map_err(error)?;
        let cursor = match page.is_last {
            true => None,
            false => page.keys.last().cloned(),
        };
        Ok(store::KeyResponse {
            keys: page.keys,
            cursor,
        })
    }
}

impl atomics::Guest for Adapter {
    type Cas = Seen;

    fn increment(
        bucket: atomics::BucketBorrow<'_>,
        key: String,
        delta: i64,
    ) -> Result<i64, store::Error> {
        let bucket = &bucket.get::<OpenBucket>().0;
        let range = i64::MIN.into()..=i64::MAX.into();
        let sum = bucket.increment(&key, delta.into(), range).map_err(error)?;
        i64::try_from(sum).map_err(|error| store::Error::Other(error.to_string()))
    }

    fn swap(cas: atomics::Cas, value: Vec<u8>) -> Result<(), atomics::CasError> {
        let seen: Seen = cas.into_inner();
        let swapped = seen
            .bucket
            .swap(&seen.key, seen.value.as_deref(), &value)
            .map_err(|failure| atomics::CasError::StoreError(error(failure)))?;
        match swapped {
            Swap::Done => Ok(()),
            Swap::Changed(value) => {
                let fresh = Seen { value, ..seen };
                Err(atomics::CasError::CasFailed(atomics::Cas::new(fresh)))
            }
        }
    }
}

impl atomics::GuestCas for Seen {
    fn new(bucket: atomics::BucketBorrow<'_>, key: String) -> Result<atomics::Cas, store::Error> {
        let bucket = bucket.get::<OpenBucket>().0.clone();
        let value = bucket.get(&key).map_err(error)?;
        Ok(atomics::Cas::new(Self { bucket, key, value }))
    }

    fn current(&self) -> Result<Option<Vec<u8>>, store::Error> {
        Ok(self.value.clone())
    }
}

impl batch::Guest for Adapter {
    fn get_many(
        bucket: batch::BucketBorrow<'_>,
        keys: Vec<String>,
    ) -> Result<Vec<(String, Option<Vec<u8>>)>, store::Error> {
        let bucket = &bucket.get::<OpenBucket>().0;
        let values = bucket.get_many(&keys).map_err(error)?;
        Ok(keys.into_iter().zip(values).collect())
    }

    fn set_many(
        bucket: batch::BucketBorrow<'_>,
        items: Vec<(String, Vec<u8>)>,
    ) -> Result<(), store::Error> {
        bucket.get::<OpenBucket>().0.set_many(items).map_err(error)
    }

    fn delete_many(bucket: batch::BucketBorrow<'_>, keys: Vec<String>) -> Result<(), store::Error> {
        bucket
            .get::<OpenBucket>()
            .0
            .delete_many(&keys)
            .map_err(error)
    }
}

#[allow(unsafe_code, reason = "generated: the exports of the component")]
mod exports {
    use super::{Adapter, bindings};

    bindings::export!(Adapter with_types_in bindings);
}
