//! One call, one transaction.

use crate::bindings::sop::engine::transactions::{Store, Transaction, outcome};
use crate::bindings::sop::engine::types::{Error, Isolation, TransactionId, TransactionOutcome};
use crate::failure::Result;
use crate::limits::{OUTCOME_TRIES_MAX, TRIES_MAX};

/// Reads a store at one fresh version.
pub(crate) fn read<T>(
    store: &str,
    body: impl FnOnce(&Store) -> std::result::Result<T, Error>,
) -> Result<T> {
    let transaction = Transaction::begin(Isolation::Snapshot)?;
    Ok(body(&transaction.open_store(store)?)?)
}

/// Changes a store: all that the body does, or nothing. The body runs again when what it read was
/// changed meanwhile.
pub(crate) fn write<T>(
    store: &str,
    mut body: impl FnMut(&Store) -> std::result::Result<T, Error>,
) -> Result<T> {
    committed(|transaction| body(&transaction.open_store(store)?))
}

/// Creates a store, unless somebody else did.
pub(crate) fn create(store: &str) -> Result<()> {
    committed(|transaction| transaction.open_or_create_store(store).map(drop))
}

fn committed<T>(mut body: impl FnMut(&Transaction) -> std::result::Result<T, Error>) -> Result<T> {
    let mut tries = 1;
    loop {
        match attempt(&mut body) {
            Ok(value) => return Ok(value),
            // An expired read point is that of a registry that lost its state: begin again as well.
            Err(Error::Conflict(_) | Error::SnapshotExpired(_)) if tries < TRIES_MAX => tries += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

fn attempt<T>(
    body: &mut impl FnMut(&Transaction) -> std::result::Result<T, Error>,
) -> std::result::Result<T, Error> {
    let transaction = Transaction::begin(Isolation::Serializable)?;
    let value = body(&transaction)?;
    match transaction.commit() {
        Ok(_) => Ok(value),
        Err(Error::UnknownOutcome(id)) => settle(id).map(|()| value),
        Err(error) => Err(error),
    }
}

/// Finds out what became of a commit whose answer was lost. One that did not happen is like a
/// conflict: run it again.
fn settle(id: TransactionId) -> std::result::Result<(), Error> {
    for _ in 0..OUTCOME_TRIES_MAX {
        match outcome(id) {
            Ok(TransactionOutcome::Committed(_)) => return Ok(()),
            Ok(TransactionOutcome::Aborted) => return Err(Error::Conflict(Vec::new())),
            Ok(TransactionOutcome::Undecided) | Err(Error::Unavailable(_)) => {}
            Ok(TransactionOutcome::Unknown) | Err(_) => break,
        }
    }
    Err(Error::UnknownOutcome(id))
}
