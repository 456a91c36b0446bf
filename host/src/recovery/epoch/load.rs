//! What an epoch left behind: its newest checkpoint, and the segments written since.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};

use super::collection::Live;
use super::parts::{Head, partition};
use super::record::Progress;
use super::store::EpochStore;
use super::{EpochError, Included};
use crate::blob::objects::Listed;
use crate::blob::objects::store::{period_start, segment_key, segment_name};
use crate::blob::{SegmentKey, SegmentPlace};
use crate::commit::segment::{HEADER_BYTES, Record, SegmentError, SegmentHeader, SegmentKind};
use crate::limits;
use crate::recovery::checkpoint::{Checkpoint, CheckpointBuilder};
use crate::recovery::entry::{Entry, EntryList, EntryVersion, Header, State};
use crate::recovery::replay::{Replay, Uncontained};
use crate::registry::Publication;
use crate::registry::memory::{HistoryOptions, MemoryRegistry, Survey, epoch_version};

/// What a recovery found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The period from which segments were listed.
    pub(super) from_period: u32,
    /// What was listed and is committed, sorted.
    pub(super) included: Vec<Included>,
    /// How many transactions were replayed.
    pub(super) transactions: usize,
}

/// A registry in this process that holds what is to go on.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) registry: MemoryRegistry,
    pub(super) found: Found,
}

/// What is to go on, one partition at a time: memory holds what was changed since the checkpoint, never all of it.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) found: Found,
    /// What the new epoch's first checkpoint says of itself.
    pub(super) header: Header,
    /// The checkpoint; none = the database is new.
    head: Option<Head>,
    /// By partition: tickets ascending, and what they changed there.
    changes: BTreeMap<u32, Vec<(u64, Vec<Publication>)>>,
}

/// One committed segment of a listing; its record is empty if it was collected.
#[derive(Debug)]
struct Committed {
    key: SegmentKey,
    record: Record,
}

/// Under which the segments of an epoch are.
fn segments(epoch: u32) -> String {
    format!("segment/{epoch:08x}/")
}

impl Source {
    /// How many partitions there are.
    pub(super) fn partitions(&self) -> u32 {
        self.head.as_ref().map_or(1, |head| head.partitions)
    }

    /// About how many entries there will be.
    pub(super) fn entries(&self) -> u64 {
        let changes = self.changes.values().flatten();
        let changes = changes.flat_map(|(_, publications)| publications);
        let changed: usize = changes.map(|publication| publication.flips.len()).sum();
        // Most changes are of what is there already.
        let before = self.head.as_ref().map_or(0, Head::entries);
        before.max(changed as u64)
    }
}

/// What `epoch` begins with, of an entry of the one before it: nothing of what ended, and of the rest the newest version,
/// which is one of the new epoch.
fn begun(entry: Entry, epoch: u32) -> Option<Entry> {
    let newest = entry.versions.into_iter().next()?;
    let version = EntryVersion {
        version: epoch_version(epoch),
        state: newest.state,
    };
    (version.state != State::Removed).then_some(Entry {
        id: entry.id,
        ticket: entry.ticket,
        versions: vec![version],
    })
}

impl EpochStore {
    /// Replays the epoch `previous` (0 = nothing) into a registry for `epoch`, which holds all of it.
    pub(super) async fn load(
        &self,
        previous: u32,
        epoch: u32,
        history: HistoryOptions,
        beat: Option<(u32, &mut Progress)>,
    ) -> Result<Loaded, EpochError> {
        let runtime = Arc::clone(&self.runtime);
        if previous == 0 {
            return Ok(Loaded {
                registry: MemoryRegistry::new(epoch, history, runtime),
                found: Found::default(),
            });
        }
        let head = self.newest_checkpoint(previous).await?;
        let checkpoint = Arc::new(self.whole(&head).await?);
        let header = &head.header;
        let registry = MemoryRegistry::over(checkpoint, epoch, history, runtime);
        let (committed, included) = self.committed(previous, header.period, beat).await?;
        let mut replay = Replay::new(&registry, header);
        for Committed { key, record } in committed {
            replay.apply(&record, place(key))?;
        }
        let found = Found {
            from_period: header.period,
            included,
            transactions: replay.transactions(),
        };
        Ok(Loaded { registry, found })
    }

    /// All entries of a checkpoint, in one that is searched in memory.
    async fn whole(&self, head: &Head) -> Result<Checkpoint, EpochError> {
        let mut entries = Vec::new();
        for number in 0..head.partitions {
            entries.append(&mut self.partition(head, number).await?);
        }
        entries.sort_unstable_by_key(|entry| entry.id);
        let mut builder = CheckpointBuilder::new("the newest checkpoint", self.seed);
        for entry in entries {
            builder.push(&entry)?;
        }
        let bytes = Bytes::from(builder.finish(&head.header)?);
        Ok(Checkpoint::from_bytes(
            "the newest checkpoint",
            bytes,
            self.seed,
        )?)
    }

    /// Finds what the epoch `previous` (0 = nothing) left for `epoch`.
    pub(super) async fn source(
        &self,
        previous: u32,
        epoch: u32,
        progress: &mut Progress,
    ) -> Result<Source, EpochError> {
        let version = epoch_version(epoch);
        let mut header = Header {
            epoch,
            version,
            floor: version,
            low_water: 1,
            next_ticket: 1,
            ..Header::default()
        };
        let (mut found, mut changes) = (Found::default(), BTreeMap::new());
        if previous == 0 {
            return Ok(Source {
                found,
                header,
                head: None,
                changes,
            });
        }
        let head = self.newest_checkpoint(previous).await?;
        let beat = Some((epoch, progress));
        let (committed, included) = self.committed(previous, head.header.period, beat).await?;
        let mut next_ticket = head.header.next_ticket;
        let mut uncontained = Uncontained::new(&head.header);
        for Committed { key, record } in committed {
            next_ticket = next_ticket.max(record.ticket.saturating_add(1));
            let Some(publications) = uncontained.take(&record, place(key))? else {
                continue;
            };
            found.transactions += publications.len();
            split(record.ticket, publications, head.partitions, &mut changes);
        }
        found.from_period = head.header.period;
        found.included = included;
        (header.low_water, header.next_ticket) = (next_ticket, next_ticket);
        Ok(Source {
            found,
            header,
            head: Some(head),
            changes,
        })
    }

    /// All entries of a partition with which the new epoch begins.
    pub(super) async fn begun(
        &self,
        source: &Source,
        number: u32,
    ) -> Result<Vec<Entry>, EpochError> {
        let epoch = source.header.epoch;
        let Some(head) = &source.head else {
            return Ok(Vec::new());
        };
        let mut entries = self.partition(head, number).await?;
        if let Some(changes) = source.changes.get(&number) {
            let header = Header {
                floor: head.header.version,
                ..head.header.clone()
            };
            let base = Arc::new(EntryList::new(header, entries));
            let (history, runtime) = (HistoryOptions::default(), Arc::clone(&self.runtime));
            let registry = MemoryRegistry::over(base, epoch, history, runtime);
            for (ticket, publications) in changes {
                let replayed = registry.replay(*ticket, publications.clone());
                replayed.map_err(|error| {
                    crate::recovery::replay::ReplayError::Registry(*ticket, error)
                })?;
            }
            let all = registry.survey().next_entries(usize::MAX);
            entries = all.map_err(|error| CheckpointBuilder::new("entries", 0).failed(&error))?;
        }
        let begun = entries.into_iter().filter_map(|entry| begun(entry, epoch));
        Ok(begun.collect())
    }

    /// How many segments a recovery would look at, and their bytes.
    pub(super) async fn unreplayed(&self, epoch: u32) -> Result<(u64, u64), EpochError> {
        let from = self.newest_checkpoint(epoch).await?.header.period;
        let listed = self.listed(epoch, from).await?;
        let bytes = listed.iter().map(|(_, listed)| listed.bytes).sum();
        Ok((listed.len() as u64, bytes))
    }

    /// The segments of an epoch from a period on.
    pub(super) async fn listed(
        &self,
        epoch: u32,
        period: u32,
    ) -> Result<Vec<(SegmentKey, Listed)>, EpochError> {
        let prefix = segments(epoch);
        let listed = match period_start(epoch, period) {
            Some(from) => {
                self.patient(|| self.objects.list_from(&prefix, &from))
                    .await?
            }
            None => self.patient(|| self.objects.list(&prefix)).await?,
        };
        let keyed = listed.into_iter().filter_map(|listed| {
            let key = segment_key(&listed.name)?;
            (key.period >= period).then_some((key, listed))
        });
        Ok(keyed.collect())
    }

    /// All segments of an epoch from a period on that are committed and hold transactions, in the order of their tickets;
    /// and which segments are part of what goes on, sorted. Others see that it goes on, if it is for a claimed epoch.
    async fn committed(
        &self,
        epoch: u32,
        period: u32,
        mut beat: Option<(u32, &mut Progress)>,
    ) -> Result<(Vec<Committed>, Vec<Included>), EpochError> {
        let mut committed = Vec::new();
        for some in self
            .listed(epoch, period)
            .await?
            .chunks(limits::RECOVERY_CHUNK)
        {
            committed.append(&mut self.read_segments(some.to_vec()).await?);
            if let Some((claimed, progress)) = &mut beat {
                self.advance(*claimed, progress).await;
            }
        }
        committed.sort_unstable_by_key(|found| (found.record.ticket, found.key));
        let included = committed.iter().map(|found| Included {
            period: found.key.period,
            unique: found.key.unique,
        });
        let mut included: Vec<Included> = included.collect();
        included.sort_unstable();
        Ok((committed, included))
    }

    /// The records of the committed ones of some segments; those of collected ones are empty.
    pub(super) async fn records(
        &self,
        listed: Vec<(SegmentKey, Listed)>,
    ) -> Result<Vec<Record>, EpochError> {
        let committed = self.read_segments(listed).await?;
        Ok(committed.into_iter().map(|found| found.record).collect())
    }

    /// The committed ones of some segments.
    async fn read_segments(
        &self,
        listed: Vec<(SegmentKey, Listed)>,
    ) -> Result<Vec<Committed>, EpochError> {
        // Collected first: the futures must not borrow from the iterator.
        let reads: Vec<_> = listed
            .into_iter()
            .map(|(key, listed)| self.committed_at(key, listed))
            .collect();
        let found = futures::stream::iter(reads).buffer_unordered(limits::RECOVERY_READS);
        found
            .try_filter_map(|found| std::future::ready(Ok(found)))
            .try_collect()
            .await
    }

    /// Whether a segment lies at a key: no tombstone, and not nothing.
    pub(super) async fn is_committed(&self, key: SegmentKey) -> Result<bool, EpochError> {
        let name = segment_name(key);
        let header = 0..HEADER_BYTES as u64;
        let ranges = [header];
        let parts = self.patient(|| self.objects.get_ranges(&name, &ranges));
        let Some(front) = parts.await?.and_then(|parts| parts.into_iter().next()) else {
            return Ok(false);
        };
        let damaged = |reason| EpochError::Segment {
            name: name.clone(),
            reason,
        };
        let header = SegmentHeader::decode(&front).map_err(damaged)?;
        if header.key != key {
            return Err(damaged(SegmentError::Foreign));
        }
        Ok(header.kind != SegmentKind::Tombstone)
    }

    /// What a segment decided; `None` = its transactions never happened, or it has none.
    async fn committed_at(
        &self,
        key: SegmentKey,
        listed: Listed,
    ) -> Result<Option<Committed>, EpochError> {
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
        match header.kind {
            SegmentKind::Segment => {}
            SegmentKind::Tombstone => return Ok(None),
            // It was committed, and the checkpoint contains it.
            SegmentKind::Stub => {
                let record = Record::default();
                return Ok(Some(Committed { key, record }));
            }
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
        Ok(holds.then_some(Committed { key, record }))
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
    ) -> Result<(u64, Live), EpochError> {
        let mut writer = self.checkpoint_writer(epoch, period, survey.entries_estimate());
        loop {
            let entries = survey.next_entries(limits::CHECKPOINT_CHUNK_ENTRIES);
            let entries =
                entries.map_err(|error| CheckpointBuilder::new("entries", 0).failed(&error))?;
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                writer.push(entry).await?;
            }
        }
        let header = Header {
            epoch,
            period,
            ..survey.header().clone()
        };
        writer.finish(header).await
    }
}

/// Gives each partition what is changed in it.
fn split(
    ticket: u64,
    publications: Vec<Publication>,
    partitions: u32,
    changes: &mut BTreeMap<u32, Vec<(u64, Vec<Publication>)>>,
) {
    let mut parts: BTreeMap<u32, Vec<Publication>> = BTreeMap::new();
    for Publication { id, flips } in publications {
        let mut flips_of: BTreeMap<u32, Publication> = BTreeMap::new();
        for flip in flips {
            let part = flips_of.entry(partition(flip.id, partitions));
            let part = part.or_insert_with(|| Publication {
                id,
                flips: Vec::new(),
            });
            part.flips.push(flip);
        }
        for (number, publication) in flips_of {
            parts.entry(number).or_default().push(publication);
        }
    }
    for (number, publications) in parts {
        let changes = changes.entry(number).or_default();
        changes.push((ticket, publications));
    }
}

/// Where an object store puts the bodies of a segment.
fn place(key: SegmentKey) -> SegmentPlace {
    SegmentPlace {
        segment: key.object(),
        base: 0,
    }
}
