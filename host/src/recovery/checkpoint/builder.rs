//! Puts the bytes of a checkpoint together, entry by entry.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sop_engine::types::{LogicalId, PhysicalId};

use super::BLOCK_BYTES;
use super::block::{self, BlockBuilder};
use super::footer::Footer;
use crate::blob::directory::{DirectoryError, checksum};
use crate::recovery::entry::{Entry, Header, State};

/// A checkpoint while it is put together. Whoever wants it in parts takes [`CheckpointBuilder::ready`] now and then.
#[derive(Debug)]
pub struct CheckpointBuilder {
    /// For messages.
    name: PathBuf,
    seed: u64,
    buffer: Vec<u8>,
    /// Bytes of all finished blocks.
    offset: u64,
    block: BlockBuilder,
    block_first: Option<LogicalId>,
    last: Option<LogicalId>,
    entries: u64,
    index: Vec<u8>,
    live: BTreeMap<u64, u64>,
}

impl CheckpointBuilder {
    /// An empty checkpoint of the database with this seed; the name is for messages.
    pub fn new(name: impl AsRef<Path>, seed: u64) -> Self {
        Self {
            name: name.as_ref().to_owned(),
            seed,
            buffer: Vec::new(),
            offset: 0,
            block: BlockBuilder::default(),
            block_first: None,
            last: None,
            entries: 0,
            index: Vec::new(),
            live: BTreeMap::new(),
        }
    }

    /// Adds the next entry; ids ascend.
    pub fn push(&mut self, entry: &Entry) -> Result<(), DirectoryError> {
        assert!(
            self.last.is_none_or(|last| last < entry.id),
            "entries are written in the order of their ids"
        );
        self.last = Some(entry.id);
        self.block_first.get_or_insert(entry.id);
        self.block
            .push(entry)
            .map_err(|error| self.failed(&io::Error::other(error)))?;
        self.entries += 1;
        for id in blobs(entry) {
            let (file, _) = id.segment;
            *self.live.entry(file).or_default() += u64::from(id.length);
        }
        if self.block.length() >= BLOCK_BYTES {
            self.finish_block();
        }
        Ok(())
    }

    fn finish_block(&mut self) {
        let Some(first) = self.block_first.take() else {
            return;
        };
        let bytes = self.block.finish(self.seed);
        self.index.extend_from_slice(&block::encode_id(first));
        self.index.extend_from_slice(&self.offset.to_le_bytes());
        self.offset += bytes.len() as u64;
        self.buffer.extend_from_slice(&bytes);
    }

    /// The bytes that are ready and were not taken before, if there are at least so many.
    pub fn ready(&mut self, bytes_min: usize) -> Option<Vec<u8>> {
        (self.buffer.len() >= bytes_min).then(|| std::mem::take(&mut self.buffer))
    }

    /// Bytes of live blobs by log file, of the entries so far.
    pub fn live(&self) -> &BTreeMap<u64, u64> {
        &self.live
    }

    /// All bytes that were not taken before, to the end.
    pub fn finish(mut self, header: &Header) -> Result<Vec<u8>, DirectoryError> {
        if !self.block.is_empty() {
            self.finish_block();
        }
        let live = self.encode(&self.live)?;
        let header = self.encode(header)?;
        let footer = Footer {
            entries: self.entries,
            index_offset: self.offset,
            index_bytes: self.index.len() as u64,
            live_bytes: live.len() as u64,
            header_bytes: header.len() as u64,
            parts_checksum: checksum(&[self.index.as_slice(), &live, &header].concat(), self.seed),
        };
        for part in [
            self.index.as_slice(),
            &live,
            &header,
            &footer.encode(self.seed),
        ] {
            self.buffer.extend_from_slice(part);
        }
        Ok(self.buffer)
    }

    fn encode<T: Serialize>(&self, value: &T) -> Result<Vec<u8>, DirectoryError> {
        postcard::to_extend(value, Vec::new())
            .map_err(|error| self.failed(&io::Error::other(error)))
    }

    /// The error of this checkpoint.
    pub fn failed(&self, error: &io::Error) -> DirectoryError {
        DirectoryError::file(&self.name, "write", error)
    }
}

/// Every blob that an entry reaches, in any of its versions, once.
pub(crate) fn blobs(entry: &Entry) -> BTreeSet<PhysicalId> {
    let chains = entry
        .versions
        .iter()
        .filter_map(|version| match &version.state {
            State::Chain(chain) => Some(chain),
            State::Removed | State::Counter(_) => None,
        });
    chains.flatten().copied().collect()
}
