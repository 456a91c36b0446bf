//! One epoch of an open database: its registry and the committer that writes in it.
//!
//! A directory and a database in memory have one life. Over a shared registry another one follows when that registry loses
//! its state: reads and commits of the old life end in `snapshot-expired` or `conflict`, never in older data.

use std::future::Future;
use std::sync::Arc;

use sop_engine::storage::StorageError;
use sop_engine::types::{TransactionId, Version};

use super::{Change, ChangeKind, CommitOptions, Storage};
use crate::commit::{Committer, Parts};
use crate::limits;
use crate::registry::{Now, Registry};

/// What ends with an epoch.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) epoch: u32,
    pub(super) registry: Arc<dyn Registry>,
    pub(super) committer: Arc<Committer>,
    /// Whether another may follow.
    successors: bool,
}

impl Life {
    pub(super) fn new(parts: Parts, epoch: u32, period: u32, options: CommitOptions) -> Self {
        let registry = Arc::clone(&parts.registry);
        let successors = parts.succession.is_some();
        Self {
            epoch,
            registry,
            committer: Arc::new(Committer::new(parts, epoch, period, options)),
            successors,
        }
    }

    pub(super) async fn now(&self, at: Option<Version>) -> Result<Now, StorageError> {
        // A host that has seen a claim serves no further read point of the older epoch.
        if self.committer.fenced() {
            return Err(StorageError::Fenced);
        }
        Ok(self.registry.now(at, Version::MAX).await?)
    }

    /// Whether a commit id was made in this life.
    pub(super) fn made(&self, id: TransactionId) -> bool {
        id.high >> 32 == u64::from(self.epoch)
    }

    /// Whether the bodies of a commit are where they were written.
    pub(super) fn reaches(&self, changes: &[Change]) -> bool {
        !self.successors
            || changes.iter().all(|change| match &change.kind {
                ChangeKind::PutSpilled(spilled) => {
                    spilled.id.segment.0 >> 32 == u64::from(self.epoch)
                }
                _ => true,
            })
    }
}

impl Storage {
    /// The life that is going on.
    pub(super) fn life(&self) -> Arc<Life> {
        Arc::clone(&self.inner.life.read())
    }

    /// Calls in the life that is going on; where it has just ended, in the next one.
    pub(super) async fn in_life<T, F>(
        &self,
        call: impl Fn(Arc<Life>) -> F,
    ) -> Result<T, StorageError>
    where
        F: Future<Output = Result<T, StorageError>>,
    {
        for _ in 0..limits::LIVES_MAX {
            let life = self.life();
            let epoch = life.epoch;
            match call(life).await {
                Err(StorageError::Fenced) if self.has_successors() => self.renew(epoch).await?,
                answer => return answer,
            }
        }
        Err(StorageError::Unavailable(
            "the registry loses its state again and again".to_owned(),
        ))
    }
}
