//! [`Storage`] on the host's `registry` and `blobs`.

use crate::bindings::sop::storage::{blobs, registry, types as wire};
use crate::storage::{Storage, StorageError};
use crate::types::{
    Access, Change, ChangeKind, CommitOutcome, Counter, Handle, LogicalId, Observation, PhysicalId,
    ReadPoint, TransactionId, TransactionOutcome, Version,
};

/// The host's imports.
#[derive(Clone, Copy, Debug)]
pub(super) struct Imports;

impl Storage for Imports {
    type Spilled = blobs::Spilled;

    fn now(&self, at: Option<Version>) -> Result<ReadPoint, StorageError> {
        let point = registry::now(at).map_err(error)?;
        let publishing = point
            .publishing
            .map(|ids| ids.into_iter().map(logical).collect());
        Ok(ReadPoint {
            version: point.version,
            publishing,
        })
    }

    fn release(&self, at: Version) {
        registry::release(at);
    }

    fn resolve(&self, ids: &[LogicalId], at: Version) -> Result<Vec<Option<Handle>>, StorageError> {
        let handles = registry::resolve(&wire_ids(ids), at).map_err(error)?;
        Ok(handles.into_iter().map(|found| found.map(handle)).collect())
    }

    fn counters(&self, ids: &[LogicalId], at: Version) -> Result<Vec<Counter>, StorageError> {
        let counters = registry::counters(&wire_ids(ids), at).map_err(error)?;
        Ok(counters
            .into_iter()
            .map(|found| Counter {
                value: found.value,
                version: found.version,
            })
            .collect())
    }

    fn allocate(&self, store: u64, count: u32) -> Result<Vec<LogicalId>, StorageError> {
        let ids = registry::allocate(store, count).map_err(error)?;
        Ok(ids.into_iter().map(logical).collect())
    }

    fn allocate_store(&self, name: &[u8]) -> Result<u64, StorageError> {
        registry::allocate_store(name).map_err(error)
    }

    fn granted(&self, names: &[&[u8]]) -> Vec<Access> {
        let access = |granted: registry::Access| Access {
            read: granted.contains(registry::Access::READ),
            write: granted.contains(registry::Access::WRITE),
            create: granted.contains(registry::Access::CREATE),
        };
        registry::granted(names).into_iter().map(access).collect()
    }

    fn commit(
        &self,
        observed: &[Observation],
        changes: &[Change<'_, blobs::Spilled>],
        attempt: u32,
    ) -> Result<CommitOutcome, StorageError> {
        let observed: Vec<_> = observed
            .iter()
            .map(|seen| registry::Observation {
                id: wire_id(seen.id),
                version: seen.version,
            })
            .collect();
        let changes: Vec<_> = changes
            .iter()
            .map(|change| registry::Change {
                id: wire_id(change.id),
                kind: kind(&change.kind),
            })
            .collect();
        match registry::commit(&observed, &changes, attempt).map_err(error)? {
            registry::CommitOutcome::Conflict(ids) => Ok(CommitOutcome::Conflict(
                ids.into_iter().map(logical).collect(),
            )),
            registry::CommitOutcome::Committed(done) => {
                let handles = done
                    .handles
                    .into_iter()
                    .map(|found| found.map(handle))
                    .collect();
                Ok(CommitOutcome::Committed(done.version, handles))
            }
        }
    }

    fn outcome(&self, id: TransactionId) -> Result<TransactionOutcome, StorageError> {
        let id = wire::TransactionId {
            high: id.high,
            low: id.low,
        };
        Ok(match registry::outcome(id).map_err(error)? {
            registry::TransactionOutcome::Committed(version) => {
                TransactionOutcome::Committed(version)
            }
            registry::TransactionOutcome::Aborted => TransactionOutcome::Aborted,
            registry::TransactionOutcome::Undecided => TransactionOutcome::Undecided,
            registry::TransactionOutcome::Unknown => TransactionOutcome::Unknown,
        })
    }

    fn get(&self, ids: &[PhysicalId]) -> Result<Vec<Vec<u8>>, StorageError> {
        let ids: Vec<_> = ids.iter().map(wire_physical).collect();
        blobs::get(&ids).map_err(error)
    }

    fn spill(&self, id: LogicalId, body: &[u8]) -> Result<blobs::Spilled, StorageError> {
        blobs::spill(wire_id(id), body).map_err(error)
    }

    fn place(&self, spilled: &blobs::Spilled) -> PhysicalId {
        physical(spilled.place())
    }
}

fn kind<'a>(kind: &ChangeKind<'a, blobs::Spilled>) -> registry::ChangeKind<'a> {
    match kind {
        ChangeKind::Put(body) => registry::ChangeKind::Put(body.to_vec()),
        ChangeKind::PutSpilled(spilled) => registry::ChangeKind::PutSpilled(spilled),
        ChangeKind::Delta(body) => registry::ChangeKind::Delta(body.to_vec()),
        ChangeKind::Add(amount) => registry::ChangeKind::Add(*amount),
        ChangeKind::Remove => registry::ChangeKind::Remove,
    }
}

fn error(error: wire::Error) -> StorageError {
    match error {
        wire::Error::Unavailable(message) => StorageError::Unavailable(message),
        wire::Error::UnknownOutcome(id) => StorageError::UnknownOutcome(TransactionId {
            high: id.high,
            low: id.low,
        }),
        wire::Error::Corrupt(message) => StorageError::Corrupt(message),
        wire::Error::Missing(id) => StorageError::Missing(physical(id)),
        wire::Error::Denied(message) => StorageError::Denied(message),
        wire::Error::Limit(limit) => StorageError::Limit(limit.name, limit.maximum),
        wire::Error::SnapshotExpired(oldest) => StorageError::SnapshotExpired(oldest),
        wire::Error::Fenced => StorageError::Fenced,
        wire::Error::Invalid(message) => StorageError::Invalid(message),
    }
}

fn handle(handle: wire::Handle) -> Handle {
    Handle {
        version: handle.version,
        chain: handle.chain.into_iter().map(physical).collect(),
    }
}

fn wire_ids(ids: &[LogicalId]) -> Vec<wire::LogicalId> {
    ids.iter().copied().map(wire_id).collect()
}

const fn wire_id(id: LogicalId) -> wire::LogicalId {
    wire::LogicalId {
        store: id.store,
        node: id.node,
    }
}

const fn logical(id: wire::LogicalId) -> LogicalId {
    LogicalId::new(id.store, id.node)
}

const fn wire_physical(id: &PhysicalId) -> wire::PhysicalId {
    let (segment_high, segment_low) = id.segment;
    wire::PhysicalId {
        segment_high,
        segment_low,
        offset: id.offset,
        length: id.length,
    }
}

const fn physical(id: wire::PhysicalId) -> PhysicalId {
    PhysicalId {
        segment: (id.segment_high, id.segment_low),
        offset: id.offset,
        length: id.length,
    }
}
