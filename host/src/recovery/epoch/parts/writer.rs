//! Writes a checkpoint as objects, entry by entry.

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::super::EpochError;
use super::super::collection::Live;
use super::super::record::Object;
use super::super::store::{EpochStore, checkpoint_name};
use super::{Head, Run, merged, partition, partitions, run_name};
use crate::limits;
use crate::recovery::checkpoint::CheckpointBuilder;
use crate::recovery::entry::{Entry, Header, State};

/// Memory of an entry beyond its versions, and of a version beyond its chain; that of a place in a chain.
const ENTRY_BYTES: usize = 64;
const VERSION_BYTES: usize = 64;
const PLACE_BYTES: usize = 24;

/// A checkpoint while it is written; nobody sees it before [`PartsWriter::finish`].
#[derive(Debug)]
pub struct PartsWriter<'a> {
    epochs: &'a EpochStore,
    epoch: u32,
    period: u32,
    attempt: u64,
    /// By partition: entries that wait, and their bytes.
    waiting: Vec<(Vec<Entry>, usize)>,
    waiting_bytes: usize,
    runs: Vec<Run>,
    live: Live,
}

fn memory(entry: &Entry) -> usize {
    let versions = entry.versions.iter();
    let bytes = versions.map(|version| match &version.state {
        State::Chain(chain) => VERSION_BYTES + PLACE_BYTES * chain.len(),
        State::Removed | State::Counter(_) => VERSION_BYTES,
    });
    ENTRY_BYTES + bytes.sum::<usize>()
}

impl EpochStore {
    /// Begins the checkpoint of a period, of about so many entries.
    pub fn checkpoint_writer(&self, epoch: u32, period: u32, entries: u64) -> PartsWriter<'_> {
        let partitions = partitions(entries);
        PartsWriter {
            epochs: self,
            epoch,
            period,
            attempt: self.runtime.random(),
            waiting: (0..partitions).map(|_| (Vec::new(), 0)).collect(),
            waiting_bytes: 0,
            runs: Vec::new(),
            live: Live::default(),
        }
    }
}

impl PartsWriter<'_> {
    fn partitions(&self) -> u32 {
        u32::try_from(self.waiting.len()).unwrap_or(u32::MAX)
    }

    /// Adds an entry. Ids may come in any order, and again with other versions.
    pub async fn push(&mut self, entry: Entry) -> Result<(), EpochError> {
        let bytes = memory(&entry);
        self.live.add(&entry);
        let partition = partition(entry.id, self.partitions());
        let index = usize::try_from(partition).unwrap_or(0);
        if let Some((entries, waiting)) = self.waiting.get_mut(index) {
            entries.push(entry);
            *waiting += bytes;
            self.waiting_bytes += bytes;
        }
        while self.waiting_bytes > limits::CHECKPOINT_BUFFER_BYTES {
            let longest = self.waiting.iter().enumerate();
            let longest = longest.max_by_key(|(_, (_, bytes))| *bytes);
            let Some((index, _)) = longest else { break };
            self.put_run(index).await?;
        }
        Ok(())
    }

    async fn put_run(&mut self, index: usize) -> Result<(), EpochError> {
        let Some(waiting) = self.waiting.get_mut(index) else {
            return Ok(());
        };
        let (entries, bytes) = std::mem::take(waiting);
        self.waiting_bytes -= bytes;
        if entries.is_empty() {
            return Ok(());
        }
        let name = run_name(self.epoch, self.period, self.attempt, self.runs.len());
        let mut builder = CheckpointBuilder::new(&name, self.epochs.seed);
        let mut count = 0;
        for entry in merged(entries) {
            builder.push(&entry)?;
            count += 1;
        }
        let bytes = Bytes::from(builder.finish(&Header::default())?);
        self.runs.push(Run {
            partition: u32::try_from(index).unwrap_or(u32::MAX),
            entries: count,
            bytes: bytes.len() as u64,
            checksum: xxh3_64_with_seed(&bytes, self.epochs.seed_of(&name)),
        });
        let put = || self.epochs.objects.put(&name, bytes.clone());
        self.epochs.patient(put).await
    }

    /// Puts what waits, and the head: from now on the checkpoint is there. Answers its bytes and what it reaches.
    pub async fn finish(mut self, header: Header) -> Result<(u64, Live), EpochError> {
        let live = std::mem::take(&mut self.live);
        Ok((self.finish_with(header).await?.bytes(), live))
    }

    pub(in super::super) async fn finish_with(
        mut self,
        header: Header,
    ) -> Result<Head, EpochError> {
        for index in 0..self.waiting.len() {
            self.put_run(index).await?;
        }
        let head = Head {
            header,
            period: self.period,
            attempt: self.attempt,
            partitions: self.partitions(),
            runs: self.runs,
        };
        let name = checkpoint_name(self.epoch, self.period);
        let bytes = Bytes::from(head.encode(self.epochs.seed_of(&name)));
        let put = || self.epochs.objects.put(&name, bytes.clone());
        self.epochs.patient(put).await?;
        Ok(head)
    }
}
