//! Brings the segments written since a checkpoint into a registry that lies over it.
//!
//! Rules: what the checkpoint contains is skipped (a ticket below its low-water mark, or named by it); each ticket counts
//! once; a handle changes only under a ticket higher than its last writer's; additions always count; a relocation moves
//! whichever version has its old chain, because replayed versions are new ones.

use std::collections::HashSet;

use crate::blob::SegmentPlace;
use crate::commit::segment::{Record, SegmentError};
use crate::recovery::entry::Header;
use crate::registry::memory::MemoryRegistry;
use crate::registry::{FlipKind, Publication, RegistryError};

/// Why a record could not be replayed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReplayError {
    /// The record does not fit its segment.
    #[error("damaged record of ticket {0}: {1}")]
    Segment(u64, SegmentError),
    /// The registry refused it: the log and the checkpoint do not fit together, or the checkpoint cannot be read.
    #[error("ticket {0} cannot be replayed: {1}")]
    Registry(u64, RegistryError),
}

/// What a checkpoint does not contain.
#[derive(Debug)]
pub struct Uncontained {
    low_water: u64,
    contained: HashSet<u64>,
}

impl Uncontained {
    /// Over a checkpoint; a default header stands for none.
    pub fn new(header: &Header) -> Self {
        Self {
            low_water: header.low_water,
            contained: header.contained.iter().copied().collect(),
        }
    }

    /// What is to be replayed of a committed segment; `None` = nothing, or not again.
    pub fn take(
        &mut self,
        record: &Record,
        place: SegmentPlace,
    ) -> Result<Option<Vec<Publication>>, ReplayError> {
        let ticket = record.ticket;
        if ticket < self.low_water
            || record.transactions.is_empty()
            || !self.contained.insert(ticket)
        {
            return Ok(None);
        }
        let publications = record
            .publications(place)
            .map_err(|error| ReplayError::Segment(ticket, error))?;
        Ok(Some(publications.into_iter().map(by_chain_alone).collect()))
    }
}

/// One replay over one checkpoint.
#[derive(Debug)]
pub struct Replay<'a> {
    registry: &'a MemoryRegistry,
    uncontained: Uncontained,
    transactions: usize,
}

impl<'a> Replay<'a> {
    /// Begins over a checkpoint; a default header stands for none.
    pub fn new(registry: &'a MemoryRegistry, header: &Header) -> Self {
        Self {
            registry,
            uncontained: Uncontained::new(header),
            transactions: 0,
        }
    }

    /// Replays one committed segment; answers whether it was new. Segments come in the order in which they were put, or
    /// in the order of their tickets.
    pub fn apply(&mut self, record: &Record, place: SegmentPlace) -> Result<bool, ReplayError> {
        let Some(publications) = self.uncontained.take(record, place)? else {
            return Ok(false);
        };
        let replayed = self.registry.replay(record.ticket, publications);
        self.transactions +=
            replayed.map_err(|error| ReplayError::Registry(record.ticket, error))?;
        Ok(true)
    }

    /// How many transactions took effect so far.
    pub fn transactions(&self) -> usize {
        self.transactions
    }
}

fn by_chain_alone(mut publication: Publication) -> Publication {
    for flip in &mut publication.flips {
        if let FlipKind::Relocate { version, .. } = &mut flip.kind {
            *version = None;
        }
    }
    publication
}
