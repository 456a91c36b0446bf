//! Applying the deltas of a chain to its base.

use std::cmp::Ordering;

use super::build::{Builder, Weight, fence_prefix};
use super::check::{check_base, check_delta};
use super::error::PageError;
use super::format::{KIND_LEAF, PAGE_LENGTH_MAX, checksum_in, slice};
use super::view::{Cell, Key, View};
use crate::types::LogicalId;

/// A cell and its key. Base and deltas leave away prefixes of different lengths, all of them of the same
/// low fence.
type Entry<'a> = (Key<'a>, Cell<'a>);

/// The bytes of the leaf that a base and its deltas come to.
pub(super) fn materialise(
    id: LogicalId,
    base: View<'_>,
    deltas: &[Vec<u8>],
) -> Result<Vec<u8>, PageError> {
    if base.layout.kind != KIND_LEAF {
        return Err(PageError::BranchWithDelta);
    }
    let (low, high) = (base.low(), base.high());
    let mut entries: Vec<Entry<'_>> = entries_of(&base, base.prefix()).collect();
    let mut checksum = checksum_in(base.bytes);
    for (index, body) in deltas.iter().enumerate() {
        let layout = check_delta(id, body)?;
        let delta = View {
            bytes: body,
            layout,
        };
        if delta.follows() != checksum {
            return Err(PageError::DeltaFollows(index));
        }
        if layout.prefix != fence_prefix(low, high) {
            return Err(PageError::Prefix);
        }
        checksum = checksum_in(body);
        let prefix = slice(low, 0, layout.prefix);
        entries =
            overlay(entries, entries_of(&delta, prefix)).ok_or(PageError::DeltaAbsent(index))?;
    }
    let last = entries.last().map(|(key, _)| *key);
    // Only keys within the fences share the prefix that the page leaves away.
    if entries
        .first()
        .is_some_and(|(key, _)| key.compare(low).is_lt())
    {
        return Err(PageError::OutsideFences(0));
    }
    if last
        .zip(high)
        .is_some_and(|(key, high)| key.compare(high).is_ge())
    {
        return Err(PageError::OutsideFences(entries.len() - 1));
    }
    let weight = entries
        .iter()
        .map(|(key, cell)| Weight::of(key.len(), cell))
        .fold(Weight::default(), Weight::plus);
    let length = weight.leaf_bytes(low, high, last);
    if length > PAGE_LENGTH_MAX {
        return Err(PageError::Length(length));
    }
    let mut builder = Builder::leaf(id, low, high, last);
    builder.reserve(weight);
    entries
        .iter()
        .for_each(|(key, cell)| builder.push(*key, cell));
    let bytes = builder.into_bytes();
    check_base(id, &bytes)?;
    Ok(bytes)
}

fn entries_of<'a>(view: &View<'a>, prefix: &'a [u8]) -> impl Iterator<Item = Entry<'a>> {
    let view = *view;
    (0..view.layout.cells).map(move |slot| {
        let (suffix, cell) = view.cell(slot);
        (Key { prefix, suffix }, cell)
    })
}

/// How two keys compare whose prefixes are both of the same fence.
fn compare(left: Key<'_>, right: Key<'_>) -> Ordering {
    let shared = left.prefix.len().min(right.prefix.len());
    let (left, right) = (left.skip(shared), right.skip(shared));
    // At most one of them has some prefix left.
    if right.prefix.is_empty() {
        left.compare(right.suffix)
    } else {
        right.compare(left.suffix).reverse()
    }
}

/// Newer entries over older ones; none if one removes what is not there.
fn overlay<'a>(
    older: Vec<Entry<'a>>,
    newer: impl Iterator<Item = Entry<'a>>,
) -> Option<Vec<Entry<'a>>> {
    let mut merged = Vec::with_capacity(older.len());
    let mut older = older.into_iter().peekable();
    for entry in newer {
        let mut replaces = false;
        while let Some(next) = older.next_if(|next| compare(next.0, entry.0).is_le()) {
            match compare(next.0, entry.0) {
                Ordering::Less => merged.push(next),
                Ordering::Equal | Ordering::Greater => replaces = true,
            }
        }
        match entry.1 {
            Cell::Removed if !replaces => return None,
            Cell::Removed => {}
            _ => merged.push(entry),
        }
    }
    merged.extend(older);
    Some(merged)
}
