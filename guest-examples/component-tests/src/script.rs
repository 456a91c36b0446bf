//! Calls for scripts, which look at the results themselves.

use crate::store::{begin, snapshot_at, value};

pub(crate) fn put(key: &str, value: &str) -> u64 {
    crate::store::put(&[(key, value)])
}

pub(crate) fn get(key: &str, at: Option<u64>) -> Option<String> {
    let (_transaction, store) = at.map_or_else(begin, snapshot_at);
    value(&store, key)
}

pub(crate) fn count() -> u64 {
    let (_transaction, store) = begin();
    store.count().unwrap()
}
