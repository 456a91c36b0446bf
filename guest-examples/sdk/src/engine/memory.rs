//! The engine's stand-in for native builds: a database in the memory of the thread, so that a
//! plugin's own tests run as plain `cargo test`.
//!
//! A transaction works on a copy of all stores and commits if no other has committed since it
//! began. That is coarser than the engine, which lets transactions on different keys both commit; a
//! plugin that is right here is right there. [`testing`](crate::testing) makes commits fail on
//! purpose.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::rc::Rc;

use crate::error::{Error, Result, TransactionId};
use crate::packed::Packed;
use crate::range::KeyRange;
use crate::testing::CommitFault;
use crate::types::{CommitInfo, Direction, Isolation, Item, StoreInfo, TransactionOutcome};

type Items = BTreeMap<Vec<u8>, Vec<u8>>;
type Stores = BTreeMap<String, (u64, Rc<Items>)>;

#[derive(Default)]
struct Database {
    /// All versions, oldest first; the first is empty.
    versions: Vec<Stores>,
    stores_created: u64,
    faults: VecDeque<CommitFault>,
    outcomes: Vec<TransactionOutcome>,
}

impl Database {
    fn version(&self) -> usize {
        self.versions.len()
    }

    fn at(&self, version: usize) -> Stores {
        version
            .checked_sub(1)
            .and_then(|index| self.versions.get(index))
            .cloned()
            .unwrap_or_default()
    }
}

thread_local! {
    static DATABASE: RefCell<Database> = RefCell::default();
}

pub(crate) fn reset() {
    DATABASE.with_borrow_mut(|database| *database = Database::default());
}

pub(crate) fn fail_commits(faults: impl IntoIterator<Item = CommitFault>) {
    DATABASE.with_borrow_mut(|database| database.faults.extend(faults));
}

struct Session {
    isolation: Isolation,
    version: usize,
    stores: Stores,
    written: bool,
    savepoints: Vec<(String, Stores)>,
    ended: bool,
}

#[derive(Clone)]
pub(crate) struct Transaction(Rc<RefCell<Session>>);

pub(crate) struct Store {
    transaction: Transaction,
    name: String,
    id: u64,
}

pub(crate) struct Cursor {
    store: Store,
    rest: RefCell<KeyRange>,
    direction: Direction,
}

impl Transaction {
    pub fn begin(isolation: Isolation) -> Result<Self> {
        let version = DATABASE.with_borrow(Database::version);
        Ok(Self::new(isolation, version))
    }

    pub fn begin_at(version: u64) -> Result<Self> {
        let newest = DATABASE.with_borrow(Database::version);
        match usize::try_from(version) {
            Ok(version) if version <= newest => Ok(Self::new(Isolation::Snapshot, version)),
            _ => Err(Error::Invalid("that version is not there yet".to_owned())),
        }
    }

    fn new(isolation: Isolation, version: usize) -> Self {
        let stores = DATABASE.with_borrow(|database| database.at(version));
        let (savepoints, written, ended) = (Vec::new(), false, false);
        Self(Rc::new(RefCell::new(Session {
            isolation,
            version,
            stores,
            written,
            savepoints,
            ended,
        })))
    }

    fn read<T>(&self, call: impl FnOnce(&Session) -> Result<T>) -> Result<T> {
        let session = self.0.borrow();
        if session.ended {
            Err(Error::Ended)
        } else {
            call(&session)
        }
    }

    fn write<T>(&self, call: impl FnOnce(&mut Session) -> Result<T>) -> Result<T> {
        let mut session = self.0.borrow_mut();
        if session.ended {
            return Err(Error::Ended);
        }
        if session.isolation == Isolation::Snapshot {
            return Err(Error::ReadOnly);
        }
        session.written = true;
        call(&mut session)
    }

    fn store(&self, name: &str, id: u64) -> Store {
        Store {
            transaction: self.clone(),
            name: name.to_owned(),
            id,
        }
    }

    pub fn version(&self) -> Result<u64> {
        self.read(|session| Ok(session.version as u64))
    }

    pub fn create_store(&self, name: &str) -> Result<Store> {
        self.write(|session| {
            if session.stores.contains_key(name) {
                return Err(Error::Exists(format!("the store `{name}`")));
            }
            let id = DATABASE.with_borrow_mut(|database| {
                database.stores_created += 1;
                database.stores_created
            });
            session.stores.insert(name.to_owned(), (id, Rc::default()));
            Ok(self.store(name, id))
        })
    }

    pub fn open_store(&self, name: &str) -> Result<Store> {
        self.read(|session| match session.stores.get(name) {
            Some((id, _)) => Ok(self.store(name, *id)),
            None => Err(Error::NotFound(format!("the store `{name}`"))),
        })
    }

    pub fn open_or_create_store(&self, name: &str) -> Result<Store> {
        match self.open_store(name) {
            Err(Error::NotFound(_)) => self.create_store(name),
            opened => opened,
        }
    }

    pub fn drop_store(&self, name: &str) -> Result<()> {
        self.write(|session| match session.stores.remove(name) {
            Some(_) => Ok(()),
            None => Err(Error::NotFound(format!("the store `{name}`"))),
        })
    }

    pub fn list_stores(&self) -> Result<Vec<StoreInfo>> {
        self.read(|session| {
            let stores = session.stores.iter();
            Ok(stores
                .map(|(name, (id, _))| StoreInfo {
                    name: name.clone(),
                    id: *id,
                })
                .collect())
        })
    }

    pub fn savepoint(&self, name: &str) -> Result<()> {
        let mut session = self.0.borrow_mut();
        if session.ended {
            return Err(Error::Ended);
        }
        let stores = session.stores.clone();
        session.savepoints.retain(|(known, _)| known != name);
        session.savepoints.push((name.to_owned(), stores));
        Ok(())
    }

    pub fn rollback_to(&self, name: &str) -> Result<()> {
        let mut session = self.0.borrow_mut();
        if session.ended {
            return Err(Error::Ended);
        }
        let Some(position) = session
            .savepoints
            .iter()
            .position(|(known, _)| known == name)
        else {
            return Err(Error::NotFound(format!("the savepoint `{name}`")));
        };
        session.savepoints.truncate(position + 1);
        session.stores = session
            .savepoints
            .last()
            .map(|(_, stores)| stores.clone())
            .unwrap_or_default();
        Ok(())
    }

    pub fn commit(&self) -> Result<CommitInfo> {
        let mut session = self.0.borrow_mut();
        if session.ended {
            return Err(Error::Ended);
        }
        session.ended = true;
        if !session.written {
            return Ok(CommitInfo {
                version: session.version as u64,
                revalidations: 0,
            });
        }
        DATABASE.with_borrow_mut(|database| {
            let fault = database.faults.pop_front();
            let applies = !matches!(
                fault,
                Some(CommitFault::Conflict | CommitFault::ReplyLostBefore)
            );
            if database.version() != session.version || fault == Some(CommitFault::Conflict) {
                return Err(Error::Conflict(Vec::new()));
            }
            if applies {
                database.versions.push(session.stores.clone());
            }
            let version = database.version() as u64;
            if fault.is_none() {
                return Ok(CommitInfo {
                    version,
                    revalidations: 0,
                });
            }
            let id = TransactionId {
                high: 0,
                low: database.outcomes.len() as u64,
            };
            database.outcomes.push(match applies {
                true => TransactionOutcome::Committed(version),
                false => TransactionOutcome::Aborted,
            });
            Err(Error::UnknownOutcome(id))
        })
    }

    pub fn rollback(&self) -> Result<()> {
        let mut session = self.0.borrow_mut();
        if std::mem::replace(&mut session.ended, true) {
            Err(Error::Ended)
        } else {
            Ok(())
        }
    }
}

impl Store {
    fn read<T>(&self, call: impl FnOnce(&Items) -> T) -> Result<T> {
        self.transaction
            .read(|session| match session.stores.get(&self.name) {
                Some((id, items)) if *id == self.id => Ok(call(items)),
                _ => Err(Error::NotFound(format!("the store `{}`", self.name))),
            })
    }

    fn write<T>(&self, key: &[u8], call: impl FnOnce(&mut Items) -> Result<T>) -> Result<T> {
        if !(1..=1024).contains(&key.len()) {
            return Err(Error::Invalid("a key has 1 to 1,024 bytes".to_owned()));
        }
        self.change(call)
    }

    fn change<T>(&self, call: impl FnOnce(&mut Items) -> Result<T>) -> Result<T> {
        self.transaction
            .write(|session| match session.stores.get_mut(&self.name) {
                Some((id, items)) if *id == self.id => call(Rc::make_mut(items)),
                _ => Err(Error::NotFound(format!("the store `{}`", self.name))),
            })
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.read(|items| items.get(key).cloned())
    }

    pub fn get_many(&self, keys: Packed) -> Result<Packed> {
        let keys = keys.unpack()?;
        self.read(|items| {
            Packed::pack(
                keys.iter()
                    .flatten()
                    .map(|key| items.get(key).map(Vec::as_slice)),
            )
        })
    }

    pub fn contains(&self, key: &[u8]) -> Result<bool> {
        self.read(|items| items.contains_key(key))
    }

    pub fn insert(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.write(key, |items| match items.contains_key(key) {
            true => Err(Error::Exists("the key".to_owned())),
            false => {
                items.insert(key.to_vec(), value.to_vec());
                Ok(())
            }
        })
    }

    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.write(key, |items| {
            items.insert(key.to_vec(), value.to_vec());
            Ok(())
        })
    }

    pub fn put_many(&self, items: Vec<Item>) -> Result<()> {
        items
            .iter()
            .try_for_each(|(key, value)| self.put(key, value))
    }

    pub fn update(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.write(key, |items| match items.get_mut(key) {
            Some(old) => {
                value.clone_into(old);
                Ok(())
            }
            None => Err(Error::NotFound("the key to update".to_owned())),
        })
    }

    pub fn remove(&self, key: &[u8]) -> Result<bool> {
        self.write(key, |items| Ok(items.remove(key).is_some()))
    }

    pub fn remove_range(&self, range: &KeyRange) -> Result<u64> {
        self.change(|items| {
            let before = items.len();
            items.retain(|key, _| !range.contains(key));
            Ok((before - items.len()) as u64)
        })
    }

    pub fn count(&self) -> Result<u64> {
        self.read(|items| items.len() as u64)
    }

    pub fn first(&self) -> Result<Option<Item>> {
        self.read(|items| {
            items
                .first_key_value()
                .map(|(key, value)| (key.clone(), value.clone()))
        })
    }

    pub fn last(&self) -> Result<Option<Item>> {
        self.read(|items| {
            items
                .last_key_value()
                .map(|(key, value)| (key.clone(), value.clone()))
        })
    }

    pub fn scan(&self, range: &KeyRange, direction: Direction, limit: u32) -> Result<Packed> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.read(|items| {
            let inside = items.iter().filter(|(key, _)| range.contains(key));
            let chosen: Vec<_> = match direction {
                Direction::Ascending => inside.take(limit).collect(),
                Direction::Descending => inside.rev().take(limit).collect(),
            };
            Packed::pack(
                chosen
                    .into_iter()
                    .flat_map(|(key, value)| [Some(key.as_slice()), Some(value.as_slice())]),
            )
        })
    }

    pub fn open_cursor(&self, range: &KeyRange, direction: Direction) -> Result<Cursor> {
        let store = self.read(|_| self.transaction.store(&self.name, self.id))?;
        Ok(Cursor {
            store,
            rest: RefCell::new(range.clone()),
            direction,
        })
    }
}

impl Cursor {
    pub fn next(&self, max: u32) -> Result<Packed> {
        let mut rest = self.rest.borrow_mut();
        let batch = self.store.scan(&rest, self.direction, max)?;
        if let Some((last, _)) = batch.items()?.pop() {
            match self.direction {
                Direction::Ascending => rest.lower = Bound::Excluded(last),
                Direction::Descending => rest.upper = Bound::Excluded(last),
            }
        }
        Ok(batch)
    }
}

pub(crate) fn outcome(id: TransactionId) -> Result<TransactionOutcome> {
    let known = DATABASE.with_borrow(|database| {
        usize::try_from(id.low)
            .ok()
            .and_then(|index| database.outcomes.get(index))
            .copied()
    });
    Ok(known.unwrap_or(TransactionOutcome::Unknown))
}
