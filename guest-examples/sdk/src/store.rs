//! Stores of plain bytes.

use std::marker::PhantomData;
use std::vec;

use crate::engine;
use crate::error::Result;
use crate::limits::{BATCH_ITEMS_FIRST, BATCH_ITEMS_LAST, BATCH_ITEMS_MAX};
use crate::packed::Packed;
use crate::range::KeyRange;
use crate::transaction::Transaction;
use crate::types::{Direction, Item};

/// A store, as one transaction sees it: a map from keys to values, ordered bytewise by key.
pub struct Store<'transaction> {
    store: engine::Store,
    transaction: PhantomData<&'transaction Transaction>,
}

impl<'transaction> Store<'transaction> {
    pub(crate) fn new(store: engine::Store) -> Self {
        Self {
            store,
            transaction: PhantomData,
        }
    }

    /// The value of a key; none = absent.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.store.get(key)
    }

    /// The values of several keys, index-aligned; none = absent.
    pub fn get_many<B: AsRef<[u8]>>(&self, keys: &[B]) -> Result<Vec<Option<Vec<u8>>>> {
        let mut values = Vec::with_capacity(keys.len());
        for batch in keys.chunks(BATCH_ITEMS_MAX) {
            let found = self
                .store
                .get_many(Packed::pack(batch.iter().map(|key| Some(key.as_ref()))))?;
            values.extend(found.unpack()?);
        }
        Ok(values)
    }

    /// Whether a key is present.
    pub fn contains(&self, key: &[u8]) -> Result<bool> {
        self.store.contains(key)
    }

    /// Adds an item: `Exists` if the key is present.
    pub fn insert(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.store.insert(key, value)
    }

    /// Adds or replaces an item. Two transactions that put the same key do not conflict: one
    /// overwrites the other.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.store.put(key, value)
    }

    /// Adds or replaces several items, in order.
    pub fn put_many(&self, items: impl IntoIterator<Item = Item>) -> Result<()> {
        let mut items = items.into_iter();
        loop {
            let batch: Vec<Item> = items.by_ref().take(BATCH_ITEMS_MAX).collect();
            if batch.is_empty() {
                return Ok(());
            }
            self.store.put_many(batch)?;
        }
    }

    /// Replaces the value of a key: `NotFound` if the key is absent.
    pub fn update(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.store.update(key, value)
    }

    /// Removes a key. Answers whether it was present.
    pub fn remove(&self, key: &[u8]) -> Result<bool> {
        self.store.remove(key)
    }

    /// Removes all items of a range and answers how many there were.
    pub fn remove_range(&self, range: &KeyRange) -> Result<u64> {
        self.store.remove_range(range)
    }

    /// The number of items.
    pub fn count(&self) -> Result<u64> {
        self.store.count()
    }

    /// The item with the smallest key.
    pub fn first(&self) -> Result<Option<Item>> {
        self.store.first()
    }

    /// The item with the greatest key.
    pub fn last(&self) -> Result<Option<Item>> {
        self.store.last()
    }

    /// Up to `limit` items of a range, in one call.
    pub fn scan(&self, range: &KeyRange, direction: Direction, limit: u32) -> Result<Vec<Item>> {
        self.store.scan(range, direction, limit)?.items()
    }

    /// The items of a range one after another, however many there are. Sees the transaction's
    /// writes as they are when a batch is fetched.
    pub fn iterate(&self, range: &KeyRange, direction: Direction) -> Result<Items<'transaction>> {
        let cursor = Some(self.store.open_cursor(range, direction)?);
        Ok(Items {
            cursor,
            batch: Vec::new().into_iter(),
            size: BATCH_ITEMS_FIRST,
            transaction: PhantomData,
        })
    }
}

/// The items of a range, fetched in growing batches. Ends after its first error.
pub struct Items<'transaction> {
    /// None once the end or an error was seen.
    cursor: Option<engine::Cursor>,
    batch: vec::IntoIter<Item>,
    size: u32,
    transaction: PhantomData<&'transaction Transaction>,
}

impl Iterator for Items<'_> {
    type Item = Result<Item>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(item) = self.batch.next() {
            return Some(Ok(item));
        }
        let cursor = self.cursor.take()?;
        match cursor.next(self.size).and_then(|batch| batch.items()) {
            Err(error) => Some(Err(error)),
            Ok(batch) => {
                self.batch = batch.into_iter();
                let item = self.batch.next()?;
                self.cursor = Some(cursor);
                self.size = self.size.saturating_mul(2).min(BATCH_ITEMS_LAST);
                Some(Ok(item))
            }
        }
    }
}
