//! Step 4 of a commit: flips, versions, and the end of the intents. Replay uses the same flips.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sop_engine::types::{Handle, LogicalId, Version};

use super::core::Core;
use super::handles::Handles;
use super::record::{Body, Record};
use super::{MemoryRegistry, failed_read};
use crate::registry::{Flip, FlipKind, Publication, Published, RegistryError};

impl Core {
    pub(super) fn publish(
        &mut self,
        handles: &Handles,
        floor: &AtomicU64,
        ticket: u64,
        publications: &[Publication],
        now: Duration,
    ) -> Result<Option<Vec<Published>>, RegistryError> {
        let Some(reserved) = self.intents.get(ticket) else {
            return self.published_before(handles, ticket, publications);
        };
        for flip in publications
            .iter()
            .flat_map(|publication| &publication.flips)
        {
            if reserved.ids.binary_search(&flip.id).is_err() {
                return Err(RegistryError::Invalid(format!(
                    "ticket {ticket} has not reserved {}",
                    flip.id
                )));
            }
            self.retention.bytes += handles.load(flip.id).map_err(|error| failed_read(&error))?;
            check(handles, flip)?;
        }
        let published = self.apply(handles, floor, ticket, publications, now);
        let versions = published.iter().map(|published| published.version);
        self.intents.end(ticket);
        self.recent
            .insert(ticket, versions.collect(), self.low_water());
        self.release();
        Ok(Some(published))
    }

    fn published_before(
        &self,
        handles: &Handles,
        ticket: u64,
        publications: &[Publication],
    ) -> Result<Option<Vec<Published>>, RegistryError> {
        let Some(versions) = self.recent.get(ticket) else {
            return Ok(None);
        };
        let mut all = Vec::with_capacity(versions.len());
        for (publication, &version) in publications.iter().zip(versions) {
            let mut found = Vec::with_capacity(publication.flips.len());
            for flip in &publication.flips {
                found.push(
                    handle_of(handles, flip.id, version).map_err(|error| failed_read(&error))?,
                );
            }
            all.push(Published {
                version,
                handles: found,
            });
        }
        Ok(Some(all))
    }

    /// Flips loaded and checked handles and gives them the next versions.
    fn apply(
        &mut self,
        handles: &Handles,
        floor: &AtomicU64,
        ticket: u64,
        publications: &[Publication],
        now: Duration,
    ) -> Vec<Published> {
        self.touches += 1;
        let mut flips = publications
            .iter()
            .flat_map(|publication| &publication.flips);
        let relocates =
            |flip: &Flip| matches!(&flip.kind, FlipKind::Relocate { from, .. } if !from.is_empty());
        self.relocations += u64::from(flips.any(relocates));
        let lowest = floor.load(Ordering::Acquire);
        let mut version = self.version;
        let mut all = Vec::with_capacity(publications.len());
        for publication in publications {
            let moves = publication
                .flips
                .iter()
                .all(|flip| matches!(flip.kind, FlipKind::Relocate { .. }));
            version += u64::from(!moves);
            let mut found = Vec::with_capacity(publication.flips.len());
            for flip in &publication.flips {
                let flipped =
                    handles.flip(flip.id, &flip.kind, (version, ticket, self.touches), lowest);
                self.retention.bytes =
                    (self.retention.bytes + flipped.made).saturating_sub(flipped.freed);
                if flipped.superseded {
                    self.retention.supersede(version, flip.id);
                }
                found.push(flipped.handle);
            }
            if !moves {
                self.feed
                    .push(version, publication.flips.iter().map(|flip| flip.id));
            }
            self.outcomes.insert(publication.id, version);
            all.push(Published {
                version,
                handles: found,
            });
        }
        if version > self.version {
            self.retention.published(now, version);
        }
        self.version = version;
        all
    }
}

fn handle_of(
    handles: &Handles,
    id: LogicalId,
    version: Version,
) -> std::io::Result<Option<Handle>> {
    handles.read(id, |record| {
        let kept = record.and_then(|record| record.at(version))?;
        if kept.version == version {
            kept.handle()
        } else {
            None
        }
    })
}

/// Whether a flip fits what the id is now.
fn check(handles: &Handles, flip: &Flip) -> Result<(), RegistryError> {
    let fits = handles.read(flip.id, |record| {
        let body = record.and_then(Record::newest).map(|kept| &kept.body);
        match flip.kind {
            FlipKind::Delta(_) => matches!(body, Some(Body::Chain(_))),
            FlipKind::Add(_) => !matches!(body, Some(Body::Chain(_))),
            FlipKind::Put(_) => !matches!(body, Some(Body::Counter(_))),
            FlipKind::Remove | FlipKind::Relocate { .. } => true,
        }
    });
    if fits.map_err(|error| failed_read(&error))? {
        return Ok(());
    }
    Err(RegistryError::Invalid(format!(
        "{:?} does not fit what {} is",
        flip.kind, flip.id
    )))
}

impl MemoryRegistry {
    /// Replays one decided reservation without its intents. A handle changes only if the ticket is higher than that of
    /// its last writer; additions always count, so each ticket may come here once. Answers how many transactions took
    /// effect.
    ///
    /// All versions of the former life above the checkpoint are unknown, so the floor rises to the new epoch.
    pub fn replay(
        &self,
        ticket: u64,
        publications: Vec<Publication>,
    ) -> Result<usize, RegistryError> {
        let mut core = self.core.lock();
        let mut kept = Vec::with_capacity(publications.len());
        for mut publication in publications {
            let mut due = Vec::with_capacity(publication.flips.len());
            for flip in publication.flips {
                core.retention.bytes += self
                    .handles
                    .load(flip.id)
                    .map_err(|error| failed_read(&error))?;
                if self.due(ticket, &flip)? {
                    due.push(flip);
                }
            }
            publication.flips = due;
            kept.push(publication);
        }
        self.floor
            .fetch_max(super::epoch_version(core.epoch), Ordering::AcqRel);
        core.next_ticket = core.next_ticket.max(ticket + 1);
        let effective = kept
            .iter()
            .filter(|publication| !publication.flips.is_empty())
            .count();
        let now = self.runtime.elapsed();
        let published = core.apply(&self.handles, &self.floor, ticket, &kept, now);
        let versions = published.iter().map(|published| published.version);
        let low_water = core.low_water();
        core.recent.insert(ticket, versions.collect(), low_water);
        core.prune(&self.handles, &self.floor, now, crate::limits::PRUNE_STEPS);
        Ok(effective)
    }

    fn due(&self, ticket: u64, flip: &Flip) -> Result<bool, RegistryError> {
        match flip.kind {
            FlipKind::Add(_) => Ok(true),
            FlipKind::Relocate { .. } => Ok(true),
            FlipKind::Put(_) | FlipKind::Delta(_) | FlipKind::Remove => {
                let last = self.handles.read(flip.id, |record| {
                    record.and_then(Record::newest).map(|kept| kept.ticket)
                });
                let last = last.map_err(|error| failed_read(&error))?;
                if last.is_some_and(|last| last >= ticket) {
                    return Ok(false);
                }
                check(&self.handles, flip)?;
                Ok(true)
            }
        }
    }
}
