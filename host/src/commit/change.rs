//! What a commit does, as it reaches the queue.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use sop_engine::types::{LogicalId, PhysicalId, Version};

use crate::blob::SegmentKey;
use crate::registry::Claim;

/// What a transaction does to one logical id, as it reaches the host.
#[derive(Debug)]
pub enum ChangeKind {
    /// A new body.
    Put(Bytes),
    /// A new body that was written ahead.
    PutSpilled(Arc<Spilled>),
    /// A body to append to the current chain.
    Delta(Bytes),
    /// Adds to an item counter.
    Add(i64),
    /// The logical id ends.
    Remove,
}

/// One change of a transaction.
#[derive(Debug)]
pub struct Change {
    /// What is changed.
    pub id: LogicalId,
    /// How.
    pub kind: ChangeKind,
}

/// The bodies that were written ahead and that no handle names yet. A collector keeps them.
#[derive(Debug, Default)]
pub(crate) struct Spills {
    live: Mutex<Live>,
}

#[derive(Debug, Default)]
struct Live {
    /// The epoch and the period from which on each one lies that is being written.
    writing: Vec<(u32, u32)>,
    places: HashMap<PhysicalId, LogicalId>,
}

/// A body that is being written ahead.
#[derive(Debug)]
pub(crate) struct Writing {
    spills: Arc<Spills>,
    from: (u32, u32),
}

impl Writing {
    /// The body is durable, here.
    pub(crate) fn register(self, id: PhysicalId, owner: LogicalId) -> Spilled {
        self.spills.live.lock().places.insert(id, owner);
        Spilled {
            id,
            owner,
            spills: Arc::clone(&self.spills),
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let mut live = self.spills.live.lock();
        let found = live.writing.iter().position(|from| *from == self.from);
        if let Some(index) = found {
            live.writing.swap_remove(index);
        }
    }
}

impl Spills {
    /// Notes that a body will lie somewhere soon: in this period or a later one of this epoch.
    pub(crate) fn begin(self: &Arc<Self>, epoch: u32, period: u32) -> Writing {
        let from = (epoch, period);
        self.live.lock().writing.push(from);
        Writing {
            spills: Arc::clone(self),
            from,
        }
    }

    /// The earliest period of an epoch in which one lies or will lie, where segments are objects.
    pub(crate) fn earliest(&self, epoch: u32) -> Option<u32> {
        let live = self.live.lock();
        let places = live.places.keys().map(|place| {
            let key = SegmentKey::from_object(place.segment);
            (key.epoch, key.period)
        });
        let all = places.chain(live.writing.iter().copied());
        all.filter(|(of, _)| *of == epoch)
            .map(|(_, period)| period)
            .min()
    }

    /// All of them; `None` while one is being written.
    pub(crate) fn list(&self) -> Option<Vec<(PhysicalId, LogicalId)>> {
        let live = self.live.lock();
        if !live.writing.is_empty() {
            return None;
        }
        let mut list: Vec<_> = live
            .places
            .iter()
            .map(|(id, owner)| (*id, *owner))
            .collect();
        list.sort_unstable();
        Some(list)
    }
}

/// A body that was written ahead; abandoned when dropped before a commit consumed it. A commit keeps it until its
/// outcome is known, so it never lies unregistered and unnamed in between.
#[derive(Debug)]
pub struct Spilled {
    /// Where it lies.
    pub id: PhysicalId,
    /// Whose body it is.
    pub(crate) owner: LogicalId,
    spills: Arc<Spills>,
}

impl Drop for Spilled {
    fn drop(&mut self) {
        self.spills.live.lock().places.remove(&self.id);
    }
}

/// Where a relocated chain finds one of its bodies.
#[derive(Clone, Debug)]
pub(crate) enum MovedPlace {
    /// Where it was.
    Stays(PhysicalId),
    /// In the new segment: the body of this number among the bodies of the relocation.
    Moves(usize),
}

/// One version of a handle whose chain moves.
#[derive(Clone, Debug)]
pub(crate) struct Move {
    pub(crate) id: LogicalId,
    pub(crate) version: Version,
    pub(crate) from: Vec<PhysicalId>,
    pub(crate) to: Vec<MovedPlace>,
}

/// What one entry of the queue does.
#[derive(Debug)]
pub(crate) enum Work {
    /// A transaction's changes.
    Changes(Vec<Change>),
    /// A relocation: bodies with their owners, and the chains that then name them.
    Moves(Vec<(LogicalId, Bytes)>, Vec<Move>),
}

impl Work {
    /// What it claims, sorted and without duplicates.
    pub(crate) fn claims(&self) -> Vec<(LogicalId, Claim)> {
        match self {
            Self::Changes(changes) => changes
                .iter()
                .map(|change| (change.id, change.kind.claim()))
                .collect(),
            Self::Moves(_, moves) => {
                let mut ids: Vec<_> = moves.iter().map(|moved| moved.id).collect();
                ids.sort_unstable();
                ids.dedup();
                ids.into_iter().map(|id| (id, Claim::Relocation)).collect()
            }
        }
    }

    /// The earliest period of a segment, as an object, with a body that was written ahead for it.
    pub(crate) fn spills_from(&self) -> Option<u32> {
        let Self::Changes(changes) = self else {
            return None;
        };
        let periods = changes.iter().filter_map(|change| match &change.kind {
            ChangeKind::PutSpilled(spilled) => {
                Some(SegmentKey::from_object(spilled.id.segment).period)
            }
            _ => None,
        });
        periods.min()
    }

    /// Bytes of bodies that go into the segment.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Changes(changes) => changes.iter().map(|change| change.kind.bytes()).sum(),
            Self::Moves(bodies, _) => bodies.iter().map(|(_, body)| body.len()).sum(),
        }
    }
}

impl ChangeKind {
    fn claim(&self) -> Claim {
        if matches!(self, Self::Add(_)) {
            Claim::Shared
        } else {
            Claim::Exclusive
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Put(body) | Self::Delta(body) => body.len(),
            Self::PutSpilled(_) | Self::Add(_) | Self::Remove => 0,
        }
    }
}
