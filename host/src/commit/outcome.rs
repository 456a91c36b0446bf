//! Which commits are under way, and which came to nothing. Those that were committed the registry remembers.

use std::collections::{HashSet, VecDeque};

use sop_engine::types::{TransactionId, TransactionOutcome};

use crate::limits::OUTCOMES_MAX;

#[derive(Debug, Default)]
pub(super) struct Outcomes {
    undecided: HashSet<TransactionId>,
    aborted: HashSet<TransactionId>,
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

    /// It is certain that it never happens.
    pub(super) fn aborted(&mut self, id: TransactionId) {
        self.undecided.remove(&id);
        if self.aborted.insert(id) {
            self.order.push_back(id);
        }
        if self.order.len() > OUTCOMES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.aborted.remove(&oldest);
        }
    }

    /// What is known here.
    pub(super) fn get(&self, id: TransactionId) -> TransactionOutcome {
        if self.undecided.contains(&id) {
            TransactionOutcome::Undecided
        } else if self.aborted.contains(&id) {
            TransactionOutcome::Aborted
        } else {
            TransactionOutcome::Unknown
        }
    }
}
