//! Reservations, publications, and what ends or holds back either.

use std::collections::HashMap;
use std::time::Duration;

use sop_engine::types::{Handle, LogicalId, Version};

use super::codec::{
    ABSENT, NEVER, Reader, counter_of, handle_of, id_bytes, key_bytes, push_chain, push_place,
    transaction_bytes, version_bytes, version_of,
};
use super::registry::{RedisRegistry, milliseconds};
use super::reply::{Reply, damaged};
use super::scripts::{ABANDON, BLOCKING, FORGET, MARK, OVERDUE, PUBLISH, RESERVE};
use crate::blob::SegmentKey;
use crate::limits;
use crate::registry::{
    Blocker, Claim, Flip, FlipKind, Group, Publication, Published, RegistryError, Request,
    Reservation, Verdict,
};

/// Tickets are exact in six bytes.
const TICKET_MAX: u64 = (1 << 48) - 1;

/// The ids of a call, each once, by numbers from 1.
#[derive(Debug, Default)]
struct Numbers {
    ids: Vec<LogicalId>,
    by_id: HashMap<LogicalId, u32>,
}

impl Numbers {
    fn of(&mut self, id: LogicalId) -> u32 {
        let Self { ids, by_id } = self;
        *by_id.entry(id).or_insert_with(|| {
            ids.push(id);
            u32::try_from(ids.len()).unwrap_or(u32::MAX)
        })
    }

    fn id(&self, number: u64) -> Result<LogicalId, RegistryError> {
        let index = usize::try_from(number)
            .ok()
            .and_then(|number| number.checked_sub(1));
        index
            .and_then(|index| self.ids.get(index).copied())
            .ok_or_else(damaged)
    }

    fn bytes(&self) -> impl Iterator<Item = [u8; 16]> {
        self.ids.iter().map(|id| id_bytes(*id))
    }
}

fn count(items: usize) -> [u8; 4] {
    u32::try_from(items).unwrap_or(u32::MAX).to_be_bytes()
}

fn ticket_bytes(ticket: u64) -> [u8; 6] {
    let [_, _, bytes @ ..] = ticket.to_be_bytes();
    bytes
}

impl RedisRegistry {
    /// How an observed version looks in a record.
    fn observed(&self, version: Version) -> [u8; 5] {
        match version {
            0 => ABSENT,
            version => counter_of(version, self.epoch).map_or(NEVER, version_bytes),
        }
    }

    fn request_bytes(&self, request: &Request, numbers: &mut Numbers) -> Vec<u8> {
        let (observed, claims) = (&request.observed, &request.claims);
        let mut bytes = Vec::with_capacity(13 + 9 * observed.len() + 5 * claims.len());
        let flags = u8::from(request.priority) | u8::from(request.spills_from.is_some()) << 1;
        bytes.push(flags);
        bytes.extend_from_slice(&count(observed.len()));
        bytes.extend_from_slice(&count(claims.len()));
        if let Some(from) = request.spills_from {
            bytes.extend_from_slice(&from.to_be_bytes());
        }
        for observation in observed {
            bytes.extend_from_slice(&numbers.of(observation.id).to_be_bytes());
            bytes.extend_from_slice(&self.observed(observation.version));
        }
        for (id, claim) in claims {
            bytes.extend_from_slice(&numbers.of(*id).to_be_bytes());
            bytes.push(match claim {
                Claim::Exclusive => 0,
                Claim::Shared => 1,
                Claim::Relocation => 2,
            });
        }
        bytes
    }

    pub(super) async fn reserve_group(&self, group: &Group) -> Result<Reservation, RegistryError> {
        let mut numbers = Numbers::default();
        let requests: Vec<_> = group
            .requests
            .iter()
            .map(|request| self.request_bytes(request, &mut numbers))
            .collect();
        let arguments = self
            .arguments(&RESERVE)
            .bytes(&key_bytes(group.key))
            .number(milliseconds(group.lease))
            .number(numbers.ids.len())
            .all(numbers.bytes())
            .all(requests);
        let mut reply = self.call_with_state(arguments).await?;
        let (version, releases) = (reply.version, reply.releases);
        let reply = &mut reply.rest;
        let ticket = reply.number()?;
        let mut verdicts = Vec::with_capacity(group.requests.len());
        for request in &group.requests {
            verdicts.push(verdict(reply.list()?, &numbers, request)?);
        }
        Ok(Reservation {
            ticket: (ticket > 0).then_some(ticket),
            verdicts,
            version: version_of(version, self.epoch),
            releases,
        })
    }

    fn publication_bytes(
        &self,
        publication: &Publication,
        numbers: &mut Numbers,
    ) -> Result<Vec<u8>, RegistryError> {
        let mut bytes = transaction_bytes(publication.id).to_vec();
        bytes.extend_from_slice(&count(publication.flips.len()));
        for flip in &publication.flips {
            bytes.extend_from_slice(&numbers.of(flip.id).to_be_bytes());
            match &flip.kind {
                FlipKind::Put(place) => {
                    bytes.push(0);
                    push_place(&mut bytes, place);
                }
                FlipKind::Delta(place) => {
                    bytes.push(1);
                    push_place(&mut bytes, place);
                }
                FlipKind::Add(amount) => {
                    bytes.push(2);
                    bytes.extend_from_slice(&amount.to_be_bytes());
                }
                FlipKind::Remove => bytes.push(3),
                FlipKind::Relocate { version, from, to } => {
                    if to.is_empty() {
                        let message = format!("{} cannot be relocated to nowhere", flip.id);
                        return Err(RegistryError::Invalid(message));
                    }
                    bytes.push(4);
                    bytes.extend_from_slice(&match version {
                        None => [255; 5],
                        Some(version) => {
                            counter_of(*version, self.epoch).map_or(NEVER, version_bytes)
                        }
                    });
                    push_chain(&mut bytes, from)?;
                    push_chain(&mut bytes, to)?;
                }
            }
        }
        Ok(bytes)
    }

    pub(super) async fn publish_group(
        &self,
        ticket: u64,
        publications: &[Publication],
    ) -> Result<Option<Vec<Published>>, RegistryError> {
        if ticket > TICKET_MAX {
            return Ok(None);
        }
        let mut numbers = Numbers::default();
        let mut encoded = Vec::with_capacity(publications.len());
        for publication in publications {
            encoded.push(self.publication_bytes(publication, &mut numbers)?);
        }
        let arguments = self
            .arguments(&PUBLISH)
            .bytes(&ticket_bytes(ticket))
            .number(milliseconds(self.history.retention))
            .number(self.history.bytes_max)
            .number(milliseconds(self.snapshot_hold()))
            .number(limits::PRUNE_STEPS)
            .number(limits::OUTCOMES_MAX)
            .number(limits::FEED_IDS_MAX)
            .number(numbers.ids.len())
            .all(numbers.bytes())
            .all(encoded);
        let mut reply = self.call(arguments).await?;
        let kind = reply.text()?;
        if kind == "none" {
            return Ok(None);
        }
        let mut all = Vec::with_capacity(publications.len());
        for publication in publications {
            // Of a publication that was carried out before there may be fewer.
            if reply.len() == 0 {
                break;
            }
            all.push(self.published(publication, reply.list()?, kind == "new")?);
        }
        if kind == "new" {
            self.hear_progress(reply.list()?)?;
        }
        Ok(Some(all))
    }

    fn published(
        &self,
        publication: &Publication,
        mut list: Reply,
        new: bool,
    ) -> Result<Published, RegistryError> {
        let version = version_of(list.number()?, self.epoch);
        let handle = |flip: &Flip| match &flip.kind {
            FlipKind::Put(place) if new => Some(Handle {
                version,
                chain: vec![*place],
            }),
            _ => None,
        };
        let mut handles: Vec<_> = publication.flips.iter().map(handle).collect();
        while list.len() > 0 {
            let index = usize::try_from(list.number()?).map_err(|_| damaged())?;
            let handle = handle_of(&list.bytes()?, self.epoch)?;
            *handles.get_mut(index).ok_or_else(damaged)? = handle;
        }
        Ok(Published { version, handles })
    }

    pub(super) async fn end(&self, key: SegmentKey) -> Result<(), RegistryError> {
        let arguments = self.arguments(&ABANDON).bytes(&key_bytes(key));
        self.call(arguments).await.map(|_| ())
    }

    pub(super) async fn in_the_way(
        &self,
        ids: &[LogicalId],
    ) -> Result<Vec<Blocker>, RegistryError> {
        let arguments = self
            .arguments(&BLOCKING)
            .all(ids.iter().map(|id| id_bytes(*id)));
        blockers(self.call(arguments).await?)
    }

    pub(super) async fn past_deadline(&self) -> Result<Vec<Blocker>, RegistryError> {
        blockers(self.call(self.arguments(&OVERDUE)).await?)
    }

    pub(super) async fn hold_back(
        &self,
        ids: &[LogicalId],
        lease: Duration,
    ) -> Result<(), RegistryError> {
        let arguments = self
            .arguments(&MARK)
            .number(milliseconds(lease))
            .all(ids.iter().map(|id| id_bytes(*id)));
        self.call(arguments).await.map(|_| ())
    }

    /// Drops some history; whether there may be more to drop.
    pub(super) async fn forget(&self) -> Result<bool, RegistryError> {
        let arguments = self
            .arguments(&FORGET)
            .number(milliseconds(self.history.retention))
            .number(self.history.bytes_max)
            .number(milliseconds(self.snapshot_hold()))
            .number(limits::PRUNE_SCRIPT_STEPS);
        Ok(self.call(arguments).await?.number()? > 0)
    }

    /// With a short retention, the lowest snapshot must be known more exactly.
    fn snapshot_hold(&self) -> Duration {
        limits::SNAPSHOT_HOLD.min(self.history.retention / 4)
    }
}

fn verdict(
    mut list: Reply,
    numbers: &Numbers,
    request: &Request,
) -> Result<Verdict, RegistryError> {
    let kind = list.number()?;
    let mut ids = Vec::with_capacity(list.len());
    while list.len() > 0 {
        ids.push(numbers.id(list.number()?)?);
    }
    ids.sort_unstable();
    ids.dedup();
    match kind {
        0 => Ok(Verdict::Granted),
        1 => Ok(Verdict::Changed(ids)),
        2 => Ok(Verdict::Busy(ids)),
        // Bodies that it wrote ahead may be gone.
        3 => Ok(Verdict::Changed(request.ids())),
        _ => Err(damaged()),
    }
}

fn blockers(mut reply: Reply) -> Result<Vec<Blocker>, RegistryError> {
    let now = reply.number()?;
    let mut blockers = Vec::with_capacity(reply.len());
    while reply.len() > 0 {
        let entry = reply.bytes()?;
        let mut reader = Reader(&entry);
        let (ticket, key) = (reader.six()?, reader.key()?);
        let (made, deadline) = (reader.six()?, reader.six()?);
        blockers.push(Blocker {
            ticket,
            key,
            age: Duration::from_millis(now.saturating_sub(made)),
            overdue: now >= deadline,
        });
    }
    blockers.sort_unstable_by_key(|blocker| blocker.ticket);
    Ok(blockers)
}
