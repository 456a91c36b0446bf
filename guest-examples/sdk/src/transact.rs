//! Transactions that are run again when they conflict.

use crate::error::{Error, Result, TransactionId};
use crate::limits::{OUTCOME_TRIES_MAX, TRIES_MAX};
use crate::transaction::{Transaction, outcome};
use crate::types::{CommitInfo, Isolation, TransactionOutcome};

/// What a transaction gave, and how it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed<T> {
    /// What the closure answered in the run that committed.
    pub value: T,
    /// The version under which its changes are visible.
    pub version: u64,
    /// How often the commit validated its reads again because of a conflict on a page.
    pub revalidations: u32,
    /// How often the closure ran: 1 = without a conflict.
    pub tries: u32,
}

/// Runs a serializable transaction: the closure reads and writes, then its writes become visible
/// all at once, or, if it answers an error, not at all.
///
/// When another transaction changed something that this one had read, the closure is **run again**
/// from its start, at most [`TRIES_MAX`] times; after that the error is `Conflict`, and a plugin
/// that passes it on is run again by the host after a pause. So the closure must have no effect
/// outside its transaction.
///
/// ```
/// # sop_guest::testing::reset();
/// use sop_guest::transact;
///
/// let visits = transact(|transaction| {
///     let counters = transaction.typed::<String, u64>("counters")?;
///     counters.modify(&"visits".to_owned(), |count| *count += 1)
/// })?;
/// assert_eq!(visits, 1);
/// # Ok::<(), sop_guest::Error>(())
/// ```
pub fn transact<T>(body: impl FnMut(&Transaction) -> Result<T>) -> Result<T> {
    transact_up_to(TRIES_MAX, body).map(|committed| committed.value)
}

/// [`transact`] with a chosen number of tries, and with an answer that says how it went.
pub fn transact_up_to<T>(
    tries_max: u32,
    mut body: impl FnMut(&Transaction) -> Result<T>,
) -> Result<Committed<T>> {
    let mut tries = 1;
    loop {
        match attempt(&mut body) {
            // An expired read point is that of a registry that lost its state: begin again as well.
            Err(Error::Conflict(_) | Error::SnapshotExpired(_)) if tries < tries_max => tries += 1,
            Err(error) => return Err(error),
            Ok((
                value,
                CommitInfo {
                    version,
                    revalidations,
                },
            )) => {
                return Ok(Committed {
                    value,
                    version,
                    revalidations,
                    tries,
                });
            }
        }
    }
}

/// Reads one consistent version. Never conflicts; writing answers `ReadOnly`.
pub fn snapshot<T>(body: impl FnOnce(&Transaction) -> Result<T>) -> Result<T> {
    let transaction = Transaction::begin(Isolation::Snapshot)?;
    body(&transaction)
}

fn attempt<T>(body: &mut impl FnMut(&Transaction) -> Result<T>) -> Result<(T, CommitInfo)> {
    let transaction = Transaction::begin(Isolation::Serializable)?;
    let value = body(&transaction)?;
    match transaction.commit() {
        Ok(info) => Ok((value, info)),
        Err(Error::UnknownOutcome(id)) => Ok((value, settle(id)?)),
        Err(error) => Err(error),
    }
}

/// Finds out what became of a commit whose answer was lost. One that did not happen is like a
/// conflict: run it again.
fn settle(id: TransactionId) -> Result<CommitInfo> {
    for _ in 0..OUTCOME_TRIES_MAX {
        match outcome(id) {
            Ok(TransactionOutcome::Committed(version)) => {
                return Ok(CommitInfo {
                    version,
                    revalidations: 0,
                });
            }
            Ok(TransactionOutcome::Aborted) => return Err(Error::Conflict(Vec::new())),
            Ok(TransactionOutcome::Unknown) => break,
            Ok(TransactionOutcome::Undecided) | Err(Error::Unavailable(_)) => {}
            Err(_) => break,
        }
    }
    Err(Error::UnknownOutcome(id))
}
