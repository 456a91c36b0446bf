//! Segments as objects: one per group of transactions, decided by one put-if-absent and the truth about it.
//!
//! ```text
//!   put ─► put-if-absent ──new──────────────────────────────────────────► won
//!             ▲  └─exists, or any failure─► read the key back
//!             │                               ├─ our own header ────────► won
//!             │                               ├─ tombstone ─────────────► taken: it never happened
//!             │                               ├─ stub, or (for a tombstone) a segment ─► taken: committed
//!             │                               ├─ something else ────────► damaged
//!             └──── a pause, a few times ─────┴─ nothing, or no answer
//! ```
//!
//! "Exists" is a question, not an answer: a put that was stored and then answered 500 reports itself on the retry, and a 409
//! is reported so with nothing stored. A segment's key is its own identity, so a segment found there is ours.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use sop_engine::types::PhysicalId;

use super::{Objects, Stored};
use crate::blob::segment_header::{HEADER_BYTES, SegmentHeader, SegmentKind, mark};
use crate::blob::{BlobError, BlobStore, Put, SegmentKey, SegmentPlace, Taken};
use crate::limits;
use crate::runtime::Runtime;

/// The name of a segment.
pub fn segment_name(key: SegmentKey) -> String {
    let SegmentKey {
        epoch,
        period,
        unique,
    } = key;
    format!("segment/{epoch:08x}/{period:08x}/{unique:016x}")
}

/// A name between the segments of earlier periods and those from this one on; `None` = there are no earlier ones. It is never
/// that of a folder: SeaweedFS leaves out the folder that a listing begins after, which is all of a period.
pub fn period_start(epoch: u32, period: u32) -> Option<String> {
    let before = period.checked_sub(1)?;
    Some(format!("segment/{epoch:08x}/{before:08x}z"))
}

/// The segment of a name.
pub fn segment_key(name: &str) -> Option<SegmentKey> {
    let mut parts = name.strip_prefix("segment/")?.split('/');
    let (epoch, period, unique) = (parts.next()?, parts.next()?, parts.next()?);
    let key = SegmentKey {
        epoch: u32::from_str_radix(epoch, 16).ok()?,
        period: u32::from_str_radix(period, 16).ok()?,
        unique: u64::from_str_radix(unique, 16).ok()?,
    };
    (parts.next().is_none() && segment_name(key) == name).then_some(key)
}

/// Where the claim of an epoch lies.
pub fn claim_name(epoch: u32) -> String {
    format!("epoch/{epoch:08x}/claim")
}

/// Under which an epoch says from which period on its keys tell what was decided.
pub fn collected_prefix(epoch: u32) -> String {
    format!("epoch/{epoch:08x}/collected/")
}

/// The word that keys of an epoch before a period may be gone. One object for each period, because it must never be taken
/// back: the highest counts.
pub fn collected_name(epoch: u32, period: u32) -> String {
    format!("{}{period:08x}", collected_prefix(epoch))
}

/// The highest period that such objects name; 0 = none.
pub async fn decided_from(objects: &dyn Objects, epoch: u32) -> Result<u32, BlobError> {
    let prefix = collected_prefix(epoch);
    let listed = objects.list(&prefix).await?;
    let periods = listed.iter().filter_map(|listed| {
        let period = listed.name.strip_prefix(&prefix)?;
        u32::from_str_radix(period, 16).ok()
    });
    Ok(periods.max().unwrap_or(0))
}

/// Segments as objects.
#[derive(Debug)]
pub struct ObjectBlobs {
    objects: Arc<dyn Objects>,
    runtime: Arc<dyn Runtime>,
}

/// What lies under a key.
enum Found {
    Nothing,
    Header(SegmentHeader),
}

const fn place(key: SegmentKey) -> SegmentPlace {
    SegmentPlace {
        segment: key.object(),
        base: 0,
    }
}

/// Which bytes of a segment a body and so many before it are.
fn range(id: PhysicalId, before: u32) -> Option<Range<u64>> {
    let start = id.offset.checked_sub(before)?;
    let end = id.offset.checked_add(id.length)?;
    Some(u64::from(start)..u64::from(end))
}

impl ObjectBlobs {
    /// Over these objects.
    pub fn new(objects: Arc<dyn Objects>, runtime: Arc<dyn Runtime>) -> Self {
        Self { objects, runtime }
    }

    /// One put-if-absent of a key, and what became of it. `own` is the header of `bytes`.
    async fn decide(
        &self,
        key: SegmentKey,
        own: SegmentHeader,
        bytes: Bytes,
    ) -> Result<Put, BlobError> {
        let name = segment_name(key);
        // Whether an attempt may still be stored later.
        let mut pending = false;
        let mut failure = BlobError::Unavailable(format!("put `{name}`: it was not tried"));
        for attempt in 0..limits::OBJECT_PUT_ATTEMPTS_MAX {
            let mut refused = None;
            match self.objects.put_if_absent(&name, bytes.clone()).await {
                Ok(Stored::New) => return Ok(Put::Won(place(key))),
                Ok(Stored::Exists) => {
                    let message = format!("put `{name}`: said to exist, but nothing can be read");
                    failure = BlobError::Unavailable(message);
                }
                Err(error @ BlobError::Closed(_)) => return Err(error),
                Err(error @ (BlobError::Full(_) | BlobError::Denied(_))) => refused = Some(error),
                Err(error) => {
                    pending = true;
                    failure = error;
                }
            }
            match self.look(key, &name).await {
                Ok(Found::Header(found)) => return judge(key, own, found, &name),
                Ok(Found::Nothing) => {}
                Err(error @ BlobError::Damaged(_)) => return Err(error),
                // The first word about what went wrong is the better one.
                Err(error) if refused.is_none() && !pending => failure = error,
                Err(_) => {}
            }
            match refused {
                Some(error) if !pending => return Err(error),
                Some(error) => return Err(BlobError::Unavailable(error.to_string())),
                None => self.pause(attempt).await,
            }
        }
        Err(failure)
    }

    async fn look(&self, key: SegmentKey, name: &str) -> Result<Found, BlobError> {
        let front = 0..HEADER_BYTES as u64;
        let front = std::slice::from_ref(&front);
        let Some(parts) = self.objects.get_ranges(name, front).await? else {
            return Ok(Found::Nothing);
        };
        let damaged =
            |what: &dyn std::fmt::Display| BlobError::Damaged(format!("`{name}`: {what}"));
        let header = SegmentHeader::decode(parts.first().map_or(&[][..], |part| part))
            .map_err(|error| damaged(&error))?;
        if header.key == key {
            Ok(Found::Header(header))
        } else {
            Err(damaged(&"another segment lies here"))
        }
    }

    async fn pause(&self, attempt: u32) {
        let ceiling = limits::CALL_BACKOFF
            .saturating_mul(1 << attempt.min(16))
            .min(limits::RESOLVE_BACKOFF_MAX);
        let micros = u64::try_from(ceiling.as_micros())
            .unwrap_or(u64::MAX)
            .max(2);
        let wait = micros / 2 + self.runtime.random() % (micros / 2);
        self.runtime
            .sleep(std::time::Duration::from_micros(wait))
            .await;
    }

    /// What a read of some bytes that are not all there means.
    async fn short(&self, id: PhysicalId, name: &str) -> BlobError {
        match self.look(SegmentKey::from_object(id.segment), name).await {
            Ok(Found::Header(header)) if header.kind == SegmentKind::Segment => {
                BlobError::Damaged(format!("blob {id} lies beyond the end of `{name}`"))
            }
            // Its bodies were collected: whoever asks has an old handle.
            Ok(Found::Header(_) | Found::Nothing) => BlobError::Missing(id),
            Err(error) => error,
        }
    }

    /// Reads of one segment.
    async fn read_segment(
        &self,
        segment: (u64, u64),
        reads: &[(PhysicalId, u32)],
    ) -> Vec<Result<Bytes, BlobError>> {
        let name = segment_name(SegmentKey::from_object(segment));
        let ranges: Option<Vec<_>> = reads
            .iter()
            .map(|(id, before)| range(*id, *before))
            .collect();
        let fetched = match &ranges {
            Some(ranges) => self.objects.get_ranges(&name, ranges).await,
            // One of them makes no sense: the others are read for themselves.
            None => Err(BlobError::Damaged(String::new())),
        };
        match (fetched, ranges) {
            (Ok(Some(parts)), Some(ranges)) => {
                let mut answers = Vec::with_capacity(reads.len());
                let mut parts = parts.into_iter();
                for ((id, _), range) in reads.iter().zip(ranges) {
                    answers.push(match parts.next() {
                        Some(part) if part.len() as u64 == range.end - range.start => Ok(part),
                        _ => Err(self.short(*id, &name).await),
                    });
                }
                answers
            }
            (Ok(_), _) => reads
                .iter()
                .map(|(id, _)| Err(BlobError::Missing(*id)))
                .collect(),
            // One bad range fails them all, but only its own read may fail.
            (Err(BlobError::Damaged(_)), _) if reads.len() > 1 => {
                let mut answers = Vec::with_capacity(reads.len());
                for (id, before) in reads {
                    answers.push(self.read(*id, *before).await);
                }
                answers
            }
            (Err(BlobError::Damaged(_)), _) => {
                let mut answers = Vec::with_capacity(1);
                for (id, _) in reads {
                    answers.push(Err(self.short(*id, &name).await));
                }
                answers
            }
            (Err(error), _) => reads.iter().map(|_| Err(error.clone())).collect(),
        }
    }
}

/// What a key means that is taken, for whoever wanted to put `own` there.
fn judge(
    key: SegmentKey,
    own: SegmentHeader,
    found: SegmentHeader,
    name: &str,
) -> Result<Put, BlobError> {
    match found.kind {
        _ if found == own => Ok(Put::Won(place(key))),
        SegmentKind::Tombstone => Ok(Put::Taken(Taken::Tombstone)),
        SegmentKind::Segment if own.kind == SegmentKind::Segment => Err(BlobError::Damaged(
            format!("`{name}`: a segment of the same name, but not the one that was put"),
        )),
        SegmentKind::Segment | SegmentKind::Stub => Ok(Put::Taken(Taken::Segment(place(key)))),
    }
}

#[async_trait]
impl BlobStore for ObjectBlobs {
    async fn put(&self, key: SegmentKey, bytes: Bytes) -> Result<Put, BlobError> {
        let own = SegmentHeader::decode(&bytes)
            .map_err(|error| BlobError::Damaged(format!("put of {key:?}: {error}")))?;
        assert!(own.key == key, "a segment lies under its own key");
        self.decide(key, own, bytes).await
    }

    async fn put_tombstone(&self, key: SegmentKey) -> Result<Put, BlobError> {
        self.put(key, mark(SegmentKind::Tombstone, key)).await
    }

    async fn claimed_after(&self, epoch: u32) -> Result<bool, BlobError> {
        let Some(next) = epoch.checked_add(1) else {
            return Ok(false);
        };
        self.objects.exists(&claim_name(next)).await
    }

    async fn decided_from(&self, epoch: u32) -> Result<u32, BlobError> {
        decided_from(&*self.objects, epoch).await
    }

    async fn read(&self, id: PhysicalId, before: u32) -> Result<Bytes, BlobError> {
        if range(id, before).is_none() {
            return Err(BlobError::Missing(id));
        }
        let mut answers = self.read_segment(id.segment, &[(id, before)]).await;
        answers.pop().unwrap_or(Err(BlobError::Missing(id)))
    }

    fn place(&self, id: PhysicalId) -> String {
        let name = segment_name(SegmentKey::from_object(id.segment));
        format!("object `{name}` is damaged at byte {}", id.offset)
    }

    async fn read_many(&self, reads: &[(PhysicalId, u32)]) -> Vec<Result<Bytes, BlobError>> {
        let mut segments: BTreeMap<(u64, u64), Vec<usize>> = BTreeMap::new();
        for (index, (id, _)) in reads.iter().enumerate() {
            segments.entry(id.segment).or_default().push(index);
        }
        let each = segments.into_iter().map(|(segment, indices)| async move {
            let wanted = indices
                .iter()
                .filter_map(|index| reads.get(*index).copied());
            let wanted: Vec<_> = wanted.collect();
            (indices, self.read_segment(segment, &wanted).await)
        });
        let each: Vec<_> = each.collect();
        let mut answered: Vec<(usize, Result<Bytes, BlobError>)> = Vec::with_capacity(reads.len());
        let mut segments = futures::stream::iter(each).buffer_unordered(limits::FETCHES_MAX);
        while let Some((indices, answers)) = segments.next().await {
            answered.extend(indices.into_iter().zip(answers));
        }
        answered.sort_unstable_by_key(|(index, _)| *index);
        assert_eq!(answered.len(), reads.len(), "every read has one answer");
        answered.into_iter().map(|(_, answer)| answer).collect()
    }
}
