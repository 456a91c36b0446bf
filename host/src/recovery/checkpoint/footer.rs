//! The last bytes of a checkpoint file: where its parts are.

use crate::blob::directory::checksum;

/// Length of the footer, in bytes.
pub(super) const FOOTER_BYTES: usize = 64;
const CHECKED_BYTES: usize = 56;
/// "sopchk" and the version of this format.
const MAGIC: u64 = u64::from_le_bytes(*b"sopchk\x01\x00");

/// Where the parts of a checkpoint file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) entries: u64,
    /// Where the blocks end and the index begins.
    pub(super) index_offset: u64,
    pub(super) index_bytes: u64,
    pub(super) live_bytes: u64,
    pub(super) header_bytes: u64,
    /// Over index, live and header.
    pub(super) parts_checksum: u64,
}

impl Footer {
    pub(super) fn encode(&self, seed: u64) -> [u8; FOOTER_BYTES] {
        let words = [
            MAGIC,
            self.entries,
            self.index_offset,
            self.index_bytes,
            self.live_bytes,
            self.header_bytes,
            self.parts_checksum,
        ];
        let mut bytes = [0; FOOTER_BYTES];
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let check = checksum(&bytes[..CHECKED_BYTES], seed);
        bytes[CHECKED_BYTES..].copy_from_slice(&check.to_le_bytes());
        bytes
    }

    /// The footer at this offset of a file, if its parts fill the file exactly.
    pub(super) fn decode(bytes: &[u8; FOOTER_BYTES], offset: u64, seed: u64) -> Option<Self> {
        let (checked, check) = bytes.split_at(CHECKED_BYTES);
        if check != checksum(checked, seed).to_le_bytes() {
            return None;
        }
        let mut words = checked
            .chunks_exact(8)
            .filter_map(|word| word.first_chunk().map(|word| u64::from_le_bytes(*word)));
        if words.next()? != MAGIC {
            return None;
        }
        let footer = Self {
            entries: words.next()?,
            index_offset: words.next()?,
            index_bytes: words.next()?,
            live_bytes: words.next()?,
            header_bytes: words.next()?,
            parts_checksum: words.next()?,
        };
        let parts = footer
            .index_bytes
            .checked_add(footer.live_bytes)?
            .checked_add(footer.header_bytes)?;
        (footer.index_offset.checked_add(parts)? == offset).then_some(footer)
    }
}
