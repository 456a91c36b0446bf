//! Reads a checkpoint back, one partition at a time.

use futures::{StreamExt, TryStreamExt};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::super::EpochError;
use super::super::record::RecordError;
use super::super::store::EpochStore;
use super::{Head, Run, merged, run_name};
use crate::limits;
use crate::recovery::checkpoint::Checkpoint;
use crate::recovery::entry::Entry;

impl EpochStore {
    /// All entries of a partition in the order of their ids.
    pub(in super::super) async fn partition(
        &self,
        head: &Head,
        number: u32,
    ) -> Result<Vec<Entry>, EpochError> {
        let runs = head.runs.iter().enumerate();
        let wanted = runs.filter(|(_, run)| run.partition == number);
        // Collected first: the futures must not borrow from the iterator.
        let reads: Vec<_> = wanted
            .map(|(index, run)| self.run(head, index, run))
            .collect();
        let runs = futures::stream::iter(reads).buffered(limits::RECOVERY_READS);
        let runs: Vec<Vec<Entry>> = runs.try_collect().await?;
        Ok(merged(runs.into_iter().flatten().collect()))
    }

    /// Shows all entries of the newest checkpoint of an epoch, one partition after the other.
    pub async fn visit_newest(
        &self,
        epoch: u32,
        mut visit: impl FnMut(&Entry),
    ) -> Result<(), EpochError> {
        let head = self.newest_checkpoint(epoch).await?;
        for number in 0..head.partitions {
            self.partition(&head, number)
                .await?
                .iter()
                .for_each(&mut visit);
        }
        Ok(())
    }

    /// All entries of the newest checkpoint of an epoch.
    #[cfg(test)]
    pub(crate) async fn checkpoint_entries(&self, epoch: u32) -> Result<Vec<Entry>, EpochError> {
        let head = self.newest_checkpoint(epoch).await?;
        let mut entries = Vec::new();
        for number in 0..head.partitions {
            entries.append(&mut self.partition(&head, number).await?);
        }
        Ok(entries)
    }

    async fn run(&self, head: &Head, number: usize, run: &Run) -> Result<Vec<Entry>, EpochError> {
        let name = run_name(head.header.epoch, head.period, head.attempt, number);
        let bytes = self.patient(|| self.objects.get(&name)).await?;
        let Some(bytes) = bytes else {
            return Err(EpochError::Gone(name));
        };
        if bytes.len() as u64 != run.bytes
            || xxh3_64_with_seed(&bytes, self.seed_of(&name)) != run.checksum
        {
            return Err(EpochError::Record {
                name,
                reason: RecordError::Damaged,
            });
        }
        let checkpoint = Checkpoint::from_bytes(&name, bytes, self.seed)?;
        Ok(checkpoint.iter().collect::<Result<_, _>>()?)
    }
}
