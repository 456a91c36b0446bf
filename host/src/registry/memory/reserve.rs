//! Step 1 of a commit: checks and intents.

use std::io;
use std::time::Duration;

use sop_engine::types::{LogicalId, Observation, Version};

use super::core::Core;
use super::failed_read;
use super::handles::Handles;
use super::intents::Reserved;
use super::record::Record;
use crate::registry::{Claim, Group, RegistryError, Request, Reservation, Verdict};

fn current_version(handles: &Handles, id: LogicalId) -> io::Result<Version> {
    handles.read(id, |record| {
        record
            .and_then(Record::newest)
            .map_or(0, super::record::Kept::observed_version)
    })
}

impl Core {
    pub(super) fn reserve(
        &mut self,
        handles: &Handles,
        group: Group,
        now: Duration,
    ) -> Result<Reservation, RegistryError> {
        if self.intents.ticket(group.key).is_some() {
            return Err(RegistryError::Invalid(format!(
                "segment {:?} is reserved already",
                group.key
            )));
        }
        if group.key.period < self.period.number {
            return Err(RegistryError::PeriodEnded(self.period.number));
        }
        let ticket = self.next_ticket;
        let mut ids: Vec<LogicalId> = Vec::new();
        let mut verdicts = Vec::with_capacity(group.requests.len());
        for request in &group.requests {
            match self.judge(handles, request, now) {
                Ok(verdict) => {
                    if verdict == Verdict::Granted {
                        self.intents.place(ticket, &request.claims);
                        ids.extend(request.claims.iter().map(|(id, _)| *id));
                    }
                    verdicts.push(verdict);
                }
                Err(error) => {
                    self.intents.clear(ticket, &ids);
                    return Err(failed_read(&error));
                }
            }
        }
        for (request, verdict) in group.requests.iter().zip(&verdicts) {
            if request.priority && *verdict == Verdict::Granted {
                self.unmark(
                    request.observed.iter().map(|observation| observation.id),
                    now,
                );
            }
        }
        let ticket = (!ids.is_empty()).then_some(ticket);
        if let Some(ticket) = ticket {
            self.next_ticket += 1;
            ids.sort_unstable();
            ids.dedup();
            self.intents.insert(
                ticket,
                Reserved {
                    key: group.key,
                    made: now,
                    deadline: now + group.lease,
                    ids,
                },
            );
        }
        Ok(Reservation {
            ticket,
            verdicts,
            version: self.version,
            releases: self.releases(),
        })
    }

    fn judge(&self, handles: &Handles, request: &Request, now: Duration) -> io::Result<Verdict> {
        if request
            .spills_from
            .is_some_and(|from| self.holds.ended(from))
        {
            return Ok(Verdict::Changed(request.ids()));
        }
        let mut changed = Vec::new();
        let mut busy = Vec::new();
        for observation in &request.observed {
            if current_version(handles, observation.id)? != observation.version {
                changed.push(observation.id);
            } else if self.intents.busy(observation.id, Claim::Exclusive) {
                busy.push(observation.id);
            }
        }
        let observed = Sorted::new(&request.observed);
        for &(id, claim) in &request.claims {
            let known = claim != Claim::Exclusive
                || observed.contains(id)
                || handles.read(id, |record| record.is_none())?;
            if !known {
                changed.push(id);
            } else if self.intents.busy(id, claim) || (!request.priority && self.marked(id, now)) {
                busy.push(id);
            }
        }
        let ids = if changed.is_empty() {
            &mut busy
        } else {
            &mut changed
        };
        if ids.is_empty() {
            return Ok(Verdict::Granted);
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(if changed.is_empty() {
            Verdict::Busy(busy)
        } else {
            Verdict::Changed(changed)
        })
    }
}

/// The observed ids, searchable without a copy where the request is in order.
enum Sorted<'a> {
    InOrder(&'a [Observation]),
    Copied(Vec<LogicalId>),
}

impl<'a> Sorted<'a> {
    fn new(observed: &'a [Observation]) -> Self {
        if observed.is_sorted() {
            return Self::InOrder(observed);
        }
        let mut ids: Vec<_> = observed.iter().map(|observation| observation.id).collect();
        ids.sort_unstable();
        Self::Copied(ids)
    }

    fn contains(&self, id: LogicalId) -> bool {
        match self {
            Self::InOrder(observed) => observed
                .binary_search_by_key(&id, |observation| observation.id)
                .is_ok(),
            Self::Copied(ids) => ids.binary_search(&id).is_ok(),
        }
    }
}
