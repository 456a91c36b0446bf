//! The records of all logical ids: what changed lately in memory, in shards, over a checkpoint that is searched in place.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::io;
use std::sync::Arc;

use parking_lot::RwLock;
use sop_engine::types::{Handle, LogicalId, Version};

use super::record::{Body, Chain, Kept, Record};
use crate::recovery::entry::Base;
use crate::registry::FlipKind;

/// Mixes the two words of a logical id. The node part is random already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }
    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// A map by logical id.
pub(super) type IdMap<V> = HashMap<LogicalId, V, BuildHasherDefault<IdHasher>>;

const SHARDS: usize = 64;

/// All records.
#[derive(Debug)]
pub(super) struct Handles {
    shards: Box<[RwLock<IdMap<Record>>; SHARDS]>,
    base: RwLock<Option<Arc<dyn Base>>>,
}

/// What a flip came to.
#[derive(Debug)]
pub(super) struct Flipped {
    pub(super) handle: Option<Handle>,
    /// Bytes of history it made, and bytes that the floor let go at once.
    pub(super) made: u64,
    pub(super) freed: u64,
    /// Some version below the newest remains to be pruned later.
    pub(super) superseded: bool,
}

impl Handles {
    pub(super) fn new(base: Option<Arc<dyn Base>>) -> Self {
        Self {
            shards: Box::new(std::array::from_fn(|_| RwLock::default())),
            base: RwLock::new(base),
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "the remainder is below the number of shards"
    )]
    fn shard(&self, id: LogicalId) -> &RwLock<IdMap<Record>> {
        let mixed = (id.store ^ id.node.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let index = usize::try_from(mixed >> 32).unwrap_or(0) % SHARDS;
        &self.shards[index]
    }

    pub(super) fn base(&self) -> Option<Arc<dyn Base>> {
        self.base.read().clone()
    }

    /// Looks at the record of an id, wherever it lies. The lookup in memory comes first: a record leaves memory only
    /// after a base that contains it is in place.
    pub(super) fn read<R>(
        &self,
        id: LogicalId,
        look: impl FnOnce(Option<&Record>) -> R,
    ) -> io::Result<R> {
        let shard = self.shard(id).read();
        if let Some(record) = shard.get(&id) {
            return Ok(look(Some(record)));
        }
        drop(shard);
        let Some(base) = self.base() else {
            return Ok(look(None));
        };
        Ok(match base.entry(id)? {
            Some(entry) => look(Some(&Record::from_entry(&entry))),
            None => look(None),
        })
    }

    /// Looks at the record of an id if it is in memory.
    pub(super) fn recent<R>(&self, id: LogicalId, look: impl FnOnce(&Record) -> R) -> Option<R> {
        self.shard(id).read().get(&id).map(look)
    }

    /// Takes the record of an id into memory, so that a flip cannot fail; answers the bytes of history it brings.
    pub(super) fn load(&self, id: LogicalId) -> io::Result<u64> {
        if self.shard(id).read().contains_key(&id) {
            return Ok(0);
        }
        let Some(base) = self.base() else {
            return Ok(0);
        };
        let Some(entry) = base.entry(id)? else {
            return Ok(0);
        };
        let record = Record::from_entry(&entry);
        let bytes = record.history_bytes();
        self.shard(id).write().insert(id, record);
        Ok(bytes)
    }

    /// Flips a loaded record.
    pub(super) fn flip(
        &self,
        id: LogicalId,
        kind: &FlipKind,
        (version, ticket, touched): (Version, u64, u64),
        floor: Version,
    ) -> Flipped {
        let mut shard = self.shard(id).write();
        let record = shard.entry(id).or_default();
        record.touched = touched;
        let current = record.newest().map(|kept| &kept.body);
        let body = match kind {
            FlipKind::Put(place) => Body::Chain(Chain::from_slice(&[*place])),
            FlipKind::Delta(place) => {
                let mut chain = match current {
                    Some(Body::Chain(chain)) => chain.clone(),
                    _ => Chain::new(),
                };
                chain.push(*place);
                Body::Chain(chain)
            }
            FlipKind::Add(amount) => match current {
                Some(Body::Counter(value)) => Body::Counter(value.saturating_add(*amount)),
                _ => Body::Counter(*amount),
            },
            FlipKind::Remove => Body::Removed,
            FlipKind::Relocate { version, from, to } => {
                for kept in &mut record.kept {
                    let same = matches!(&kept.body, Body::Chain(chain) if chain.as_slice() == from.as_slice());
                    if same && version.is_none_or(|version| version == kept.version) {
                        kept.body = Body::Chain(Chain::from_slice(to));
                    }
                }
                return Flipped {
                    handle: None,
                    made: 0,
                    freed: 0,
                    superseded: false,
                };
            }
        };
        // Additions pass each other, so a later ticket may have been published already: the highest counts.
        let ticket = record
            .newest()
            .map_or(ticket, |kept| kept.ticket.max(ticket));
        let kept = Kept {
            version,
            ticket,
            body,
        };
        let handle = kept.handle();
        let made = record.push(kept);
        let freed = record.prune(floor);
        Flipped {
            handle,
            made,
            freed,
            superseded: record.kept.len() > 1,
        }
    }

    /// Drops the history of one id below the floor; answers the bytes this frees.
    pub(super) fn prune(&self, id: LogicalId, floor: Version) -> u64 {
        let masks = self.base.read().is_some();
        let mut shard = self.shard(id).write();
        let Some(record) = shard.get_mut(&id) else {
            return 0;
        };
        let freed = record.prune(floor);
        if !masks && record.ended(floor) {
            shard.remove(&id);
        }
        freed
    }

    /// The ids of all records in memory, ascending.
    pub(super) fn ids(&self) -> Vec<LogicalId> {
        let mut ids = Vec::new();
        for shard in self.shards.iter() {
            ids.extend(shard.read().keys().copied());
        }
        ids.sort_unstable();
        ids
    }

    /// Puts a new base under the records and forgets those that it contains: not touched after `touched`. Answers the
    /// bytes of history that left memory with them.
    pub(super) fn rebase(&self, base: Arc<dyn Base>, touched: u64) -> u64 {
        *self.base.write() = Some(base);
        let mut bytes = 0;
        for shard in self.shards.iter() {
            let mut shard = shard.write();
            shard.retain(|_, record| {
                let stays = record.touched > touched;
                bytes += if stays { 0 } else { record.history_bytes() };
                stays
            });
            shard.shrink_to_fit();
        }
        bytes
    }

    /// How many records are in memory.
    pub(super) fn records(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().len()).sum()
    }
}
