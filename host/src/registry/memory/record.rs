//! The kept versions of one logical id.

use smallvec::SmallVec;
use sop_engine::types::{Handle, PhysicalId, Version};

use crate::recovery::entry::{Entry, EntryVersion, State};

/// A chain in memory: most are just a base.
pub(super) type Chain = SmallVec<[PhysicalId; 1]>;

/// What an id is, as of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Chain(Chain),
    Removed,
    Counter(i64),
}

/// One kept version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) version: Version,
    /// The writer's ticket. Of versions that came with a checkpoint only the newest knows it; the others say 0.
    pub(super) ticket: u64,
    pub(super) body: Body,
}

impl Kept {
    /// The handle, unless the id ended or is a counter.
    pub(super) fn handle(&self) -> Option<Handle> {
        match &self.body {
            Body::Chain(chain) => Some(Handle {
                version: self.version,
                chain: chain.to_vec(),
            }),
            Body::Removed | Body::Counter(_) => None,
        }
    }

    /// The version that an observer of this state names: an id that ended counts as absent.
    pub(super) fn observed_version(&self) -> Version {
        if self.body == Body::Removed {
            0
        } else {
            self.version
        }
    }
}

/// Estimated bytes of a handle beyond its bodies.
const KEPT_BYTES: u64 = 64;

/// Bytes that `older` keeps alive although `newer` superseded it.
pub(super) fn superseded_bytes(older: &Body, newer: &Body) -> u64 {
    let Body::Chain(old) = older else {
        return KEPT_BYTES;
    };
    let kept_on = matches!(newer, Body::Chain(new) if new.starts_with(old));
    if kept_on {
        KEPT_BYTES
    } else {
        KEPT_BYTES + old.iter().map(|id| u64::from(id.length)).sum::<u64>()
    }
}

/// All kept versions of one id, newest first, versions strictly descending.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    pub(super) kept: SmallVec<[Kept; 1]>,
    /// The publish call that last changed this record, relocations included.
    pub(super) touched: u64,
}

impl Record {
    /// What the id was at a version.
    pub(super) fn at(&self, at: Version) -> Option<&Kept> {
        self.kept.iter().find(|kept| kept.version <= at)
    }

    /// What the id is now.
    pub(super) fn newest(&self) -> Option<&Kept> {
        self.kept.first()
    }

    /// Adds a newer version; answers the bytes of history this makes.
    pub(super) fn push(&mut self, kept: Kept) -> u64 {
        let bytes = self
            .kept
            .first()
            .map_or(0, |older| superseded_bytes(&older.body, &kept.body));
        assert!(
            self.kept
                .first()
                .is_none_or(|older| older.version < kept.version),
            "versions only grow"
        );
        self.kept.insert(0, kept);
        bytes
    }

    /// Drops what no read at or above the floor can see; answers the bytes of history this frees.
    pub(super) fn prune(&mut self, floor: Version) -> u64 {
        let Some(last) = self.kept.iter().position(|kept| kept.version <= floor) else {
            return 0;
        };
        let mut freed = 0;
        while self.kept.len() > last + 1 {
            let Some(older) = self.kept.pop() else { break };
            freed += self
                .kept
                .last()
                .map_or(0, |newer| superseded_bytes(&older.body, &newer.body));
        }
        freed
    }

    /// Bytes of history in this record.
    pub(super) fn history_bytes(&self) -> u64 {
        let pairs = self.kept.iter().zip(self.kept.iter().skip(1));
        pairs
            .map(|(newer, older)| superseded_bytes(&older.body, &newer.body))
            .sum()
    }

    /// Nothing but an end that every possible read sees: the record may be forgotten.
    pub(super) fn ended(&self, floor: Version) -> bool {
        matches!(self.kept.as_slice(), [only] if only.body == Body::Removed && only.version <= floor)
    }

    pub(super) fn from_entry(entry: &Entry) -> Self {
        let kept = entry
            .versions
            .iter()
            .enumerate()
            .map(|(index, version)| Kept {
                version: version.version,
                ticket: if index == 0 { entry.ticket } else { 0 },
                body: match &version.state {
                    State::Chain(chain) => Body::Chain(chain.iter().copied().collect()),
                    State::Removed => Body::Removed,
                    State::Counter(value) => Body::Counter(*value),
                },
            });
        Self {
            kept: kept.collect(),
            touched: 0,
        }
    }

    /// What a checkpoint at `at` says of this id, down to `floor`; `None` = nothing.
    pub(super) fn to_entry(
        &self,
        id: sop_engine::types::LogicalId,
        at: Version,
        floor: Version,
    ) -> Option<Entry> {
        let mut record = Self {
            kept: self
                .kept
                .iter()
                .filter(|kept| kept.version <= at)
                .cloned()
                .collect(),
            touched: 0,
        };
        record.prune(floor);
        if record.ended(floor) {
            return None;
        }
        let ticket = record.newest()?.ticket;
        let versions = record.kept.into_iter().map(|kept| EntryVersion {
            version: kept.version,
            state: match kept.body {
                Body::Chain(chain) => State::Chain(chain.into_vec()),
                Body::Removed => State::Removed,
                Body::Counter(value) => State::Counter(value),
            },
        });
        Some(Entry {
            id,
            ticket,
            versions: versions.collect(),
        })
    }
}
