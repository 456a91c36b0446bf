//! Applying the deltas of a chain to its base.

use std::cmp::Ordering;

use super::build::{Builder, Weight};
use super::check::{check_base, check_delta};
use super::error::PageError;
use super::format::{KIND_LEAF, PAGE_LENGTH_MAX, checksum_in};
use super::view::{Cell, Key, View};
use crate::types::LogicalId;

/// A cell by its suffix: the bodies of a chain share one prefix.
type Entry<'a> = (&'a [u8], Cell<'a>);

/// The bytes of the leaf that a base and its deltas come to.
pub(super) fn materialise(id: LogicalId, base: View<'_>, deltas: &[Vec<u8>]) -> Result<Vec<u8>, PageError> {
    if base.layout.kind != KIND_LEAF {
        return Err(PageError::BranchWithDelta);
    }
    let mut entries: Vec<Entry<'_>> = entries_of(&base).collect();
    let mut checksum = checksum_in(base.bytes);
    for (index, body) in deltas.iter().enumerate() {
        let layout = check_delta(id, body)?;
        let delta = View { bytes: body, layout };
        if delta.follows() != checksum {
            return Err(PageError::DeltaFollows(index));
        }
        if layout.prefix != base.layout.prefix {
            return Err(PageError::Prefix);
        }
        checksum = checksum_in(body);
        entries = overlay(entries, entries_of(&delta)).ok_or(PageError::DeltaAbsent(index))?;
    }
    let (low, high) = (base.low(), base.high());
    let weigh = |(suffix, cell): &Entry<'_>| Weight::of(base.layout.prefix + suffix.len(), cell);
    let weight = entries.iter().map(weigh).fold(Weight::default(), Weight::plus);
    let length = weight.leaf_bytes(low, high);
    if length > PAGE_LENGTH_MAX {
        return Err(PageError::Length(length));
    }
    let mut builder = Builder::leaf(id, low, high);
    builder.reserve(weight);
    for (suffix, cell) in &entries {
        builder.push_suffix(Key::whole(suffix), cell);
    }
    let bytes = builder.into_bytes();
    // The keys of a delta may still lie outside of the fences of its base.
    check_base(id, &bytes)?;
    Ok(bytes)
}

fn entries_of<'a>(view: &View<'a>) -> impl Iterator<Item = Entry<'a>> {
    let view = *view;
    (0..view.layout.cells).map(move |slot| view.cell(slot))
}

/// Newer entries over older ones; none if one removes what is not there.
fn overlay<'a>(older: Vec<Entry<'a>>, newer: impl Iterator<Item = Entry<'a>>) -> Option<Vec<Entry<'a>>> {
    let mut merged = Vec::with_capacity(older.len());
    let mut older = older.into_iter().peekable();
    for entry in newer {
        let mut replaces = false;
        while let Some(next) = older.next_if(|next| next.0 <= entry.0) {
            match next.0.cmp(entry.0) {
                Ordering::Less => merged.push(next),
                _ => replaces = true,
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
