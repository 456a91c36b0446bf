//! A blob store in memory: for databases that last as long as their process, and for tests.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::RwLock;
use sop_engine::types::PhysicalId;

use super::{BlobError, BlobStore, Put, SegmentKey, SegmentPlace, Taken};

#[derive(Clone, Debug)]
enum Slot {
    Segment(Bytes),
    Tombstone,
}

#[derive(Debug, Default)]
struct Slots {
    by_key: HashMap<SegmentKey, Slot>,
    claims: HashSet<u32>,
}

/// Segments and claims in memory.
#[derive(Debug, Default)]
pub struct MemoryBlobs {
    slots: RwLock<Slots>,
}

fn place(key: SegmentKey) -> SegmentPlace {
    SegmentPlace {
        segment: (
            u64::from(key.epoch) << 32 | u64::from(key.period),
            key.unique,
        ),
        base: 0,
    }
}

fn key((high, low): (u64, u64)) -> Option<SegmentKey> {
    let epoch = u32::try_from(high >> 32).ok()?;
    let period = u32::try_from(high & u64::from(u32::MAX)).ok()?;
    Some(SegmentKey {
        epoch,
        period,
        unique: low,
    })
}

impl MemoryBlobs {
    /// Claims an epoch: writers of older ones are fenced off.
    pub fn claim(&self, epoch: u32) {
        self.slots.write().claims.insert(epoch);
    }

    /// Forgets a segment whose bodies nobody reads any more.
    pub fn remove(&self, key: SegmentKey) {
        self.slots.write().by_key.remove(&key);
    }

    /// All segments with their bytes, in the order of their keys.
    pub fn segments(&self) -> Vec<(SegmentKey, SegmentPlace, Bytes)> {
        let slots = self.slots.read();
        let mut all: Vec<_> = slots
            .by_key
            .iter()
            .filter_map(|(key, slot)| match slot {
                Slot::Segment(bytes) => Some((*key, place(*key), bytes.clone())),
                Slot::Tombstone => None,
            })
            .collect();
        all.sort_unstable_by_key(|(key, ..)| *key);
        all
    }

    /// Bytes of all segments.
    pub fn bytes(&self) -> u64 {
        let slots = self.slots.read();
        let lengths = slots.by_key.values().map(|slot| match slot {
            Slot::Segment(bytes) => bytes.len() as u64,
            Slot::Tombstone => 0,
        });
        lengths.sum()
    }

    fn put_slot(&self, key: SegmentKey, slot: Slot) -> Put {
        let mut slots = self.slots.write();
        match slots.by_key.get(&key) {
            Some(Slot::Segment(_)) => Put::Taken(Taken::Segment(place(key))),
            Some(Slot::Tombstone) => Put::Taken(Taken::Tombstone),
            None => {
                slots.by_key.insert(key, slot);
                Put::Won(place(key))
            }
        }
    }
}

#[async_trait]
impl BlobStore for MemoryBlobs {
    async fn put(&self, key: SegmentKey, bytes: Bytes) -> Result<Put, BlobError> {
        Ok(self.put_slot(key, Slot::Segment(bytes)))
    }

    async fn put_tombstone(&self, key: SegmentKey) -> Result<Put, BlobError> {
        Ok(self.put_slot(key, Slot::Tombstone))
    }

    async fn claimed_after(&self, epoch: u32) -> Result<bool, BlobError> {
        Ok(self
            .slots
            .read()
            .claims
            .iter()
            .any(|claimed| *claimed > epoch))
    }

    async fn read(&self, id: PhysicalId, before: u32) -> Result<Bytes, BlobError> {
        let slots = self.slots.read();
        let slot = key(id.segment).and_then(|key| slots.by_key.get(&key));
        let Some(Slot::Segment(bytes)) = slot else {
            return Err(BlobError::Missing(id));
        };
        let start = id
            .offset
            .checked_sub(before)
            .and_then(|start| usize::try_from(start).ok());
        let end = id
            .offset
            .checked_add(id.length)
            .and_then(|end| usize::try_from(end).ok());
        match (start, end) {
            (Some(start), Some(end)) if end <= bytes.len() => Ok(bytes.slice(start..end)),
            _ => Err(BlobError::Missing(id)),
        }
    }
}
