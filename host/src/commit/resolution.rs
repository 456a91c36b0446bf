//! What became of a segment key: puts that fail, writers that died, reservations in the way.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::{Either, select};
use sop_engine::storage::StorageError;
use sop_engine::types::{LogicalId, PhysicalId, Version};

use super::Committer;
use super::group::Reserved;
use super::segment::{
    FIRST_BODY_OFFSET, HEADER_BYTES, Record, SegmentBuilder, SegmentHeader, SegmentKind,
};
use super::succession::Inclusion;
use crate::blob::{BlobError, Put, SegmentKey, SegmentPlace, Taken};
use crate::limits;
use crate::registry::{Blocker, Published, RegistryError};
use crate::statistics::Counts;

/// What became of a segment.
#[derive(Debug)]
pub(super) enum Decision {
    /// It is durable, here.
    Committed(SegmentPlace),
    /// A tombstone lies at its key. The error, if any, is why the put failed.
    Aborted(Option<BlobError>),
    /// It cannot be told now.
    Unknown,
}

impl Committer {
    /// Step 2: one put-if-absent, and the truth about it.
    pub(super) async fn persist(&self, key: SegmentKey, bytes: Bytes) -> Decision {
        Counts::add(&self.counts.puts, 1);
        Counts::add(&self.counts.bytes_written, bytes.len() as u64);
        match self.in_time(self.blobs.put(key, bytes)).await {
            Ok(Put::Won(place) | Put::Taken(Taken::Segment(place))) => Decision::Committed(place),
            Ok(Put::Taken(Taken::Tombstone)) => self.aborted(key, None).await,
            Err(error) => self.settle(key, Some(error)).await,
        }
    }

    /// Writes a segment that only holds one body; answers where the body lies.
    pub(crate) async fn write_ahead(
        &self,
        id: LogicalId,
        body: &Bytes,
    ) -> Result<PhysicalId, StorageError> {
        let key = self.fresh_key();
        let mut builder = SegmentBuilder::new(key, body.len());
        builder.body(id, body);
        let (bytes, _) = builder.finish(0, Vec::new());
        match self.persist(key, bytes).await {
            Decision::Committed(place) => Ok(PhysicalId {
                segment: place.segment,
                offset: place.base + FIRST_BODY_OFFSET,
                length: u32::try_from(body.len()).unwrap_or(u32::MAX),
            }),
            Decision::Aborted(Some(cause)) => Err(cause.into()),
            Decision::Aborted(None) | Decision::Unknown => Err(StorageError::Unavailable(
                "a body could not be written ahead".to_owned(),
            )),
        }
    }

    async fn in_time<T>(
        &self,
        call: impl Future<Output = Result<T, BlobError>>,
    ) -> Result<T, BlobError> {
        match select(
            std::pin::pin!(call),
            self.runtime.sleep(self.options.put_timeout),
        )
        .await
        {
            Either::Left((answer, _)) => answer,
            Either::Right(((), _)) => Err(BlobError::Unavailable("no answer in time".to_owned())),
        }
    }

    async fn back_off(&self, attempt: u32) {
        let wait = limits::CALL_BACKOFF.saturating_mul(1 << attempt.min(16));
        self.runtime
            .sleep(wait.min(limits::RESOLVE_BACKOFF_MAX))
            .await;
    }

    fn note_closed(&self, error: &BlobError) -> bool {
        let BlobError::Closed(reason) = error else {
            return false;
        };
        self.closed.lock().get_or_insert_with(|| reason.clone());
        true
    }

    /// Decides a key by trying to put a tombstone there.
    pub(super) async fn settle(&self, key: SegmentKey, cause: Option<BlobError>) -> Decision {
        for attempt in 0..limits::CALL_ATTEMPTS_MAX {
            Counts::add(&self.counts.tombstones, 1);
            match self.in_time(self.blobs.put_tombstone(key)).await {
                Ok(Put::Won(_) | Put::Taken(Taken::Tombstone)) => {
                    return self.aborted(key, cause).await;
                }
                Ok(Put::Taken(Taken::Segment(place))) => return Decision::Committed(place),
                // A full store wrote nothing: neither the segment nor the tombstone, and nothing of them is under way.
                Err(BlobError::Full(_)) if matches!(cause, Some(BlobError::Full(_))) => {
                    return Decision::Aborted(cause);
                }
                Err(error) if self.note_closed(&error) => return Decision::Unknown,
                Err(_) => self.back_off(attempt).await,
            }
        }
        Decision::Unknown
    }

    /// What a tombstone says, unless its key had been forgotten before: then it says nothing.
    async fn aborted(&self, key: SegmentKey, cause: Option<BlobError>) -> Decision {
        for attempt in 0..limits::CALL_ATTEMPTS_MAX {
            match self.in_time(self.blobs.decided_from(key.epoch)).await {
                Ok(from) if key.period < from => return Decision::Unknown,
                Ok(_) => return Decision::Aborted(cause),
                Err(error) if self.note_closed(&error) => return Decision::Unknown,
                Err(_) => self.back_off(attempt).await,
            }
        }
        Decision::Unknown
    }

    /// Step 3. An error: it cannot be told.
    pub(super) async fn fence_holds(&self) -> Result<bool, ()> {
        for attempt in 0..limits::CALL_ATTEMPTS_MAX {
            Counts::add(&self.counts.fence_checks, 1);
            match self.in_time(self.blobs.claimed_after(self.epoch)).await {
                Ok(false) => return Ok(true),
                Ok(true) => {
                    self.set_fenced();
                    return Ok(false);
                }
                Err(error) if self.note_closed(&error) => return Err(()),
                Err(_) => self.back_off(attempt).await,
            }
        }
        Err(())
    }

    /// Step 4, repeated until it is answered: it changes nothing the second time.
    pub(super) async fn publish(
        &self,
        ticket: u64,
        record: &Record,
        place: SegmentPlace,
    ) -> Result<Vec<Published>, ()> {
        let publications = record.publications(place).map_err(|_| ())?;
        for attempt in 0..limits::CALL_ATTEMPTS_MAX {
            Counts::add(&self.counts.publishes, 1);
            let answer = self.registry.publish(ticket, publications.clone()).await;
            match self.heard(answer) {
                Ok(Some(published)) => return Ok(published),
                Ok(None) => return Err(()),
                Err(RegistryError::Unavailable(_)) => self.back_off(attempt).await,
                Err(RegistryError::Foreign(_)) => return Err(()),
                Err(error) => {
                    tracing::error!(%error, ticket, "a durable group could not be published");
                    return Err(());
                }
            }
        }
        Err(())
    }

    /// Goes on looking at a group of unknown outcome; its callers have been told so.
    pub(super) async fn find_out(self: Arc<Self>, reserved: Reserved) {
        for attempt in 0..limits::RESOLVE_ATTEMPTS_MAX {
            self.back_off(attempt).await;
            if self.fenced() {
                match self.inherited(&reserved).await {
                    Some(Inclusion::Included(version)) => {
                        return self.outcomes_inherited(&reserved, version);
                    }
                    Some(Inclusion::Excluded) => return self.outcomes_aborted(&reserved),
                    // Only the manifest of the next epoch can tell.
                    None if self.succession.is_none() => return,
                    None => continue,
                }
            }
            if self.check_open().is_err() {
                return;
            }
            match self.settle(reserved.key, None).await {
                Decision::Unknown => {}
                Decision::Aborted(_) => {
                    let _ = self.registry.abandon(reserved.key).await;
                    return self.outcomes_aborted(&reserved);
                }
                Decision::Committed(place) => {
                    let visible = match self.fence_holds().await {
                        Ok(true) => self
                            .publish(reserved.ticket, &reserved.record, place)
                            .await
                            .is_ok(),
                        Ok(false) | Err(()) => false,
                    };
                    if visible {
                        let mut outcomes = self.outcomes.lock();
                        reserved
                            .granted
                            .iter()
                            .for_each(|pending| outcomes.committed(pending.id));
                        return;
                    }
                }
            }
        }
    }

    pub(super) fn outcomes_inherited(&self, reserved: &Reserved, version: Version) {
        let mut outcomes = self.outcomes.lock();
        for pending in &reserved.granted {
            outcomes.inherited(pending.id, version);
        }
    }

    fn outcomes_aborted(&self, reserved: &Reserved) {
        let mut outcomes = self.outcomes.lock();
        for pending in &reserved.granted {
            outcomes.aborted(pending.id);
        }
    }

    /// Waits until intents or marks go away, and resolves reservations past their deadline that lie in the way.
    pub(super) async fn wait_until_free(
        &self,
        ids: &[LogicalId],
        releases: u64,
    ) -> Result<(), StorageError> {
        let released = self.registry.released(releases);
        if let Either::Left(_) = select(released, self.runtime.sleep(limits::BUSY_WAIT)).await {
            return Ok(());
        }
        for blocker in self.heard(self.registry.blocking(ids).await)? {
            if blocker.overdue {
                self.resolve_blocker(blocker).await?;
            }
        }
        Ok(())
    }

    /// Resolves all reservations past their deadline, so that they do not hold the low-water mark back.
    pub(crate) async fn resolve_overdue(&self) -> Result<(), StorageError> {
        for blocker in self.heard(self.registry.overdue().await)? {
            self.resolve_blocker(blocker).await?;
        }
        Ok(())
    }

    /// Decides the reservation of a writer that stopped between reserve and publish.
    async fn resolve_blocker(&self, blocker: Blocker) -> Result<(), StorageError> {
        let stuck = || {
            StorageError::Unavailable(format!("reservation {} cannot be resolved", blocker.ticket))
        };
        match self.settle(blocker.key, None).await {
            Decision::Unknown => Err(stuck()),
            Decision::Aborted(_) => Ok(self.registry.abandon(blocker.key).await?),
            Decision::Committed(place) => {
                let Some(record) = self.read_record(blocker.key, place).await? else {
                    // Somebody resolved it long ago.
                    return Ok(());
                };
                if record.ticket != blocker.ticket {
                    // A reserve that arrived once more after its group had ended: the segment decided another
                    // reservation, and nobody will ever put one for this.
                    return Ok(self.registry.abandon(blocker.key).await?);
                }
                match self.fence_holds().await {
                    Ok(true) => self
                        .publish(blocker.ticket, &record, place)
                        .await
                        .map(|_| ())
                        .map_err(|()| stuck()),
                    Ok(false) => Err(StorageError::Fenced),
                    Err(()) => Err(stuck()),
                }
            }
        }
    }

    /// The record of a segment that someone else wrote; `None` = it was collected.
    async fn read_record(
        &self,
        key: SegmentKey,
        place: SegmentPlace,
    ) -> Result<Option<Record>, StorageError> {
        let corrupt = |what: &dyn std::fmt::Display| {
            StorageError::Corrupt(format!("segment {key:?}: {what}"))
        };
        let part = |offset: u32, length: u32| PhysicalId {
            segment: place.segment,
            offset: place.base + offset,
            length,
        };
        let header_bytes = u32::try_from(HEADER_BYTES).unwrap_or(u32::MAX);
        let header = match self.blobs.read(part(0, header_bytes), 0).await {
            Err(BlobError::Missing(_)) => return Ok(None),
            header => header?,
        };
        let header = SegmentHeader::decode(&header).map_err(|error| corrupt(&error))?;
        if header.key != key {
            return Err(corrupt(&"another segment lies here"));
        }
        if header.kind == SegmentKind::Stub {
            return Ok(None);
        }
        let record = part(header.record_offset, header.record_length);
        let record = match self.blobs.read(record, 0).await {
            Err(BlobError::Missing(_)) => return Ok(None),
            record => record?,
        };
        let record = header.record(&record).map_err(|error| corrupt(&error))?;
        Ok(Some(record))
    }
}
