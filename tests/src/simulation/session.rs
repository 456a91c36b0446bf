//! One client: its engine, its transactions, written down as they happen.

use std::cell::{Cell, RefCell};
use std::ops::Bound;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::StdRng;
use sop_engine::error::{Error, Result};
use sop_engine::storage::{Storage, StorageError};
use sop_engine::store::Engine;
use sop_engine::transaction::{Isolation, Range, Transaction};
use sop_engine::tree::Direction;
use sop_engine::types::{
    Access, Change, ChangeKind, CommitOutcome, Counter, Handle, LogicalId, Observation, PhysicalId,
    ReadPoint, TransactionId, TransactionOutcome, Version,
};
use sop_host::storage as host;

use super::fiber::Baton;
use super::history::{Answer, Attempt, History, Key, Operation};
use super::scheduler::Scheduler;

/// The two imports of an engine that runs on a fiber.
#[derive(Debug)]
pub struct FiberStorage<'y> {
    baton: &'y Baton<'y>,
    storage: host::Storage,
    history: Rc<History>,
    current: Cell<Option<usize>>,
}

impl FiberStorage<'_> {
    /// The host's storage.
    pub const fn host(&self) -> &host::Storage {
        &self.storage
    }
}

fn owned(change: &Change<'_, Arc<host::Spilled>>) -> host::Change {
    let kind = match &change.kind {
        ChangeKind::Put(body) => host::ChangeKind::Put(Bytes::copy_from_slice(body)),
        ChangeKind::PutSpilled(spilled) => host::ChangeKind::PutSpilled(Arc::clone(spilled)),
        ChangeKind::Delta(body) => host::ChangeKind::Delta(Bytes::copy_from_slice(body)),
        ChangeKind::Add(amount) => host::ChangeKind::Add(*amount),
        ChangeKind::Remove => host::ChangeKind::Remove,
    };
    host::Change {
        id: change.id,
        kind,
    }
}

type Stored<T> = std::result::Result<T, StorageError>;

impl Storage for FiberStorage<'_> {
    type Spilled = Arc<host::Spilled>;

    fn now(&self, at: Option<Version>) -> Stored<ReadPoint> {
        self.baton.block_on(self.storage.now(at))
    }

    fn release(&self, at: Version) {
        self.storage.release(at);
    }

    fn resolve(&self, ids: &[LogicalId], at: Version) -> Stored<Vec<Option<Handle>>> {
        self.baton.block_on(self.storage.resolve(ids, at))
    }

    fn counters(&self, ids: &[LogicalId], at: Version) -> Stored<Vec<Counter>> {
        self.baton.block_on(self.storage.counters(ids, at))
    }

    fn allocate(&self, store: u64, count: u32) -> Stored<Vec<LogicalId>> {
        Ok(self.storage.allocate(store, count))
    }

    fn allocate_store(&self, _: &[u8]) -> Stored<u64> {
        Ok(self.storage.allocate_store())
    }

    fn granted(&self, names: &[&[u8]]) -> Vec<Access> {
        let all = Access {
            read: true,
            write: true,
            create: true,
        };
        vec![all; names.len()]
    }

    fn commit(
        &self,
        observed: &[Observation],
        changes: &[Change<'_, Self::Spilled>],
        attempt: u32,
    ) -> Stored<CommitOutcome> {
        let id = self.storage.transaction_id();
        let place = self.current.get().map(|record| {
            self.history.edit(record, |record| {
                record.attempts.push(Attempt {
                    id,
                    changes: !changes.is_empty(),
                    answer: Answer::Open,
                });
                record.attempts.len() - 1
            })
        });
        let changes = changes.iter().map(owned).collect();
        let commit = self.storage.commit(id, observed.to_vec(), changes, attempt);
        let outcome = self.baton.block_on(commit);
        let answer = match &outcome {
            Ok(CommitOutcome::Committed(version, _)) => Answer::Committed(*version),
            Ok(CommitOutcome::Conflict(_)) => Answer::Refused("conflict".to_owned()),
            Err(StorageError::UnknownOutcome(_)) => Answer::Unknown,
            Err(error) => Answer::Refused(error.to_string()),
        };
        if let (Some(record), Some(place)) = (self.current.get(), place) {
            self.history
                .edit(record, |record| record.attempts[place].answer = answer);
        }
        outcome
    }

    fn outcome(&self, id: TransactionId) -> Stored<TransactionOutcome> {
        self.baton.block_on(self.storage.outcome(id))
    }

    fn get(&self, ids: &[PhysicalId]) -> Stored<Vec<Vec<u8>>> {
        let bodies = self.baton.block_on(self.storage.get(ids))?;
        Ok(bodies.into_iter().map(|body| body.to_vec()).collect())
    }

    fn spill(&self, id: LogicalId, body: &[u8]) -> Stored<Self::Spilled> {
        let body = Bytes::copy_from_slice(body);
        let spilled = self.baton.block_on(self.storage.spill(id, body))?;
        Ok(Arc::new(spilled))
    }

    fn place(&self, spilled: &Self::Spilled) -> PhysicalId {
        spilled.id
    }
}

/// Name of a store of the workloads.
pub fn store_name(store: u8) -> String {
    format!("store-{store}")
}

/// One client.
pub struct Session<'y> {
    /// Its number.
    pub client: usize,
    /// Its engine.
    pub engine: Rc<Engine<FiberStorage<'y>>>,
    /// Its random numbers.
    pub random: RefCell<StdRng>,
    baton: &'y Baton<'y>,
    history: Rc<History>,
    scheduler: Arc<Scheduler>,
}

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "client {}", self.client)
    }
}

impl<'y> Session<'y> {
    /// A client with an engine of its own on a host's storage.
    pub fn new(
        client: usize,
        random: StdRng,
        (baton, storage): (&'y Baton<'y>, host::Storage),
        history: &Rc<History>,
        scheduler: &Arc<Scheduler>,
        spill_bytes: usize,
    ) -> Self {
        let storage = FiberStorage {
            baton,
            storage,
            history: Rc::clone(history),
            current: Cell::new(None),
        };
        Self {
            client,
            engine: Rc::new(Engine::new(storage).with_spill_bytes(spill_bytes)),
            random: RefCell::new(random),
            baton,
            history: Rc::clone(history),
            scheduler: Arc::clone(scheduler),
        }
    }

    /// Lets time pass.
    pub fn sleep(&self, duration: Duration) {
        self.baton.block_on(self.scheduler.sleep(duration));
    }

    /// Waits for a call of the host.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.baton.block_on(future)
    }

    /// Runs one transaction and writes down what happened.
    pub fn transact<T>(
        &self,
        isolation: Isolation,
        body: impl FnOnce(&mut Recorded<'_, 'y>) -> Result<T>,
    ) -> Result<T> {
        let snapshot = isolation == Isolation::Snapshot;
        let record = self.history.begin(self.client, snapshot);
        self.engine.storage.current.set(Some(record));
        let result = self.carry_out(record, isolation, body);
        self.engine.storage.current.set(None);
        let answer = match &result {
            Ok((_, version)) => Answer::Committed(*version),
            Err(Error::UnknownOutcome(_)) => Answer::Unknown,
            Err(error) => Answer::Refused(error.to_string()),
        };
        let word = match &answer {
            Answer::Committed(version) => *version,
            Answer::Unknown => 1,
            _ => 2,
        };
        self.scheduler.note(&[self.client as u64, word]);
        self.history.end(record, answer);
        result.map(|(value, _)| value)
    }

    fn carry_out<T>(
        &self,
        record: usize,
        isolation: Isolation,
        body: impl FnOnce(&mut Recorded<'_, 'y>) -> Result<T>,
    ) -> Result<(T, Version)> {
        let transaction = Transaction::begin(&self.engine, isolation)?;
        let version = transaction.version()?;
        self.history
            .edit(record, |record| record.version = Some(version));
        let mut recorded = Recorded {
            session: self,
            transaction,
            record,
        };
        let value = body(&mut recorded)?;
        let info = recorded.transaction.commit()?;
        Ok((value, info.version))
    }

    /// Asks what became of commits of unknown outcome; answers how many stay unknown.
    pub fn ask(&self) -> usize {
        let mut open = 0;
        for (record, id) in self.history.unknown() {
            match self.engine.storage.outcome(id) {
                Ok(outcome @ (TransactionOutcome::Committed(_) | TransactionOutcome::Aborted)) => {
                    self.history
                        .edit(record, |record| record.asked.insert(id, outcome));
                }
                Ok(_) | Err(_) => open += 1,
            }
        }
        open
    }
}

/// A transaction that writes down what it does and sees.
pub struct Recorded<'s, 'y> {
    session: &'s Session<'y>,
    /// The transaction itself.
    pub transaction: Transaction<FiberStorage<'y>>,
    record: usize,
}

impl std::fmt::Debug for Recorded<'_, '_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "record {}", self.record)
    }
}

impl Recorded<'_, '_> {
    fn note(&self, operation: Operation) {
        let history = &self.session.history;
        history.edit(self.record, |record| record.operations.push(operation));
    }

    fn open(&mut self, store: u8) -> Result<u64> {
        self.transaction.open_store(&store_name(store))
    }

    /// A point read.
    pub fn get(&mut self, store: u8, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let id = self.open(store)?;
        let found = self.transaction.get(id, key)?;
        let found = found.map(|value| value.into_vec());
        self.note(Operation::Get((store, key.to_vec()), found.clone()));
        Ok(found)
    }

    /// Items of a range.
    pub fn scan(
        &mut self,
        store: u8,
        (from, to): (&[u8], &[u8]),
        descending: bool,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let id = self.open(store)?;
        let direction = match descending {
            true => Direction::Descending,
            false => Direction::Ascending,
        };
        let items = self
            .transaction
            .scan(id, range(from, to), direction, limit)?;
        let found: Vec<_> = items.into_pairs().collect();
        self.note(Operation::Scan {
            store,
            from: from.to_vec(),
            to: to.to_vec(),
            descending,
            limit,
            found: found.clone(),
        });
        Ok(found)
    }

    /// The number of items.
    pub fn count(&mut self, store: u8) -> Result<u64> {
        let id = self.open(store)?;
        let count = self.transaction.count(id)?;
        self.note(Operation::Count(store, count));
        Ok(count)
    }

    /// An upsert.
    pub fn put(&mut self, store: u8, key: &[u8], value: &[u8]) -> Result<()> {
        let id = self.open(store)?;
        self.transaction.put(id, key, value)?;
        self.note(Operation::Put((store, key.to_vec()), value.to_vec()));
        Ok(())
    }

    /// An insert; answers whether the key was absent.
    pub fn insert(&mut self, store: u8, key: &[u8], value: &[u8]) -> Result<bool> {
        let id = self.open(store)?;
        let inserted = match self.transaction.insert(id, key, value) {
            Ok(()) => true,
            Err(Error::Exists(_)) => false,
            Err(error) => return Err(error),
        };
        self.note(Operation::Insert(
            named(store, key),
            value.to_vec(),
            inserted,
        ));
        Ok(inserted)
    }

    /// An update; answers whether the key was present.
    pub fn update(&mut self, store: u8, key: &[u8], value: &[u8]) -> Result<bool> {
        let id = self.open(store)?;
        let updated = match self.transaction.update(id, key, value) {
            Ok(()) => true,
            Err(Error::NotFound(_)) => false,
            Err(error) => return Err(error),
        };
        self.note(Operation::Update(
            named(store, key),
            value.to_vec(),
            updated,
        ));
        Ok(updated)
    }

    /// A removal; answers whether the key was present.
    pub fn remove(&mut self, store: u8, key: &[u8]) -> Result<bool> {
        let id = self.open(store)?;
        let removed = self.transaction.remove(id, key)?;
        self.note(Operation::Remove(named(store, key), removed));
        Ok(removed)
    }

    /// A removal of a range.
    pub fn remove_range(&mut self, store: u8, from: &[u8], to: &[u8]) -> Result<u64> {
        let id = self.open(store)?;
        let removed = self.transaction.remove_range(id, range(from, to))?;
        self.note(Operation::RemoveRange(
            store,
            from.to_vec(),
            to.to_vec(),
            removed,
        ));
        Ok(removed)
    }

    /// Sets a mark before the first write.
    pub fn mark(&mut self) -> Result<()> {
        self.transaction.savepoint("first")
    }

    /// Drops every write since the mark.
    pub fn restart(&mut self) -> Result<()> {
        self.transaction.rollback_to("first")?;
        self.note(Operation::Restart);
        Ok(())
    }
}

fn named(store: u8, key: &[u8]) -> Key {
    (store, key.to_vec())
}

fn range<'a>(from: &'a [u8], to: &'a [u8]) -> Range<'a> {
    Range {
        lower: Bound::Included(from),
        upper: Bound::Excluded(to),
    }
}
