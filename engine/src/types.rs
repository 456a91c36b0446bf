//! The data that crosses the storage boundary: the Rust form of `sop:storage/types`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Names a node, a value blob or a store's item counter, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogicalId {
    /// The store it belongs to; 0 is the catalog.
    pub store: u64,
    /// Which node of that store: [`LogicalId::COUNTER`], [`LogicalId::ROOT`] or an allocated one.
    pub node: u64,
}

impl LogicalId {
    /// The `node` part of a store's item counter.
    pub const COUNTER: u64 = 0;
    /// The `node` part of the root of a store's tree.
    pub const ROOT: u64 = 1;
    /// The store that holds the catalog.
    pub const CATALOG: u64 = 0;

    /// The id of one node.
    pub const fn new(store: u64, node: u64) -> Self {
        Self { store, node }
    }

    /// The root of a store's tree.
    pub const fn root(store: u64) -> Self {
        Self::new(store, Self::ROOT)
    }

    /// The item counter of a store.
    pub const fn counter(store: u64) -> Self {
        Self::new(store, Self::COUNTER)
    }
}

impl fmt::Display for LogicalId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}:{:016x}", self.store, self.node)
    }
}

/// Where one immutable blob lies. Opaque here: compared and handed back, nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PhysicalId {
    /// Identity of the segment.
    pub segment: (u64, u64),
    /// Offset of the body inside the segment, in bytes.
    pub offset: u32,
    /// Length of the body, in bytes.
    pub length: u32,
}

impl fmt::Display for PhysicalId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (high, low) = self.segment;
        write!(
            formatter,
            "{high:016x}{low:016x}+{}:{}",
            self.offset, self.length
        )
    }
}

/// Grows with every published transaction; 0 = nothing was there.
pub type Version = u64;

/// The current body of a logical id, as of some version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handle {
    /// The version that published it.
    pub version: Version,
    /// A base page, then deltas in the order of their application. Never empty.
    pub chain: Vec<PhysicalId>,
}

/// An item counter, as of some version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Its value.
    pub value: i64,
    /// The version that last changed it; 0 if nothing ever did.
    pub version: Version,
}

/// Identifies one commit attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TransactionId {
    /// Upper half.
    pub high: u64,
    /// Lower half.
    pub low: u64,
}

/// Where a transaction reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPoint {
    /// The version to read at.
    pub version: Version,
    /// The ids that someone is publishing at this moment; `None` = any id may be among them.
    pub publishing: Option<Vec<LogicalId>>,
}

/// One entry of a footprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Observation {
    /// What was looked at.
    pub id: LogicalId,
    /// The version that was seen; 0 = it did not exist.
    pub version: Version,
}

/// What a transaction does to one logical id. `S` is a body that was written ahead.
#[derive(Debug)]
pub enum ChangeKind<'a, S> {
    /// A new body.
    Put(&'a [u8]),
    /// A new body that was written ahead.
    PutSpilled(&'a S),
    /// A body to append to the current chain.
    Delta(&'a [u8]),
    /// Adds to an item counter.
    Add(i64),
    /// The logical id ends.
    Remove,
}

/// One change of a transaction.
#[derive(Debug)]
pub struct Change<'a, S> {
    /// What is changed.
    pub id: LogicalId,
    /// How.
    pub kind: ChangeKind<'a, S>,
}

/// What a commit came to.
#[derive(Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    /// Durable and visible under this version; new handles, index-aligned with the changes (`None` for adds and removals).
    Committed(Version, Vec<Option<Handle>>),
    /// Nothing was changed: these observed ids no longer have the version that was observed.
    Conflict(Vec<LogicalId>),
}

/// What became of a commit whose answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionOutcome {
    /// It happened, under this version (0 if it is no longer known).
    Committed(Version),
    /// It did not happen and never will.
    Aborted,
    /// It cannot be told yet.
    Undecided,
    /// No commit of this id is remembered.
    Unknown,
}

/// What this instance may do with a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Look at it.
    pub read: bool,
    /// Change its items.
    pub write: bool,
    /// Create and drop it.
    pub create: bool,
}
