//! The imports of the native engine: a transcript, which each call has to continue.

use std::cell::RefCell;
use std::collections::VecDeque;

use sop_engine::storage::{Storage, StorageError};
use sop_engine::types::{
    Access, Change, ChangeKind, CommitOutcome, Counter, Handle, LogicalId, Observation, PhysicalId,
    ReadPoint, TransactionId, TransactionOutcome, Version,
};

use super::transcript::{Answer, Call, Request, Written};

#[derive(Debug)]
pub(super) struct Replay {
    pub(super) left: RefCell<VecDeque<Call>>,
}

impl Replay {
    fn next(&self, request: &Request) -> Result<Answer, StorageError> {
        let call = self.left.borrow_mut().pop_front();
        let Some(Call {
            request: recorded,
            answer,
        }) = call
        else {
            panic!("the component did not ask for {request:?}");
        };
        assert_eq!(
            &recorded, request,
            "left: the component, right: the native engine"
        );
        match answer {
            Answer::Failed(error) => Err(error),
            answer => Ok(answer),
        }
    }
}

/// The answer of the kind that its request has.
macro_rules! answered {
    ($replay:expr, $request:expr, $kind:ident) => {
        match $replay.next(&$request)? {
            Answer::$kind(value) => Ok(value),
            other => panic!("{other:?}"),
        }
    };
}

impl Storage for Replay {
    type Spilled = PhysicalId;

    fn now(&self, at: Option<Version>) -> Result<ReadPoint, StorageError> {
        answered!(self, Request::Now(at), Point)
    }

    fn release(&self, at: Version) {
        let answer = self.next(&Request::Release(at));
        assert!(matches!(answer, Ok(Answer::Nothing)), "{answer:?}");
    }

    fn resolve(&self, ids: &[LogicalId], at: Version) -> Result<Vec<Option<Handle>>, StorageError> {
        answered!(self, Request::Resolve(ids.to_vec(), at), Handles)
    }

    fn counters(&self, ids: &[LogicalId], at: Version) -> Result<Vec<Counter>, StorageError> {
        answered!(self, Request::Counters(ids.to_vec(), at), Counters)
    }

    fn allocate(&self, store: u64, count: u32) -> Result<Vec<LogicalId>, StorageError> {
        answered!(self, Request::Allocate(store, count), Ids)
    }

    fn allocate_store(&self, name: &[u8]) -> Result<u64, StorageError> {
        answered!(self, Request::AllocateStore(name.to_vec()), Store)
    }

    fn granted(&self, names: &[&[u8]]) -> Vec<Access> {
        let names = names.iter().map(|name| name.to_vec()).collect();
        match self.next(&Request::Granted(names)) {
            Ok(Answer::Access(access)) => access,
            other => panic!("{other:?}"),
        }
    }

    fn commit(
        &self,
        observed: &[Observation],
        changes: &[Change<'_, PhysicalId>],
        attempt: u32,
    ) -> Result<CommitOutcome, StorageError> {
        let written = |change: &Change<'_, PhysicalId>| {
            let written = match &change.kind {
                ChangeKind::Put(body) => Written::Put(body.to_vec()),
                ChangeKind::PutSpilled(place) => Written::PutSpilled(**place),
                ChangeKind::Delta(body) => Written::Delta(body.to_vec()),
                ChangeKind::Add(amount) => Written::Add(*amount),
                ChangeKind::Remove => Written::Remove,
            };
            (change.id, written)
        };
        let changes = changes.iter().map(written).collect();
        answered!(
            self,
            Request::Commit(observed.to_vec(), changes, attempt),
            Outcome
        )
    }

    fn outcome(&self, id: TransactionId) -> Result<TransactionOutcome, StorageError> {
        panic!("nobody asked for {id:?}")
    }

    fn get(&self, ids: &[PhysicalId]) -> Result<Vec<Vec<u8>>, StorageError> {
        answered!(self, Request::Get(ids.to_vec()), Bodies)
    }

    fn spill(&self, id: LogicalId, body: &[u8]) -> Result<PhysicalId, StorageError> {
        answered!(self, Request::Spill(id, body.to_vec()), Place)
    }

    fn place(&self, spilled: &PhysicalId) -> PhysicalId {
        *spilled
    }
}
