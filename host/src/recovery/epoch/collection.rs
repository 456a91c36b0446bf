//! Collection: what becomes of segments that nothing reaches any more.
//!
//! ```text
//!   checkpoint durable ─► fence check ─► list segments ─► of the open epoch: stub ─────► much later: say so, delete
//!                                                      └► of a closed one:   say so, delete
//! ```
//!
//! A segment is **dead** when no chain of the checkpoint names it, it lies in a period before the checkpoint's
//! [`Header::period`](crate::recovery::entry::Header::period), and no body in it can be consumed any more
//! ([`PeriodStart::spills_from`](crate::registry::PeriodStart::spills_from)).
//!
//! # Why it stays dead
//! - *Versions.* The checkpoint has every state that a version at or above the floor reaches, and the floor only rises. What
//!   is published later builds on the newest states, which are in it. Physical ids are never used twice.
//! - *Relocations* change places in versions that are older than the checkpoint's as well. If one is published while the
//!   entries are read, they may show the new places of a version whose successors, which the checkpoint does not have, still
//!   have the old ones. Registries count relocations: after a checkpoint beside one, nothing is collected.
//! - *Reservations.* Everything that was reserved for its period or an earlier one is resolved and in the entries: see
//!   `parts`. What is reserved later lies in later periods, and names bodies of its own, of the newest states, or ones
//!   that were written ahead at or above the spill floor.
//! - *Recovery.* The fence check comes after the checkpoint is durable: whoever claims later lists this checkpoint or a newer
//!   one, and no segment of an earlier period. If there is a claim, nothing is collected. A collector that stands still after
//!   the check and goes on an hour later takes away what is dead in every epoch that followed.
//!
//! So a collector may be killed or paused anywhere, and two may work at once.
//!
//! # Keys that decided
//! In an open epoch a dead segment is overwritten with a **stub**, which says "committed": a late put or a late tombstone would
//! decide its key again. Stubs and tombstones would pile up as long as the epoch is open; those of periods long past are
//! deleted, but before that a word is put that keys of such periods say nothing any more ([`collected_name`]). Whoever finds
//! nothing or a tombstone looks for that word *afterwards*, and then answers "unknown" instead of "it never happened". In the
//! registry such a key has no reservation left, so nothing can be published or undone by it.
//!
//! Epochs that a real manifest closed are over: their dead segments are deleted, and so are their checkpoints. Of the last
//! ones the segments that the manifest lists stay for some periods of the open epoch: people ask what became of commits that
//! were under way when it ended (`outcome`).

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt};
use sop_engine::types::PhysicalId;

use super::record::Manifest;
use super::store::EpochStore;
use super::{EpochError, checkpoints_epoch};
use crate::blob::SegmentKey;
use crate::blob::objects::Listed;
use crate::blob::objects::store::{collected_name, collected_prefix, segment_key};
use crate::blob::segment_header::{FOOTER_BYTES, HEADER_BYTES, SegmentKind, mark};
use crate::commit::segment::FRAME_BYTES;
use crate::limits;
use crate::recovery::entry::{Entry, State};

/// Bytes of a tombstone and of a stub; every segment has more.
const MARK_BYTES: u64 = (HEADER_BYTES + FOOTER_BYTES) as u64;

/// The segments that the entries of a checkpoint reach, with the bytes of the bodies in them.
#[derive(Clone, Debug, Default)]
pub struct Live {
    bytes: BTreeMap<(u64, u64), u64>,
    /// The places of the entry that came last: another version of it most often shares some.
    last: BTreeSet<PhysicalId>,
    last_id: Option<sop_engine::types::LogicalId>,
}

impl Live {
    /// Counts what an entry reaches. Of one id, versions that do not come one after the other may count a body twice.
    pub fn add(&mut self, entry: &Entry) {
        if self.last_id != Some(entry.id) {
            self.last_id = Some(entry.id);
            self.last.clear();
        }
        for version in &entry.versions {
            let State::Chain(chain) = &version.state else {
                continue;
            };
            for place in chain {
                if self.last.insert(*place) {
                    self.add_place(*place);
                }
            }
        }
    }

    /// Counts a body that no entry names yet.
    pub fn add_place(&mut self, place: PhysicalId) {
        let bytes = self.bytes.entry(place.segment).or_default();
        *bytes += u64::from(place.length) + u64::from(FRAME_BYTES);
    }

    /// Bytes of live bodies in a segment.
    pub fn of(&self, segment: (u64, u64)) -> u64 {
        self.bytes.get(&segment).copied().unwrap_or(0)
    }

    /// Bytes of all live bodies.
    pub fn total(&self) -> u64 {
        self.bytes.values().sum()
    }
}

/// The moment of a checkpoint, as far as it says what may go.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The epoch it was taken in.
    pub epoch: u32,
    /// Everything that was reserved for earlier periods is resolved.
    pub oldest: u32,
    /// Bodies written ahead in earlier periods are consumed no more.
    pub spills_from: u32,
    /// Whether other hosts may ask what became of commits of epochs that ended.
    pub shared: bool,
}

/// What a collection found and did.
#[derive(Clone, Debug, Default)]
pub struct Room {
    /// Segments that something reaches and to which nothing is added any more: bytes of the object, and of live bodies.
    pub settled: BTreeMap<(u64, u64), (u64, u64)>,
    /// Bytes of all segments that are left.
    pub bytes: u64,
    /// How many there are.
    pub segments: u64,
    /// Tombstones and stubs that are left.
    pub marks: u64,
    /// Bytes of live bodies.
    pub live_bytes: u64,
    /// Dead segments that were taken away.
    pub collected: u64,
    /// Their bytes.
    pub collected_bytes: u64,
}

/// What is to be done about one listing.
#[derive(Debug, Default)]
struct Plan {
    stubs: Vec<SegmentKey>,
    /// Of the open epoch: tombstones and stubs of periods long past.
    marks: Vec<String>,
    /// Of closed epochs.
    closed: BTreeMap<u32, Vec<String>>,
}

impl EpochStore {
    /// After the checkpoint of this moment is durable: takes away what is dead. Does nothing if somebody claimed an epoch
    /// after it.
    pub async fn collect(&self, moment: Moment, live: &Live) -> Result<Room, EpochError> {
        let mut room = Room {
            live_bytes: live.total(),
            ..Room::default()
        };
        if self.is_superseded(moment.epoch).await? {
            return Ok(room);
        }
        let listed = self.patient(|| self.objects.list("segment/")).await?;
        let forgotten = moment.oldest.saturating_sub(limits::MARK_PERIODS_KEPT);
        let kept = self.kept(moment).await?;
        let plan = plan(listed, moment, forgotten, &kept, live, &mut room);
        self.put_stubs(plan.stubs).await?;
        self.forget(moment.epoch, forgotten, plan.marks).await?;
        for (epoch, names) in plan.closed {
            let before = kept.get(&epoch).copied().unwrap_or(u32::MAX);
            self.forget(epoch, before, names).await?;
        }
        self.remove_closed_checkpoints(moment.epoch).await?;
        Ok(room)
    }

    /// Of epochs that ended lately: the period from which dead segments stay.
    async fn kept(&self, moment: Moment) -> Result<BTreeMap<u32, u32>, EpochError> {
        let mut kept = BTreeMap::new();
        if !moment.shared || moment.oldest >= limits::MARK_PERIODS_KEPT {
            return Ok(kept);
        }
        let first = moment.epoch.saturating_sub(limits::CLOSED_EPOCHS_KEPT);
        for epoch in first.max(1)..=moment.epoch {
            if let Some(Manifest::Real(beginning)) = self.manifest(epoch).await? {
                kept.insert(beginning.previous, beginning.from_period);
            }
        }
        Ok(kept)
    }

    async fn put_stubs(&self, keys: Vec<SegmentKey>) -> Result<(), EpochError> {
        let puts = keys.into_iter().map(|key| async move {
            let name = crate::blob::objects::store::segment_name(key);
            let stub = mark(SegmentKind::Stub, key);
            self.patient(|| self.objects.put(&name, stub.clone())).await
        });
        let puts: Vec<_> = puts.collect();
        let puts = futures::stream::iter(puts).buffer_unordered(limits::COLLECTION_CALLS);
        puts.try_collect().await
    }

    /// Deletes keys of an epoch, all of periods before this one, after saying that they tell nothing any more.
    async fn forget(&self, epoch: u32, period: u32, names: Vec<String>) -> Result<(), EpochError> {
        if names.is_empty() {
            return Ok(());
        }
        let word = collected_name(epoch, period);
        let prefix = collected_prefix(epoch);
        let said = self.patient(|| self.objects.list(&prefix)).await?;
        let said: Vec<String> = said.into_iter().map(|listed| listed.name).collect();
        if said.last().is_none_or(|last| *last < word) {
            let nothing = bytes::Bytes::from_static(b"sop");
            self.patient(|| self.objects.put(&word, nothing.clone()))
                .await?;
        }
        self.delete_all(names).await?;
        // The highest word counts, so lower ones may go.
        self.delete_all(said.into_iter().filter(|said| *said < word).collect())
            .await
    }

    async fn delete_all(&self, names: Vec<String>) -> Result<(), EpochError> {
        let deletes: Vec<_> = names
            .into_iter()
            .map(|name| async move { self.patient(|| self.objects.delete(&name)).await })
            .collect();
        let deletes = futures::stream::iter(deletes).buffer_unordered(limits::COLLECTION_CALLS);
        deletes.try_collect().await
    }

    /// Epochs before this one are closed, and it began with a checkpoint of its own.
    async fn remove_closed_checkpoints(&self, epoch: u32) -> Result<(), EpochError> {
        let listed = self.patient(|| self.objects.list("checkpoint/")).await?;
        let closed = listed
            .into_iter()
            .filter(|listed| checkpoints_epoch(&listed.name).is_some_and(|of| of < epoch));
        let (heads, runs): (Vec<_>, Vec<_>) = closed
            .map(|listed| listed.name)
            .partition(|name| !name.contains('-'));
        // Heads before their runs: what is there is whole.
        self.delete_all(heads).await?;
        self.delete_all(runs).await
    }
}

fn plan(
    listed: Vec<Listed>,
    moment: Moment,
    forgotten: u32,
    kept: &BTreeMap<u32, u32>,
    live: &Live,
    room: &mut Room,
) -> Plan {
    let mut plan = Plan::default();
    for Listed { name, bytes } in listed {
        let Some(key) = segment_key(&name) else {
            continue;
        };
        let reached = live.of(key.object());
        let settled =
            key.epoch < moment.epoch || (key.epoch == moment.epoch && key.period < moment.oldest);
        let is_mark = bytes <= MARK_BYTES;
        let dead = reached == 0 && settled && key.epoch == moment.epoch;
        let stays = || kept.get(&key.epoch).is_some_and(|from| *from <= key.period);
        if key.epoch < moment.epoch && reached == 0 && !stays() {
            plan.closed.entry(key.epoch).or_default().push(name);
        } else if is_mark {
            room.marks += 1;
            if settled && key.period < forgotten {
                plan.marks.push(name);
                room.marks -= 1;
            }
            continue;
        } else if dead && key.period < moment.spills_from {
            plan.stubs.push(key);
            room.marks += 1;
        } else {
            room.segments += 1;
            room.bytes += bytes;
            if settled && reached > 0 {
                room.settled.insert(key.object(), (bytes, reached));
            }
            continue;
        }
        room.collected += u64::from(!is_mark);
        room.collected_bytes += bytes;
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::objects::store::segment_name;

    const fn key(epoch: u32, period: u32, unique: u64) -> SegmentKey {
        SegmentKey {
            epoch,
            period,
            unique,
        }
    }

    fn listed(key: SegmentKey, bytes: u64) -> Listed {
        Listed {
            name: segment_name(key),
            bytes,
        }
    }

    #[test]
    fn only_what_nothing_can_reach_goes() {
        let moment = Moment {
            epoch: 2,
            oldest: 20,
            spills_from: 15,
            shared: true,
        };
        let mut live = Live::default();
        live.add_place(PhysicalId {
            segment: key(2, 3, 1).object(),
            offset: 80,
            length: 76,
        });
        live.add_place(PhysicalId {
            segment: key(1, 3, 1).object(),
            offset: 80,
            length: 76,
        });
        let segments = [
            (key(1, 3, 1), 1_000),
            (key(1, 3, 2), 1_000),
            (key(1, 9, 3), MARK_BYTES),
            (key(1, 10, 8), 1_000),
            (key(2, 3, 1), 1_000),
            (key(2, 3, 2), 1_000),
            (key(2, 3, 3), MARK_BYTES),
            (key(2, 15, 4), 1_000),
            (key(2, 19, 5), MARK_BYTES),
            (key(2, 20, 6), 1_000),
            (key(3, 0, 7), 1_000),
        ];
        let segments = segments.map(|(key, bytes)| listed(key, bytes)).to_vec();
        let mut room = Room::default();
        let kept = BTreeMap::from([(1, 10)]);
        let plan = plan(segments, moment, 16, &kept, &live, &mut room);
        assert_eq!(plan.stubs, [key(2, 3, 2)]);
        assert_eq!(plan.marks, [segment_name(key(2, 3, 3))]);
        let gone = [segment_name(key(1, 3, 2)), segment_name(key(1, 9, 3))];
        assert_eq!(plan.closed.get(&1).map(Vec::as_slice), Some(&gone[..]));
        assert_eq!(plan.closed.len(), 1);
        assert_eq!((room.collected, room.collected_bytes), (2, 2_064));
        assert_eq!((room.segments, room.bytes, room.marks), (6, 6_000, 2));
        let settled: Vec<_> = room.settled.into_iter().collect();
        let (old, new) = (key(1, 3, 1).object(), key(2, 3, 1).object());
        assert_eq!(settled, [(old, (1_000, 100)), (new, (1_000, 100))]);
    }
}
