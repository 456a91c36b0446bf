//! Which commits are under way, and which came to nothing. Those that were committed the registry remembers.

use std::collections::{HashMap, HashSet, VecDeque};

use sop_engine::types::{TransactionId, TransactionOutcome, Version};

use crate::limits::OUTCOMES_MAX;

/// The commits of one open database.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    undecided: HashSet<TransactionId>,
    /// Those that came to nothing, and those that only a recovery found committed.
    settled: HashMap<TransactionId, TransactionOutcome>,
    order: VecDeque<TransactionId>,
}

impl Outcomes {
    /// A commit begins.
    pub(super) fn begin(&mut self, id: TransactionId) {
        self.undecided.insert(id);
    }

    /// It was published; the registry knows.
    pub(super) fn committed(&mut self, id: TransactionId) {
        self.undecided.remove(&id);
    }

    /// It was found in an epoch that ended; the registry of the next one does not know it.
    pub(super) fn inherited(&mut self, id: TransactionId, version: Version) {
        self.settle(id, TransactionOutcome::Committed(version));
    }

    /// It is certain that it never happens.
    pub(super) fn aborted(&mut self, id: TransactionId) {
        self.settle(id, TransactionOutcome::Aborted);
    }

    fn settle(&mut self, id: TransactionId, outcome: TransactionOutcome) {
        self.undecided.remove(&id);
        if self.settled.insert(id, outcome).is_none() {
            self.order.push_back(id);
        }
        if self.order.len() > OUTCOMES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.settled.remove(&oldest);
        }
    }

    /// What is known here.
    pub(super) fn get(&self, id: TransactionId) -> TransactionOutcome {
        if self.undecided.contains(&id) {
            TransactionOutcome::Undecided
        } else {
            let settled = self.settled.get(&id).copied();
            settled.unwrap_or(TransactionOutcome::Unknown)
        }
    }
}
