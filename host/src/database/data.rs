//! Plain data of the embedding API.

use sop_engine::types::{TransactionId, Version};

/// What a transaction promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// As if the committed transactions had run one after another, in an order that agrees with real time. A commit may
    /// end in a conflict.
    #[default]
    Serializable,
    /// Reads one consistent version, never conflicts, cannot write.
    Snapshot,
}

/// The order in which a scan returns items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// By growing key.
    #[default]
    Ascending,
    /// By falling key.
    Descending,
}

/// One item of a store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// The key: 1 to 1,024 bytes.
    pub key: Vec<u8>,
    /// The value: up to 64 MiB.
    pub value: Vec<u8>,
}

/// A store as the catalog knows it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct StoreInfo {
    /// Its name.
    pub name: String,
    /// Its id: never reused, also when a store of this name is dropped and created again.
    pub id: u64,
}

/// How a transaction came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CommitInfo {
    /// The version under which its changes are visible, or at which it read if it wrote nothing.
    pub version: Version,
    /// How often a conflict on a page made it validate its reads again and re-apply its writes.
    pub revalidations: u32,
}

/// What became of a commit that answered [`Error::UnknownOutcome`](crate::Error::UnknownOutcome).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It happened, under this version (0 if the version is no longer known).
    Committed(Version),
    /// It did not happen and never will.
    Aborted,
    /// It cannot be told yet. Ask again later.
    Undecided,
    /// No commit of this id is remembered here.
    Unknown,
}

/// Identifies one commit; see [`Database::outcome`](crate::Database::outcome).
pub type CommitId = TransactionId;

/// Something wrong that [`Database::verify`](crate::Database::verify) found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Damage {
    /// The store; empty for the catalog.
    pub store: String,
    /// The node or value blob, as `store:node` in hexadecimal.
    pub node: String,
    /// What is wrong with it.
    pub message: String,
}

/// What [`Database::verify`](crate::Database::verify) saw of one store.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct StoreReport {
    /// Its name; empty for the catalog.
    pub name: String,
    /// Its id.
    pub id: u64,
    /// Items found in its leaves.
    pub items: u64,
    /// Items according to its counter.
    pub counted: i64,
    /// Levels of its tree: 0 = empty, 1 = a single leaf.
    pub depth: u32,
    /// Leaves.
    pub leaves: u64,
    /// Branches.
    pub branches: u64,
    /// Value blobs.
    pub values: u64,
    /// Bytes of its pages.
    pub page_bytes: u64,
    /// Bytes of its value blobs.
    pub value_bytes: u64,
}

/// What [`Database::verify`](crate::Database::verify) saw.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct VerifyReport {
    /// The version that was looked at.
    pub version: Version,
    /// Nodes and value blobs looked at.
    pub nodes: u64,
    /// By store.
    pub stores: Vec<StoreReport>,
    /// What is wrong; empty = nothing. At most 1,000 entries.
    pub damages: Vec<Damage>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.damages.is_empty()
    }
}

/// How far a long operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Units done so far: nodes of a verification, bytes of a compaction.
    pub done: u64,
    /// Units known to be still ahead; may grow on the way.
    pub ahead: u64,
}
