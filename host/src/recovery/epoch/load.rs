//! What an epoch left behind: its newest checkpoint, and the segments written since.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};

use super::store::{EpochStore, checkpoint_name, checkpoints};
use super::{EpochError, Included};
use crate::blob::objects::Listed;
use crate::blob::{SegmentKey, SegmentPlace};
use crate::commit::segment::{HEADER_BYTES, Record, SegmentError, SegmentHeader, SegmentKind};
use crate::limits;
use crate::recovery::checkpoint::{Checkpoint, CheckpointBuilder};
use crate::recovery::entry::{Base, Header};
use crate::recovery::replay::Replay;
use crate::registry::memory::{HistoryOptions, MemoryRegistry, Survey};

/// A registry in this process that holds what is to go on.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) registry: MemoryRegistry,
    /// The period from which segments were listed.
    pub(super) from_period: u32,
    /// What was replayed, sorted.
    pub(super) included: Vec<Included>,
    pub(super) transactions: usize,
}

/// One committed segment of a listing.
#[derive(Debug)]
struct Found {
    key: SegmentKey,
    record: Record,
}

/// Under which the segments of an epoch are.
fn segments(epoch: u32) -> String {
    format!("segment/{epoch:08x}/")
}

/// The key in an object's name.
fn key_of(epoch: u32, name: &str) -> Option<SegmentKey> {
    let (period, unique) = name.strip_prefix(&segments(epoch))?.split_once('/')?;
    Some(SegmentKey {
        epoch,
        period: u32::from_str_radix(period, 16).ok()?,
        unique: u64::from_str_radix(unique, 16).ok()?,
    })
}

impl EpochStore {
    /// Replays the epoch `previous` (0 = nothing) into a registry for `epoch`.
    pub(super) async fn load(
        &self,
        previous: u32,
        epoch: u32,
        history: HistoryOptions,
    ) -> Result<Loaded, EpochError> {
        let runtime = Arc::clone(&self.runtime);
        if previous == 0 {
            return Ok(Loaded {
                registry: MemoryRegistry::new(epoch, history, runtime),
                from_period: 0,
                included: Vec::new(),
                transactions: 0,
            });
        }
        let checkpoint = Arc::new(self.newest_checkpoint(previous).await?);
        let header = checkpoint.header().clone();
        let registry = MemoryRegistry::over(checkpoint, epoch, history, runtime);
        let mut found = self.committed(previous, header.period).await?;
        found.sort_unstable_by_key(|found| (found.record.ticket, found.key));
        let mut replay = Replay::new(&registry, &header);
        let mut included = Vec::with_capacity(found.len());
        for Found { key, record } in found {
            replay.apply(&record, place(key))?;
            included.push(Included {
                period: key.period,
                unique: key.unique,
            });
        }
        let transactions = replay.transactions();
        included.sort_unstable();
        Ok(Loaded {
            registry,
            from_period: header.period,
            included,
            transactions,
        })
    }

    /// Every real epoch has at least the checkpoint it began with.
    async fn newest_checkpoint(&self, epoch: u32) -> Result<Checkpoint, EpochError> {
        let prefix = checkpoints(epoch);
        let listed = self.patient(|| self.objects.list(&prefix)).await?;
        let periods = listed
            .iter()
            .filter_map(|listed| u32::from_str_radix(listed.name.strip_prefix(&prefix)?, 16).ok());
        let name = checkpoint_name(epoch, periods.max().unwrap_or(0));
        let bytes = self.patient(|| self.objects.get(&name)).await?;
        let bytes = bytes.ok_or_else(|| EpochError::Record {
            name: name.clone(),
            reason: super::RecordError::Damaged,
        })?;
        Ok(Checkpoint::from_bytes(&name, bytes, self.seed)?)
    }

    /// How many segments a recovery would look at, and their bytes.
    pub(super) async fn unreplayed(&self, epoch: u32) -> Result<(u64, u64), EpochError> {
        let from = self.newest_checkpoint(epoch).await?.header().period;
        let prefix = segments(epoch);
        let listed = self.patient(|| self.objects.list(&prefix)).await?;
        let later = listed
            .iter()
            .filter(|listed| key_of(epoch, &listed.name).is_some_and(|key| key.period >= from));
        let lengths: Vec<u64> = later.map(|listed| listed.bytes).collect();
        Ok((lengths.len() as u64, lengths.iter().sum()))
    }

    /// All segments of an epoch from a period on that are committed and hold transactions.
    async fn committed(&self, epoch: u32, period: u32) -> Result<Vec<Found>, EpochError> {
        let prefix = segments(epoch);
        let listed = self.patient(|| self.objects.list(&prefix)).await?;
        let keyed = listed.into_iter().filter_map(|listed| {
            let key = key_of(epoch, &listed.name)?;
            (key.period >= period).then_some((key, listed))
        });
        // Collected first: the futures must not borrow from the iterator.
        let reads: Vec<_> = keyed
            .map(|(key, listed)| self.committed_at(key, listed))
            .collect();
        let found = futures::stream::iter(reads).buffer_unordered(limits::RECOVERY_READS);
        found
            .try_filter_map(|found| std::future::ready(Ok(found)))
            .try_collect()
            .await
    }

    /// What a segment decided; `None` = its transactions never happened, or it has none.
    async fn committed_at(
        &self,
        key: SegmentKey,
        listed: Listed,
    ) -> Result<Option<Found>, EpochError> {
        let name = listed.name.clone();
        let damaged = |reason: SegmentError| EpochError::Segment {
            name: name.clone(),
            reason,
        };
        let front = listed.bytes.min(limits::SEGMENT_FRONT_BYTES);
        let front = self.part(&name, 0..front).await?;
        let header = SegmentHeader::decode(&front).map_err(damaged)?;
        if header.key != key {
            return Err(damaged(SegmentError::Foreign));
        }
        if header.kind != SegmentKind::Segment {
            return Ok(None);
        }
        let start = u64::from(header.record_offset);
        let end = start + u64::from(header.record_length);
        if end > listed.bytes {
            return Err(damaged(SegmentError::Short));
        }
        let inside = usize::try_from(start)
            .ok()
            .zip(usize::try_from(end).ok())
            .and_then(|(start, end)| front.get(start..end).map(Bytes::copy_from_slice));
        let record = match inside {
            Some(record) => record,
            None => self.part(&name, start..end).await?,
        };
        let record = header.record(&record).map_err(damaged)?;
        let holds = !record.transactions.is_empty();
        Ok(holds.then_some(Found { key, record }))
    }

    async fn part(&self, name: &str, range: std::ops::Range<u64>) -> Result<Bytes, EpochError> {
        let short = || EpochError::Segment {
            name: name.to_owned(),
            reason: SegmentError::Short,
        };
        if range.end < HEADER_BYTES as u64 {
            return Err(short());
        }
        let ranges = [range];
        let parts = self
            .patient(|| self.objects.get_ranges(name, &ranges))
            .await?;
        parts
            .and_then(|parts| parts.into_iter().next())
            .ok_or_else(short)
    }

    /// Writes what a survey gathers as a checkpoint of an epoch: its segments from this period on come after it.
    pub async fn put_survey(
        &self,
        mut survey: Survey<'_>,
        epoch: u32,
        period: u32,
    ) -> Result<u64, EpochError> {
        let name = checkpoint_name(epoch, period);
        let mut builder = CheckpointBuilder::new(&name, self.seed);
        loop {
            let entries = survey.next_entries(limits::CHECKPOINT_CHUNK_ENTRIES);
            let entries = entries.map_err(|error| builder.failed(&error))?;
            if entries.is_empty() {
                break;
            }
            for entry in &entries {
                builder.push(entry)?;
            }
        }
        let header = Header {
            epoch,
            period,
            ..survey.header().clone()
        };
        let bytes = Bytes::from(builder.finish(&header)?);
        let put = || self.objects.put(&name, bytes.clone());
        self.patient(put).await?;
        Ok(bytes.len() as u64)
    }
}

/// Where an object store puts the bodies of a segment.
fn place(key: SegmentKey) -> SegmentPlace {
    SegmentPlace {
        segment: key.object(),
        base: 0,
    }
}
