//! The documents to be indexed: adding them, claiming one.

use std::ops::Bound;

use serde::Deserialize;
use sop_guest::{Direction, Key, KeyRange, Result, Store, Transaction};

use crate::Stores;

/// A document to be indexed.
#[derive(Deserialize)]
pub(crate) struct Text {
    pub id: u64,
    pub path: String,
    pub text: String,
}

/// Adds documents, all or none; `Exists` if one of these ids was ever added.
pub(crate) fn enqueue(transaction: &Transaction, documents: &[Text]) -> Result<()> {
    Stores::create(transaction)?;
    let stores = Stores::open(transaction)?;
    for document in documents {
        let key = document.id.encoded();
        stores.texts.insert(&key, document.text.as_bytes())?;
        stores.queue.insert(&key, document.path.as_bytes())?;
    }
    Ok(())
}

/// A document that was taken out of the queue, in this transaction.
pub(crate) struct Claimed {
    pub id: u64,
    pub path: String,
}

/// Takes the first document at or after `start`, or else the first of all; none = the queue is
/// empty.
pub(crate) fn claim(queue: &Store, start: u64) -> Result<Option<Claimed>> {
    let from_start = KeyRange {
        lower: Bound::Included(start.encoded()),
        upper: Bound::Unbounded,
    };
    let before_start = KeyRange {
        lower: Bound::Unbounded,
        upper: Bound::Excluded(start.encoded()),
    };
    for range in [from_start, before_start] {
        if let Some((key, path)) = queue.scan(&range, Direction::Ascending, 1)?.pop() {
            queue.remove(&key)?;
            let path = String::from_utf8_lossy(&path).into_owned();
            return Ok(Some(Claimed {
                id: u64::decode(&key)?,
                path,
            }));
        }
    }
    Ok(None)
}

/// Where a try starts to look: one of `lanes` points spread over the ids below `span`.
pub(crate) fn start(draw: u64, lanes: u64, span: u64) -> u64 {
    let lanes = lanes.max(1);
    let point = u128::from(draw % lanes) * u128::from(span) / u128::from(lanes);
    u64::try_from(point).unwrap_or(0)
}
