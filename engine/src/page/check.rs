//! Is this a page? Total over any bytes: the answer is yes, or what is wrong.

use super::error::PageError;
use super::format::{
    AT_FLAGS, AT_NODE, AT_STORE, AT_VERSION, CELL_INLINE, CELL_REFERENCE, CELL_REMOVED,
    CHECKSUM_BYTES, FLAG_UNBOUNDED, FOLLOWS_BYTES, HEADER_BYTES, KIND_BRANCH, KIND_DELTA,
    KIND_LEAF, MAGIC, PAGE_LENGTH_MAX, REFERENCE_BYTES, SLOT_BYTES, TAG_BYTES, TAG_LENGTH_BITS,
    TAG_LENGTH_MASK, VERSION, checksum_in, checksum_of, common_prefix, head_of, u8_at, u16_at,
    u64_at,
};
use super::view::{Key, Layout, View};
use crate::limits::{DEPTH_MAX, KEY_BYTES_MAX};
use crate::types::LogicalId;

/// What all kinds have in common: magic, version, checksum, ids.
pub(super) fn check_envelope(id: LogicalId, bytes: &[u8]) -> Result<(), PageError> {
    if bytes.len() < HEADER_BYTES + CHECKSUM_BYTES {
        return Err(PageError::Length(bytes.len()));
    }
    if !bytes.starts_with(&MAGIC) {
        return Err(PageError::Magic);
    }
    if u8_at(bytes, AT_VERSION) != VERSION {
        return Err(PageError::Version(u8_at(bytes, AT_VERSION)));
    }
    if checksum_of(bytes) != checksum_in(bytes) {
        return Err(PageError::Checksum);
    }
    let found = LogicalId::new(u64_at(bytes, AT_STORE), u64_at(bytes, AT_NODE));
    if found != id {
        return Err(PageError::WrongNode(found));
    }
    Ok(())
}

/// A leaf or branch page, completely.
pub(super) fn check_base(id: LogicalId, bytes: &[u8]) -> Result<Layout, PageError> {
    let view = check_layout(id, bytes)?;
    let layout = view.layout;
    match layout.kind {
        KIND_LEAF if layout.level == 0 => {}
        KIND_BRANCH if (1..=DEPTH_MAX).contains(&usize::from(layout.level)) => {}
        KIND_LEAF | KIND_BRANCH => return Err(PageError::Level(layout.level)),
        other => return Err(PageError::Kind(other)),
    }
    check_fences(&view)?;
    check_cells(&view)?;
    check_range(&view)?;
    check_prefix(&view)?;
    Ok(layout)
}

/// A delta page, completely but for its relation to its base.
pub(super) fn check_delta(id: LogicalId, bytes: &[u8]) -> Result<Layout, PageError> {
    let view = check_layout(id, bytes)?;
    let layout = view.layout;
    if layout.kind != KIND_DELTA {
        return Err(PageError::Kind(layout.kind));
    }
    if layout.level != 0 {
        return Err(PageError::Level(layout.level));
    }
    if layout.unbounded {
        return Err(PageError::Flags(FLAG_UNBOUNDED));
    }
    if layout.low != 0 || layout.high != 0 {
        return Err(PageError::Fences);
    }
    if layout.prefix > KEY_BYTES_MAX {
        return Err(PageError::Prefix);
    }
    if layout.cells == 0 {
        return Err(PageError::NoCells);
    }
    check_cells(&view)?;
    Ok(layout)
}

/// The envelope, and that header, fences and slot directory fit into the bytes.
fn check_layout(id: LogicalId, bytes: &[u8]) -> Result<View<'_>, PageError> {
    if bytes.len() > PAGE_LENGTH_MAX {
        return Err(PageError::Length(bytes.len()));
    }
    check_envelope(id, bytes)?;
    let flags = u8_at(bytes, AT_FLAGS);
    if flags & !FLAG_UNBOUNDED != 0 {
        return Err(PageError::Flags(flags));
    }
    let layout = Layout::read(bytes);
    if layout.heads + layout.cells * (SLOT_BYTES + TAG_BYTES) > layout.end {
        return Err(PageError::Length(bytes.len()));
    }
    debug_assert!(layout.heads >= HEADER_BYTES && FOLLOWS_BYTES == CHECKSUM_BYTES);
    Ok(View { bytes, layout })
}

fn check_fences(view: &View<'_>) -> Result<(), PageError> {
    let layout = view.layout;
    let ascending = match view.high() {
        None => layout.high == 0,
        Some(high) => view.low() < high,
    };
    if !ascending || layout.low > KEY_BYTES_MAX || layout.high > KEY_BYTES_MAX {
        return Err(PageError::Fences);
    }
    if layout.prefix > layout.low {
        return Err(PageError::Prefix);
    }
    Ok(())
}

/// Offsets, tags, payloads, heads and order.
fn check_cells(view: &View<'_>) -> Result<(), PageError> {
    let layout = view.layout;
    let mut expected = layout.heads + layout.cells * SLOT_BYTES;
    let mut previous: Option<&[u8]> = None;
    for slot in 0..layout.cells {
        let (start, end) = (view.offset(slot), view.offset(slot + 1));
        if start != expected || end < start + TAG_BYTES || end > layout.end {
            return Err(PageError::Offset(slot));
        }
        check_cell(view, slot, start, end)?;
        let suffix = view.suffix(slot);
        if layout.prefix + suffix.len() > KEY_BYTES_MAX {
            return Err(PageError::KeyLength(slot));
        }
        if view.head(slot) != head_of(suffix) {
            return Err(PageError::Head(slot));
        }
        if previous.is_some_and(|previous| previous >= suffix) {
            return Err(PageError::Order(slot));
        }
        previous = Some(suffix);
        expected = end;
    }
    // Without cells nothing else says that no byte follows the directory.
    if expected == layout.end {
        Ok(())
    } else {
        Err(PageError::Offset(layout.cells))
    }
}

fn check_cell(view: &View<'_>, slot: usize, start: usize, end: usize) -> Result<(), PageError> {
    let tag = u16_at(view.bytes, start);
    let payload = start + TAG_BYTES + usize::from(tag & TAG_LENGTH_MASK);
    if payload > end {
        return Err(PageError::Cell(slot));
    }
    let (cell, kind) = (tag >> TAG_LENGTH_BITS, view.layout.kind);
    match cell {
        CELL_INLINE if kind != KIND_BRANCH => Ok(()),
        CELL_REFERENCE if end - payload != REFERENCE_BYTES => Err(PageError::Cell(slot)),
        CELL_REFERENCE if u64_at(view.bytes, payload) <= LogicalId::ROOT => {
            Err(PageError::Reference(slot))
        }
        CELL_REFERENCE => Ok(()),
        CELL_REMOVED if kind == KIND_DELTA && payload == end => Ok(()),
        CELL_REMOVED if kind == KIND_DELTA => Err(PageError::Cell(slot)),
        _ => Err(PageError::CellKind(slot)),
    }
}

/// Keys within the fences. Order is known by now, so the outermost keys speak for all.
fn check_range(view: &View<'_>) -> Result<(), PageError> {
    let layout = view.layout;
    let mut first = 0;
    if layout.kind == KIND_BRANCH {
        if layout.cells == 0 {
            return Err(PageError::NoCells);
        }
        if !view.suffix(0).is_empty() {
            return Err(PageError::FirstSeparator);
        }
        first = 1;
    }
    if first >= layout.cells {
        return Ok(());
    }
    // The first separator is the low fence itself, so the next one lies strictly above it.
    let (low, lowest) = (view.low_suffix(), view.suffix(first));
    if lowest < low || (first == 1 && lowest == low) {
        return Err(PageError::OutsideFences(first));
    }
    let last = layout.cells - 1;
    let key = Key {
        prefix: view.prefix(),
        suffix: view.suffix(last),
    };
    if view.high().is_some_and(|high| key.compare(high).is_ge()) {
        return Err(PageError::OutsideFences(last));
    }
    Ok(())
}

/// The prefix is as long as it can be.
fn check_prefix(view: &View<'_>) -> Result<(), PageError> {
    let layout = view.layout;
    let longest = match layout.cells {
        0 => layout.prefix == 0,
        // The only key of such a branch is the low fence itself.
        1 if layout.kind == KIND_BRANCH => layout.prefix == layout.low,
        cells => common_prefix(view.low_suffix(), view.suffix(cells - 1)) == 0,
    };
    if longest {
        Ok(())
    } else {
        Err(PageError::Prefix)
    }
}
