//! What a checkpoint holds: one header, and one entry per logical id in the order of the ids.

use std::fmt::Debug;
use std::io;

use serde::{Deserialize, Serialize};
use sop_engine::types::{LogicalId, PhysicalId, TransactionId, Version};

/// What one logical id is, as of one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// A body: a base page, then deltas in the order of their application. Never empty.
    Chain(Vec<PhysicalId>),
    /// It ended.
    Removed,
    /// An item counter.
    Counter(i64),
}

/// One kept version of a logical id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryVersion {
    /// The version that published it.
    pub version: Version,
    /// What it was from then on.
    pub state: State,
}

/// Everything that is kept about one logical id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Whose entry this is.
    pub id: LogicalId,
    /// The ticket of the last writer: replay changes the entry only under a higher one.
    pub ticket: u64,
    /// Newest first, versions strictly descending. Never empty.
    pub versions: Vec<EntryVersion>,
}

/// A place in the log: everything before it is contained in the checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LogPosition {
    /// Number of the log file.
    pub file: u64,
    /// Offset in that file, in bytes.
    pub offset: u64,
}

/// What a checkpoint says about the whole database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The epoch it was taken in.
    pub epoch: u32,
    /// The first period whose segments it does not contain as a whole: recovery looks at those from here on.
    pub period: u32,
    /// The version whose state the entries are.
    pub version: Version,
    /// The oldest version that can be read from the entries.
    pub floor: Version,
    /// All tickets below are resolved: committed ones are contained, the others never happened.
    pub low_water: u64,
    /// Tickets at or above the low-water mark that are contained already. Ascending.
    pub contained: Vec<u64>,
    /// The next ticket to give out.
    pub next_ticket: u64,
    /// Commits whose outcome may still be asked for, oldest first.
    pub outcomes: Vec<(TransactionId, Version)>,
    /// Where replay of the log begins. The registry leaves this to the writer of the checkpoint.
    pub position: LogPosition,
}

/// A durable checkpoint, searched in place: what a registry in memory lies over.
pub trait Base: Debug + Send + Sync + 'static {
    /// What it says about the whole database.
    fn header(&self) -> &Header;
    /// The entry of one logical id.
    fn entry(&self, id: LogicalId) -> io::Result<Option<Entry>>;
    /// How many entries it has; 0 = it does not know.
    fn entries_count(&self) -> u64 {
        0
    }
    /// Up to `count` entries in the order of their ids, those after `after` (`None` = from the first).
    fn entries_after(&self, after: Option<LogicalId>, count: usize) -> io::Result<Vec<Entry>>;
}

/// Entries in memory, in the order of their ids.
#[derive(Debug)]
pub struct EntryList {
    header: Header,
    entries: Vec<Entry>,
}

impl EntryList {
    /// Some entries in the order of their ids, each id once.
    pub fn new(header: Header, entries: Vec<Entry>) -> Self {
        Self { header, entries }
    }
}

impl Base for EntryList {
    fn header(&self) -> &Header {
        &self.header
    }

    fn entry(&self, id: LogicalId) -> io::Result<Option<Entry>> {
        let found = self.entries.binary_search_by_key(&id, |entry| entry.id);
        let entry = found.ok().and_then(|index| self.entries.get(index));
        Ok(entry.cloned())
    }

    fn entries_count(&self) -> u64 {
        self.entries.len() as u64
    }

    fn entries_after(&self, after: Option<LogicalId>, count: usize) -> io::Result<Vec<Entry>> {
        let first = after.map_or(0, |after| {
            self.entries.partition_point(|entry| entry.id <= after)
        });
        let entries = self.entries.iter().skip(first);
        Ok(entries.take(count).cloned().collect())
    }
}
