//! Building pages, and telling their size before.

use super::check::{check_base, check_delta};
use super::format::{
    CELL_INLINE, CELL_REFERENCE, CELL_REMOVED, CHECKSUM_BYTES, FLAG_UNBOUNDED, FOLLOWS_BYTES,
    HEADER_BYTES, KIND_BRANCH, KIND_DELTA, KIND_LEAF, PAGE_LENGTH_MAX, REFERENCE_BYTES, SLOT_BYTES,
    TAG_BYTES, TAG_LENGTH_BITS, common_prefix, head_of, u16_of, write_header,
};
use super::node::Page;
use super::view::{Cell, Key};
use crate::types::LogicalId;

/// What cells weigh wherever they are put: enough to tell the size of any page made of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// How many.
    pub cells: usize,
    /// Their bytes with whole keys and without their part of the slot directory.
    pub bytes: usize,
}

impl Weight {
    /// The weight of one cell.
    pub fn of(key_bytes: usize, cell: &Cell<'_>) -> Self {
        Self {
            cells: 1,
            bytes: TAG_BYTES + key_bytes + payload_bytes(cell),
        }
    }

    /// The weight of one child of a branch.
    pub fn of_child(key_bytes: usize) -> Self {
        Self {
            cells: 1,
            bytes: TAG_BYTES + key_bytes + REFERENCE_BYTES,
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            cells: self.cells + other.cells,
            bytes: self.bytes + other.bytes,
        }
    }

    /// What is left without the other.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        let cells = self.cells.saturating_sub(other.cells);
        Self {
            cells,
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    /// Bytes of a leaf with these cells, the last of which has this key.
    pub fn leaf_bytes(&self, low: &[u8], high: Option<&[u8]>, last: Option<Key<'_>>) -> usize {
        let prefix = prefix_of(low, last);
        let frame = HEADER_BYTES + low.len() + high.map_or(0, <[u8]>::len) + CHECKSUM_BYTES;
        (frame + self.cells * SLOT_BYTES + self.bytes).saturating_sub(self.cells * prefix)
    }

    /// Bytes of a branch with these cells, the first of which has the low fence as its key.
    pub fn branch_bytes(&self, low: &[u8], high: Option<&[u8]>, last: Option<Key<'_>>) -> usize {
        let prefix = prefix_of(low, last);
        // The first key is stored empty: all of it is saved, not only the prefix.
        self.leaf_bytes(low, high, last)
            .saturating_sub(low.len().saturating_sub(prefix))
    }
}

/// Bytes of a delta of this page with these cells.
pub fn delta_bytes(page: &Page, weight: Weight) -> usize {
    let prefix = fence_prefix(page.low_fence(), page.high_fence());
    let frame = HEADER_BYTES + FOLLOWS_BYTES + CHECKSUM_BYTES;
    (frame + weight.cells * SLOT_BYTES + weight.bytes).saturating_sub(weight.cells * prefix)
}

/// The length of the prefix that the keys of a page are stored without.
fn prefix_of(low: &[u8], last: Option<Key<'_>>) -> usize {
    last.map_or(0, |last| last.shared_with(low))
}

/// The length of the prefix that all keys between two fences share.
pub(super) fn fence_prefix(low: &[u8], high: Option<&[u8]>) -> usize {
    high.map_or(0, |high| common_prefix(low, high))
}

fn payload_bytes(cell: &Cell<'_>) -> usize {
    match cell {
        Cell::Inline(value) => value.len(),
        Cell::Reference(_) => REFERENCE_BYTES,
        Cell::Removed => 0,
    }
}

/// Builds one page from its cells in ascending order.
#[derive(Debug)]
pub struct Builder {
    id: LogicalId,
    kind: u8,
    prefix: usize,
    /// Header and fences.
    front: Vec<u8>,
    heads: Vec<u8>,
    /// Relative to the first cell.
    offsets: Vec<usize>,
    cells: Vec<u8>,
}

impl Builder {
    /// A leaf with these fences, whose last cell will have this key.
    pub fn leaf(id: LogicalId, low: &[u8], high: Option<&[u8]>, last: Option<Key<'_>>) -> Self {
        Self::base(id, KIND_LEAF, 0, low, high, last)
    }

    /// A branch with these fences, whose last cell will have this key. Its first key must be the low fence.
    pub fn branch(
        id: LogicalId,
        level: u8,
        low: &[u8],
        high: Option<&[u8]>,
        last: Option<Key<'_>>,
    ) -> Self {
        Self::base(id, KIND_BRANCH, level, low, high, last)
    }

    fn base(
        id: LogicalId,
        kind: u8,
        level: u8,
        low: &[u8],
        high: Option<&[u8]>,
        last: Option<Key<'_>>,
    ) -> Self {
        let mut front = Vec::with_capacity(HEADER_BYTES + low.len() + high.map_or(0, <[u8]>::len));
        let prefix = prefix_of(low, last);
        write_header(
            &mut front,
            kind,
            level,
            if high.is_some() { 0 } else { FLAG_UNBOUNDED },
            id,
        );
        front.extend_from_slice(&[0; 2]);
        for length in [prefix, low.len(), high.map_or(0, <[u8]>::len)] {
            front.extend_from_slice(&u16_of(length).to_le_bytes());
        }
        front.extend_from_slice(low);
        front.extend_from_slice(high.unwrap_or_default());
        Self {
            id,
            kind,
            prefix,
            front,
            heads: Vec::new(),
            offsets: Vec::new(),
            cells: Vec::new(),
        }
    }

    /// A delta to append to the chain of a leaf.
    pub fn delta(page: &Page) -> Self {
        let mut front = Vec::with_capacity(HEADER_BYTES + FOLLOWS_BYTES);
        write_header(&mut front, KIND_DELTA, 0, 0, page.id());
        front.extend_from_slice(&[0; 2]);
        let prefix = fence_prefix(page.low_fence(), page.high_fence());
        front.extend_from_slice(&u16_of(prefix).to_le_bytes());
        front.extend_from_slice(&[0; 4]);
        front.extend_from_slice(&page.chain_checksum().to_le_bytes());
        let (heads, offsets, cells) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            id: page.id(),
            kind: KIND_DELTA,
            prefix,
            front,
            heads,
            offsets,
            cells,
        }
    }

    /// Makes room for so many cells of so many bytes.
    pub fn reserve(&mut self, weight: Weight) {
        self.heads.reserve(weight.cells * 4);
        self.offsets.reserve(weight.cells);
        self.cells.reserve(weight.bytes.min(PAGE_LENGTH_MAX));
    }

    /// Appends a cell. Its key must be above the one before it, and the last one the announced one.
    pub fn push(&mut self, key: Key<'_>, cell: &Cell<'_>) {
        let first_child = self.kind == KIND_BRANCH && self.offsets.is_empty();
        let suffix = if first_child {
            Key::default()
        } else {
            key.skip(self.prefix)
        };
        self.push_suffix(suffix, cell);
    }

    /// Appends a child of a branch.
    pub fn push_child(&mut self, key: Key<'_>, child: LogicalId) {
        self.push(key, &Cell::Reference(child.node));
    }

    /// Appends a cell whose key is already without the prefix.
    fn push_suffix(&mut self, suffix: Key<'_>, cell: &Cell<'_>) {
        self.offsets.push(self.cells.len());
        let kind = match cell {
            Cell::Inline(_) => CELL_INLINE,
            Cell::Reference(_) => CELL_REFERENCE,
            Cell::Removed => CELL_REMOVED,
        };
        let tag = u16_of(suffix.len()) | kind << TAG_LENGTH_BITS;
        self.cells.extend_from_slice(&tag.to_le_bytes());
        let start = self.cells.len();
        suffix.append_to(&mut self.cells);
        self.heads
            .extend_from_slice(&head_of(self.cells.get(start..).unwrap_or_default()));
        match cell {
            Cell::Inline(value) => self.cells.extend_from_slice(value),
            Cell::Reference(node) => self.cells.extend_from_slice(&node.to_le_bytes()),
            Cell::Removed => {}
        }
    }

    /// The page of a leaf or branch.
    pub fn finish(self) -> Page {
        let (id, bytes) = (self.id, self.into_bytes());
        debug_assert_eq!(
            check_base(id, &bytes).err(),
            None,
            "a page of {id} that does not parse"
        );
        Page::trusted(id, bytes)
    }

    /// The body of a delta.
    pub fn finish_delta(self) -> Vec<u8> {
        let (id, bytes) = (self.id, self.into_bytes());
        debug_assert_eq!(
            check_delta(id, &bytes).err(),
            None,
            "a delta of {id} that does not parse"
        );
        bytes
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        let Self {
            mut front,
            heads,
            offsets,
            cells,
            ..
        } = self;
        let first = front.len() + heads.len() + offsets.len() * 2;
        let length = first + cells.len() + CHECKSUM_BYTES;
        assert!(
            length <= PAGE_LENGTH_MAX,
            "a page of {length} bytes is beyond the format"
        );
        front.reserve_exact(length - front.len());
        let count = u16_of(offsets.len()).to_le_bytes();
        front
            .iter_mut()
            .skip(super::format::AT_CELLS)
            .zip(count)
            .for_each(|(to, from)| *to = from);
        front.extend_from_slice(&heads);
        for offset in offsets {
            front.extend_from_slice(&u16_of(first + offset).to_le_bytes());
        }
        front.extend_from_slice(&cells);
        let checksum = xxhash_rust::xxh3::xxh3_64(&front);
        front.extend_from_slice(&checksum.to_le_bytes());
        front
    }
}
