//! Collection and compaction of segments on an object store.
//!
//! ```text
//!   checkpoint ─► collect what is dead ─► too much room for what lives? ─► move what lives out of sparse segments
//!                                                                             └─► at the next checkpoint they are dead
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;

use sop_engine::storage::StorageError;
use sop_engine::types::{LogicalId, PhysicalId};

use super::Storage;
use super::compaction::{Compacted, Progress};
use super::shared::Shared;
use crate::limits;
use crate::recovery::checkpoint::blobs;
use crate::recovery::epoch::collection::{Live, Moment, Room};

/// Which segments are to be emptied.
#[derive(Clone, Copy, Debug)]
struct Sparse {
    /// Those in which less than this is live.
    percent: u64,
    /// Those that are smaller than this, if there are several.
    bytes: u64,
}

impl Sparse {
    /// What a checkpoint in the background moves.
    const BACKGROUND: Self = Self {
        percent: limits::RELOCATION_LIVE_PERCENT,
        bytes: 0,
    };
    /// What people get who ask for it.
    const ALL: Self = Self {
        percent: limits::COMPACTION_LIVE_PERCENT,
        bytes: limits::SMALL_SEGMENT_BYTES,
    };

    fn of(self, room: &Room) -> BTreeSet<(u64, u64)> {
        let small = |bytes: u64| bytes < self.bytes;
        let all = || room.settled.iter();
        let several = all().filter(|(_, (bytes, _))| small(*bytes)).count() > 8;
        let sparse = all().filter(|(_, (bytes, live))| {
            live.saturating_mul(100) < bytes.saturating_mul(self.percent)
                || (several && small(*bytes))
        });
        sparse.map(|(segment, _)| *segment).collect()
    }
}

impl Storage {
    /// After a checkpoint is durable: takes away what it shows to be dead. What stays takes room, nothing else.
    /// `live` = none: something was relocated meanwhile, so nothing can be said.
    pub(super) async fn sweep(
        &self,
        shared: &Shared,
        moment: Moment,
        period: u32,
        live: Option<&Live>,
    ) {
        let epochs = &shared.epochs;
        let old = epochs.remove_old_checkpoints(moment.epoch, period).await;
        if let Err(error) = old {
            tracing::warn!(%error, "old checkpoints are left");
        }
        let Some(live) = live else { return };
        match epochs.collect(moment, live).await {
            Ok(room) => {
                let Room {
                    collected,
                    collected_bytes,
                    bytes,
                    live_bytes,
                    ..
                } = room;
                tracing::info!(collected, collected_bytes, bytes, live_bytes, "collection");
                let mut last = shared.room.lock();
                let before = last.take().unwrap_or_default();
                *last = Some(Room {
                    collected: before.collected + collected,
                    collected_bytes: before.collected_bytes + collected_bytes,
                    ..room
                });
            }
            Err(error) => tracing::warn!(%error, "dead segments are left"),
        }
    }

    /// What the last collection of this host found, if it took one. What was collected is counted since it was opened.
    pub fn room(&self) -> Option<Room> {
        self.inner.shared.get()?.room.lock().clone()
    }

    pub(super) async fn compact_objects(
        &self,
        shared: Arc<Shared>,
        mut progress: Progress,
    ) -> Result<Compacted, StorageError> {
        let storage = self.clone();
        self.detached(async move {
            let _one = shared.compacting.lock().await;
            let collected = || storage.room().map_or(0, |room| room.collected_bytes);
            let before = collected();
            storage.life().registry.prune().await?;
            storage.checkpoint_objects().await?;
            let room = storage.room().unwrap_or_default();
            let before_bytes = room.bytes + room.collected_bytes - before;
            let moved_bytes = storage
                .empty(&shared, &room, Sparse::ALL, &mut progress)
                .await?;
            if moved_bytes > 0 {
                // What was reserved while the first one begins may keep a period back: the second does not meet it.
                storage.checkpoint_objects().await?;
            }
            let after = storage.room().unwrap_or_default();
            Ok(Compacted {
                before_bytes,
                after_bytes: after.bytes,
                live_bytes: after.live_bytes,
                moved_bytes,
            })
        })
        .await
    }

    /// After a checkpoint in the background: empties sparse segments if all of them take too much room.
    pub(super) async fn compact_if_sparse(&self, shared: &Shared) -> Result<(), StorageError> {
        let Some(_one) = shared.compacting.try_lock() else {
            return Ok(());
        };
        let room = self.room().unwrap_or_default();
        let settled: u64 = room.settled.values().map(|(bytes, _)| bytes).sum();
        let live: u64 = room.settled.values().map(|(_, live)| live).sum();
        if settled.saturating_mul(100) <= live.saturating_mul(limits::SEGMENTS_PERCENT_MAX) {
            return Ok(());
        }
        let mut unheard: Progress = Box::new(|_| ());
        let moved = self.empty(shared, &room, Sparse::BACKGROUND, &mut unheard);
        let bytes = moved.await?;
        tracing::info!(bytes, "compaction");
        Ok(())
    }

    /// Moves what is live out of sparse segments. Answers the bytes moved.
    async fn empty(
        &self,
        shared: &Shared,
        room: &Room,
        sparse: Sparse,
        progress: &mut Progress,
    ) -> Result<u64, StorageError> {
        let segments = sparse.of(room);
        if segments.is_empty() {
            return Ok(0);
        }
        let live = |segment| room.settled.get(segment).map_or(0, |(_, live)| *live);
        let total_bytes = segments.iter().map(live).sum();
        let leaves = move |place: &PhysicalId| segments.contains(&place.segment);
        let mut ids: Vec<LogicalId> = Vec::new();
        let epoch = self.life().epoch;
        let visit = |entry: &crate::recovery::entry::Entry| {
            if blobs(entry).iter().any(&leaves) {
                ids.push(entry.id);
            }
        };
        shared.epochs.visit_newest(epoch, visit).await?;
        let count = limits::RELOCATION_IDS_OBJECTS;
        self.relocate_all(ids, &leaves, count, total_bytes, progress)
            .await
    }
}
