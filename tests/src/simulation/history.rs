//! What clients did and saw, as they saw it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use sop_engine::types::{TransactionId, TransactionOutcome, Version};

/// A key: number of the store, bytes.
pub type Key = (u8, Vec<u8>);

/// One operation and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A point read.
    Get(Key, Option<Vec<u8>>),
    /// Up to so many items from the first key on, up to but without the second.
    Scan {
        /// The store.
        store: u8,
        /// The first key.
        from: Vec<u8>,
        /// The end.
        to: Vec<u8>,
        /// From the end.
        descending: bool,
        /// Most items.
        limit: usize,
        /// What was found.
        found: Vec<(Vec<u8>, Vec<u8>)>,
    },
    /// The number of items of a store.
    Count(u8, u64),
    /// An upsert.
    Put(Key, Vec<u8>),
    /// An insert, and whether the key was absent.
    Insert(Key, Vec<u8>, bool),
    /// An update, and whether the key was present.
    Update(Key, Vec<u8>, bool),
    /// A removal, and whether the key was present.
    Remove(Key, bool),
    /// A removal of a range, and how many keys it had.
    RemoveRange(u8, Vec<u8>, Vec<u8>, u64),
    /// Drops every write so far.
    Restart,
}

/// What a commit answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// None yet, and perhaps never: its client may be gone.
    Open,
    /// Committed under this version.
    Committed(Version),
    /// Certainly not committed.
    Refused(String),
    /// Not known.
    Unknown,
}

/// One call of the storage's `commit`.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Its id.
    pub id: TransactionId,
    /// Whether it changed anything.
    pub changes: bool,
    /// What it answered.
    pub answer: Answer,
}

/// One transaction.
#[derive(Clone, Debug)]
pub struct Record {
    /// Number of the client.
    pub client: usize,
    /// When it began.
    pub begin: u64,
    /// When its client learned how it ended; `u64::MAX` = never.
    pub end: u64,
    /// The version it read at.
    pub version: Option<Version>,
    /// Whether it only reads one version.
    pub snapshot: bool,
    /// What it did.
    pub operations: Vec<Operation>,
    /// Its commits.
    pub attempts: Vec<Attempt>,
    /// What its client was told.
    pub answer: Answer,
    /// What clients learned by asking later.
    pub asked: BTreeMap<TransactionId, TransactionOutcome>,
}

impl Record {
    /// The commit whose outcome nobody knows.
    pub fn unknown(&self) -> Option<TransactionId> {
        let last = self.attempts.last()?;
        let unknown = matches!(last.answer, Answer::Unknown | Answer::Open);
        (unknown && !self.asked.contains_key(&last.id)).then_some(last.id)
    }
}

/// Everything that clients did.
#[derive(Debug, Default)]
pub struct History {
    records: RefCell<Vec<Record>>,
    moment: std::cell::Cell<u64>,
}

impl History {
    /// The next moment.
    pub fn moment(&self) -> u64 {
        self.moment.set(self.moment.get() + 1);
        self.moment.get()
    }

    /// A transaction begins.
    pub fn begin(&self, client: usize, snapshot: bool) -> usize {
        let begin = self.moment();
        let mut records = self.records.borrow_mut();
        records.push(Record {
            client,
            begin,
            end: u64::MAX,
            version: None,
            snapshot,
            operations: Vec::new(),
            attempts: Vec::new(),
            answer: Answer::Open,
            asked: BTreeMap::new(),
        });
        records.len() - 1
    }

    /// Changes one record.
    pub fn edit<T>(&self, index: usize, edit: impl FnOnce(&mut Record) -> T) -> T {
        edit(&mut self.records.borrow_mut()[index])
    }

    /// A transaction ended.
    pub fn end(&self, index: usize, answer: Answer) {
        let end = self.moment();
        self.edit(index, |record| {
            record.end = end;
            record.answer = answer;
        });
    }

    /// A copy of all records.
    pub fn records(&self) -> Vec<Record> {
        self.records.borrow().clone()
    }

    /// The commits whose outcome is not known, with their records.
    pub fn unknown(&self) -> BTreeMap<usize, TransactionId> {
        let records = self.records.borrow();
        let all = records.iter().enumerate();
        all.filter_map(|(index, record)| Some((index, record.unknown()?)))
            .collect()
    }
}
