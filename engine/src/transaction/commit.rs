//! Point B: committing.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::apply::Applied;
use super::{Pending, Transaction};
use crate::error::{Error, Result};
use crate::limits;
use crate::storage::Storage;
use crate::store::View;
use crate::tree::Source;
use crate::types::{Change, ChangeKind, CommitOutcome, LogicalId, Observation, Version};
use crate::validation;

/// How a transaction came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitInfo {
    /// The version under which its changes are visible, or at which it read if it wrote nothing.
    pub version: Version,
    /// How often its reads were validated again because a node had changed.
    pub revalidations: u32,
}

impl<S: Storage> Transaction<S> {
    /// Makes all writes durable and visible, or none.
    pub fn commit(&mut self) -> Result<CommitInfo> {
        self.version()?;
        let result = self.try_commit();
        match &result {
            Ok(_) | Err(Error::Conflict(_) | Error::UnknownOutcome(_) | Error::Fenced) => {
                self.end()
            }
            Err(_) => {}
        }
        result
    }

    fn try_commit(&mut self) -> Result<CommitInfo> {
        let mut revalidations = 0;
        loop {
            if let Some(version) = self.attempt(revalidations)? {
                return Ok(CommitInfo {
                    version,
                    revalidations,
                });
            }
            revalidations += 1;
            if revalidations >= limits::ATTEMPTS_MAX {
                return Err(Error::Conflict(Vec::new()));
            }
            self.rebase()?;
        }
    }

    /// One attempt at the present read point. None = some observation no longer holds.
    fn attempt(&mut self, attempt: u32) -> Result<Option<Version>> {
        let version = self.version()?;
        if !self.keeps_reads() {
            return Ok(Some(version));
        }
        let applied = self.apply()?;
        if applied.is_empty() && self.holds_at_read_point(&applied) {
            return Ok(Some(version));
        }
        let observed = self.observations(&applied)?;
        let spilled = self.spilled();
        let spilled = spilled
            .iter()
            .map(|(id, spilled)| (*id, &**spilled))
            .collect();
        let (changes, pages) = applied.changes(&spilled)?;
        match self.engine.storage.commit(&observed, &changes, attempt)? {
            CommitOutcome::Conflict(ids) => {
                // A commit that was given up before it was decided names what it would have changed.
                let known = |id: &LogicalId| {
                    observed.binary_search_by_key(id, |seen| seen.id).is_ok()
                        || changes.iter().any(|change| change.id == *id)
                };
                if ids.is_empty() || !ids.iter().all(known) {
                    return Err(Error::Invalid(
                        "the storage names a conflict that belongs to no read and no write"
                            .to_owned(),
                    ));
                }
                Ok(None)
            }
            CommitOutcome::Committed(version, handles) => {
                let view = self.view.as_ref().ok_or(Error::Ended)?;
                for (handle, page) in handles.iter().zip(&pages) {
                    if let (Some(handle), Some(page)) = (handle, page) {
                        view.publish(handle, (*page).clone());
                    }
                }
                Ok(Some(version))
            }
        }
    }

    /// Whether a transaction that changes nothing is valid at its read point without asking anyone: nothing that it
    /// observed was being published there.
    ///
    /// Dependencies between writers go up in the order of their reservations, so a cycle through a reader at S needs a
    /// writer that reserved before S and published after it an id that the reader observed.
    fn holds_at_read_point(&self, applied: &Applied) -> bool {
        let Some(publishing) = &self.publishing else {
            return false;
        };
        if publishing.is_empty() {
            return true;
        }
        let mut nodes = self.reads.nodes();
        nodes.extend(applied.nodes.iter().copied());
        nodes.extend(self.reads.counters().map(|(id, _)| id));
        !publishing.iter().any(|id| nodes.contains(id))
    }

    /// The footprint: everything that reads depend on and everything that the writes depend on, ascending by id.
    fn observations(&self, applied: &Applied) -> Result<Vec<Observation>> {
        let view = self.view.as_ref().ok_or(Error::Ended)?;
        let mut nodes = self.reads.nodes();
        nodes.extend(applied.nodes.iter().copied());
        let mut observed = Vec::with_capacity(nodes.len());
        for id in nodes {
            let seen = view.observation(id);
            observed.push(
                seen.ok_or_else(|| {
                    Error::Invalid(format!("{id} belongs to no read and no write"))
                })?,
            );
        }
        observed.extend(self.reads.counters().map(|(id, read)| Observation {
            id,
            version: read.version,
        }));
        observed.sort_unstable();
        if observed.len() > limits::IDS_MAX {
            return Err(Error::limit(
                "observed nodes of a serializable transaction",
                limits::IDS_MAX,
            ));
        }
        Ok(observed)
    }

    /// Removes up to about `nodes_max` nodes of a dropped store, and its last traces with the last of them. Commits, and
    /// answers whether nothing is left of it. Someone else at the same work is a conflict.
    pub(crate) fn dismantle(
        mut self,
        entry: crate::catalog::Entry,
        nodes_max: usize,
    ) -> Result<bool> {
        let view = self.view()?;
        let plan = entry.tree().dismantle(view, nodes_max)?;
        let last = plan.nodes.is_empty();
        for (id, _) in &plan.nodes {
            if view.observation(*id).is_none() {
                view.observe(*id)?;
            }
        }
        let counter = view.counter(entry.id)?;
        if last {
            self.set_catalog(&crate::catalog::dropped_key(entry.id), Pending::Remove)?;
        }
        let mut applied = self.apply()?;
        applied.nodes.extend(plan.nodes.iter().map(|(id, _)| *id));
        let mut observed = self.observations(&applied)?;
        applied.push(entry.id, plan);
        let spilled = BTreeMap::new();
        let (mut changes, _) = applied.changes(&spilled)?;
        let counter_id = LogicalId::counter(entry.id);
        changes.retain(|change| change.id != counter_id);
        if last && counter.version != 0 {
            observed.push(Observation {
                id: counter_id,
                version: counter.version,
            });
            changes.push(Change {
                id: counter_id,
                kind: ChangeKind::Remove,
            });
        }
        match self.engine.storage.commit(&observed, &changes, 0)? {
            CommitOutcome::Committed(..) => Ok(last),
            CommitOutcome::Conflict(_) => Err(Error::Conflict(Vec::new())),
        }
    }

    /// The bodies that were written ahead, by the id each will have.
    fn spilled(&self) -> BTreeMap<LogicalId, Rc<S::Spilled>> {
        let writes = self.buffer.stores().flat_map(|(_, writes)| writes.values());
        writes
            .filter_map(|write| match write {
                Pending::Spilled(id, spilled) => Some((*id, Rc::clone(spilled))),
                Pending::Put(_) | Pending::Remove => None,
            })
            .collect()
    }

    /// Takes a new read point and validates everything that was read against it.
    fn rebase(&mut self) -> Result<()> {
        let point = self.engine.storage.now(None)?;
        let mut newer = View::new(Rc::clone(&self.engine), point.version);
        let older = self.view.as_mut().ok_or(Error::Ended)?;
        let nodes: Vec<_> = self.reads.nodes().into_iter().collect();
        let changed: BTreeSet<_> = newer.adopt(older, &nodes)?.into_iter().collect();
        // A rerun that fails half-way must not leave reads that belong to the newer point: the commit can be repeated.
        let mut reads = self.reads.clone();
        let conflicts = validation::rerun(&mut reads, older, &mut newer, &changed)?;
        if !conflicts.is_empty() {
            return Err(Error::Conflict(conflicts));
        }
        newer.adopt_fresh(older);
        self.reads = reads;
        self.view = Some(newer);
        self.publishing = point.publishing;
        Ok(())
    }
}
