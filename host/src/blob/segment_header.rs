//! The first bytes of every segment, tombstone and stub: what lies under a key, told without reading the rest.
//!
//! The picture of a whole segment is in [`crate::commit::segment`]; a blob store only ever looks at this part.

use bytes::{BufMut, Bytes, BytesMut};
use xxhash_rust::xxh3::xxh3_64;

use super::SegmentKey;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 56;
/// Bytes of the footer.
pub const FOOTER_BYTES: usize = 8;

const MAGIC: [u8; 4] = *b"sopS";
const FORMAT: u16 = 1;

/// What a segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentKind {
    /// Bodies and records: its transactions are committed.
    Segment,
    /// Its transactions never happened.
    Tombstone,
    /// Its transactions are committed; the bodies are gone.
    Stub,
}

impl SegmentKind {
    const fn code(self) -> u16 {
        match self {
            Self::Segment => 1,
            Self::Tombstone => 2,
            Self::Stub => 3,
        }
    }

    const fn from_code(code: u16) -> Option<Self> {
        match code {
            1 => Some(Self::Segment),
            2 => Some(Self::Tombstone),
            3 => Some(Self::Stub),
            _ => None,
        }
    }
}

/// Why bytes are not a segment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// Fewer bytes than the segment says it has: a torn write, or the wrong place.
    #[error("segment is cut short")]
    Short,
    /// No segment begins here.
    #[error("not a segment")]
    Foreign,
    /// Written by a newer program.
    #[error("segment has format {0}, this program knows {FORMAT}")]
    Newer(u16),
    /// Checksum, offsets or contents do not fit together.
    #[error("segment is damaged: {0}")]
    Damaged(&'static str),
}

/// The first bytes of a segment, verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// What it says.
    pub kind: SegmentKind,
    /// Whose it is.
    pub key: SegmentKey,
    /// Bytes of the whole segment.
    pub length: u32,
    /// Where the record begins.
    pub record_offset: u32,
    /// Bytes of the record.
    pub record_length: u32,
    pub(crate) record_checksum: u64,
}

/// A tombstone or a stub.
pub fn mark(kind: SegmentKind, key: SegmentKey) -> Bytes {
    seal(BytesMut::zeroed(HEADER_BYTES), kind, key, HEADER_BYTES, &[])
}

pub(crate) fn seal(
    mut bytes: BytesMut,
    kind: SegmentKind,
    key: SegmentKey,
    offset: usize,
    record: &[u8],
) -> Bytes {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    let narrow = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    header.put_slice(&MAGIC);
    header.put_u16_le(FORMAT);
    header.put_u16_le(kind.code());
    header.put_u32_le(key.epoch);
    header.put_u32_le(key.period);
    header.put_u64_le(key.unique);
    header.put_u32_le(narrow(bytes.len() + FOOTER_BYTES));
    header.put_u32_le(narrow(offset));
    header.put_u32_le(narrow(record.len()));
    header.put_u32_le(0);
    header.put_u64_le(xxh3_64(record));
    let checksum = xxh3_64(&header);
    header.put_u64_le(checksum);
    for (slot, byte) in bytes.iter_mut().zip(&header) {
        *slot = *byte;
    }
    bytes.put_u64_le(checksum);
    bytes.freeze()
}

fn array<const N: usize>(bytes: &[u8], offset: usize) -> Result<[u8; N], SegmentError> {
    let slice = bytes
        .get(offset..)
        .and_then(|rest| rest.get(..N))
        .ok_or(SegmentError::Short)?;
    slice.try_into().map_err(|_| SegmentError::Short)
}

fn u32_at(bytes: &[u8], offset: usize) -> Result<u32, SegmentError> {
    Ok(u32::from_le_bytes(array(bytes, offset)?))
}

pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> Result<u64, SegmentError> {
    Ok(u64::from_le_bytes(array(bytes, offset)?))
}

pub(crate) fn index(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

impl SegmentHeader {
    /// Reads and verifies the header at the start of some bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, SegmentError> {
        if array(bytes, 0)? != MAGIC {
            return Err(SegmentError::Foreign);
        }
        let checked = bytes.get(..48).ok_or(SegmentError::Short)?;
        if xxh3_64(checked) != u64_at(bytes, 48)? {
            return Err(SegmentError::Damaged("header checksum"));
        }
        let format = u16::from_le_bytes(array(bytes, 4)?);
        if format != FORMAT {
            return Err(SegmentError::Newer(format));
        }
        let kind = u16::from_le_bytes(array(bytes, 6)?);
        let kind = SegmentKind::from_code(kind).ok_or(SegmentError::Damaged("kind"))?;
        let key = SegmentKey {
            epoch: u32_at(bytes, 8)?,
            period: u32_at(bytes, 12)?,
            unique: u64_at(bytes, 16)?,
        };
        let header = Self {
            kind,
            key,
            length: u32_at(bytes, 24)?,
            record_offset: u32_at(bytes, 28)?,
            record_length: u32_at(bytes, 32)?,
            record_checksum: u64_at(bytes, 40)?,
        };
        let end = index(header.record_offset).checked_add(index(header.record_length));
        let end = end.and_then(|end| end.checked_add(FOOTER_BYTES));
        let fits = index(header.record_offset) >= HEADER_BYTES && end == Some(index(header.length));
        if fits {
            Ok(header)
        } else {
            Err(SegmentError::Damaged("offsets"))
        }
    }
}
