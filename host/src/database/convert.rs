//! Between the embedding API's data and the engine's exports.

use std::ops::Bound;

use super::data::{
    CommitInfo, Damage, Direction, Isolation, Item, Outcome, StoreInfo, StoreReport,
};
use super::range::KeyRange;
use crate::engine_pool::bindings::exports::sop::engine::{maintenance, types as guest};
use crate::error::{ConflictingKey, Error};

pub(super) fn isolation(isolation: Isolation) -> guest::Isolation {
    match isolation {
        Isolation::Serializable => guest::Isolation::Serializable,
        Isolation::Snapshot => guest::Isolation::Snapshot,
    }
}

pub(super) fn direction(direction: Direction) -> guest::Direction {
    match direction {
        Direction::Ascending => guest::Direction::Ascending,
        Direction::Descending => guest::Direction::Descending,
    }
}

pub(super) fn range(range: KeyRange) -> guest::Range {
    guest::Range {
        lower: bound(range.lower),
        upper: bound(range.upper),
    }
}

fn bound(bound: Bound<Vec<u8>>) -> guest::Bound {
    match bound {
        Bound::Unbounded => guest::Bound::Unbounded,
        Bound::Included(key) => guest::Bound::Included(key),
        Bound::Excluded(key) => guest::Bound::Excluded(key),
    }
}

pub(super) fn item(item: guest::Item) -> Item {
    Item {
        key: item.key,
        value: item.value,
    }
}

pub(super) fn guest_item(item: Item) -> guest::Item {
    guest::Item {
        key: item.key,
        value: item.value,
    }
}

pub(super) fn store_info(info: guest::StoreInfo) -> StoreInfo {
    StoreInfo {
        name: info.name,
        id: info.id,
    }
}

pub(super) fn commit_info(info: guest::CommitInfo) -> CommitInfo {
    CommitInfo {
        version: info.version,
        revalidations: info.revalidations,
    }
}

pub(super) fn outcome(outcome: guest::TransactionOutcome) -> Outcome {
    match outcome {
        guest::TransactionOutcome::Committed(version) => Outcome::Committed(version),
        guest::TransactionOutcome::Aborted => Outcome::Aborted,
        guest::TransactionOutcome::Undecided => Outcome::Undecided,
        guest::TransactionOutcome::Unknown => Outcome::Unknown,
    }
}

pub(super) fn commit_id(id: sop_engine::types::TransactionId) -> guest::TransactionId {
    guest::TransactionId {
        high: id.high,
        low: id.low,
    }
}

pub(super) fn damage(damage: maintenance::Damage) -> Damage {
    Damage {
        store: damage.store,
        node: damage.node,
        message: damage.message,
    }
}

pub(super) fn store_report(report: maintenance::StoreReport) -> StoreReport {
    StoreReport {
        name: report.name,
        id: report.id,
        items: report.items,
        counted: report.counted,
        depth: report.depth,
        leaves: report.leaves,
        branches: report.branches,
        values: report.values,
        page_bytes: report.page_bytes,
        value_bytes: report.value_bytes,
    }
}

pub(super) fn error(error: guest::Error) -> Error {
    match error {
        guest::Error::Conflict(keys) => Error::Conflict(
            keys.into_iter()
                .map(|key| ConflictingKey {
                    store: key.store,
                    key: key.key,
                })
                .collect(),
        ),
        guest::Error::Unavailable(message) => Error::Unavailable(message),
        guest::Error::UnknownOutcome(id) => {
            Error::UnknownOutcome(sop_engine::types::TransactionId {
                high: id.high,
                low: id.low,
            })
        }
        guest::Error::Corrupt(message) => Error::Corrupt(message),
        guest::Error::Denied(message) => Error::Denied(message),
        guest::Error::Limit(limit) => Error::Limit {
            name: limit.name,
            maximum: limit.maximum,
        },
        guest::Error::SnapshotExpired(oldest) => Error::SnapshotExpired(oldest),
        guest::Error::Fenced => Error::Fenced,
        guest::Error::Ended => Error::Ended,
        guest::Error::NotFound(what) => Error::NotFound(what),
        guest::Error::Exists(what) => Error::Exists(what),
        guest::Error::ReadOnly => Error::ReadOnly,
        guest::Error::Invalid(why) => Error::Invalid(why),
    }
}
