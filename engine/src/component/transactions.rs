//! The exported interface `transactions`.

use std::cell::{Cell, RefCell};
use std::ops::Bound;
use std::rc::Rc;

use super::{Component, convert, engine, imports::Imports};
use crate::bindings::exports::sop::engine::transactions as wire;
use crate::bindings::exports::sop::engine::types;
use crate::error::Error;
use crate::limits;
use crate::storage::Storage;
use crate::transaction::{self, Isolation, Items, Range};
use crate::types::{TransactionId, TransactionOutcome};

type Result<T> = std::result::Result<T, types::Error>;
type Shared = Rc<RefCell<transaction::Transaction<Imports>>>;

/// The exported resource `transaction`.
pub struct Transaction {
    shared: Shared,
    cursors: Rc<Cell<usize>>,
}

/// The exported resource `store`.
pub struct Store {
    shared: Shared,
    cursors: Rc<Cell<usize>>,
    id: u64,
}

/// The exported resource `cursor`.
pub struct Cursor {
    shared: Shared,
    cursors: Rc<Cell<usize>>,
    store: u64,
    direction: crate::tree::Direction,
    /// What is still ahead.
    range: RefCell<types::Range>,
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.cursors.set(self.cursors.get().saturating_sub(1));
    }
}

impl wire::Guest for Component {
    type Transaction = Transaction;
    type Store = Store;
    type Cursor = Cursor;

    fn outcome(id: types::TransactionId) -> Result<types::TransactionOutcome> {
        let outcome = engine().storage.outcome(TransactionId {
            high: id.high,
            low: id.low,
        });
        Ok(
            match outcome.map_err(|error| convert::error(error.into()))? {
                TransactionOutcome::Committed(version) => {
                    types::TransactionOutcome::Committed(version)
                }
                TransactionOutcome::Aborted => types::TransactionOutcome::Aborted,
                TransactionOutcome::Undecided => types::TransactionOutcome::Undecided,
                TransactionOutcome::Unknown => types::TransactionOutcome::Unknown,
            },
        )
    }
}

impl Transaction {
    fn begun(
        begun: crate::error::Result<transaction::Transaction<Imports>>,
    ) -> Result<wire::Transaction> {
        let shared = Rc::new(RefCell::new(begun.map_err(convert::error)?));
        Ok(wire::Transaction::new(Self {
            shared,
            cursors: Rc::default(),
        }))
    }

    fn store(&self, id: crate::error::Result<u64>) -> Result<wire::Store> {
        let id = id.map_err(convert::error)?;
        let store = Store {
            shared: Rc::clone(&self.shared),
            cursors: Rc::clone(&self.cursors),
            id,
        };
        Ok(wire::Store::new(store))
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // Stores and cursors may outlive their transaction: to them it has ended.
        let _ = self.shared.borrow_mut().rollback();
    }
}

impl wire::GuestTransaction for Transaction {
    fn begin(isolation: types::Isolation) -> Result<wire::Transaction> {
        let isolation = match isolation {
            types::Isolation::Serializable => Isolation::Serializable,
            types::Isolation::Snapshot => Isolation::Snapshot,
        };
        Self::begun(transaction::Transaction::begin(&engine(), isolation))
    }

    fn begin_at(version: u64) -> Result<wire::Transaction> {
        Self::begun(transaction::Transaction::begin_at(&engine(), version))
    }

    fn version(&self) -> Result<u64> {
        self.shared.borrow().version().map_err(convert::error)
    }

    fn create_store(&self, name: String) -> Result<wire::Store> {
        self.store(self.shared.borrow_mut().create_store(&name))
    }

    fn open_store(&self, name: String) -> Result<wire::Store> {
        self.store(self.shared.borrow_mut().open_store(&name))
    }

    fn open_or_create_store(&self, name: String) -> Result<wire::Store> {
        self.store(self.shared.borrow_mut().open_or_create_store(&name))
    }

    fn drop_store(&self, name: String) -> Result<()> {
        self.shared
            .borrow_mut()
            .drop_store(&name)
            .map_err(convert::error)
    }

    fn list_stores(&self) -> Result<Vec<types::StoreInfo>> {
        let stores = self
            .shared
            .borrow_mut()
            .list_stores()
            .map_err(convert::error)?;
        Ok(stores
            .into_iter()
            .map(|store| types::StoreInfo {
                name: store.name,
                id: store.id,
            })
            .collect())
    }

    fn savepoint(&self, name: String) -> Result<()> {
        self.shared
            .borrow_mut()
            .savepoint(&name)
            .map_err(convert::error)
    }

    fn rollback_to(&self, name: String) -> Result<()> {
        self.shared
            .borrow_mut()
            .rollback_to(&name)
            .map_err(convert::error)
    }

    fn commit(&self) -> Result<types::CommitInfo> {
        let info = self.shared.borrow_mut().commit().map_err(convert::error)?;
        Ok(types::CommitInfo {
            version: info.version,
            revalidations: info.revalidations,
        })
    }

    fn rollback(&self) -> Result<()> {
        self.shared.borrow_mut().rollback().map_err(convert::error)
    }
}

impl Store {
    fn with<T>(
        &self,
        call: impl FnOnce(&mut transaction::Transaction<Imports>, u64) -> crate::error::Result<T>,
    ) -> Result<T> {
        call(&mut self.shared.borrow_mut(), self.id).map_err(convert::error)
    }

    fn edge(&self, direction: crate::tree::Direction) -> Result<Option<types::Item>> {
        let everything = Range {
            lower: Bound::Unbounded,
            upper: Bound::Unbounded,
        };
        let items = self.with(|transaction, id| transaction.scan(id, everything, direction, 1))?;
        Ok(convert::items(items).pop())
    }

    fn scan_items(
        &self,
        range: &types::Range,
        direction: types::Direction,
        limit: u32,
    ) -> Result<Items> {
        let direction = convert::direction(direction);
        self.with(|transaction, id| {
            transaction.scan(id, convert::range(range), direction, limit as usize)
        })
    }
}

impl wire::GuestStore for Store {
    fn get(&self, key: Vec<u8>) -> Result<Option<Vec<u8>>> {
        let found = self.with(|transaction, id| transaction.get(id, &key))?;
        Ok(found.map(transaction::Found::into_vec))
    }

    fn get_many(&self, keys: Vec<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>> {
        let found =
            self.with(|transaction, id| transaction.get_many(id, keys.iter().map(Vec::as_slice)))?;
        Ok(found
            .into_iter()
            .map(|value| value.map(transaction::Found::into_vec))
            .collect())
    }

    fn get_many_packed(&self, keys: types::Packed) -> Result<types::Packed> {
        let (bytes, ends) = convert::unpack(&keys).map_err(convert::error)?;
        let strings = convert::strings(&bytes, &ends);
        let found = self.with(|transaction, id| transaction.get_many(id, strings))?;
        Ok(convert::packed_values(&found))
    }

    fn contains(&self, key: Vec<u8>) -> Result<bool> {
        self.with(|transaction, id| transaction.contains(id, &key))
    }

    fn insert(&self, key: Vec<u8>, value: Vec<u8>) -> Result<()> {
        self.with(|transaction, id| transaction.insert(id, &key, &value))
    }

    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> Result<()> {
        self.with(|transaction, id| transaction.put(id, &key, &value))
    }

    fn put_many(&self, items: Vec<types::Item>) -> Result<()> {
        if items.len() > limits::BATCH_ITEMS_MAX {
            return Err(convert::error(Error::limit(
                "items of a put-many",
                limits::BATCH_ITEMS_MAX,
            )));
        }
        self.with(|transaction, id| {
            items
                .iter()
                .try_for_each(|item| transaction.put(id, &item.key, &item.value))
        })
    }

    fn update(&self, key: Vec<u8>, value: Vec<u8>) -> Result<()> {
        self.with(|transaction, id| transaction.update(id, &key, &value))
    }

    fn remove(&self, key: Vec<u8>) -> Result<bool> {
        self.with(|transaction, id| transaction.remove(id, &key))
    }

    fn remove_range(&self, range: types::Range) -> Result<u64> {
        self.with(|transaction, id| transaction.remove_range(id, convert::range(&range)))
    }

    fn count(&self) -> Result<u64> {
        self.with(|transaction, id| transaction.count(id))
    }

    fn first(&self) -> Result<Option<types::Item>> {
        self.edge(crate::tree::Direction::Ascending)
    }

    fn last(&self) -> Result<Option<types::Item>> {
        self.edge(crate::tree::Direction::Descending)
    }

    fn scan(
        &self,
        range: types::Range,
        direction: types::Direction,
        limit: u32,
    ) -> Result<Vec<types::Item>> {
        self.scan_items(&range, direction, limit)
            .map(convert::items)
    }

    fn scan_packed(
        &self,
        range: types::Range,
        direction: types::Direction,
        limit: u32,
    ) -> Result<types::Packed> {
        self.scan_items(&range, direction, limit)
            .map(|items| convert::packed_items(&items))
    }

    fn open_cursor(
        &self,
        range: types::Range,
        direction: types::Direction,
    ) -> Result<wire::Cursor> {
        // Opening fails as a first read would, so that the error comes where its cause is.
        self.with(|transaction, id| transaction.check_readable(id))?;
        if self.cursors.get() >= limits::CURSORS_MAX {
            return Err(convert::error(Error::limit(
                "open cursors of a transaction",
                limits::CURSORS_MAX,
            )));
        }
        self.cursors.set(self.cursors.get() + 1);
        Ok(wire::Cursor::new(Cursor {
            shared: Rc::clone(&self.shared),
            cursors: Rc::clone(&self.cursors),
            store: self.id,
            direction: convert::direction(direction),
            range: RefCell::new(range),
        }))
    }
}

impl Cursor {
    fn batch(&self, max: u32) -> Result<Items> {
        let mut range = self.range.borrow_mut();
        let items = self
            .shared
            .borrow_mut()
            .scan_batch(
                self.store,
                convert::range(&range),
                self.direction,
                max as usize,
            )
            .map_err(convert::error)?;
        if let Some(key) = items.last_key() {
            let passed = types::Bound::Excluded(key.to_vec());
            match self.direction {
                crate::tree::Direction::Ascending => range.lower = passed,
                crate::tree::Direction::Descending => range.upper = passed,
            }
        }
        Ok(items)
    }
}

impl wire::GuestCursor for Cursor {
    fn next(&self, max: u32) -> Result<Vec<types::Item>> {
        self.batch(max).map(convert::items)
    }

    fn next_packed(&self, max: u32) -> Result<types::Packed> {
        self.batch(max).map(|items| convert::packed_items(&items))
    }
}
