//! Reading the parts of a page in place.

use std::cmp::Ordering;

use super::format::{
    AT_CELLS, AT_FLAGS, AT_HIGH, AT_KIND, AT_LEVEL, AT_LOW, AT_PREFIX, CELL_INLINE, CELL_REFERENCE,
    CHECKSUM_BYTES, FLAG_UNBOUNDED, FOLLOWS_BYTES, HEAD_BYTES, HEADER_BYTES, KIND_DELTA,
    OFFSET_BYTES, TAG_BYTES, TAG_LENGTH_BITS, TAG_LENGTH_MASK, common_prefix, head_of, slice,
    u8_at, u16_at, u64_at,
};

/// A key in two parts, as pages keep it: the shared prefix and the rest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Key<'a> {
    /// The part that all keys of the page share.
    pub prefix: &'a [u8],
    /// The part in the cell.
    pub suffix: &'a [u8],
}

impl<'a> Key<'a> {
    /// A key in one piece.
    pub fn whole(key: &'a [u8]) -> Self {
        Self {
            prefix: &[],
            suffix: key,
        }
    }

    /// Its length in bytes.
    #[expect(
        clippy::len_without_is_empty,
        reason = "nobody asks whether a key is empty"
    )]
    pub fn len(&self) -> usize {
        self.prefix.len() + self.suffix.len()
    }

    /// Its two parts without the first `count` bytes.
    pub fn skip(&self, count: usize) -> Self {
        let prefix = self.prefix.get(count..).unwrap_or_default();
        let rest = count.saturating_sub(self.prefix.len());
        Self {
            prefix,
            suffix: self.suffix.get(rest..).unwrap_or_default(),
        }
    }

    /// How many of its leading bytes it shares with a key in one piece.
    pub fn shared_with(&self, other: &[u8]) -> usize {
        let shared = common_prefix(self.prefix, other);
        if shared < self.prefix.len() {
            return shared;
        }
        shared + common_prefix(self.suffix, other.get(shared..).unwrap_or_default())
    }

    /// Appends it to a buffer.
    pub fn append_to(&self, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(self.prefix);
        buffer.extend_from_slice(self.suffix);
    }

    /// A copy in one piece.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut key = Vec::with_capacity(self.len());
        self.append_to(&mut key);
        key
    }

    /// How it compares with a key in one piece.
    pub fn compare(&self, other: &[u8]) -> Ordering {
        match other.split_at_checked(self.prefix.len()) {
            Some((start, rest)) => self.prefix.cmp(start).then_with(|| self.suffix.cmp(rest)),
            // The other key ends inside of the prefix, so the prefix decides.
            None => self.prefix.cmp(other),
        }
    }
}

/// What a cell says of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// The value itself.
    Inline(&'a [u8]),
    /// The node id of a child or of a value blob, in the same store.
    Reference(u64),
    /// The key is removed; only in deltas.
    Removed,
}

/// Where the parts of a page are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) kind: u8,
    pub(super) level: u8,
    pub(super) unbounded: bool,
    pub(super) cells: usize,
    pub(super) prefix: usize,
    pub(super) low: usize,
    pub(super) high: usize,
    /// Position of the first head.
    pub(super) heads: usize,
    /// Position of the first offset.
    pub(super) offsets: usize,
    /// Position after the last cell.
    pub(super) end: usize,
}

impl Layout {
    /// What the header says, unchecked.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let kind = u8_at(bytes, AT_KIND);
        let low = usize::from(u16_at(bytes, AT_LOW));
        let high = usize::from(u16_at(bytes, AT_HIGH));
        let cells = usize::from(u16_at(bytes, AT_CELLS));
        let follows = if kind == KIND_DELTA { FOLLOWS_BYTES } else { 0 };
        let heads = HEADER_BYTES + low + high + follows;
        Self {
            kind,
            level: u8_at(bytes, AT_LEVEL),
            unbounded: u8_at(bytes, AT_FLAGS) & FLAG_UNBOUNDED != 0,
            cells,
            prefix: usize::from(u16_at(bytes, AT_PREFIX)),
            low,
            high,
            heads,
            offsets: heads + cells * HEAD_BYTES,
            end: bytes.len().saturating_sub(CHECKSUM_BYTES),
        }
    }
}

/// The bytes of a leaf, branch or delta with their layout. Every access is total; on checked bytes it is
/// also right.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) layout: Layout,
}

impl<'a> View<'a> {
    pub(super) fn low(&self) -> &'a [u8] {
        slice(self.bytes, HEADER_BYTES, HEADER_BYTES + self.layout.low)
    }

    pub(super) fn high(&self) -> Option<&'a [u8]> {
        let start = HEADER_BYTES + self.layout.low;
        (!self.layout.unbounded).then(|| slice(self.bytes, start, start + self.layout.high))
    }

    /// The checksum of the body before a delta.
    pub(super) fn follows(&self) -> u64 {
        u64_at(self.bytes, HEADER_BYTES)
    }

    /// The prefix of all keys.
    pub(super) fn prefix(&self) -> &'a [u8] {
        slice(self.bytes, HEADER_BYTES, HEADER_BYTES + self.layout.prefix)
    }

    /// The low fence without the prefix.
    pub(super) fn low_suffix(&self) -> &'a [u8] {
        slice(
            self.bytes,
            HEADER_BYTES + self.layout.prefix,
            HEADER_BYTES + self.layout.low,
        )
    }

    pub(super) fn offset(&self, slot: usize) -> usize {
        if slot >= self.layout.cells {
            return self.layout.end;
        }
        usize::from(u16_at(
            self.bytes,
            self.layout.offsets + slot * OFFSET_BYTES,
        ))
    }

    pub(super) fn head(&self, slot: usize) -> [u8; HEAD_BYTES] {
        let start = self.layout.heads + slot * HEAD_BYTES;
        head_of(slice(self.bytes, start, start + HEAD_BYTES))
    }

    pub(super) fn suffix(&self, slot: usize) -> &'a [u8] {
        let start = self.offset(slot);
        let length = usize::from(u16_at(self.bytes, start) & TAG_LENGTH_MASK);
        slice(self.bytes, start + TAG_BYTES, start + TAG_BYTES + length)
    }

    /// The suffix and the content of a cell.
    pub(super) fn cell(&self, slot: usize) -> (&'a [u8], Cell<'a>) {
        let start = self.offset(slot);
        let tag = u16_at(self.bytes, start);
        let middle = start + TAG_BYTES + usize::from(tag & TAG_LENGTH_MASK);
        let suffix = slice(self.bytes, start + TAG_BYTES, middle);
        let cell = match tag >> TAG_LENGTH_BITS {
            CELL_INLINE => Cell::Inline(slice(self.bytes, middle, self.offset(slot + 1))),
            CELL_REFERENCE => Cell::Reference(u64_at(self.bytes, middle)),
            _ => Cell::Removed,
        };
        (suffix, cell)
    }

    /// Finds a suffix: its slot, or the slot before which it belongs.
    pub(super) fn search(&self, suffix: &[u8]) -> Result<usize, usize> {
        let (heads, _) =
            slice(self.bytes, self.layout.heads, self.layout.offsets).as_chunks::<HEAD_BYTES>();
        let wanted = u32::from_be_bytes(head_of(suffix));
        let start = heads.partition_point(|head| u32::from_be_bytes(*head) < wanted);
        let rest = heads.get(start..).unwrap_or_default();
        let (mut low, mut high) = (
            start,
            start + rest.partition_point(|head| u32::from_be_bytes(*head) == wanted),
        );
        while low < high {
            let middle = low.midpoint(high);
            match self.suffix(middle).cmp(suffix) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Ok(middle),
                Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }
}
