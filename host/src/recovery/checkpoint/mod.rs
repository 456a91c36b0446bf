//! The checkpoint file: all entries of a database, sorted by logical id and searched in place.
//!
//! ```text
//!  | block | block | … | block | index | live | header | footer |
//!     │                            │      │       │        └ fixed size, at the end: where the other parts are, checksums
//!     │                            │      │       └ what the checkpoint says about the whole database (postcard)
//!     │                            │      └ bytes of live blobs per log file (postcard)
//!     │                            └ per block: first logical id, offset
//!     └ about 4 KiB: | count | slots | entries … | checksum |, an entry being | id | postcard of the rest |
//! ```
//!
//! Opening reads the footer and the parts in front of it, and no block: some 6 bytes per hundred bytes of entries. A look-up
//! searches the index in memory and reads one block. Memory therefore holds the index, never the entries.
//!
//! - A checkpoint appears under its name with its whole contents or not at all: written and synced under a temporary
//!   name, renamed, folder synced.
//! - Every byte is under a checksum that is seeded with the identity of the database. Reading is total: any bytes give
//!   entries or an error.
//! - It never changes. It is deleted only after a newer one is durable.
//!
//! It is not a tree and takes no updates: what changed since lies in the registry's memory and in the log.

mod block;
mod builder;
mod footer;
mod source;
mod writer;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sop_engine::types::LogicalId;

pub use self::builder::CheckpointBuilder;
pub(crate) use self::builder::blobs;
use self::footer::{FOOTER_BYTES, Footer};
use self::source::Source;
pub use self::writer::CheckpointWriter;
use super::entry::{Base, Entry, Header};
use crate::blob::directory::{DirectoryError, checksum};
use block::Block;

/// Bytes of one entry of the index: a logical id and an offset.
const INDEX_ENTRY_BYTES: usize = 24;
/// A block is finished when it has at least this many bytes.
const BLOCK_BYTES: usize = 4 << 10;

/// An open checkpoint file.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    source: Source,
    seed: u64,
    footer: Footer,
    index: Bytes,
    header: Header,
    live: BTreeMap<u64, u64>,
}

impl Checkpoint {
    /// Opens a checkpoint file of the database with this seed.
    pub fn open(path: &Path, seed: u64) -> Result<Self, DirectoryError> {
        let because = "the newest state of the database starts from it";
        let file =
            File::open(path).map_err(|error| DirectoryError::unread(path, because, &error))?;
        Self::over(path, Source::File(file), seed)
    }

    /// A checkpoint that is wholly in memory; the name is for messages.
    pub fn from_bytes(name: &str, bytes: Bytes, seed: u64) -> Result<Self, DirectoryError> {
        Self::over(Path::new(name), Source::Memory(bytes), seed)
    }

    fn over(path: &Path, source: Source, seed: u64) -> Result<Self, DirectoryError> {
        let failed = |error: io::Error| DirectoryError::file(path, "read", &error);
        let length = source.length().map_err(failed)?;
        let damaged = |offset: u64, reason: &str| DirectoryError::damaged(path, offset, reason);
        let footer_offset = length
            .checked_sub(FOOTER_BYTES as u64)
            .ok_or_else(|| damaged(0, "it is too short"))?;
        let footer = source.read(footer_offset, FOOTER_BYTES).map_err(failed)?;
        let footer = footer
            .first_chunk()
            .and_then(|footer| Footer::decode(footer, footer_offset, seed))
            .ok_or_else(|| damaged(footer_offset, "its footer is not valid"))?;
        let parts = usize::try_from(footer_offset - footer.index_offset)
            .map_err(|_| damaged(footer_offset, "its index is too long"))?;
        let bytes = source.read(footer.index_offset, parts).map_err(failed)?;
        if checksum(&bytes, seed) != footer.parts_checksum {
            return Err(damaged(
                footer.index_offset,
                "its index does not match its checksum",
            ));
        }
        let mut index = bytes;
        let invalid = || damaged(footer.index_offset, "its parts cannot be decoded");
        let mut rest = split_off(&mut index, footer.index_bytes).ok_or_else(invalid)?;
        let header_bytes = split_off(&mut rest, footer.live_bytes).ok_or_else(invalid)?;
        let live = postcard::from_bytes(&rest).map_err(|_| invalid())?;
        let header = postcard::from_bytes(&header_bytes).map_err(|_| invalid())?;
        Ok(Self {
            path: path.to_owned(),
            source,
            seed,
            footer,
            index,
            header,
            live,
        })
    }

    /// How many entries it holds.
    pub fn entries_count(&self) -> u64 {
        self.footer.entries
    }

    /// Length of the file, in bytes.
    pub fn file_bytes(&self) -> u64 {
        let footer = &self.footer;
        footer.index_offset
            + footer.index_bytes
            + footer.live_bytes
            + footer.header_bytes
            + FOOTER_BYTES as u64
    }

    /// Bytes of live blobs by the number of the log file (the first half of a physical id's segment).
    pub fn live(&self) -> &BTreeMap<u64, u64> {
        &self.live
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The entry of one logical id.
    pub fn get(&self, id: LogicalId) -> Result<Option<Entry>, DirectoryError> {
        let Some(number) = self.block_of(id) else {
            return Ok(None);
        };
        let block = self.block(number)?;
        let found = block.search(id).map_err(|()| self.invalid(number))?;
        found
            .ok()
            .map(|slot| block.entry(slot).ok_or_else(|| self.invalid(number)))
            .transpose()
    }

    /// Up to `count` entries in order, those after `after` (`None` = from the first).
    pub fn entries_after(
        &self,
        after: Option<LogicalId>,
        count: usize,
    ) -> Result<Vec<Entry>, DirectoryError> {
        let mut entries = Vec::new();
        let mut number = after.and_then(|id| self.block_of(id)).unwrap_or(0);
        let mut slot = match after {
            Some(id) if number < self.blocks() => {
                let found = self
                    .block(number)?
                    .search(id)
                    .map_err(|()| self.invalid(number))?;
                found.map_or_else(|before| before, |slot| slot + 1)
            }
            _ => 0,
        };
        while number < self.blocks() && entries.len() < count {
            let block = self.block(number)?;
            while slot < block.count() && entries.len() < count {
                entries.push(block.entry(slot).ok_or_else(|| self.invalid(number))?);
                slot += 1;
            }
            if slot >= block.count() {
                number += 1;
                slot = 0;
            }
        }
        Ok(entries)
    }

    /// All entries in order.
    pub fn iter(&self) -> impl Iterator<Item = Result<Entry, DirectoryError>> {
        (0..self.blocks()).flat_map(|number| match self.block(number) {
            Ok(block) => {
                let entries = (0..block.count())
                    .map(|slot| block.entry(slot).ok_or_else(|| self.invalid(number)));
                entries.collect::<Vec<_>>()
            }
            Err(error) => vec![Err(error)],
        })
    }

    fn blocks(&self) -> usize {
        self.index.len() / INDEX_ENTRY_BYTES
    }

    /// First logical id and offset of a block.
    fn index_entry(&self, number: usize) -> Option<(LogicalId, u64)> {
        let start = number.checked_mul(INDEX_ENTRY_BYTES)?;
        let (id, offset) = self
            .index
            .get(start..start.checked_add(INDEX_ENTRY_BYTES)?)?
            .split_first_chunk::<16>()?;
        Some((
            block::decode_id(*id),
            u64::from_le_bytes(*offset.first_chunk()?),
        ))
    }

    /// The only block that can hold this id: the last one that does not begin after it.
    fn block_of(&self, id: LogicalId) -> Option<usize> {
        let (mut low, mut high) = (0, self.blocks());
        while low < high {
            let middle = low.midpoint(high);
            if self.index_entry(middle)?.0 <= id {
                low = middle + 1
            } else {
                high = middle
            }
        }
        low.checked_sub(1)
    }

    fn block(&self, number: usize) -> Result<Block, DirectoryError> {
        let (_, start) = self
            .index_entry(number)
            .ok_or_else(|| self.invalid(number))?;
        let end = self
            .index_entry(number + 1)
            .map_or(self.footer.index_offset, |(_, offset)| offset);
        let length = end
            .checked_sub(start)
            .filter(|_| end <= self.footer.index_offset);
        let length = length
            .and_then(|length| usize::try_from(length).ok())
            .ok_or_else(|| self.invalid(number))?;
        let read = self.source.read(start, length);
        let bytes = read.map_err(|error| DirectoryError::file(&self.path, "read", &error))?;
        Block::decode(bytes, self.seed).ok_or_else(|| self.invalid(number))
    }

    fn invalid(&self, number: usize) -> DirectoryError {
        let offset = self.index_entry(number).map_or(0, |(_, offset)| offset);
        DirectoryError::damaged(
            &self.path,
            offset,
            format!("block {number} of the checkpoint is not valid"),
        )
    }
}

impl Base for Checkpoint {
    fn header(&self) -> &Header {
        &self.header
    }

    fn entry(&self, id: LogicalId) -> io::Result<Option<Entry>> {
        self.get(id).map_err(io::Error::other)
    }

    fn entries_count(&self) -> u64 {
        Checkpoint::entries_count(self)
    }

    fn entries_after(&self, after: Option<LogicalId>, count: usize) -> io::Result<Vec<Entry>> {
        Checkpoint::entries_after(self, after, count).map_err(io::Error::other)
    }
}

/// Cuts `bytes` to `length` and returns the rest.
fn split_off(bytes: &mut Bytes, length: u64) -> Option<Bytes> {
    let length = usize::try_from(length)
        .ok()
        .filter(|length| *length <= bytes.len())?;
    Some(bytes.split_off(length))
}

#[cfg(test)]
#[path = "checkpoint_test.rs"]
mod test;
