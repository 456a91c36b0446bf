//! Compaction's tool: moves bodies out of segments that are mostly dead. Versions stay what they are.

use std::collections::HashMap;

use bytes::Bytes;
use sop_engine::storage::StorageError;
use sop_engine::types::{CommitOutcome, LogicalId, PhysicalId};

use super::Storage;
use crate::commit::{Move, MovedPlace, Work};
use crate::limits::GROUP_BYTES_MAX;
use crate::statistics::Counts;

/// One relocation as it grows.
#[derive(Debug, Default)]
struct Batch {
    bodies: Vec<(LogicalId, Bytes)>,
    numbers: HashMap<PhysicalId, usize>,
    moves: Vec<Move>,
    bytes: usize,
}

impl Storage {
    /// Writes the bodies of these ids that lie where `leaves` says into new segments, all kept versions included, and
    /// swaps the chains where version and chain are still the same. Answers the bytes of bodies moved. The old bodies may
    /// go only after a checkpoint taken from now on.
    pub async fn relocate(
        &self,
        ids: &[LogicalId],
        leaves: &(dyn Fn(&PhysicalId) -> bool + Send + Sync),
    ) -> Result<u64, StorageError> {
        let histories = self.life().registry.history(ids).await?;
        let mut batch = Batch::default();
        let mut bytes = 0;
        for (&id, history) in ids.iter().zip(histories) {
            for (version, chain) in history {
                if !chain.iter().any(leaves) {
                    continue;
                }
                match self.gather(&mut batch, id, &chain, leaves).await {
                    Ok(to) => batch.moves.push(Move {
                        id,
                        version,
                        from: chain,
                        to,
                    }),
                    // It was superseded, pruned and collected in the meantime: nothing is left to move.
                    Err(StorageError::Missing(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            if batch.bytes >= GROUP_BYTES_MAX {
                bytes += self.move_batch(std::mem::take(&mut batch)).await?;
            }
        }
        Ok(bytes + self.move_batch(batch).await?)
    }

    async fn gather(
        &self,
        batch: &mut Batch,
        id: LogicalId,
        chain: &[PhysicalId],
        leaves: &(dyn Fn(&PhysicalId) -> bool + Send + Sync),
    ) -> Result<Vec<MovedPlace>, StorageError> {
        let mut to = Vec::with_capacity(chain.len());
        for place in chain {
            if !leaves(place) {
                to.push(MovedPlace::Stays(*place));
                continue;
            }
            let number = match batch.numbers.get(place) {
                Some(number) => *number,
                None => {
                    let body = self.inner.cache.get_past(*place).await?;
                    batch.bytes += body.len();
                    batch.bodies.push((id, body));
                    batch.numbers.insert(*place, batch.bodies.len() - 1);
                    batch.bodies.len() - 1
                }
            };
            to.push(MovedPlace::Moves(number));
        }
        Ok(to)
    }

    async fn move_batch(&self, batch: Batch) -> Result<u64, StorageError> {
        if batch.moves.is_empty() {
            return Ok(0);
        }
        Counts::add(&self.inner.counts.relocated, batch.bodies.len() as u64);
        let work = Work::Moves(batch.bodies, batch.moves);
        let life = self.life();
        match self
            .submit(&life, self.transaction_id(), Vec::new(), work, 0)
            .await?
        {
            CommitOutcome::Committed(..) => Ok(batch.bytes as u64),
            // Someone put a tombstone at its segment because it took too long: nothing moved.
            CommitOutcome::Conflict(_) => Ok(0),
        }
    }
}
