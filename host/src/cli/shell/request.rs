//! What a session is asked to do, and how a program writes it.

use serde::Deserialize;
use sop_host::{CommitId, Direction, Isolation, KeyRange, Version};

use crate::cli::input::bound;
use crate::cli::json::Bytes;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// The transaction; none = one of its own.
    pub(super) transaction: Option<String>,
    /// What to do.
    pub(super) operation: Operation,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Begin a transaction.
    Begin(Start),
    /// Commit it.
    Commit,
    /// Roll it back.
    Rollback,
    /// Mark a point to come back to.
    Savepoint(String),
    /// Go back to it.
    RollbackTo(String),
    /// Create a store.
    CreateStore(String),
    /// Drop a store.
    DropStore(String),
    /// List the stores.
    Stores,
    /// Do something in a store.
    Store(String, StoreOperation),
    /// What became of a commit.
    Outcome(CommitId),
    /// Figures of this process.
    Stat,
    /// Look at everything.
    Verify,
    /// Write a checkpoint.
    Checkpoint,
}

/// Where a transaction reads, and what it promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// At a fresh version.
    Fresh(Isolation),
    /// At a past version.
    At(Version),
}

/// What to do in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StoreOperation {
    /// The value of a key.
    Get(Vec<u8>),
    /// The values of several keys.
    GetMany(Vec<Vec<u8>>),
    /// Whether a key is present.
    Contains(Vec<u8>),
    /// Add or replace.
    Put(Vec<u8>, Vec<u8>),
    /// Add.
    Insert(Vec<u8>, Vec<u8>),
    /// Replace.
    Update(Vec<u8>, Vec<u8>),
    /// Remove a key.
    Remove(Vec<u8>),
    /// Remove all keys of a range.
    RemoveRange(KeyRange),
    /// How many items there are.
    Count,
    /// The item with the smallest key.
    First,
    /// The item with the greatest key.
    Last,
    /// The items of a range.
    Scan(KeyRange, Direction, Option<u64>),
}

impl Operation {
    /// Whether it leaves the database as it is, so that a snapshot is enough.
    pub(super) fn is_read(&self) -> bool {
        use StoreOperation::{Contains, Count, First, Get, GetMany, Last, Scan};
        match self {
            Self::Store(_, operation) => {
                matches!(
                    operation,
                    Get(_) | GetMany(_) | Contains(_) | Count | First | Last | Scan(..)
                )
            }
            Self::Stores => true,
            _ => false,
        }
    }
}

/// A request as a program writes it. Members that an operation has no use for are ignored; unknown
/// ones are refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    op: Name,
    #[serde(default)]
    #[expect(dead_code, reason = "echoed from the line as it was written")]
    id: serde_json::Value,
    txn: Option<String>,
    isolation: Option<WrittenIsolation>,
    at: Option<WrittenVersion>,
    store: Option<String>,
    name: Option<String>,
    key: Option<Bytes>,
    keys: Option<Vec<Bytes>>,
    value: Option<Bytes>,
    from: Option<Bytes>,
    to: Option<Bytes>,
    prefix: Option<Bytes>,
    from_inclusive: Option<bool>,
    to_inclusive: Option<bool>,
    reverse: Option<bool>,
    limit: Option<u64>,
    commit: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Name {
    Begin,
    Commit,
    Rollback,
    Savepoint,
    RollbackTo,
    CreateStore,
    DropStore,
    Stores,
    Get,
    GetMany,
    Contains,
    Put,
    Insert,
    Update,
    Remove,
    RemoveRange,
    Count,
    First,
    Last,
    Scan,
    Outcome,
    Stat,
    Verify,
    Checkpoint,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum WrittenIsolation {
    Serializable,
    Snapshot,
}

/// A version as a number, or as a string for languages whose numbers end at 2^53.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "`at` is not a version: a whole number")]
enum WrittenVersion {
    Number(u64),
    Text(String),
}

/// Reads a request of a program; the error says what is wrong with it.
pub(super) fn parse(line: serde_json::Value) -> Result<Request, String> {
    if !line.is_object() {
        return Err("a request is an object, such as {\"op\":\"stores\"}".to_owned());
    }
    let mut written: Written = serde_json::from_value(line).map_err(|error| error.to_string())?;
    let transaction = written.txn.take();
    let operation = written.operation()?;
    let needs_transaction = matches!(
        operation,
        Operation::Begin(_)
            | Operation::Commit
            | Operation::Rollback
            | Operation::Savepoint(_)
            | Operation::RollbackTo(_)
    );
    if needs_transaction && transaction.is_none() {
        return Err(missing("txn"));
    }
    Ok(Request {
        transaction,
        operation,
    })
}

fn missing(member: &str) -> String {
    format!("missing member `{member}`")
}

fn needed<T>(member: Option<T>, name: &str) -> Result<T, String> {
    member.ok_or_else(|| missing(name))
}

impl Written {
    fn operation(self) -> Result<Operation, String> {
        Ok(match self.op {
            Name::Begin => Operation::Begin(self.start()?),
            Name::Commit => Operation::Commit,
            Name::Rollback => Operation::Rollback,
            Name::Savepoint => Operation::Savepoint(needed(self.name, "name")?),
            Name::RollbackTo => Operation::RollbackTo(needed(self.name, "name")?),
            Name::CreateStore => Operation::CreateStore(needed(self.store.or(self.name), "store")?),
            Name::DropStore => Operation::DropStore(needed(self.store.or(self.name), "store")?),
            Name::Stores => Operation::Stores,
            Name::Outcome => Operation::Outcome(parse_commit(&needed(self.commit, "commit")?)?),
            Name::Stat => Operation::Stat,
            Name::Verify => Operation::Verify,
            Name::Checkpoint => Operation::Checkpoint,
            _ => return self.store_operation(),
        })
    }

    fn store_operation(mut self) -> Result<Operation, String> {
        let store = needed(self.store.take(), "store")?;
        let op = self.op;
        let operation = match op {
            Name::Get => StoreOperation::Get(self.key()?),
            Name::GetMany => {
                let keys = needed(self.keys, "keys")?;
                StoreOperation::GetMany(keys.into_iter().map(|key| key.0).collect())
            }
            Name::Contains => StoreOperation::Contains(self.key()?),
            Name::Put => StoreOperation::Put(self.key()?, self.value()?),
            Name::Insert => StoreOperation::Insert(self.key()?, self.value()?),
            Name::Update => StoreOperation::Update(self.key()?, self.value()?),
            Name::Remove => StoreOperation::Remove(self.key()?),
            Name::RemoveRange => StoreOperation::RemoveRange(self.range()?),
            Name::Count => StoreOperation::Count,
            Name::First => StoreOperation::First,
            Name::Last => StoreOperation::Last,
            Name::Scan => {
                let direction = match self.reverse {
                    Some(true) => Direction::Descending,
                    _ => Direction::Ascending,
                };
                StoreOperation::Scan(self.range()?, direction, self.limit)
            }
            _ => return Err(format!("{op:?} is no operation of a store")),
        };
        Ok(Operation::Store(store, operation))
    }

    fn start(&self) -> Result<Start, String> {
        let at = match &self.at {
            None => None,
            Some(WrittenVersion::Number(version)) => Some(*version),
            Some(WrittenVersion::Text(text)) => Some(
                text.parse()
                    .map_err(|_| format!("`at` is not a version: `{text}`"))?,
            ),
        };
        match (at, self.isolation) {
            (Some(_), Some(WrittenIsolation::Serializable)) => Err(
                "`at` reads the past: leave out `isolation`, or make it \"snapshot\"".to_owned(),
            ),
            (Some(version), _) => Ok(Start::At(version)),
            (None, Some(WrittenIsolation::Snapshot)) => Ok(Start::Fresh(Isolation::Snapshot)),
            (None, _) => Ok(Start::Fresh(Isolation::Serializable)),
        }
    }

    fn key(&mut self) -> Result<Vec<u8>, String> {
        Ok(needed(self.key.take(), "key")?.0)
    }

    fn value(&mut self) -> Result<Vec<u8>, String> {
        Ok(needed(self.value.take(), "value")?.0)
    }

    fn range(&mut self) -> Result<KeyRange, String> {
        let (from, to) = (self.from.take(), self.to.take());
        match self.prefix.take() {
            Some(_) if from.is_some() || to.is_some() => {
                Err("`prefix` stands instead of `from` and `to`".to_owned())
            }
            Some(prefix) => Ok(KeyRange::prefix(prefix.0)),
            None => Ok(KeyRange {
                lower: bound(from.map(|key| key.0), self.from_inclusive.unwrap_or(true)),
                upper: bound(to.map(|key| key.0), self.to_inclusive.unwrap_or(false)),
            }),
        }
    }
}

/// The id of a commit, from its 32 hexadecimal digits.
pub(super) fn parse_commit(text: &str) -> Result<CommitId, String> {
    let bits = (text.len() == 32 && !text.starts_with('+'))
        .then(|| u128::from_str_radix(text, 16).ok())
        .flatten();
    let bits =
        bits.ok_or_else(|| format!("`{text}` is not the id of a commit: 32 hexadecimal digits"))?;
    let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or_default();
    Ok(CommitId {
        high: half(bits >> 64),
        low: half(bits),
    })
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
