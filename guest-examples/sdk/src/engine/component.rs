//! The engine as the plugin imports it: types converted, lists packed.

use std::ops::Bound;

use super::bindings::sop::engine::{transactions, types};
use crate::error::{ConflictingKey, Error, Result, TransactionId};
use crate::packed::Packed;
use crate::range::KeyRange;
use crate::types::{CommitInfo, Direction, Isolation, Item, StoreInfo, TransactionOutcome};

pub(crate) struct Transaction(transactions::Transaction);
pub(crate) struct Store(transactions::Store);
pub(crate) struct Cursor(transactions::Cursor);

impl Transaction {
    pub fn begin(isolation: Isolation) -> Result<Self> {
        let isolation = match isolation {
            Isolation::Serializable => types::Isolation::Serializable,
            Isolation::Snapshot => types::Isolation::Snapshot,
        };
        Ok(Self(transactions::Transaction::begin(isolation)?))
    }

    pub fn begin_at(version: u64) -> Result<Self> {
        Ok(Self(transactions::Transaction::begin_at(version)?))
    }

    pub fn version(&self) -> Result<u64> {
        Ok(self.0.version()?)
    }

    pub fn create_store(&self, name: &str) -> Result<Store> {
        Ok(Store(self.0.create_store(name)?))
    }

    pub fn open_store(&self, name: &str) -> Result<Store> {
        Ok(Store(self.0.open_store(name)?))
    }

    pub fn open_or_create_store(&self, name: &str) -> Result<Store> {
        Ok(Store(self.0.open_or_create_store(name)?))
    }

    pub fn drop_store(&self, name: &str) -> Result<()> {
        Ok(self.0.drop_store(name)?)
    }

    pub fn list_stores(&self) -> Result<Vec<StoreInfo>> {
        let stores = self.0.list_stores()?;
        Ok(stores
            .into_iter()
            .map(|store| StoreInfo {
                name: store.name,
                id: store.id,
            })
            .collect())
    }

    pub fn savepoint(&self, name: &str) -> Result<()> {
        Ok(self.0.savepoint(name)?)
    }

    pub fn rollback_to(&self, name: &str) -> Result<()> {
        Ok(self.0.rollback_to(name)?)
    }

    pub fn commit(&self) -> Result<CommitInfo> {
        let info = self.0.commit()?;
        Ok(CommitInfo {
            version: info.version,
            revalidations: info.revalidations,
        })
    }

    pub fn rollback(&self) -> Result<()> {
        Ok(self.0.rollback()?)
    }
}

impl Store {
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.0.get(key)?)
    }

    pub fn get_many(&self, keys: Packed) -> Result<Packed> {
        let keys = types::Packed {
            ends: keys.ends,
            words: keys.words,
        };
        Ok(self.0.get_many_packed(&keys)?.into())
    }

    pub fn contains(&self, key: &[u8]) -> Result<bool> {
        Ok(self.0.contains(key)?)
    }

    pub fn insert(&self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.0.insert(key, value)?)
    }

    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.0.put(key, value)?)
    }

    pub fn put_many(&self, items: Vec<Item>) -> Result<()> {
        let items: Vec<_> = items
            .into_iter()
            .map(|(key, value)| types::Item { key, value })
            .collect();
        Ok(self.0.put_many(&items)?)
    }

    pub fn update(&self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.0.update(key, value)?)
    }

    pub fn remove(&self, key: &[u8]) -> Result<bool> {
        Ok(self.0.remove(key)?)
    }

    pub fn remove_range(&self, range: &KeyRange) -> Result<u64> {
        Ok(self.0.remove_range(&range.into())?)
    }

    pub fn count(&self) -> Result<u64> {
        Ok(self.0.count()?)
    }

    pub fn first(&self) -> Result<Option<Item>> {
        Ok(self.0.first()?.map(|item| (item.key, item.value)))
    }

    pub fn last(&self) -> Result<Option<Item>> {
        Ok(self.0.last()?.map(|item| (item.key, item.value)))
    }

    pub fn scan(&self, range: &KeyRange, direction: Direction, limit: u32) -> Result<Packed> {
        Ok(self
            .0
            .scan_packed(&range.into(), direction.into(), limit)?
            .into())
    }

    pub fn open_cursor(&self, range: &KeyRange, direction: Direction) -> Result<Cursor> {
        Ok(Cursor(self.0.open_cursor(&range.into(), direction.into())?))
    }
}

impl Cursor {
    pub fn next(&self, max: u32) -> Result<Packed> {
        Ok(self.0.next_packed(max)?.into())
    }
}

pub(crate) fn outcome(id: TransactionId) -> Result<TransactionOutcome> {
    let id = types::TransactionId {
        high: id.high,
        low: id.low,
    };
    Ok(match transactions::outcome(id)? {
        types::TransactionOutcome::Committed(version) => TransactionOutcome::Committed(version),
        types::TransactionOutcome::Aborted => TransactionOutcome::Aborted,
        types::TransactionOutcome::Undecided => TransactionOutcome::Undecided,
        types::TransactionOutcome::Unknown => TransactionOutcome::Unknown,
    })
}

impl From<types::Packed> for Packed {
    fn from(packed: types::Packed) -> Self {
        Self {
            ends: packed.ends,
            words: packed.words,
        }
    }
}

impl From<Direction> for types::Direction {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Ascending => Self::Ascending,
            Direction::Descending => Self::Descending,
        }
    }
}

impl From<&KeyRange> for types::Range {
    fn from(range: &KeyRange) -> Self {
        Self {
            lower: bound(&range.lower),
            upper: bound(&range.upper),
        }
    }
}

fn bound(bound: &Bound<Vec<u8>>) -> types::Bound {
    match bound {
        Bound::Unbounded => types::Bound::Unbounded,
        Bound::Included(key) => types::Bound::Included(key.clone()),
        Bound::Excluded(key) => types::Bound::Excluded(key.clone()),
    }
}

impl From<types::Error> for Error {
    fn from(error: types::Error) -> Self {
        match error {
            types::Error::Conflict(keys) => Self::Conflict(
                keys.into_iter()
                    .map(|key| ConflictingKey {
                        store: key.store,
                        key: key.key,
                    })
                    .collect(),
            ),
            types::Error::Unavailable(message) => Self::Unavailable(message),
            types::Error::UnknownOutcome(id) => Self::UnknownOutcome(TransactionId {
                high: id.high,
                low: id.low,
            }),
            types::Error::Corrupt(message) => Self::Corrupt(message),
            types::Error::Denied(message) => Self::Denied(message),
            types::Error::Limit(limit) => Self::Limit {
                name: limit.name,
                maximum: limit.maximum,
            },
            types::Error::SnapshotExpired(oldest) => Self::SnapshotExpired(oldest),
            types::Error::Fenced => Self::Fenced,
            types::Error::Ended => Self::Ended,
            types::Error::NotFound(message) => Self::NotFound(message),
            types::Error::Exists(message) => Self::Exists(message),
            types::Error::ReadOnly => Self::ReadOnly,
            types::Error::Invalid(message) => Self::Invalid(message),
        }
    }
}
