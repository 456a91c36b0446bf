//! What changes under the one lock.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::channel::oneshot;
use sop_engine::types::{LogicalId, TransactionId, Version};

use super::HistoryOptions;
use super::feed::Feed;
use super::handles::{Handles, IdMap};
use super::holds::Holds;
use super::intents::Intents;
use super::retention::Retention;
use crate::limits::OUTCOMES_MAX;
use crate::recovery::entry::Header;

/// Versions of committed transactions, the newest ones.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    by_id: HashMap<TransactionId, Version>,
    order: VecDeque<TransactionId>,
}

impl Outcomes {
    pub(super) fn insert(&mut self, id: TransactionId, version: Version) {
        if self.by_id.insert(id, version).is_none() {
            self.order.push_back(id);
        }
        if self.order.len() > OUTCOMES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
    }

    pub(super) fn get(&self, id: &TransactionId) -> Option<Version> {
        self.by_id.get(id).copied()
    }

    /// Oldest first.
    pub(super) fn list(&self) -> Vec<(TransactionId, Version)> {
        self.order
            .iter()
            .filter_map(|id| Some((*id, self.get(id)?)))
            .collect()
    }
}

/// The versions that published tickets came to, the newest tickets: what makes `publish` repeatable, and what a checkpoint
/// names as contained. So nothing at or above the low-water mark is forgotten, however many tickets that are.
#[derive(Debug, Default)]
pub(super) struct Recent {
    by_ticket: HashMap<u64, Vec<Version>>,
    order: VecDeque<u64>,
}

impl Recent {
    /// `low_water`: the lowest unresolved ticket.
    pub(super) fn insert(&mut self, ticket: u64, versions: Vec<Version>, low_water: u64) {
        self.by_ticket.insert(ticket, versions);
        self.order.push_back(ticket);
        while self.order.len() > OUTCOMES_MAX
            && let Some(&oldest) = self.order.front()
            && oldest < low_water
        {
            self.order.pop_front();
            self.by_ticket.remove(&oldest);
        }
    }

    pub(super) fn get(&self, ticket: u64) -> Option<&Vec<Version>> {
        self.by_ticket.get(&ticket)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Published tickets at or above one, ascending.
    pub(super) fn at_or_above(&self, low_water: u64) -> Vec<u64> {
        let mut tickets: Vec<_> = self
            .order
            .iter()
            .copied()
            .filter(|ticket| *ticket >= low_water)
            .collect();
        tickets.sort_unstable();
        tickets
    }
}

/// The period in which segments are written, where several hosts share this registry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Period {
    pub(super) number: u32,
    /// The next ticket when it began.
    pub(super) ticket: u64,
    pub(super) since: Duration,
}

/// All of the registry but the handles.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) epoch: u32,
    pub(super) version: Version,
    pub(super) next_ticket: u64,
    /// Counts calls that changed records.
    pub(super) touches: u64,
    pub(super) intents: Intents,
    pub(super) feed: Feed,
    pub(super) retention: Retention,
    pub(super) outcomes: Outcomes,
    pub(super) recent: Recent,
    pub(super) period: Period,
    pub(super) holds: Holds,
    /// Counts publications that relocated something.
    pub(super) relocations: u64,
    marks: IdMap<Duration>,
    releases: u64,
    waiters: Vec<oneshot::Sender<()>>,
}

impl Core {
    pub(super) fn new(
        header: &Header,
        version: Version,
        history: HistoryOptions,
        now: Duration,
    ) -> Self {
        let mut outcomes = Outcomes::default();
        for (id, version) in &header.outcomes {
            outcomes.insert(*id, *version);
        }
        let epoch = u32::try_from(version >> super::COUNTER_BITS).unwrap_or(u32::MAX);
        Self {
            epoch,
            version,
            next_ticket: header.next_ticket.max(1),
            touches: 0,
            intents: Intents::default(),
            feed: Feed::new(version),
            retention: Retention::new(history.retention, history.bytes_max, now, version),
            outcomes,
            recent: Recent::default(),
            period: Period {
                number: 0,
                ticket: header.next_ticket.max(1),
                since: now,
            },
            holds: Holds::default(),
            relocations: 0,
            marks: IdMap::default(),
            releases: 0,
            waiters: Vec::new(),
        }
    }

    /// All tickets below are resolved: the lowest unresolved one, or the next to give out.
    pub(super) fn low_water(&self) -> u64 {
        self.intents.lowest().unwrap_or(self.next_ticket)
    }

    /// Tells everybody who waits that intents or marks have gone away.
    pub(super) fn release(&mut self) {
        self.releases += 1;
        for waiter in self.waiters.drain(..) {
            // Whoever stopped waiting needs no word.
            let _ = waiter.send(());
        }
    }

    pub(super) fn releases(&self) -> u64 {
        self.releases
    }

    /// A receiver for the next release, unless there was one already.
    pub(super) fn wait(&mut self, releases: u64) -> Option<oneshot::Receiver<()>> {
        if self.releases > releases {
            return None;
        }
        self.waiters.retain(|waiter| !waiter.is_canceled());
        let (sender, receiver) = oneshot::channel();
        self.waiters.push(sender);
        Some(receiver)
    }

    /// Holds others back from changing these ids until the deadline.
    pub(super) fn mark(&mut self, ids: &[LogicalId], deadline: Duration) {
        for id in ids {
            self.marks.insert(*id, deadline);
        }
    }

    /// Whether a waiting mark lies on the id.
    pub(super) fn marked(&self, id: LogicalId, now: Duration) -> bool {
        self.marks.get(&id).is_some_and(|deadline| now < *deadline)
    }

    /// Ends waiting marks: those on these ids, and all that ran out.
    pub(super) fn unmark(&mut self, ids: impl Iterator<Item = LogicalId>, now: Duration) {
        if self.marks.is_empty() {
            return;
        }
        let before = self.marks.len();
        for id in ids {
            self.marks.remove(&id);
        }
        self.marks.retain(|_, deadline| now < *deadline);
        if self.marks.len() < before {
            self.release();
        }
    }

    /// Raises the floor and drops history below it, in bounded steps; whether there may be more to drop.
    pub(super) fn prune(
        &mut self,
        handles: &Handles,
        floor: &AtomicU64,
        now: Duration,
        steps: usize,
    ) -> bool {
        let target = self.retention.floor(now, self.version);
        let mut reached = floor.fetch_max(target, Ordering::AcqRel).max(target);
        for _ in 0..steps {
            let Some((by, id)) = self.retention.next(reached, self.version) else {
                return false;
            };
            reached = floor.fetch_max(by, Ordering::AcqRel).max(by);
            let freed = handles.prune(id, reached);
            self.retention.bytes = self.retention.bytes.saturating_sub(freed);
        }
        true
    }
}
