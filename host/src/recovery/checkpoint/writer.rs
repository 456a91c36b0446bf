//! Writes a checkpoint file, entry by entry.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sop_engine::types::{LogicalId, PhysicalId};

use super::block::{self, BlockBuilder};
use super::footer::Footer;
use super::{BLOCK_BYTES, Checkpoint};
use crate::blob::directory::{DirectoryError, Steps, checksum, sync_folder, temporary};
use crate::recovery::entry::{Entry, Header, State};

const BUFFER_BYTES: usize = 1 << 20;

/// A checkpoint file while it is written; nothing has its name before [`CheckpointWriter::finish`].
#[derive(Debug)]
pub struct CheckpointWriter {
    path: PathBuf,
    temporary: PathBuf,
    file: File,
    seed: u64,
    steps: Steps,
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

impl CheckpointWriter {
    /// Begins a checkpoint that will be at `path`.
    pub fn create(path: &Path, seed: u64, steps: &Steps) -> Result<Self, DirectoryError> {
        let temporary = temporary(path);
        let created = steps
            .at("create a checkpoint")
            .and_then(|()| File::create(&temporary));
        let file = created.map_err(|error| DirectoryError::file(&temporary, "create", &error))?;
        Ok(Self {
            path: path.to_owned(),
            temporary,
            file,
            seed,
            steps: steps.clone(),
            buffer: Vec::new(),
            offset: 0,
            block: BlockBuilder::default(),
            block_first: None,
            last: None,
            entries: 0,
            index: Vec::new(),
            live: BTreeMap::new(),
        })
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
            self.finish_block()
        } else {
            Ok(())
        }
    }

    fn finish_block(&mut self) -> Result<(), DirectoryError> {
        let Some(first) = self.block_first.take() else {
            return Ok(());
        };
        let bytes = self.block.finish(self.seed);
        self.index.extend_from_slice(&block::encode_id(first));
        self.index.extend_from_slice(&self.offset.to_le_bytes());
        self.offset += bytes.len() as u64;
        self.buffer.extend_from_slice(&bytes);
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Result<(), DirectoryError> {
        let written = self
            .steps
            .at("write a checkpoint")
            .and_then(|()| self.file.write_all(&self.buffer));
        self.buffer.clear();
        written.map_err(|error| self.failed(&error))
    }

    /// Bytes of live blobs by log file, of the entries so far.
    pub fn live(&self) -> &BTreeMap<u64, u64> {
        &self.live
    }

    /// Writes the rest, makes it durable and gives it its name.
    pub fn finish(mut self, header: &Header) -> Result<Checkpoint, DirectoryError> {
        if !self.block.is_empty() {
            self.finish_block()?;
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
        self.flush()?;
        let named = self.name();
        named.map_err(|error| self.failed(&error))?;
        sync_folder(self.path.parent().unwrap_or(&self.path))?;
        // What was written is read back before anyone relies on it.
        Checkpoint::open(&self.path, self.seed)
    }

    fn name(&self) -> io::Result<()> {
        self.steps.at("sync a checkpoint")?;
        self.file.sync_all()?;
        self.steps.at("name a checkpoint")?;
        std::fs::rename(&self.temporary, &self.path)?;
        self.steps.at("sync the checkpoint folder")
    }

    fn encode<T: Serialize>(&self, value: &T) -> Result<Vec<u8>, DirectoryError> {
        postcard::to_extend(value, Vec::new())
            .map_err(|error| self.failed(&io::Error::other(error)))
    }

    fn failed(&self, error: &io::Error) -> DirectoryError {
        DirectoryError::file(&self.temporary, "write", error)
    }
}

impl Drop for CheckpointWriter {
    /// An abandoned file gives its room back; a finished one has another name by now.
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.temporary);
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
