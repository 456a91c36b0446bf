//! The constants of the byte format and total little-endian access to bytes.

use xxhash_rust::xxh3::xxh3_64;

use crate::types::LogicalId;

pub(super) const MAGIC: [u8; 4] = *b"sopN";
pub(super) const VERSION: u8 = 1;

pub(super) const KIND_LEAF: u8 = 1;
pub(super) const KIND_BRANCH: u8 = 2;
pub(super) const KIND_DELTA: u8 = 3;
pub(super) const KIND_VALUE: u8 = 4;

/// The page has no high fence: it goes on to +infinity.
pub(super) const FLAG_UNBOUNDED: u8 = 1;

pub(super) const AT_VERSION: usize = 4;
pub(super) const AT_KIND: usize = 5;
pub(super) const AT_LEVEL: usize = 6;
pub(super) const AT_FLAGS: usize = 7;
pub(super) const AT_STORE: usize = 8;
pub(super) const AT_NODE: usize = 16;
pub(super) const AT_CELLS: usize = 24;
pub(super) const AT_PREFIX: usize = 26;
pub(super) const AT_LOW: usize = 28;
pub(super) const AT_HIGH: usize = 30;
pub(super) const HEADER_BYTES: usize = 32;
/// The checksum of the body before it, in a delta.
pub(super) const FOLLOWS_BYTES: usize = 8;
pub(super) const CHECKSUM_BYTES: usize = 8;
pub(super) const HEAD_BYTES: usize = 4;
pub(super) const OFFSET_BYTES: usize = 2;
/// Bytes of the slot directory for each cell.
pub(super) const SLOT_BYTES: usize = HEAD_BYTES + OFFSET_BYTES;
pub(super) const TAG_BYTES: usize = 2;
pub(super) const REFERENCE_BYTES: usize = 8;

pub(super) const CELL_INLINE: u16 = 0;
pub(super) const CELL_REFERENCE: u16 = 1;
pub(super) const CELL_REMOVED: u16 = 2;
/// The part of a tag that is the length of the suffix.
pub(super) const TAG_LENGTH_BITS: u32 = 14;
pub(super) const TAG_LENGTH_MASK: u16 = (1 << TAG_LENGTH_BITS) - 1;

/// Longest page that 16-bit offsets can address.
pub(super) const PAGE_LENGTH_MAX: usize = u16::MAX as usize;

/// The byte at a position; 0 beyond the end.
pub(super) fn u8_at(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or_default()
}

/// The number at a position; 0 beyond the end.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |chunk| u16::from_le_bytes(*chunk))
}

/// The number at a position; 0 beyond the end.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

/// The bytes of a range; none if it is not wholly inside.
pub(super) fn slice(bytes: &[u8], from: usize, to: usize) -> &[u8] {
    bytes.get(from..to).unwrap_or_default()
}

/// A length that the format keeps in 16 bits.
pub(super) fn u16_of(length: usize) -> u16 {
    debug_assert!(length <= PAGE_LENGTH_MAX, "a length beyond the format");
    u16::try_from(length).unwrap_or(u16::MAX)
}

/// The checksum that the bytes should end with.
pub(super) fn checksum_of(bytes: &[u8]) -> u64 {
    xxh3_64(slice(bytes, 0, bytes.len().saturating_sub(CHECKSUM_BYTES)))
}

/// The checksum that the bytes do end with.
pub(super) fn checksum_in(bytes: &[u8]) -> u64 {
    u64_at(bytes, bytes.len().saturating_sub(CHECKSUM_BYTES))
}

/// The part of the header that all kinds share.
pub(super) fn write_header(bytes: &mut Vec<u8>, kind: u8, level: u8, flags: u8, id: LogicalId) {
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&[VERSION, kind, level, flags]);
    bytes.extend_from_slice(&id.store.to_le_bytes());
    bytes.extend_from_slice(&id.node.to_le_bytes());
}

/// The first four bytes of a suffix, padded with zeros.
pub(super) fn head_of(suffix: &[u8]) -> [u8; HEAD_BYTES] {
    if let Some(head) = suffix.first_chunk() {
        return *head;
    }
    let mut head = [0; HEAD_BYTES];
    head.iter_mut()
        .zip(suffix)
        .for_each(|(to, from)| *to = *from);
    head
}

/// How many leading bytes two keys share.
pub(super) fn common_prefix(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(a, b)| a == b).count()
}
