//! Between the engine's own types and the bindings.

use sop_engine::storage::StorageError;
use sop_engine::types;

use crate::engine_pool::bindings::sop::storage::registry as guest_registry;
use crate::engine_pool::bindings::sop::storage::types as guest;

pub(super) fn logical(id: guest::LogicalId) -> types::LogicalId {
    types::LogicalId::new(id.store, id.node)
}

pub(super) fn guest_logical(id: types::LogicalId) -> guest::LogicalId {
    guest::LogicalId {
        store: id.store,
        node: id.node,
    }
}

pub(super) fn physical(id: guest::PhysicalId) -> types::PhysicalId {
    types::PhysicalId {
        segment: (id.segment_high, id.segment_low),
        offset: id.offset,
        length: id.length,
    }
}

pub(super) fn guest_physical(id: types::PhysicalId) -> guest::PhysicalId {
    let (segment_high, segment_low) = id.segment;
    guest::PhysicalId {
        segment_high,
        segment_low,
        offset: id.offset,
        length: id.length,
    }
}

pub(super) fn handle(handle: types::Handle) -> guest::Handle {
    guest::Handle {
        version: handle.version,
        chain: handle.chain.into_iter().map(guest_physical).collect(),
    }
}

pub(super) fn transaction_id(id: guest::TransactionId) -> types::TransactionId {
    types::TransactionId {
        high: id.high,
        low: id.low,
    }
}

pub(super) fn access(access: types::Access) -> guest_registry::Access {
    let flag = |set: bool, flag: guest_registry::Access| {
        if set {
            flag
        } else {
            guest_registry::Access::default()
        }
    };
    flag(access.read, guest_registry::Access::READ)
        | flag(access.write, guest_registry::Access::WRITE)
        | flag(access.create, guest_registry::Access::CREATE)
}

pub(super) fn outcome(outcome: types::TransactionOutcome) -> guest_registry::TransactionOutcome {
    match outcome {
        types::TransactionOutcome::Committed(version) => {
            guest_registry::TransactionOutcome::Committed(version)
        }
        types::TransactionOutcome::Aborted => guest_registry::TransactionOutcome::Aborted,
        types::TransactionOutcome::Undecided => guest_registry::TransactionOutcome::Undecided,
        types::TransactionOutcome::Unknown => guest_registry::TransactionOutcome::Unknown,
    }
}

pub(super) fn error(error: StorageError) -> guest::Error {
    match error {
        StorageError::Unavailable(message) => guest::Error::Unavailable(message),
        StorageError::UnknownOutcome(id) => guest::Error::UnknownOutcome(guest::TransactionId {
            high: id.high,
            low: id.low,
        }),
        StorageError::Corrupt(message) => guest::Error::Corrupt(message),
        StorageError::Missing(id) => guest::Error::Missing(guest_physical(id)),
        StorageError::Denied(message) => guest::Error::Denied(message),
        StorageError::Limit(name, maximum) => {
            guest::Error::Limit(guest::LimitExceeded { name, maximum })
        }
        StorageError::SnapshotExpired(oldest) => guest::Error::SnapshotExpired(oldest),
        StorageError::Fenced => guest::Error::Fenced,
        StorageError::Invalid(message) => guest::Error::Invalid(message),
    }
}
