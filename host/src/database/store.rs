//! A store, as one transaction sees it.

use std::sync::Arc;

use wasmtime::component::ResourceAny;

use super::call::TransactionCore;
use super::convert;
use super::data::{Direction, Item};
use super::range::KeyRange;
use super::scan::Scan;
use crate::error::Result;

/// A store of a [`Transaction`](crate::Transaction): a map from keys to values, ordered bytewise by key.
///
/// Cheap to clone. It does not keep its transaction open: when that ends, every call answers
/// [`Error::Ended`](crate::Error::Ended).
#[derive(Clone, Debug)]
pub struct Store {
    core: Arc<TransactionCore>,
    name: Arc<str>,
    resource: ResourceAny,
}

impl Store {
    pub(super) fn new(core: &Arc<TransactionCore>, name: &str, resource: ResourceAny) -> Self {
        core.own_store(name, resource);
        Self {
            core: Arc::clone(core),
            name: name.into(),
            resource,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value of a key; `None` = absent.
    pub async fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>> {
        let mut call = self.core.enter().await?;
        let (store, transactions) = call.parts();
        let answer = transactions
            .store()
            .call_get(store, self.resource, key.as_ref())
            .await;
        call.leave(answer).await
    }

    /// The values of several keys, index-aligned. At most 4,096 keys and 64 MiB of result.
    pub async fn get_many(&self, keys: &[impl AsRef<[u8]>]) -> Result<Vec<Option<Vec<u8>>>> {
        let keys: Vec<Vec<u8>> = keys.iter().map(|key| key.as_ref().to_vec()).collect();
        let mut call = self.core.enter().await?;
        let (store, transactions) = call.parts();
        let answer = transactions
            .store()
            .call_get_many(store, self.resource, &keys)
            .await;
        call.leave(answer).await
    }

    /// Whether a key is present.
    pub async fn contains(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        let mut call = self.core.enter().await?;
        let (store, transactions) = call.parts();
        let answer = transactions
            .store()
            .call_contains(store, self.resource, key.as_ref())
            .await;
        call.leave(answer).await
    }

    /// Adds an item.
    ///
    /// # Errors
    /// [`Error::Exists`](crate::Error::Exists) if the key is present.
    pub async fn insert(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        let mut call = self.core.enter().await?;
        let (store, transactions) = call.parts();
        let answer = transactions
            .store()
            .call_insert(store, self.resource, key.as_ref(), value.as_ref())
            .await;
        call.leave(answer).await
    }

    /// Adds or replaces an item. Two transactions that put the same key do not conflict: one overwrites the other.
    pub async fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        let mut call = self.core.enter().await?;
        let (store, transactions) = call.parts();
        let answer = transactions
            .store()
            .call_put(store, self.resource, key.as_ref(), value.as_ref())
            .await;
        call.leave(answer).await
    }

    /// Adds or replaces several items, in order. At most 4,096.
    pub async fn put_many(&self, items: impl IntoIterator<Item = Item>) -> Result<()> {
        let items: Vec<_> = items.into_iter().map(convert::guest_item).collect();
        let mut call = self.core.enter().await?;
        let (store, transactions) = call.parts();
        let answer = transactions
            .store()
            .call_put_many(store, self.resource, &items)
            .await;
        call.leave(answer).await
    }

    /// Replaces the value of a key.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if the key is absent.
    pub async fn update(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        let mut call = self.core.enter().await?;
        let (store, transactions) = call.parts();
        let answer = transactions
            .store()
            .call_update(store, self.resource, key.as_ref(), value.as_ref())
            .await;
        call.leave(answer).await
    }

    /// Removes a key. Answers whether it was present.
    pub async fn remove(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        let mut call = self.core.enter().await?;
        let (store, transactions) = call.parts();
        let answer = transactions
            .store()
            .call_remove(store, self.resource, key.as_ref())
            .await;
        call.leave(answer).await
    }

    /// Removes all items of a range and answers how many there were. Bounded by the writes of a transaction.
    pub async fn remove_range(&self, range: impl Into<KeyRange>) -> Result<u64> {
        let range = convert::range(range.into());
        let mut call = self.core.enter().await?;
        let (store, transactions) = call.parts();
        let answer = transactions
            .store()
            .call_remove_range(store, self.resource, &range)
            .await;
        call.leave(answer).await
    }

    /// The number of items.
    pub async fn count(&self) -> Result<u64> {
        let mut call = self.core.enter().await?;
        let (store, transactions) = call.parts();
        let answer = transactions.store().call_count(store, self.resource).await;
        call.leave(answer).await
    }

    /// The item with the smallest key.
    pub async fn first(&self) -> Result<Option<Item>> {
        let mut call = self.core.enter().await?;
        let (store, transactions) = call.parts();
        let answer = transactions.store().call_first(store, self.resource).await;
        Ok(call.leave(answer).await?.map(convert::item))
    }

    /// The item with the greatest key.
    pub async fn last(&self) -> Result<Option<Item>> {
        let mut call = self.core.enter().await?;
        let (store, transactions) = call.parts();
        let answer = transactions.store().call_last(store, self.resource).await;
        Ok(call.leave(answer).await?.map(convert::item))
    }

    /// Up to `limit` items of a range, in one call. At most 65,536 items and 64 MiB; [`Store::stream`] has no such bound.
    pub async fn scan(
        &self,
        range: impl Into<KeyRange>,
        direction: Direction,
        limit: u32,
    ) -> Result<Vec<Item>> {
        let range = convert::range(range.into());
        let direction = convert::direction(direction);
        let mut call = self.core.enter().await?;
        let (store, transactions) = call.parts();
        let answer = transactions
            .store()
            .call_scan(store, self.resource, &range, direction, limit)
            .await;
        Ok(call
            .leave(answer)
            .await?
            .into_iter()
            .map(convert::item)
            .collect())
    }

    /// All items of a range, fetched in batches while they are consumed. Sees the transaction's writes as they are when a
    /// batch is fetched. At most 1,024 of them are open in a transaction.
    pub async fn stream(&self, range: impl Into<KeyRange>, direction: Direction) -> Result<Scan> {
        let range = convert::range(range.into());
        let direction = convert::direction(direction);
        let mut call = self.core.enter().await?;
        let (store, transactions) = call.parts();
        let answer = transactions
            .store()
            .call_open_cursor(store, self.resource, &range, direction)
            .await;
        let cursor = call.leave(answer).await?;
        Ok(Scan::new(&self.core, cursor))
    }
}
