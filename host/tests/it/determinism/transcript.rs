//! What an engine asked of its imports and what it was answered, in the types of the engine.

use sop_engine::storage::StorageError;
use sop_engine::types::{
    Access, CommitOutcome, Counter, Handle, LogicalId, Observation, PhysicalId, ReadPoint, Version,
};

/// One change of a commit, with its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Put(Vec<u8>),
    PutSpilled(PhysicalId),
    Delta(Vec<u8>),
    Add(i64),
    Remove,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Now(Option<Version>),
    Release(Version),
    Resolve(Vec<LogicalId>, Version),
    Counters(Vec<LogicalId>, Version),
    Allocate(u64, u32),
    AllocateStore(Vec<u8>),
    Granted(Vec<Vec<u8>>),
    Commit(Vec<Observation>, Vec<(LogicalId, Written)>, u32),
    Get(Vec<PhysicalId>),
    Spill(LogicalId, Vec<u8>),
}

#[derive(Debug)]
pub(super) enum Answer {
    Nothing,
    Point(ReadPoint),
    Handles(Vec<Option<Handle>>),
    Counters(Vec<Counter>),
    Ids(Vec<LogicalId>),
    Store(u64),
    Access(Vec<Access>),
    Outcome(CommitOutcome),
    Bodies(Vec<Vec<u8>>),
    Place(PhysicalId),
    Failed(StorageError),
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) request: Request,
    pub(super) answer: Answer,
}
