//! Removing a dropped tree part by part.

use std::cell::Cell;
use std::ops::{Bound, ControlFlow};

use super::descend::root;
use super::{Direction, NodeChange, Plan, Source, Tree, Write};
use crate::error::Result;
use crate::limits::WRITES_MAX;
use crate::page::{Page, Value};
use crate::types::LogicalId;

/// What removing the next part of a tree comes to.
///
/// It removes the lowest keys like any other change, so each step leaves a sound tree behind, and value
/// blobs go with their keys. What ends the tree is the removal of its root.
pub(super) fn dismantle(tree: &Tree, source: &mut impl Source, nodes_max: usize) -> Result<Plan> {
    let Some(page) = root(tree, source)? else {
        return Ok(Plan::default());
    };
    if page.is_leaf() && page.len() == 0 {
        return Ok(Plan {
            nodes: vec![(page.id(), NodeChange::Remove)],
            items: 0,
        });
    }
    let keys = lowest(tree, source, nodes_max.max(1))?;
    let writes: Vec<_> = keys
        .iter()
        .map(|key| (key.as_slice(), Write::Remove))
        .collect();
    let mut plan = tree.change(source, &writes)?;
    for (id, change) in &mut plan.nodes {
        if *id == LogicalId::root(tree.store)
            && let NodeChange::Put(page) | NodeChange::Delta { page, .. } = &*change
            && page.is_leaf()
            && page.len() == 0
        {
            *change = NodeChange::Remove;
        }
    }
    Ok(plan)
}

/// Counts the nodes that are read.
struct Counting<'s, S> {
    source: &'s mut S,
    nodes: &'s Cell<usize>,
}

impl<S: Source> Source for Counting<'_, S> {
    fn page(&mut self, id: LogicalId) -> Result<Option<Page>> {
        self.nodes.set(self.nodes.get() + 1);
        self.source.page(id)
    }

    fn pages(&mut self, ids: &[LogicalId]) -> Result<Vec<Option<Page>>> {
        self.nodes.set(self.nodes.get() + ids.len());
        self.source.pages(ids)
    }

    fn observe(&mut self, id: LogicalId) -> Result<bool> {
        self.source.observe(id)
    }

    fn allocate(&mut self, store: u64, count: usize) -> Result<Vec<LogicalId>> {
        self.source.allocate(store, count)
    }
}

/// The lowest keys: those of about `nodes_max` nodes and value blobs.
fn lowest(tree: &Tree, source: &mut impl Source, nodes_max: usize) -> Result<Vec<Vec<u8>>> {
    let nodes = Cell::new(0);
    let mut keys: Vec<Vec<u8>> = Vec::new();
    let mut blobs = 0;
    let mut visit = |key: &[u8], value: Value<'_>| {
        keys.push(key.to_vec());
        blobs += usize::from(matches!(value, Value::Blob(_)));
        let enough = blobs + nodes.get() > nodes_max || keys.len() >= WRITES_MAX;
        Ok(if enough {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    };
    let mut counting = Counting {
        source,
        nodes: &nodes,
    };
    tree.scan(
        &mut counting,
        Bound::Unbounded,
        Bound::Unbounded,
        Direction::Ascending,
        &mut visit,
    )?;
    Ok(keys)
}
