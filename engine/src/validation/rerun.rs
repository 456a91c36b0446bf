//! Running logical reads again at a newer version.

use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};

use super::reads::{PointRead, RangeRead, Reads, StoreReads};
use crate::error::{ConflictingKey, Error, Result};
use crate::limits;
use crate::page::Value;
use crate::storage::Storage;
use crate::store::View;
use crate::tree::{Direction, Tree};
use crate::types::LogicalId;

/// A cell as one view sees it: enough to tell whether another view sees the same.
#[derive(Debug, PartialEq, Eq)]
enum Sight {
    /// Only that the key is there.
    Present,
    /// The value itself.
    Inline(Vec<u8>),
    /// The value blob and the version of its body.
    Blob(LogicalId, u64),
}

/// Runs the reads that depend on `changed` nodes, and those of counters, again in `newer`, and takes over what they then
/// depend on. Answers the keys whose reads do not hold there: none = every read holds at the newer version.
///
/// All nodes that reads depend on and that are not in `changed` must have been adopted by `newer`.
pub fn rerun<S: Storage>(
    reads: &mut Reads,
    older: &mut View<S>,
    newer: &mut View<S>,
    changed: &BTreeSet<LogicalId>,
) -> Result<Vec<ConflictingKey>> {
    let mut conflicts = Vec::new();
    for store in reads.stores.values_mut() {
        rerun_points(store, older, newer, changed, &mut conflicts)?;
        rerun_ranges(store, older, newer, changed, &mut conflicts)?;
        rerun_count(store, newer, &mut conflicts)?;
        if conflicts.len() >= limits::CONFLICT_KEYS_MAX {
            break;
        }
    }
    Ok(conflicts)
}

fn touches(nodes: &[LogicalId], changed: &BTreeSet<LogicalId>) -> bool {
    nodes.iter().any(|node| changed.contains(node))
}

fn rerun_points<S: Storage>(
    store: &mut StoreReads,
    older: &mut View<S>,
    newer: &mut View<S>,
    changed: &BTreeSet<LogicalId>,
    conflicts: &mut Vec<ConflictingKey>,
) -> Result<()> {
    for (key, read) in &mut store.points {
        if conflicts.len() >= limits::CONFLICT_KEYS_MAX || !touches(&read.nodes, changed) {
            continue;
        }
        let before = expired_is_conflict(look(&store.tree, older, key, read.value))?;
        newer.start_touching();
        let after = look(&store.tree, newer, key, read.value)?;
        *read = PointRead {
            value: read.value,
            nodes: newer.touched(),
        };
        if before != Some(after) {
            conflicts.push(ConflictingKey {
                store: store.name.clone(),
                key: key.clone(),
            });
        }
    }
    Ok(())
}

fn look<S: Storage>(
    tree: &Tree,
    view: &mut View<S>,
    key: &[u8],
    value: bool,
) -> Result<Option<Sight>> {
    let Some(found) = tree.find(view, key)? else {
        return Ok(None);
    };
    sight(view, found.value(), value).map(Some)
}

fn sight<S: Storage>(view: &mut View<S>, value: Value<'_>, whole: bool) -> Result<Sight> {
    Ok(match value {
        _ if !whole => Sight::Present,
        Value::Inline(bytes) => Sight::Inline(bytes.to_vec()),
        Value::Blob(id) => Sight::Blob(id, view.look_at_value(id)?),
    })
}

fn rerun_ranges<S: Storage>(
    store: &mut StoreReads,
    older: &mut View<S>,
    newer: &mut View<S>,
    changed: &BTreeSet<LogicalId>,
    conflicts: &mut Vec<ConflictingKey>,
) -> Result<()> {
    for read in &mut store.ranges {
        if conflicts.len() >= limits::CONFLICT_KEYS_MAX || !touches(&read.nodes, changed) {
            continue;
        }
        let before = expired_is_conflict(collect(&store.tree, older, read, usize::MAX))?;
        newer.start_touching();
        // One item more than before is enough to see that there are more.
        let items_max = before
            .as_ref()
            .map_or(0, |items| items.len().saturating_add(1));
        let after = collect(&store.tree, newer, read, items_max)?;
        read.nodes = newer.touched();
        if before.as_ref() != Some(&after) {
            let key = first_difference(&before.unwrap_or_default(), &after)
                .unwrap_or_else(|| start_of(&read.lower));
            conflicts.push(ConflictingKey {
                store: store.name.clone(),
                key,
            });
        }
    }
    Ok(())
}

type Items = Vec<(Vec<u8>, Sight)>;

/// The items of a range read as a view sees them.
fn collect<S: Storage>(
    tree: &Tree,
    view: &mut View<S>,
    read: &RangeRead,
    items_max: usize,
) -> Result<Items> {
    let mut items: Items = Vec::new();
    let mut blobs = Vec::new();
    tree.scan(
        view,
        as_slice(&read.lower),
        as_slice(&read.upper),
        Direction::Ascending,
        &mut |key, value| {
            if items.len() >= items_max {
                return Ok(ControlFlow::Break(()));
            }
            let sight = match value {
                _ if !read.values => Sight::Present,
                Value::Inline(bytes) => Sight::Inline(bytes.to_vec()),
                Value::Blob(id) => {
                    blobs.push((items.len(), id));
                    Sight::Blob(id, 0)
                }
            };
            items.push((key.to_vec(), sight));
            Ok(ControlFlow::Continue(()))
        },
    )?;
    for (index, id) in blobs {
        let version = view.look_at_value(id)?;
        if let Some((_, sight)) = items.get_mut(index) {
            *sight = Sight::Blob(id, version);
        }
    }
    Ok(items)
}

fn first_difference(before: &Items, after: &Items) -> Option<Vec<u8>> {
    let at = before
        .iter()
        .zip(after)
        .position(|(one, other)| one != other)
        .unwrap_or(before.len().min(after.len()));
    let keys = [before.get(at), after.get(at)];
    keys.into_iter().flatten().map(|(key, _)| key.clone()).min()
}

fn start_of(bound: &Bound<Vec<u8>>) -> Vec<u8> {
    match bound {
        Bound::Included(key) | Bound::Excluded(key) => key.clone(),
        Bound::Unbounded => Vec::new(),
    }
}

/// A bound that borrows its key.
pub(crate) fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(key),
        Bound::Excluded(key) => Bound::Excluded(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}

fn rerun_count<S: Storage>(
    store: &mut StoreReads,
    newer: &View<S>,
    conflicts: &mut Vec<ConflictingKey>,
) -> Result<()> {
    let Some(read) = store.count else {
        return Ok(());
    };
    let now = newer.counter(store.tree.store)?;
    if now.value != read.value {
        conflicts.push(ConflictingKey {
            store: store.name.clone(),
            key: Vec::new(),
        });
    }
    store.count = Some(super::CountRead {
        value: now.value,
        version: now.version,
    });
    Ok(())
}

/// A side that cannot be read any more cannot be shown to be equal: that is a conflict, not a failure.
fn expired_is_conflict<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(side) => Ok(Some(side)),
        Err(Error::SnapshotExpired(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
