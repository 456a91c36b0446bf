//! Plain data of the interface.

/// What a transaction promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// As if the transactions that committed had run one after another. A commit may end in a
    /// conflict.
    #[default]
    Serializable,
    /// Reads one consistent version, never conflicts, cannot write.
    Snapshot,
}

/// The order in which items come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// By growing key.
    Ascending,
    /// By falling key.
    Descending,
}

/// One item of a store: a key and its value.
pub type Item = (Vec<u8>, Vec<u8>);

/// A store as the catalog knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreInfo {
    /// Its name.
    pub name: String,
    /// Its id, never reused.
    pub id: u64,
}

/// How a transaction came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitInfo {
    /// The version under which its changes are visible, or at which it read if it wrote nothing.
    pub version: u64,
    /// How often a conflict on a page made it validate its reads again.
    pub revalidations: u32,
}

/// What became of a commit that answered [`Error::UnknownOutcome`](crate::Error::UnknownOutcome).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionOutcome {
    /// It happened, under this version (0 if the version is no longer known).
    Committed(u64),
    /// It did not happen and never will.
    Aborted,
    /// It cannot be told yet.
    Undecided,
    /// No commit of this id is remembered.
    Unknown,
}
