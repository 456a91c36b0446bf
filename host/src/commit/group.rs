//! One group, from reserve to its answers.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use sop_engine::storage::StorageError;
use sop_engine::types::{CommitOutcome, Handle, LogicalId, TransactionId, Version};

use super::queue::Answer;
use super::resolution::Decision;
use super::segment::{ChangeRecord, KindRecord, Place, Record, SegmentBuilder, TransactionRecord};
use super::succession::{self, Inclusion};
use super::{Change, ChangeKind, Committer, MovedPlace, Pending, Work};
use crate::blob::{BlobError, SegmentKey, SegmentPlace};
use crate::limits;
use crate::registry::{Published, Verdict};
use crate::statistics::Counts;

/// A reserved group whose segment is being decided.
#[derive(Debug)]
pub(super) struct Reserved {
    pub(super) key: SegmentKey,
    pub(super) ticket: u64,
    pub(super) record: Record,
    pub(super) granted: Vec<Pending>,
}

impl Committer {
    /// Carries one group to its end.
    pub(super) async fn carry(self: &Arc<Self>, group: Vec<Pending>) {
        if let Err(error) = self.check_open() {
            self.finish_all(group, &|_| Err(error.clone()));
            return;
        }
        Counts::add(&self.counts.groups, 1);
        let requests = || group.iter().map(Pending::request).collect();
        let (key, reservation) = self.reserve(requests).await;
        let reservation = match reservation {
            Ok(reservation) => reservation,
            Err(error) => {
                // The reply may have been lost: nobody but this writer would ever put this segment, so it never
                // happens; the tombstone lets others clear its intents at once.
                if let Decision::Aborted(_) = self.settle(key, None).await {
                    let _ = self.registry.abandon(key).await;
                }
                self.finish_all(group, &|_| Err(error.clone().into()));
                return;
            }
        };
        let mut granted = Vec::new();
        let mut busy = Vec::new();
        let mut busy_ids = Vec::new();
        for (pending, verdict) in group.into_iter().zip(reservation.verdicts) {
            match verdict {
                Verdict::Granted => granted.push(pending),
                Verdict::Changed(changed) => self.refuse(pending, changed).await,
                Verdict::Busy(ids) => {
                    busy_ids.extend(ids);
                    busy.push(pending);
                }
            }
        }
        self.wait_aside(busy, busy_ids, reservation.releases);
        let Some(ticket) = reservation.ticket else {
            self.finish_all(granted, &|_| {
                Ok(CommitOutcome::Committed(reservation.version, Vec::new()))
            });
            return;
        };
        let (bytes, record) = encode(key, ticket, &granted);
        let decision = self.persist(key, bytes).await;
        self.conclude(
            Reserved {
                key,
                ticket,
                record,
                granted,
            },
            decision,
        )
        .await;
    }

    async fn refuse(&self, pending: Pending, changed: Vec<LogicalId>) {
        if pending.priority() {
            // A lost mark costs one more attempt, nothing else.
            let _ = self
                .registry
                .mark(&pending.ids(), limits::WAITING_MARK_LEASE)
                .await;
        }
        self.finish(pending, Ok(CommitOutcome::Conflict(changed)));
    }

    /// Lets transactions wait for others that are publishing, beside the groups that go on.
    fn wait_aside(self: &Arc<Self>, busy: Vec<Pending>, ids: Vec<LogicalId>, releases: u64) {
        if busy.is_empty() {
            return;
        }
        Counts::add(&self.counts.busy_waits, busy.len() as u64);
        let committer = Arc::clone(self);
        let wait = async move {
            match committer.wait_until_free(&ids, releases).await {
                Ok(()) => committer.requeue(busy),
                Err(error) => committer.finish_all(busy, &|_| Err(error.clone())),
            }
        };
        self.runtime.spawn(wait.boxed());
    }

    pub(super) fn finish_all(&self, group: Vec<Pending>, answer: &dyn Fn(TransactionId) -> Answer) {
        for pending in group {
            let answer = answer(pending.id);
            self.finish(pending, answer);
        }
    }

    /// Acts on what became of a group's segment.
    pub(super) async fn conclude(self: &Arc<Self>, reserved: Reserved, decision: Decision) {
        match decision {
            Decision::Committed(place) => match self.make_visible(&reserved, place).await {
                Ok(published) => self.acknowledge(reserved, published).await,
                Err(()) => match self.inherited(&reserved).await {
                    Some(Inclusion::Included(version)) => {
                        let published = succession::included(&reserved, version);
                        self.outcomes_inherited(&reserved, version);
                        self.acknowledge(reserved, published).await;
                    }
                    Some(Inclusion::Excluded) => self.give_up(reserved, None).await,
                    None => self.leave_unknown(reserved),
                },
            },
            Decision::Aborted(cause) => self.give_up(reserved, cause).await,
            Decision::Unknown => self.leave_unknown(reserved),
        }
    }

    /// Nothing of this group happened, and nothing will. The error, if any, is why.
    async fn give_up(&self, reserved: Reserved, cause: Option<BlobError>) {
        // A failure leaves intents behind a tombstone: whoever meets them clears them.
        let _ = self.registry.abandon(reserved.key).await;
        for pending in reserved.granted {
            let answer = match &cause {
                Some(cause) => Err(StorageError::Unavailable(cause.to_string())),
                None => Ok(CommitOutcome::Conflict(
                    pending.work.claims().iter().map(|(id, _)| *id).collect(),
                )),
            };
            self.finish(pending, answer);
        }
    }

    /// Fence check, then publish. An error means that the outcome cannot be told here and now.
    async fn make_visible(
        &self,
        reserved: &Reserved,
        place: SegmentPlace,
    ) -> Result<Vec<Published>, ()> {
        if !self.fence_holds().await? {
            return Err(());
        }
        self.publish(reserved.ticket, &reserved.record, place).await
    }

    async fn acknowledge(&self, reserved: Reserved, published: Vec<Published>) {
        assert_eq!(
            published.len(),
            reserved.granted.len(),
            "one result for each granted transaction"
        );
        for (pending, published) in reserved.granted.into_iter().zip(published) {
            self.fill_cache(&pending.work, &published.handles).await;
            let Published { version, handles } = published;
            let answer: (Version, Vec<Option<Handle>>) = match &pending.work {
                Work::Changes(_) => (version, handles),
                Work::Moves(..) => (version, Vec::new()),
            };
            self.finish(pending, Ok(CommitOutcome::Committed(answer.0, answer.1)));
        }
    }

    async fn fill_cache(&self, work: &Work, handles: &[Option<Handle>]) {
        let Work::Changes(changes) = work else { return };
        for (change, handle) in changes.iter().zip(handles) {
            let (ChangeKind::Put(body) | ChangeKind::Delta(body)) = &change.kind else {
                continue;
            };
            if let Some(place) = handle.as_ref().and_then(|handle| handle.chain.last()) {
                self.cache.fill(*place, body.clone()).await;
            }
        }
    }

    /// Answers that the outcome is unknown and goes on finding out.
    fn leave_unknown(self: &Arc<Self>, mut reserved: Reserved) {
        let mut kept = Vec::with_capacity(reserved.granted.len());
        for pending in reserved.granted {
            let (answer, _) = futures::channel::oneshot::channel();
            let (id, since, attempt) = (pending.id, pending.since, pending.attempt);
            let Pending {
                observed,
                work,
                answer: caller,
                ..
            } = pending;
            Counts::add(&self.counts.unknown_outcomes, 1);
            let _ = caller.send(Err(StorageError::UnknownOutcome(id)));
            kept.push(Pending {
                id,
                observed,
                work,
                attempt,
                since,
                answer,
            });
        }
        reserved.granted = kept;
        let committer = Arc::clone(self);
        self.runtime
            .spawn(async move { committer.find_out(reserved).await }.boxed());
    }
}

/// The segment of a group.
fn encode(key: SegmentKey, ticket: u64, granted: &[Pending]) -> (Bytes, Record) {
    let bytes = granted.iter().map(|pending| pending.work.bytes()).sum();
    let mut builder = SegmentBuilder::new(key, bytes);
    let mut transactions = Vec::with_capacity(granted.len());
    for (index, pending) in granted.iter().enumerate() {
        let changes = match &pending.work {
            Work::Changes(changes) => changes
                .iter()
                .map(|change| record_change(&mut builder, pending, change))
                .collect(),
            Work::Moves(bodies, moves) => {
                let places: Vec<Place> = bodies
                    .iter()
                    .map(|(id, body)| builder.body(*id, body))
                    .collect();
                let find = |place: &MovedPlace| match place {
                    MovedPlace::Stays(id) => Some(Place::There(*id)),
                    MovedPlace::Moves(number) => places.get(*number).copied(),
                };
                let record = |moved: &super::Move| ChangeRecord {
                    id: moved.id,
                    previous: moved.version,
                    kind: KindRecord::Relocate {
                        version: moved.version,
                        from: moved.from.clone(),
                        to: moved.to.iter().filter_map(find).collect(),
                    },
                };
                moves.iter().map(record).collect()
            }
        };
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        transactions.push(TransactionRecord {
            index,
            id: pending.id,
            changes,
        });
    }
    builder.finish(ticket, transactions)
}

fn record_change(builder: &mut SegmentBuilder, pending: &Pending, change: &Change) -> ChangeRecord {
    let observed = pending
        .observed
        .binary_search_by_key(&change.id, |observation| observation.id);
    let previous = observed
        .ok()
        .and_then(|index| pending.observed.get(index))
        .map_or(0, |seen| seen.version);
    let kind = match &change.kind {
        ChangeKind::Put(body) => KindRecord::Put(builder.body(change.id, body)),
        ChangeKind::Delta(body) => KindRecord::Delta(builder.body(change.id, body)),
        ChangeKind::PutSpilled(spilled) => KindRecord::Put(Place::There(spilled.id)),
        ChangeKind::Add(amount) => KindRecord::Add(*amount),
        ChangeKind::Remove => KindRecord::Remove,
    };
    ChangeRecord {
        id: change.id,
        previous,
        kind,
    }
}
