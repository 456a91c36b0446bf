//! A storage for tests: every version of everything, in one thread, with the checks that a real host makes.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation
)]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::storage::{Storage, StorageError};
use crate::types::{
    Access, Change, ChangeKind, CommitOutcome, Counter, Handle, LogicalId, Observation, PhysicalId,
    ReadPoint, TransactionId, TransactionOutcome, Version,
};

/// What is stored. Shared by the storages of several engines.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) version: Version,
    handles: BTreeMap<LogicalId, Vec<(Version, Vec<PhysicalId>)>>,
    counters: BTreeMap<LogicalId, Vec<(Version, i64)>>,
    pub(crate) blobs: BTreeMap<PhysicalId, Vec<u8>>,
    next: u64,
    pub(crate) registered: BTreeMap<Version, usize>,
    pub(crate) publishing: Option<Vec<LogicalId>>,
    /// Calls by name.
    pub(crate) calls: BTreeMap<&'static str, usize>,
    /// Answered by the next commits instead of what they would come to.
    pub(crate) failures: Vec<StorageError>,
    /// So many of the next calls of `get` fail.
    pub(crate) failing_gets: usize,
    /// Names that are not granted.
    pub(crate) denied: BTreeSet<Vec<u8>>,
    /// Run before the next commits: someone else commits first.
    pub(crate) attempts: Vec<u32>,
}

/// The storage of one engine.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryStorage(pub(crate) Rc<RefCell<State>>);

/// A body that was written ahead.
#[derive(Debug)]
pub(crate) struct Spilled(PhysicalId);

impl State {
    fn count(&mut self, call: &'static str) {
        *self.calls.entry(call).or_default() += 1;
    }

    fn store(&mut self, body: &[u8]) -> PhysicalId {
        self.next += 1;
        let id = PhysicalId {
            segment: (0, self.next),
            offset: 0,
            length: body.len() as u32,
        };
        self.blobs.insert(id, body.to_vec());
        id
    }

    fn version_of(&self, id: LogicalId) -> Version {
        if id.node == LogicalId::COUNTER {
            return self
                .counters
                .get(&id)
                .and_then(|all| all.last())
                .map_or(0, |(version, _)| *version);
        }
        match self.handles.get(&id).and_then(|all| all.last()) {
            Some((version, chain)) if !chain.is_empty() => *version,
            _ => 0,
        }
    }

    /// All logical ids that exist now.
    pub(crate) fn live(&self) -> BTreeSet<LogicalId> {
        self.handles
            .keys()
            .copied()
            .filter(|id| self.version_of(*id) != 0)
            .collect()
    }

    fn apply(&mut self, version: Version, change: &Change<'_, Spilled>) -> Option<Handle> {
        let id = change.id;
        let before = self
            .handles
            .get(&id)
            .and_then(|all| all.last())
            .map(|(_, chain)| chain.clone());
        let chain = match &change.kind {
            ChangeKind::Put(body) => vec![self.store(body)],
            ChangeKind::PutSpilled(spilled) => vec![spilled.0],
            ChangeKind::Delta(body) => {
                let mut chain = before.unwrap();
                chain.push(self.store(body));
                chain
            }
            ChangeKind::Add(amount) => {
                let all = self.counters.entry(id).or_default();
                let value = all.last().map_or(0, |(_, value)| *value) + amount;
                all.push((version, value));
                return None;
            }
            ChangeKind::Remove if id.node == LogicalId::COUNTER => {
                self.counters.remove(&id);
                return None;
            }
            ChangeKind::Remove => {
                self.handles
                    .entry(id)
                    .or_default()
                    .push((version, Vec::new()));
                return None;
            }
        };
        self.handles
            .entry(id)
            .or_default()
            .push((version, chain.clone()));
        Some(Handle { version, chain })
    }
}

impl Storage for MemoryStorage {
    type Spilled = Spilled;

    fn now(&self, at: Option<Version>) -> Result<ReadPoint, StorageError> {
        let mut state = self.0.borrow_mut();
        state.count("now");
        let version = at.unwrap_or(state.version);
        *state.registered.entry(version).or_default() += 1;
        let publishing = Some(state.publishing.clone().unwrap_or_default());
        Ok(ReadPoint {
            version,
            publishing,
        })
    }

    fn release(&self, at: Version) {
        let mut state = self.0.borrow_mut();
        let count = state.registered.get_mut(&at).unwrap();
        *count -= 1;
        if *count == 0 {
            state.registered.remove(&at);
        }
    }

    fn resolve(&self, ids: &[LogicalId], at: Version) -> Result<Vec<Option<Handle>>, StorageError> {
        let mut state = self.0.borrow_mut();
        state.count("resolve");
        assert!(
            state.registered.contains_key(&at),
            "reads are at registered versions"
        );
        let find = |id: &LogicalId| {
            let all = state.handles.get(id)?;
            let (version, chain) = all.iter().rev().find(|(version, _)| *version <= at)?;
            (!chain.is_empty()).then(|| Handle {
                version: *version,
                chain: chain.clone(),
            })
        };
        Ok(ids.iter().map(find).collect())
    }

    fn counters(&self, ids: &[LogicalId], at: Version) -> Result<Vec<Counter>, StorageError> {
        let mut state = self.0.borrow_mut();
        state.count("counters");
        let find = |id: &LogicalId| {
            let found = state
                .counters
                .get(id)
                .and_then(|all| all.iter().rev().find(|(version, _)| *version <= at));
            let (version, value) = found.copied().unwrap_or_default();
            Counter { value, version }
        };
        Ok(ids.iter().map(find).collect())
    }

    fn allocate(&self, store: u64, count: u32) -> Result<Vec<LogicalId>, StorageError> {
        let mut state = self.0.borrow_mut();
        state.count("allocate");
        let ids = (0..count).map(|_| {
            state.next += 1;
            LogicalId::new(store, state.next + 100)
        });
        Ok(ids.collect())
    }

    fn allocate_store(&self, _: &[u8]) -> Result<u64, StorageError> {
        let mut state = self.0.borrow_mut();
        state.next += 1;
        Ok(state.next + 1_000)
    }

    fn granted(&self, names: &[&[u8]]) -> Vec<Access> {
        let state = self.0.borrow();
        let access = |name: &&[u8]| match state.denied.contains(*name) {
            true => Access::default(),
            false => Access {
                read: true,
                write: true,
                create: true,
            },
        };
        names.iter().map(access).collect()
    }

    fn commit(
        &self,
        observed: &[Observation],
        changes: &[Change<'_, Spilled>],
        attempt: u32,
    ) -> Result<CommitOutcome, StorageError> {
        let mut state = self.0.borrow_mut();
        state.count("commit");
        state.attempts.push(attempt);
        if let Some(failure) = state.failures.pop() {
            return Err(failure);
        }
        let changed: Vec<_> = observed
            .iter()
            .filter(|seen| state.version_of(seen.id) != seen.version)
            .map(|seen| seen.id)
            .collect();
        if !changed.is_empty() {
            return Ok(CommitOutcome::Conflict(changed));
        }
        let seen: BTreeSet<_> = observed.iter().map(|seen| seen.id).collect();
        let mut ids = BTreeSet::new();
        for change in changes {
            assert!(ids.insert(change.id), "no id twice: {}", change.id);
            let fresh = !state.handles.contains_key(&change.id);
            let add = matches!(change.kind, ChangeKind::Add(_));
            assert!(
                add || fresh || seen.contains(&change.id),
                "{} was not observed",
                change.id
            );
        }
        if changes.is_empty() {
            return Ok(CommitOutcome::Committed(state.version, Vec::new()));
        }
        state.version += 1;
        let version = state.version;
        let handles = changes
            .iter()
            .map(|change| state.apply(version, change))
            .collect();
        Ok(CommitOutcome::Committed(version, handles))
    }

    fn outcome(&self, _: TransactionId) -> Result<TransactionOutcome, StorageError> {
        Ok(TransactionOutcome::Unknown)
    }

    fn get(&self, ids: &[PhysicalId]) -> Result<Vec<Vec<u8>>, StorageError> {
        let mut state = self.0.borrow_mut();
        state.count("get");
        if state.failing_gets > 0 {
            state.failing_gets -= 1;
            return Err(StorageError::Unavailable("once".into()));
        }
        let find = |id: &PhysicalId| {
            state
                .blobs
                .get(id)
                .cloned()
                .ok_or(StorageError::Missing(*id))
        };
        ids.iter().map(find).collect()
    }

    fn spill(&self, _: LogicalId, body: &[u8]) -> Result<Spilled, StorageError> {
        let mut state = self.0.borrow_mut();
        state.count("spill");
        Ok(Spilled(state.store(body)))
    }

    fn place(&self, spilled: &Spilled) -> PhysicalId {
        spilled.0
    }
}
