//! Keeps a database in memory from growing for ever: segments without a body that anybody can still read are dropped.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt;
use sop_engine::types::PhysicalId;

use super::Storage;
use crate::blob::memory::MemoryBlobs;
use crate::blob::{SegmentKey, SegmentPlace};
use crate::limits::{CHECKPOINT_CHUNK_ENTRIES, MEMORY_COLLECTION_BYTES};
use crate::recovery::entry::State;
use crate::registry::memory::MemoryRegistry;

/// The two halves of a database in memory.
#[derive(Debug)]
pub(super) struct Collection {
    pub(super) registry: Arc<MemoryRegistry>,
    pub(super) blobs: Arc<MemoryBlobs>,
    /// Bytes written when the next collection is due.
    due: AtomicU64,
}

impl Collection {
    pub(super) fn new(registry: Arc<MemoryRegistry>, blobs: Arc<MemoryBlobs>) -> Self {
        Self {
            registry,
            blobs,
            due: AtomicU64::new(MEMORY_COLLECTION_BYTES),
        }
    }

    /// Drops the segments of bodies that no kept version and no spill names. Only while no group is under way.
    fn collect(
        &self,
        segments: &[(SegmentKey, SegmentPlace)],
        spills: &[PhysicalId],
    ) -> std::io::Result<()> {
        let mut live: HashSet<(u64, u64)> = spills.iter().map(|place| place.segment).collect();
        let mut after = None;
        loop {
            let entries = self
                .registry
                .entries_after(after, CHECKPOINT_CHUNK_ENTRIES)?;
            let Some(last) = entries.last() else { break };
            after = Some(last.id);
            for version in entries.iter().flat_map(|entry| &entry.versions) {
                if let State::Chain(chain) = &version.state {
                    live.extend(chain.iter().map(|place| place.segment));
                }
            }
        }
        for (key, place) in segments {
            if !live.contains(&place.segment) {
                self.blobs.remove(*key);
            }
        }
        Ok(())
    }
}

impl Storage {
    /// Starts a collection in the background when enough was written since the last one.
    pub(super) fn collect_when_due(&self) {
        let Some(collection) = &self.inner.collection else {
            return;
        };
        let written = self.inner.counts.bytes_written.load(Ordering::Relaxed);
        let due = collection.due.load(Ordering::Relaxed);
        let begun = || {
            collection
                .due
                .compare_exchange(due, u64::MAX, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        };
        if written < due || !begun() {
            return;
        }
        let storage = self.clone();
        self.inner
            .runtime
            .spawn(async move { storage.collect(written).await }.boxed());
    }

    async fn collect(&self, written: u64) {
        let Some(collection) = &self.inner.collection else {
            return;
        };
        let pause = self.pause().await;
        // The segments are listed before the spills: what is written ahead meanwhile is in neither list, so it stays. A
        // reservation whose outcome is unknown may still need its segment.
        let segments = collection.blobs.segments();
        let segments: Vec<_> = segments
            .into_iter()
            .map(|(key, place, _)| (key, place))
            .collect();
        if let Some(spills) = self.spills().filter(|_| !collection.registry.reserved()) {
            let places: Vec<_> = spills.into_iter().map(|(place, _)| place).collect();
            if let Err(error) = collection.collect(&segments, &places) {
                tracing::warn!(%error, "nothing was collected");
            }
        }
        drop(pause);
        // The more lives, the rarer: each collection looks at everything that lives.
        let next = written + MEMORY_COLLECTION_BYTES.max(collection.blobs.bytes());
        collection.due.store(next, Ordering::Release);
    }
}
