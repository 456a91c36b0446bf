//! What became of a commit whose epoch has ended: asked of the segments themselves.
//!
//! A commit id says in which epoch it was made and which period was known then; it is used in no other epoch, and its
//! segment is of that period or a later one. Once a real manifest closed the epoch, nothing of it is undecided: a commit
//! happened if and only if its record is in a segment that goes on. So the records from that period on are looked through.
//!
//! Bounds: one listing and a read for each segment from that period to the end of the epoch, of which there are some
//! [`CHECKPOINT_SEGMENTS_DEFAULT`](limits::CHECKPOINT_SEGMENTS_DEFAULT) for each period; beyond
//! [`OUTCOME_SEGMENTS_MAX`](limits::OUTCOME_SEGMENTS_MAX), or where segments were collected, the answer is "unknown", never
//! a guess. What was found is remembered, so the next question of that kind costs nothing.

use sop_engine::types::{TransactionId, TransactionOutcome};

use super::record::Manifest;
use super::{Beginning, EpochError, EpochStore, Included};
use crate::limits;
use crate::registry::memory::epoch_version;

/// The commits of a closed epoch from a period on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    epoch: u32,
    period: u32,
    /// The first real one after it.
    next: u32,
    /// Sorted.
    committed: Vec<TransactionId>,
    /// Whether these are all.
    complete: bool,
}

/// A commit id of an epoch and a period.
pub fn commit_id(epoch: u32, period: u32, random: u64) -> TransactionId {
    TransactionId {
        high: u64::from(epoch) << 32 | u64::from(period),
        low: random,
    }
}

/// The epoch and the period that a commit id names.
pub fn named(id: TransactionId) -> (u32, u32) {
    let number = |half: u64| u32::try_from(half & 0xffff_ffff).unwrap_or(0);
    (number(id.high >> 32), number(id.high))
}

impl Closed {
    /// What it says of a commit; `None` = it does not cover it, or a look at later periods only may say more.
    pub fn outcome(&self, id: TransactionId) -> Option<TransactionOutcome> {
        let (epoch, period) = named(id);
        if epoch != self.epoch || period < self.period {
            return None;
        }
        if period > self.period && !self.complete && self.committed.binary_search(&id).is_err() {
            return None;
        }
        Some(match self.committed.binary_search(&id) {
            Ok(_) => TransactionOutcome::Committed(epoch_version(self.next)),
            Err(_) if self.complete => TransactionOutcome::Aborted,
            Err(_) => TransactionOutcome::Unknown,
        })
    }

    /// Whether it is worth remembering.
    pub fn is_small(&self) -> bool {
        self.committed.len() <= limits::OUTCOMES_FOUND_MAX
    }
}

impl EpochStore {
    /// What became of the commits of the epoch and from the period on that an id names; `None` = the epoch is not closed.
    pub async fn closed(&self, id: TransactionId) -> Result<Option<Closed>, EpochError> {
        let (epoch, period) = named(id);
        let newest = self.newest().await?;
        for next in epoch.saturating_add(1)..=newest {
            let Some(Manifest::Real(beginning)) = self.manifest(next).await? else {
                continue;
            };
            let mut closed = Closed {
                epoch,
                period,
                next,
                committed: Vec::new(),
                complete: true,
            };
            if beginning.previous == epoch && epoch > 0 {
                self.look_through(&beginning, &mut closed).await?;
            }
            return Ok(Some(closed));
        }
        Ok(None)
    }

    async fn look_through(
        &self,
        beginning: &Beginning,
        closed: &mut Closed,
    ) -> Result<(), EpochError> {
        let mut listed = self.listed(closed.epoch, closed.period).await?;
        listed.retain(|(key, _)| {
            let wanted = Included {
                period: key.period,
                unique: key.unique,
            };
            key.period < beginning.from_period || beginning.included.binary_search(&wanted).is_ok()
        });
        // Segments that were deleted cannot tell.
        let from = closed.period.max(beginning.from_period);
        let wanted = beginning.included.iter().filter(|one| one.period >= from);
        let there = listed.iter().filter(|(key, _)| key.period >= from);
        closed.complete = there.count() == wanted.count();
        closed.complete &= self.decided_from(closed.epoch).await? <= closed.period;
        // The newest ones matter most.
        let skipped = listed.len().saturating_sub(limits::OUTCOME_SEGMENTS_MAX);
        closed.complete &= skipped == 0;
        let listed: Vec<_> = listed.into_iter().skip(skipped).collect();
        for some in listed.chunks(limits::RECOVERY_READS) {
            for record in self.records(some.to_vec()).await? {
                closed.complete &= record.ticket > 0;
                let ids = record.transactions.iter().map(|transaction| transaction.id);
                closed.committed.extend(ids);
            }
        }
        closed.committed.sort_unstable();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_epoch_and_its_period() {
        let id = commit_id(7, u32::MAX, 9);
        assert_eq!(named(id), (7, u32::MAX));
        let closed = Closed {
            epoch: 7,
            period: 3,
            next: 8,
            committed: vec![commit_id(7, 3, 5)],
            complete: true,
        };
        let committed = TransactionOutcome::Committed(epoch_version(8));
        assert_eq!(closed.outcome(commit_id(7, 3, 5)), Some(committed));
        assert_eq!(
            closed.outcome(commit_id(7, 4, 5)),
            Some(TransactionOutcome::Aborted)
        );
        assert_eq!(closed.outcome(commit_id(7, 2, 5)), None);
        assert_eq!(closed.outcome(commit_id(6, 3, 5)), None);
        let cut = Closed {
            complete: false,
            ..closed
        };
        assert_eq!(
            cut.outcome(commit_id(7, 3, 6)),
            Some(TransactionOutcome::Unknown)
        );
        assert_eq!(cut.outcome(commit_id(7, 3, 5)), Some(committed));
        assert_eq!(cut.outcome(commit_id(7, 4, 5)), None);
    }
}
