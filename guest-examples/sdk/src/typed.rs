//! Stores of typed keys and values.

use std::marker::PhantomData;
use std::ops::RangeBounds;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::key::{Key, PrefixOf};
use crate::range::KeyRange;
use crate::store::{Items, Store};
use crate::types::{Direction, Item};

/// A store whose keys are [`Key`]s, in the order of their values, and whose values are postcard.
///
/// Postcard carries no field names: a new field, even at the end, makes old values unreadable.
/// Where that matters, make the value an enum of versions.
pub struct TypedStore<'transaction, K, V> {
    store: Store<'transaction>,
    types: PhantomData<fn(K) -> V>,
}

impl<'transaction, K: Key, V> TypedStore<'transaction, K, V> {
    /// Gives a store its types. Nothing is checked here; a store is of one type by agreement.
    #[must_use]
    pub fn new(store: Store<'transaction>) -> Self {
        Self {
            store,
            types: PhantomData,
        }
    }

    /// The store of bytes below.
    #[must_use]
    pub fn raw(&self) -> &Store<'transaction> {
        &self.store
    }

    /// Whether a key is present.
    pub fn contains(&self, key: &K) -> Result<bool> {
        self.store.contains(&key.encoded())
    }

    /// Removes a key. Answers whether it was present.
    pub fn remove(&self, key: &K) -> Result<bool> {
        self.store.remove(&key.encoded())
    }

    /// Removes all items of a range and answers how many there were.
    pub fn remove_range(&self, range: &KeyRange) -> Result<u64> {
        self.store.remove_range(range)
    }

    /// The number of items.
    pub fn count(&self) -> Result<u64> {
        self.store.count()
    }
}

impl<'transaction, K: Key, V: Serialize + DeserializeOwned> TypedStore<'transaction, K, V> {
    /// The value of a key; none = absent.
    pub fn get(&self, key: &K) -> Result<Option<V>> {
        self.store
            .get(&key.encoded())?
            .map(|bytes| value(&bytes))
            .transpose()
    }

    /// The values of several keys, index-aligned; none = absent.
    pub fn get_many<'k>(&self, keys: impl IntoIterator<Item = &'k K>) -> Result<Vec<Option<V>>>
    where
        K: 'k,
    {
        let keys: Vec<Vec<u8>> = keys.into_iter().map(Key::encoded).collect();
        let values = self.store.get_many(&keys)?;
        values
            .into_iter()
            .map(|found| found.map(|bytes| value(&bytes)).transpose())
            .collect()
    }

    /// Adds an item: `Exists` if the key is present.
    pub fn insert(&self, key: &K, value: &V) -> Result<()> {
        self.store
            .insert(&key.encoded(), &postcard::to_allocvec(value)?)
    }

    /// Adds or replaces an item.
    pub fn put(&self, key: &K, value: &V) -> Result<()> {
        self.store
            .put(&key.encoded(), &postcard::to_allocvec(value)?)
    }

    /// Adds or replaces several items, in order.
    pub fn put_many<'i>(&self, items: impl IntoIterator<Item = (&'i K, &'i V)>) -> Result<()>
    where
        K: 'i,
        V: 'i,
    {
        let encoded = items
            .into_iter()
            .map(|(key, value)| Ok((key.encoded(), postcard::to_allocvec(value)?)));
        self.store.put_many(encoded.collect::<Result<Vec<Item>>>()?)
    }

    /// Replaces the value of a key: `NotFound` if the key is absent.
    pub fn update(&self, key: &K, value: &V) -> Result<()> {
        self.store
            .update(&key.encoded(), &postcard::to_allocvec(value)?)
    }

    /// Reads the value of a key, changes it and writes it back; an absent key starts as the
    /// default. Answers the new value.
    pub fn modify(&self, key: &K, change: impl FnOnce(&mut V)) -> Result<V>
    where
        V: Default,
    {
        let mut value = self.get(key)?.unwrap_or_default();
        change(&mut value);
        self.put(key, &value)?;
        Ok(value)
    }

    /// The item with the smallest key.
    pub fn first(&self) -> Result<Option<(K, V)>> {
        self.store.first()?.map(item).transpose()
    }

    /// The item with the greatest key.
    pub fn last(&self) -> Result<Option<(K, V)>> {
        self.store.last()?.map(item).transpose()
    }

    /// Up to `limit` items of a range, in one call.
    pub fn scan(&self, range: &KeyRange, direction: Direction, limit: u32) -> Result<Vec<(K, V)>> {
        self.store
            .scan(range, direction, limit)?
            .into_iter()
            .map(item)
            .collect()
    }

    /// The items of a range of keys by growing key: `store.range(3..10)?`, `store.range(..)?`.
    pub fn range(&self, range: impl RangeBounds<K>) -> Result<TypedItems<'transaction, K, V>> {
        self.iterate(&KeyRange::of(range), Direction::Ascending)
    }

    /// The items whose tuple keys begin with these elements, by growing key.
    pub fn under<P: PrefixOf<K>>(&self, prefix: &P) -> Result<TypedItems<'transaction, K, V>> {
        self.iterate(&KeyRange::under(prefix), Direction::Ascending)
    }

    /// The items of a range one after another, in either direction.
    pub fn iterate(
        &self,
        range: &KeyRange,
        direction: Direction,
    ) -> Result<TypedItems<'transaction, K, V>> {
        Ok(TypedItems {
            items: self.store.iterate(range, direction)?,
            types: PhantomData,
        })
    }
}

/// The items of a range of a [`TypedStore`].
pub struct TypedItems<'transaction, K, V> {
    items: Items<'transaction>,
    types: PhantomData<fn(K) -> V>,
}

impl<K: Key, V: DeserializeOwned> Iterator for TypedItems<'_, K, V> {
    type Item = Result<(K, V)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.items.next().map(|found| found.and_then(item))
    }
}

fn item<K: Key, V: DeserializeOwned>((key, bytes): Item) -> Result<(K, V)> {
    Ok((K::decode(&key)?, value(&bytes)?))
}

/// All bytes must belong to the value: a shorter type does not silently read the beginning of a
/// longer one.
fn value<V: DeserializeOwned>(bytes: &[u8]) -> Result<V> {
    match postcard::take_from_bytes(bytes)? {
        (value, []) => Ok(value),
        _ => Err(Error::Value(postcard::Error::DeserializeBadEncoding)),
    }
}
