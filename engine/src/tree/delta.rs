//! Whether a changed leaf is published as a delta or as a whole page.

use super::draft::Draft;
use super::{NodeChange, Tree};
use crate::limits::CHAIN_DELTAS_MAX;
use crate::page::{Builder, Key, Page, Weight, delta_bytes};

/// A single delta is at most this share of a page.
const DELTA_SHARE: usize = 8;
/// All deltas of a chain are at most this share of a page.
const CHAIN_SHARE: usize = 2;
/// A delta is at most this share of the page that it saves writing.
const SAVING_SHARE: usize = 2;

/// How a draft that needs no split is published. All that decides between page and delta is here.
///
/// A delta saves most of the write and costs each reader a fetch and a merge until the next base, so it is
/// for small changes of large leaves, a few in a row.
pub(super) fn publish(tree: &Tree, draft: &Draft<'_>) -> NodeChange {
    let page = draft.build();
    let Some(before) = &draft.before else {
        return NodeChange::Put(page);
    };
    match delta(tree, draft, before, &page) {
        Some(body) => NodeChange::Delta {
            page: page.into_delta_of(before, &body),
            body,
        },
        None => NodeChange::Put(page),
    }
}

/// The body of the delta, if one is worth it.
fn delta(tree: &Tree, draft: &Draft<'_>, before: &Page, page: &Page) -> Option<Vec<u8>> {
    let weigh = |(key, cell): &(&[u8], _)| Weight::of(key.len(), cell);
    let weight = draft
        .changes
        .iter()
        .map(weigh)
        .fold(Weight::default(), Weight::plus);
    let bytes = delta_bytes(before, weight);
    let small = bytes <= tree.page_bytes / DELTA_SHARE && bytes * SAVING_SHARE <= page.page_bytes();
    let room = before.deltas() < CHAIN_DELTAS_MAX
        && before.delta_bytes() + bytes < tree.page_bytes / CHAIN_SHARE;
    if weight.cells == 0 || !small || !room {
        return None;
    }
    let mut builder = Builder::delta(before);
    draft
        .changes
        .iter()
        .for_each(|(key, cell)| builder.push(Key::whole(key), cell));
    let body = builder.finish_delta();
    debug_assert_eq!(
        body.len(),
        bytes,
        "the size of a delta is known before it is built"
    );
    Some(body)
}
