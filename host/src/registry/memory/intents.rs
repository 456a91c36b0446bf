//! Intents and the reservations that hold them.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use smallvec::SmallVec;
use sop_engine::types::LogicalId;

use super::handles::IdMap;
use crate::blob::SegmentKey;
use crate::registry::{Blocker, Claim};

/// Who is publishing an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    /// One reservation.
    Exclusive(u64),
    /// Reservations that only add.
    Shared(SmallVec<[u64; 2]>),
}

/// What a reservation holds until it is published or abandoned.
#[derive(Debug)]
pub(super) struct Reserved {
    pub(super) key: SegmentKey,
    pub(super) made: Duration,
    pub(super) deadline: Duration,
    /// Sorted, without duplicates.
    pub(super) ids: Vec<LogicalId>,
}

impl Reserved {
    fn blocker(&self, ticket: u64, now: Duration) -> Blocker {
        Blocker {
            ticket,
            key: self.key,
            age: now.saturating_sub(self.made),
            overdue: now >= self.deadline,
        }
    }
}

/// All intents and reservations. An id has an intent exactly while a reservation lists it.
#[derive(Debug, Default)]
pub(super) struct Intents {
    by_id: IdMap<Intent>,
    by_ticket: BTreeMap<u64, Reserved>,
    by_key: HashMap<SegmentKey, u64>,
}

impl Intents {
    /// Whether someone else's intent is in the way of a claim; observing counts as exclusive.
    pub(super) fn busy(&self, id: LogicalId, claim: Claim) -> bool {
        match self.by_id.get(&id) {
            None => false,
            Some(Intent::Shared(_)) => claim != Claim::Shared,
            Some(Intent::Exclusive(_)) => true,
        }
    }

    /// Places the intents of one granted transaction.
    pub(super) fn place(&mut self, ticket: u64, claims: &[(LogicalId, Claim)]) {
        for &(id, claim) in claims {
            match (self.by_id.get_mut(&id), claim) {
                (None, Claim::Shared) => {
                    self.by_id
                        .insert(id, Intent::Shared(SmallVec::from_slice(&[ticket])));
                }
                (None, Claim::Exclusive | Claim::Relocation) => {
                    self.by_id.insert(id, Intent::Exclusive(ticket));
                }
                (Some(Intent::Shared(tickets)), Claim::Shared) => {
                    if !tickets.contains(&ticket) {
                        tickets.push(ticket);
                    }
                }
                (Some(_), _) => unreachable!("a transaction with a busy claim is not granted"),
            }
        }
    }

    /// Clears the intents of a ticket on some ids.
    pub(super) fn clear(&mut self, ticket: u64, ids: &[LogicalId]) {
        for id in ids {
            let gone = match self.by_id.get_mut(id) {
                None => false,
                Some(Intent::Exclusive(holder)) => *holder == ticket,
                Some(Intent::Shared(tickets)) => {
                    tickets.retain(|holder| *holder != ticket);
                    tickets.is_empty()
                }
            };
            if gone {
                self.by_id.remove(id);
            }
        }
    }

    pub(super) fn insert(&mut self, ticket: u64, reserved: Reserved) {
        self.by_key.insert(reserved.key, ticket);
        self.by_ticket.insert(ticket, reserved);
    }

    pub(super) fn get(&self, ticket: u64) -> Option<&Reserved> {
        self.by_ticket.get(&ticket)
    }

    pub(super) fn ticket(&self, key: SegmentKey) -> Option<u64> {
        self.by_key.get(&key).copied()
    }

    /// Ends a reservation and clears its intents.
    pub(super) fn end(&mut self, ticket: u64) {
        if let Some(reserved) = self.by_ticket.remove(&ticket) {
            self.by_key.remove(&reserved.key);
            self.clear(ticket, &reserved.ids);
        }
    }

    /// The ids with intents, ascending; `None` if there are more than `ids_max`.
    pub(super) fn ids(&self, ids_max: usize) -> Option<Vec<LogicalId>> {
        if self.by_id.len() > ids_max {
            return None;
        }
        let mut ids: Vec<_> = self.by_id.keys().copied().collect();
        ids.sort_unstable();
        Some(ids)
    }

    /// The reservations whose intents lie on these ids.
    pub(super) fn blocking(&self, ids: &[LogicalId], now: Duration) -> Vec<Blocker> {
        let mut tickets = Vec::new();
        for id in ids {
            match self.by_id.get(id) {
                None => {}
                Some(Intent::Exclusive(ticket)) => tickets.push(*ticket),
                Some(Intent::Shared(holders)) => tickets.extend_from_slice(holders),
            }
        }
        tickets.sort_unstable();
        tickets.dedup();
        tickets
            .iter()
            .filter_map(|ticket| Some(self.get(*ticket)?.blocker(*ticket, now)))
            .collect()
    }

    /// All reservations past their deadline.
    pub(super) fn overdue(&self, now: Duration) -> Vec<Blocker> {
        let all = self
            .by_ticket
            .iter()
            .map(|(ticket, reserved)| reserved.blocker(*ticket, now));
        all.filter(|blocker| blocker.overdue).collect()
    }

    /// The lowest unresolved ticket.
    pub(super) fn lowest(&self) -> Option<u64> {
        self.by_ticket.keys().next().copied()
    }

    /// The oldest period that an unresolved reservation has a segment of.
    pub(super) fn oldest_period(&self) -> Option<u32> {
        let periods = self.by_ticket.values().map(|reserved| reserved.key.period);
        periods.min()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_ticket.is_empty()
    }
}
