//! Value blobs: the body of a value that is too large for its leaf.

use std::ops::Range;

use super::check::check_envelope;
use super::error::PageError;
use super::format::{
    AT_CELLS, AT_FLAGS, AT_KIND, AT_LEVEL, CHECKSUM_BYTES, HEADER_BYTES, KIND_VALUE, u8_at, u64_at,
    write_header,
};
use crate::types::LogicalId;

/// Bytes of a value blob beside the value.
pub const VALUE_OVERHEAD_BYTES: usize = HEADER_BYTES + CHECKSUM_BYTES;

/// The body of the value blob of this id.
pub fn encode_value(id: LogicalId, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(VALUE_OVERHEAD_BYTES + value.len());
    write_header(&mut bytes, KIND_VALUE, 0, 0, id);
    bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
    bytes.extend_from_slice(value);
    let checksum = xxhash_rust::xxh3::xxh3_64(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Where in its body the value lies, so that it need not be copied.
pub fn decode_value(id: LogicalId, body: &[u8]) -> Result<Range<usize>, PageError> {
    check_envelope(id, body)?;
    if u8_at(body, AT_KIND) != KIND_VALUE {
        return Err(PageError::Kind(u8_at(body, AT_KIND)));
    }
    if u8_at(body, AT_LEVEL) != 0 {
        return Err(PageError::Level(u8_at(body, AT_LEVEL)));
    }
    if u8_at(body, AT_FLAGS) != 0 {
        return Err(PageError::Flags(u8_at(body, AT_FLAGS)));
    }
    let end = body.len() - CHECKSUM_BYTES;
    // The length sits where pages count their cells.
    if u64_at(body, AT_CELLS) != (end - HEADER_BYTES) as u64 {
        return Err(PageError::Length(body.len()));
    }
    Ok(HEADER_BYTES..end)
}
