//! Who waits for a group, and how many groups are under way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::channel::oneshot;
use sop_engine::storage::StorageError;
use sop_engine::types::{CommitOutcome, LogicalId, Observation, TransactionId};

use super::{Committer, Work};
use crate::limits;
use crate::registry::Request;
use crate::statistics::Counts;

/// The answer to one commit.
pub(crate) type Answer = Result<CommitOutcome, StorageError>;

/// One commit that waits for its answer.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) id: TransactionId,
    /// Sorted.
    pub(crate) observed: Vec<Observation>,
    pub(crate) work: Work,
    pub(crate) attempt: u32,
    pub(crate) since: Duration,
    pub(crate) answer: oneshot::Sender<Answer>,
}

impl Pending {
    pub(super) fn priority(&self) -> bool {
        self.attempt >= limits::PRIORITY_ATTEMPT
    }

    pub(super) fn request(&self) -> Request {
        Request {
            id: self.id,
            observed: self.observed.clone(),
            claims: self.work.claims(),
            priority: self.priority(),
            spills_from: self.work.spills_from(),
        }
    }

    /// Everything it observed or changes.
    pub(super) fn ids(&self) -> Vec<LogicalId> {
        let claimed = self.work.claims().into_iter().map(|(id, _)| id);
        claimed
            .chain(self.observed.iter().map(|observation| observation.id))
            .collect()
    }
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Pending>,
    in_flight: usize,
    pauses: usize,
    idle: Vec<oneshot::Sender<()>>,
}

/// While this lives no group is under way: everything reserved so far is published, abandoned, or of unknown outcome.
#[derive(Debug)]
pub struct Pause {
    committer: Arc<Committer>,
}

impl Drop for Pause {
    fn drop(&mut self) {
        self.committer.queue.lock().pauses -= 1;
        self.committer.kick();
    }
}

impl Committer {
    /// Takes over a commit. It is carried to its end even if nobody waits for the answer.
    pub(crate) fn submit(self: &Arc<Self>, pending: Pending) -> Result<(), StorageError> {
        let mut queue = self.queue.lock();
        if queue.waiting.len() >= limits::QUEUE_TRANSACTIONS_MAX {
            return Err(StorageError::Unavailable(
                "too many commits are waiting".to_owned(),
            ));
        }
        self.outcomes.lock().begin(pending.id);
        queue.waiting.push_back(pending);
        drop(queue);
        self.kick();
        Ok(())
    }

    /// Puts transactions that had to wait before all others.
    pub(super) fn requeue(self: &Arc<Self>, pendings: Vec<Pending>) {
        let mut queue = self.queue.lock();
        for pending in pendings.into_iter().rev() {
            queue.waiting.push_front(pending);
        }
        drop(queue);
        self.kick();
    }

    fn kick(self: &Arc<Self>) {
        let mut queue = self.queue.lock();
        if queue.pauses > 0
            || queue.waiting.is_empty()
            || queue.in_flight >= self.options.groups_in_flight
        {
            return;
        }
        queue.in_flight += 1;
        drop(queue);
        let committer = Arc::clone(self);
        self.runtime.spawn(
            async move {
                while let Some(group) = committer.next_group() {
                    committer.carry(group).await;
                }
            }
            .boxed(),
        );
    }

    /// The next group, or the end of this worker.
    fn next_group(&self) -> Option<Vec<Pending>> {
        let mut queue = self.queue.lock();
        if queue.pauses > 0 || queue.waiting.is_empty() {
            queue.in_flight -= 1;
            if queue.in_flight == 0 {
                for waiter in queue.idle.drain(..) {
                    // Whoever stopped waiting needs no word.
                    let _ = waiter.send(());
                }
            }
            return None;
        }
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some(first) = queue.waiting.front() {
            bytes += first.work.bytes();
            let full = group.len() >= self.options.group_transactions_max
                || bytes > self.options.group_bytes_max;
            if full && !group.is_empty() {
                break;
            }
            group.extend(queue.waiting.pop_front());
        }
        Some(group)
    }

    /// Waits until no group is under way and lets none begin until the pause is dropped.
    pub(crate) async fn pause(self: &Arc<Self>) -> Pause {
        self.queue.lock().pauses += 1;
        let pause = Pause {
            committer: Arc::clone(self),
        };
        loop {
            let receiver = {
                let mut queue = self.queue.lock();
                if queue.in_flight == 0 {
                    return pause;
                }
                let (sender, receiver) = oneshot::channel();
                queue.idle.push(sender);
                receiver
            };
            // A lost sender means the same as a word: look again.
            let _ = receiver.await;
        }
    }

    /// Ends one commit.
    pub(super) fn finish(&self, pending: Pending, answer: Answer) {
        match &answer {
            Ok(CommitOutcome::Committed(..)) => {
                self.outcomes.lock().committed(pending.id);
                Counts::add(&self.counts.commits, 1);
            }
            Ok(CommitOutcome::Conflict(_)) => {
                self.outcomes.lock().aborted(pending.id);
                Counts::add(&self.counts.conflicts, 1);
            }
            Err(StorageError::UnknownOutcome(_)) => Counts::add(&self.counts.unknown_outcomes, 1),
            Err(_) => self.outcomes.lock().aborted(pending.id),
        }
        self.counts
            .latency(self.runtime.elapsed().saturating_sub(pending.since));
        // The caller may be gone; then the outcome can be asked for.
        let _ = pending.answer.send(answer);
    }
}
