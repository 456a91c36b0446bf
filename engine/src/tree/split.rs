//! Where to cut a node that outgrew its page.

use super::draft::{Cells, Draft};
use crate::page::Weight;

/// Frame of a page beyond fences and cells, rounded up.
const FRAME_BYTES: usize = 64;
/// What a cell costs beyond its weight.
const SLOT_BYTES: usize = 6;

/// Cuts a draft into drafts whose pages fit, as far as they can. All but the first one still have the id of
/// the whole.
///
/// If the new cells are all at the end, pages are filled up: more of the kind will follow. Otherwise the
/// parts are of about the same size, so that there is room everywhere.
pub(super) fn split<'a>(mut draft: Draft<'a>, page_bytes: usize) -> Vec<Draft<'a>> {
    let cuts = cuts(&draft, page_bytes);
    if cuts.is_empty() {
        return vec![draft];
    }
    draft.forget_before();
    let mut parts = Vec::with_capacity(cuts.len() + 1);
    // From the end, so that each cell is moved once.
    for (slot, fence) in cuts.into_iter().rev() {
        let part = Draft {
            id: draft.id,
            level: draft.level,
            low: fence.clone(),
            high: draft.high.replace(fence),
            cells: draft.cells.split_off(slot),
            before: None,
            changes: Vec::new(),
            appended: draft.appended,
            shrunk: false,
        };
        parts.push(part);
    }
    parts.push(draft);
    parts.reverse();
    parts
}

/// The slots that begin a new part, each with the fence before it.
fn cuts(draft: &Draft<'_>, page_bytes: usize) -> Vec<(usize, Vec<u8>)> {
    let (cells, count) = (&draft.cells, draft.cells.len());
    // A branch with one child would lead nowhere.
    let least = if matches!(cells, Cells::Leaf(_)) {
        1
    } else {
        2
    };
    let total = draft.page_bytes();
    if total <= page_bytes {
        return Vec::new();
    }
    let parts = if draft.appended {
        1
    } else {
        total.div_ceil(page_bytes * 9 / 10).max(2)
    };
    let even_bytes = total.div_ceil(parts);

    let mut cuts: Vec<(usize, Vec<u8>)> = Vec::new();
    let (mut start, mut low) = (0, draft.low.clone());
    let (mut open, mut rest) = (Weight::default(), cells.weight());
    for slot in 0..count {
        let weight = cells.weight_at(slot);
        // Cutting behind this slot would leave too few: then all of the rest has to fit.
        let last = count - slot == least;
        let (grown, next) = if last {
            (open.plus(rest), count)
        } else {
            (open.plus(weight), slot + 1)
        };
        let limit = if cuts.len() + 1 < parts {
            page_bytes.min(even_bytes)
        } else {
            page_bytes
        };
        let may_cut = slot - start >= least && count - slot >= least;
        let bound = FRAME_BYTES
            + low.len()
            + fence_bytes(draft, next)
            + grown.bytes
            + grown.cells * SLOT_BYTES;
        if may_cut && bound > limit && part_bytes(draft, grown, &low, next) > limit {
            let fence = cells.fence_before(slot);
            low.clone_from(&fence);
            cuts.push((slot, fence));
            (start, open) = (slot, Weight::default());
        }
        open = open.plus(weight);
        rest = rest.minus(weight);
    }
    cuts
}

/// An upper bound for the length of the fence before a slot: no fence is longer than the key behind it.
fn fence_bytes(draft: &Draft<'_>, slot: usize) -> usize {
    let high = draft.high.as_ref().map_or(0, Vec::len);
    draft.cells.key(slot).map_or(high, |key| key.len())
}

/// Bytes of a part that begins at `low` and ends before a slot.
fn part_bytes(draft: &Draft<'_>, weight: Weight, low: &[u8], end: usize) -> usize {
    if end < draft.cells.len() {
        let fence = draft.cells.fence_before(end);
        return draft.cells.page_bytes(weight, low, Some(&fence), end);
    }
    draft
        .cells
        .page_bytes(weight, low, draft.high.as_deref(), end)
}
