//! One block: entries by slot, in the order of their logical ids.

use bytes::Bytes;
use sop_engine::types::LogicalId;

use super::super::entry::{Entry, EntryVersion};
use crate::blob::directory::checksum;

const COUNT_BYTES: usize = 4;
const SLOT_BYTES: usize = 4;
const CHECKSUM_BYTES: usize = 8;
const ID_BYTES: usize = 16;

/// The bytes of a logical id: their order is the order of ids.
pub(super) fn encode_id(id: LogicalId) -> [u8; ID_BYTES] {
    (u128::from(id.store) << 64 | u128::from(id.node)).to_be_bytes()
}

/// The logical id of these bytes.
pub(super) fn decode_id(bytes: [u8; ID_BYTES]) -> LogicalId {
    let (store, node) = bytes.split_at(8);
    let part = |bytes: &[u8]| {
        bytes
            .first_chunk()
            .map_or(0, |bytes| u64::from_be_bytes(*bytes))
    };
    LogicalId::new(part(store), part(node))
}

/// A block while it is filled.
#[derive(Debug, Default)]
pub(super) struct BlockBuilder {
    slots: Vec<u32>,
    entries: Vec<u8>,
}

impl BlockBuilder {
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn length(&self) -> usize {
        COUNT_BYTES + self.slots.len() * SLOT_BYTES + self.entries.len() + CHECKSUM_BYTES
    }

    pub(super) fn push(&mut self, entry: &Entry) -> Result<(), postcard::Error> {
        let start =
            u32::try_from(self.entries.len()).map_err(|_| postcard::Error::SerializeBufferFull)?;
        self.slots.push(start);
        self.entries.extend_from_slice(&encode_id(entry.id));
        let entries = std::mem::take(&mut self.entries);
        self.entries = postcard::to_extend(&(entry.ticket, &entry.versions), entries)?;
        Ok(())
    }

    /// The finished bytes; the builder is empty afterwards.
    pub(super) fn finish(&mut self, seed: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.length());
        bytes.extend_from_slice(
            &u32::try_from(self.slots.len())
                .unwrap_or(u32::MAX)
                .to_le_bytes(),
        );
        for slot in self.slots.drain(..) {
            bytes.extend_from_slice(&slot.to_le_bytes());
        }
        bytes.append(&mut self.entries);
        let check = checksum(&bytes, seed);
        bytes.extend_from_slice(&check.to_le_bytes());
        bytes
    }
}

/// A block that was read and verified.
#[derive(Debug)]
pub(super) struct Block {
    slots: Bytes,
    entries: Bytes,
}

impl Block {
    pub(super) fn decode(mut bytes: Bytes, seed: u64) -> Option<Self> {
        let check = bytes.split_off(bytes.len().checked_sub(CHECKSUM_BYTES)?);
        if check.as_ref() != checksum(&bytes, seed).to_le_bytes() {
            return None;
        }
        let count = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
        let slots_end = count.checked_mul(SLOT_BYTES)?.checked_add(COUNT_BYTES)?;
        if slots_end > bytes.len() {
            return None;
        }
        let entries = bytes.split_off(slots_end);
        Some(Self {
            slots: bytes.split_off(COUNT_BYTES),
            entries,
        })
    }

    pub(super) fn count(&self) -> usize {
        self.slots.len() / SLOT_BYTES
    }

    fn entry_bytes(&self, slot: usize) -> Option<&[u8]> {
        let start = self
            .slots
            .get(slot.checked_mul(SLOT_BYTES)?..)?
            .first_chunk()?;
        self.entries.get(u32::from_le_bytes(*start) as usize..)
    }

    fn id(&self, slot: usize) -> Option<LogicalId> {
        self.entry_bytes(slot)?
            .first_chunk()
            .map(|id| decode_id(*id))
    }

    /// The slot of this id, or the first slot after it; a slot that points nowhere is an error.
    pub(super) fn search(&self, id: LogicalId) -> Result<Result<usize, usize>, ()> {
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low.midpoint(high);
            let found = self.id(middle).ok_or(())?;
            match found.cmp(&id) {
                std::cmp::Ordering::Equal => return Ok(Ok(middle)),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(Err(low))
    }

    pub(super) fn entry(&self, slot: usize) -> Option<Entry> {
        let (id, rest) = self.entry_bytes(slot)?.split_first_chunk::<ID_BYTES>()?;
        let ((ticket, versions), _) =
            postcard::take_from_bytes::<(u64, Vec<EntryVersion>)>(rest).ok()?;
        Some(Entry {
            id: decode_id(*id),
            ticket,
            versions,
        })
    }
}
