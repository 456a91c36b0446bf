//! Going down a tree, believing no page that its parent does not vouch for.

use std::cmp::Ordering;

use super::{Located, Source, Tree};
use crate::error::{Error, Result};
use crate::page::Page;
use crate::types::LogicalId;

/// The cell of a key.
pub(super) fn find(tree: &Tree, source: &mut impl Source, key: &[u8]) -> Result<Option<Located>> {
    let Some(mut page) = root(tree, source)? else {
        return Ok(None);
    };
    while !page.is_leaf() {
        page = child(source, &page, page.child_for(key))?;
    }
    Ok(page.search(key).ok().map(|slot| Located { page, slot }))
}

/// The root; none if the tree is empty.
pub(super) fn root(tree: &Tree, source: &mut impl Source) -> Result<Option<Page>> {
    let id = LogicalId::root(tree.store);
    let Some(page) = source.page(id)? else {
        return Ok(None);
    };
    if page.id() != id || !page.low_fence().is_empty() || page.high_fence().is_some() {
        return Err(damaged(id, "the fences of the root are not open"));
    }
    Ok(Some(page))
}

/// The child in a slot of a branch.
pub(super) fn child(source: &mut impl Source, parent: &Page, slot: usize) -> Result<Page> {
    let page = source.page(parent.child(slot))?;
    check_child(parent, slot, page)
}

/// The children in some slots of a branch.
pub(super) fn children(
    source: &mut impl Source,
    parent: &Page,
    slots: &[usize],
) -> Result<Vec<Page>> {
    let ids: Vec<_> = slots.iter().map(|slot| parent.child(*slot)).collect();
    let pages = source.pages(&ids)?;
    if pages.len() != slots.len() {
        return Err(damaged(parent.id(), "its children did not all come"));
    }
    slots
        .iter()
        .zip(pages)
        .map(|(slot, page)| check_child(parent, *slot, page))
        .collect()
}

/// Is this the child that its parent says? Levels fall, so that no descent goes on for ever.
fn check_child(parent: &Page, slot: usize, page: Option<Page>) -> Result<Page> {
    let id = parent.child(slot);
    let page = page.ok_or_else(|| missing(id))?;
    let low = parent.key(slot).compare(page.low_fence()) == Ordering::Equal;
    let high = match page.high_fence() {
        Some(high) if slot + 1 < parent.len() => {
            parent.key(slot + 1).compare(high) == Ordering::Equal
        }
        None if slot + 1 < parent.len() => false,
        high => high == parent.high_fence(),
    };
    if page.id() != id || !low || !high {
        return Err(damaged(id, "the fences are not those that the parent says"));
    }
    if usize::from(page.level()) + 1 != usize::from(parent.level()) {
        return Err(damaged(id, "the level is not the one below the parent"));
    }
    Ok(page)
}

/// A node that is not there although its parent refers to it.
pub(super) fn missing(id: LogicalId) -> Error {
    damaged(id, "it does not exist although the tree refers to it")
}

/// The error for a node that is sound by itself and wrong where it is.
pub(super) fn damaged(id: LogicalId, what: &str) -> Error {
    Error::Corrupt(format!("node {id}: {what}"))
}
