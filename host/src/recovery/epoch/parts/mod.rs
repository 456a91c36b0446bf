//! Checkpoints as objects: runs of entries, and one head that says which runs they are.
//!
//! ```text
//!   checkpoint/<epoch>/<period>-<attempt>/<number>    runs: checkpoint files of one partition each, put first
//!   checkpoint/<epoch>/<period>                       the head, put last: with it the checkpoint is there, as a whole
//! ```
//!
//! An id belongs to one partition, which its random part says. Entries come in any order: they wait in memory, by
//! partition; when there are too many, the longest partition is sorted and put as a run. Whoever reads takes one partition
//! after the other, all runs of it together. So memory holds, whatever the size of the database,
//! - while writing: [`CHECKPOINT_BUFFER_BYTES`](crate::limits::CHECKPOINT_BUFFER_BYTES) of entries, and one run;
//! - while reading: one partition, of some [`CHECKPOINT_PARTITION_ENTRIES`](crate::limits::CHECKPOINT_PARTITION_ENTRIES)
//!   entries (about 150 bytes each) up to as many partitions as there may be.
//!
//! # Which periods a recovery looks at
//!
//! The period `p` of a checkpoint begins at one moment of the registry, before an entry is read. At this moment
//! - `version`: everything published so far is in the entries, which are read as of this version; nothing later is;
//! - `low_water`: the lowest unresolved ticket; `contained`: the tickets above it that are published;
//! - `oldest`: the lowest period of an unresolved reservation's segment, or `p`.
//!
//! A recovery lists the segments of the periods from `oldest` on, which is what [`Header::period`] says. Take a committed
//! segment that it does *not* list, of a period `q < oldest`. A registry refuses reservations for periods before the
//! current one, so its reservation was made before `p` began (`q < oldest <= p`). It was not unresolved then, else `oldest`
//! would be at most `q`. So it had been published, which the entries contain, or undone, and then a tombstone lies at its
//! key and it is not committed. Hence nothing is missed. Of the segments that are listed, those with a ticket below the mark
//! were resolved, so contained if committed; those named were published; all others were not, and are replayed: nothing is
//! counted twice. The same argument tells a writer whose epoch was closed meanwhile what became of its durable segment.
//!
//! What does not matter: how late the head arrives, whether two hosts do this at the same time (each begins a period of its
//! own), and whether a period has no checkpoint, because its host died: the next recovery lists two periods.
//!
//! It holds the versions within retention, for whoever collects segments. A recovery into a shared registry keeps the newest
//! one of each id only: all are given a version of the new epoch.

mod reader;
mod writer;

use serde::{Deserialize, Serialize};
use sop_engine::types::LogicalId;

pub use self::writer::PartsWriter;
use super::EpochError;
use super::record::Object;
use super::store::{EpochStore, checkpoint_name, checkpoints};
use crate::limits;
use crate::recovery::entry::{Entry, Header};

/// What makes runs a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) header: Header,
    /// The period that began with it, which its name says too.
    period: u32,
    /// Tells its runs from those of an attempt that failed.
    attempt: u64,
    pub(super) partitions: u32,
    runs: Vec<Run>,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Run {
    partition: u32,
    entries: u64,
    bytes: u64,
    /// Of all its bytes, seeded like that of any object of its name.
    checksum: u64,
}

impl Object for Head {
    const WHAT: u8 = 5;
}

impl Head {
    /// How many entries it has; those that several runs have count more than once.
    pub(super) fn entries(&self) -> u64 {
        self.runs.iter().map(|run| run.entries).sum()
    }

    /// Bytes of its runs.
    pub(super) fn bytes(&self) -> u64 {
        self.runs.iter().map(|run| run.bytes).sum()
    }
}

fn run_name(epoch: u32, period: u32, attempt: u64, number: usize) -> String {
    let head = checkpoint_name(epoch, period);
    format!("{head}-{attempt:016x}/{number:08x}")
}

/// The period that an object below `checkpoint/<epoch>/` belongs to, and whether it is a head.
fn period_of(name: &str, prefix: &str) -> Option<(u32, bool)> {
    let rest = name.strip_prefix(prefix)?;
    let (period, run) = rest.split_at_checked(8)?;
    let period = u32::from_str_radix(period, 16).ok()?;
    (run.is_empty() || run.starts_with('-')).then_some((period, run.is_empty()))
}

/// How many partitions so many entries make.
pub(super) fn partitions(entries: u64) -> u32 {
    let wanted = entries / limits::CHECKPOINT_PARTITION_ENTRIES;
    let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
    wanted
        .clamp(1, limits::CHECKPOINT_PARTITIONS_MAX)
        .next_power_of_two()
}

/// The partition of an id.
pub(super) fn partition(id: LogicalId, partitions: u32) -> u32 {
    u32::try_from(id.node >> 56).unwrap_or(0) % partitions.max(1)
}

const _: () = assert!(limits::CHECKPOINT_PARTITIONS_MAX.is_power_of_two());
const _: () = assert!(limits::CHECKPOINT_PARTITIONS_MAX <= 1 << 8);

/// In the order of ids, each once with all versions that were found.
fn merged(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by_key(|entry| entry.id);
    let mut merged: Vec<Entry> = Vec::with_capacity(entries.len());
    for entry in entries {
        match merged.last_mut() {
            Some(last) if last.id == entry.id => {
                last.ticket = last.ticket.max(entry.ticket);
                last.versions.extend(entry.versions);
                last.versions
                    .sort_by_key(|version| std::cmp::Reverse(version.version));
                last.versions.dedup_by_key(|version| version.version);
            }
            _ => merged.push(entry),
        }
    }
    merged
}

impl EpochStore {
    /// The checkpoints of an epoch that are there, by period, ascending.
    async fn periods(&self, epoch: u32) -> Result<Vec<u32>, EpochError> {
        let prefix = checkpoints(epoch);
        let listed = self.patient(|| self.objects.list(&prefix)).await?;
        let found = listed
            .iter()
            .filter_map(|listed| period_of(&listed.name, &prefix));
        let mut periods: Vec<u32> = found.filter(|(_, head)| *head).map(|(of, _)| of).collect();
        periods.sort_unstable();
        Ok(periods)
    }

    /// The newest checkpoint of a real epoch: it has at least the one that it began with.
    pub(super) async fn newest_checkpoint(&self, epoch: u32) -> Result<Head, EpochError> {
        let mut name = checkpoint_name(epoch, 0);
        // One that goes away after it was listed has a newer one after it.
        for _ in 0..limits::EPOCH_ATTEMPTS_MAX {
            let newest = self.periods(epoch).await?.last().copied();
            name = checkpoint_name(epoch, newest.unwrap_or(0));
            if let Some(head) = self.get(&name).await? {
                return Ok(head);
            }
        }
        Err(EpochError::Gone(name))
    }

    /// Deletes the checkpoints of an epoch that are older than the last but one before `period`, and what attempts at
    /// them left behind. A recovery that began with one of them begins again.
    pub async fn remove_old_checkpoints(&self, epoch: u32, period: u32) -> Result<u64, EpochError> {
        let prefix = checkpoints(epoch);
        let listed = self.patient(|| self.objects.list(&prefix)).await?;
        let mut found: Vec<_> = listed
            .iter()
            .filter_map(|listed| Some((period_of(&listed.name, &prefix)?, &listed.name)))
            .collect();
        let heads = found.iter().filter(|((of, head), _)| *head && *of < period);
        let Some(kept) = heads.map(|((of, _), _)| *of).max() else {
            return Ok(0);
        };
        // Heads before their runs: what is there is whole.
        found.sort_by_key(|((_, head), _)| !*head);
        let mut removed = 0;
        for ((_, _), name) in found.into_iter().filter(|((of, _), _)| *of < kept) {
            self.patient(|| self.objects.delete(name)).await?;
            removed += 1;
        }
        Ok(removed)
    }
}
