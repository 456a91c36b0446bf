//! Point B: check, then change everything or nothing.

use std::collections::BTreeSet;

use super::{BodyId, COUNTER, Failure, Handle, LogicalId, Result, State, Version};
use crate::limits::COMMIT_IDS_MAX;

/// What a transaction does to one id.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new body.
    Put(Vec<u8>),
    /// A new body that was written ahead.
    PutSpilled(BodyId),
    /// A body to append to the chain.
    Delta(Vec<u8>),
    /// Adds to an item counter.
    Add(i64),
    /// The id ends.
    Remove,
}

/// What a commit came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Visible under this version; the new handles, index-aligned with the changes.
    Committed(Version, Vec<Option<Handle>>),
    /// Nothing was changed: these ids are not as they were observed.
    Conflict(Vec<LogicalId>),
}

impl State {
    /// Checks that every observation still holds, and flips the handles.
    pub fn commit(
        &mut self,
        observed: &[(LogicalId, Version)],
        changes: Vec<(LogicalId, Change)>,
    ) -> Result<Outcome> {
        let limit = COMMIT_IDS_MAX;
        Failure::above("observations of a transaction", observed.len(), limit)?;
        Failure::above("changes of a transaction", changes.len(), limit)?;
        let mut ids = BTreeSet::new();
        for (id, change) in &changes {
            if !ids.insert(*id) {
                return Err(Failure::invalid("an id is changed twice in one commit"));
            }
            self.check_change(*id, change)?;
        }
        let conflicts = self.conflicts(observed, &changes);
        if !conflicts.is_empty() {
            return Ok(Outcome::Conflict(conflicts.into_iter().collect()));
        }
        for (id, change) in &changes {
            self.check_result(*id, change)?;
        }
        if changes.is_empty() {
            return Ok(Outcome::Committed(self.version, Vec::new()));
        }
        self.version += 1;
        let mut handles = Vec::with_capacity(changes.len());
        for (id, change) in changes {
            handles.push(self.apply(id, change)?);
        }
        self.forget();
        Ok(Outcome::Committed(self.version, handles))
    }

    /// Whether a change makes sense, whatever is stored.
    fn check_change(&self, id: LogicalId, change: &Change) -> Result<()> {
        match change {
            Change::Add(_) if id.node != COUNTER => {
                Err(Failure::invalid("only node 0 of a store is added to"))
            }
            Change::Add(_) | Change::Remove if id.node == COUNTER => self.check_store(id.store),
            Change::Put(body) | Change::Delta(body) => {
                self.check_node(id)?;
                Failure::above("bytes of a body", body.len(), u32::MAX as usize)
            }
            Change::PutSpilled(body) if self.spills.get(body) != Some(&id) => Err(
                Failure::invalid("a body was spilled for another id, or is consumed already"),
            ),
            Change::PutSpilled(_) | Change::Add(_) | Change::Remove => self.check_node(id),
        }
    }

    /// Whether a change can be made to what is stored. By now all that was observed holds.
    fn check_result(&self, id: LogicalId, change: &Change) -> Result<()> {
        match change {
            Change::Delta(_) if self.handles.newest(id).is_none() => {
                Err(Failure::invalid("there is no chain to append a delta to"))
            }
            Change::Add(amount) if self.count(id).checked_add(*amount).is_none() => {
                Err(Failure::invalid("a counter would exceed its 64 bits"))
            }
            _ => Ok(()),
        }
    }

    /// Ids that are not as they were observed, or were to be changed unseen.
    fn conflicts(
        &self,
        observed: &[(LogicalId, Version)],
        changes: &[(LogicalId, Change)],
    ) -> BTreeSet<LogicalId> {
        let newest = |id: LogicalId| match id.node {
            COUNTER => self.counters.newest(id).map_or(0, |(version, _)| version),
            _ => self.handles.newest(id).map_or(0, |(version, _)| version),
        };
        let changed = observed
            .iter()
            .filter(|(id, version)| newest(*id) != *version)
            .map(|(id, _)| *id);
        let seen: BTreeSet<_> = observed.iter().map(|(id, _)| *id).collect();
        let unseen = changes
            .iter()
            .filter(|(id, change)| !matches!(change, Change::Add(_)) && !seen.contains(id))
            .map(|(id, _)| *id)
            .filter(|id| self.handles.knows(*id) || self.counters.knows(*id));
        changed.chain(unseen).collect()
    }

    fn count(&self, id: LogicalId) -> i64 {
        self.counters.newest(id).map_or(0, |(_, value)| *value)
    }

    fn apply(&mut self, id: LogicalId, change: Change) -> Result<Option<Handle>> {
        let version = self.version;
        self.changed.push_back((version, id));
        let chain = match change {
            Change::Put(body) => vec![self.keep(body)?],
            Change::PutSpilled(body) => {
                self.spills.remove(&body);
                vec![body]
            }
            Change::Delta(body) => {
                let before = self.handles.newest(id).map(|(_, chain)| chain.clone());
                let mut chain = before.unwrap_or_default();
                chain.push(self.keep(body)?);
                chain
            }
            Change::Add(amount) => {
                let value = self.count(id).saturating_add(amount);
                self.counters.push(id, version, Some(value));
                return Ok(None);
            }
            Change::Remove if id.node == COUNTER => {
                self.counters.push(id, version, None);
                return Ok(None);
            }
            Change::Remove => {
                self.handles.push(id, version, None);
                return Ok(None);
            }
        };
        self.handles.push(id, version, Some(chain.clone()));
        Ok(Some(Handle { version, chain }))
    }
}
