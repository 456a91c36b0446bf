//! Savepoints: points of a transaction to come back to.

use std::collections::BTreeSet;

use super::Transaction;
use crate::error::{Error, Result};
use crate::limits;
use crate::storage::Storage;

/// A point to come back to.
#[derive(Debug)]
pub(super) struct Savepoint {
    name: String,
    /// Position in the undo log of the write buffer.
    mark: usize,
    /// The stores that were open.
    open: BTreeSet<u64>,
    /// Stores dropped since then come back with what they were.
    dropped: Vec<(u64, super::OpenStore)>,
}

impl<S: Storage> Transaction<S> {
    /// Marks a point to come back to. A name that is in use moves.
    pub fn savepoint(&mut self, name: &str) -> Result<()> {
        self.version()?;
        if name.len() > limits::NAME_BYTES_MAX {
            return Err(Error::limit(
                "bytes of a savepoint name",
                limits::NAME_BYTES_MAX,
            ));
        }
        if let Some(position) = self
            .savepoints
            .iter()
            .position(|savepoint| savepoint.name == name)
        {
            let moved = self.savepoints.remove(position);
            // What was dropped after it was dropped after the one before it too.
            if let Some(before) = position
                .checked_sub(1)
                .and_then(|at| self.savepoints.get_mut(at))
            {
                before.dropped.extend(moved.dropped);
            }
        }
        if self.savepoints.len() >= limits::SAVEPOINTS_MAX {
            return Err(Error::limit(
                "savepoints of a transaction",
                limits::SAVEPOINTS_MAX,
            ));
        }
        self.savepoints.push(Savepoint {
            name: name.to_owned(),
            mark: self.buffer.mark(),
            open: self.stores.keys().copied().collect(),
            dropped: Vec::new(),
        });
        Ok(())
    }

    /// Forgets all writes since the savepoint, and the savepoints after it.
    pub fn rollback_to(&mut self, name: &str) -> Result<()> {
        self.version()?;
        let position = self
            .savepoints
            .iter()
            .position(|savepoint| savepoint.name == name);
        let position =
            position.ok_or_else(|| Error::NotFound(format!("there is no savepoint {name:?}")))?;
        for later in self.savepoints.drain(position + 1..).rev() {
            self.stores.extend(later.dropped);
        }
        if let Some(savepoint) = self.savepoints.get_mut(position) {
            self.buffer.rollback_to(savepoint.mark);
            self.stores.extend(savepoint.dropped.drain(..));
            // Stores that were merely opened since then stay usable; created ones are gone with their catalog entry.
            let open = &savepoint.open;
            self.stores
                .retain(|id, store| open.contains(id) || !store.created);
        }
        Ok(())
    }

    /// Closes a store that was dropped, in a way that `rollback_to` can undo.
    pub(super) fn close(&mut self, id: u64) {
        let Some(store) = self.stores.remove(&id) else {
            return;
        };
        if let Some(savepoint) = self.savepoints.last_mut() {
            savepoint.dropped.push((id, store));
        }
    }
}
