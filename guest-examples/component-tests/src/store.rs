//! What most tests begin with.

use crate::bindings::sop::engine::transactions::{Store, Transaction};
use crate::bindings::sop::engine::types::{Bound, CommitInfo, Isolation, Range};

/// The store of the tests.
pub(crate) const NAME: &str = "items";
/// A range without ends.
pub(crate) const ALL: Range = Range {
    lower: Bound::Unbounded,
    upper: Bound::Unbounded,
};

/// A serializable transaction and the store, made at its first use.
pub(crate) fn begin() -> (Transaction, Store) {
    let transaction = Transaction::begin(Isolation::Serializable).unwrap();
    let store = transaction.open_or_create_store(NAME).unwrap();
    (transaction, store)
}

/// A transaction that only reads, and the store.
pub(crate) fn snapshot() -> (Transaction, Store) {
    opened(Transaction::begin(Isolation::Snapshot).unwrap())
}

/// The same at a past version.
pub(crate) fn snapshot_at(version: u64) -> (Transaction, Store) {
    opened(Transaction::begin_at(version).unwrap())
}

fn opened(transaction: Transaction) -> (Transaction, Store) {
    let store = transaction.open_store(NAME).unwrap();
    (transaction, store)
}

/// Writes items in a transaction of their own and answers its version.
pub(crate) fn put(items: &[(&str, &str)]) -> u64 {
    let (transaction, store) = begin();
    for (key, value) in items {
        store.put(key.as_bytes(), value.as_bytes()).unwrap();
    }
    let CommitInfo { version, .. } = transaction.commit().unwrap();
    version
}

/// The value of a key as text.
pub(crate) fn value(store: &Store, key: &str) -> Option<String> {
    let value = store.get(key.as_bytes()).unwrap()?;
    Some(String::from_utf8(value).unwrap())
}

/// A key that sorts like its number.
pub(crate) fn key(number: u32) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}
