//! Applying the write buffer: from buffered writes to the changes and observations of a commit.

use std::collections::{BTreeMap, BTreeSet};

use super::{Pending, Transaction};
use crate::catalog;
use crate::error::{Error, Result};
use crate::limits;
use crate::page::Page;
use crate::storage::Storage;
use crate::store::View;
use crate::tree::{NodeChange, Plan, Tree, Write};
use crate::types::{Change, ChangeKind, LogicalId};

/// What applying the buffer at one read point comes to.
#[derive(Debug)]
pub(super) struct Applied {
    plans: Vec<(u64, Plan)>,
    /// What the plans depend on.
    pub(super) nodes: BTreeSet<LogicalId>,
}

/// For each change the page it publishes, if it publishes one.
type Published<'a> = Vec<Option<&'a Page>>;

impl<S: Storage> Transaction<S> {
    /// Applies the buffered writes to the trees as of the present read point.
    pub(super) fn apply(&mut self) -> Result<Applied> {
        let Self {
            view,
            buffer,
            stores,
            ..
        } = self;
        let view = view.as_mut().ok_or(Error::Ended)?;
        view.reuse_fresh();
        let mut applied = Applied {
            plans: Vec::new(),
            nodes: BTreeSet::new(),
        };
        for (store, writes) in buffer.stores() {
            let tree = match stores.get(&store) {
                Some(open) => open.entry.tree(),
                None if store == LogicalId::CATALOG => catalog::TREE,
                None => {
                    return Err(Error::Invalid(
                        "a write to a store that is not open".to_owned(),
                    ));
                }
            };
            let writes: Vec<(&[u8], Write<'_>)> = writes
                .iter()
                .map(|(key, write)| (key.as_slice(), as_write(write)))
                .collect();
            view.start_touching();
            let plan = tree.change(view, &writes)?;
            let touched = view.touched();
            depend(view, &tree, &writes, &plan, &touched, &mut applied.nodes);
            applied.plans.push((store, plan));
        }
        Ok(applied)
    }
}

fn as_write<P>(pending: &Pending<P>) -> Write<'_> {
    match pending {
        Pending::Put(value) => Write::Put(value),
        Pending::Spilled(id, _) => Write::PutSpilled { id: *id },
        Pending::Remove => Write::Remove,
    }
}

/// Adds what a plan depends on: what it changes, and the leaves and value blobs that decided what a write comes to. Leaves
/// that were only looked at as neighbours are not among them.
fn depend<S: Storage>(
    view: &View<S>,
    tree: &Tree,
    writes: &[(&[u8], Write<'_>)],
    plan: &Plan,
    touched: &[LogicalId],
    nodes: &mut BTreeSet<LogicalId>,
) {
    debug_assert!(plan.nodes.iter().all(|(id, _)| id.store == tree.store));
    nodes.extend(
        plan.nodes
            .iter()
            .map(|(id, _)| *id)
            .filter(|id| view.observation(*id).is_some()),
    );
    let decides = |id: &LogicalId| {
        view.held_page(*id).is_none_or(|page| {
            let first = writes.partition_point(|(key, _)| *key < page.low_fence());
            let next = writes.get(first);
            next.is_some_and(|(key, _)| page.high_fence().is_none_or(|high| *key < high))
        })
    };
    nodes.extend(touched.iter().copied().filter(decides));
}

impl Applied {
    /// Adds a plan that was made elsewhere.
    pub(super) fn push(&mut self, store: u64, plan: Plan) {
        self.plans.push((store, plan));
    }

    /// Whether nothing changes: all writes put what is there already.
    pub(super) fn is_empty(&self) -> bool {
        self.plans
            .iter()
            .all(|(_, plan)| plan.nodes.is_empty() && plan.items == 0)
    }

    /// The changes of a commit, and for each of them the page it publishes.
    pub(super) fn changes<'a, P>(
        &'a self,
        spilled: &BTreeMap<LogicalId, &'a P>,
    ) -> Result<(Vec<Change<'a, P>>, Published<'a>)> {
        let mut changes = Vec::new();
        let mut pages = Vec::new();
        for (store, plan) in &self.plans {
            for (id, node) in &plan.nodes {
                let (kind, page) = match node {
                    NodeChange::Put(page) => (ChangeKind::Put(page.bytes()), Some(page)),
                    NodeChange::Delta { body, page } => (ChangeKind::Delta(body), Some(page)),
                    NodeChange::PutValue(body) => (ChangeKind::Put(body), None),
                    NodeChange::Remove => (ChangeKind::Remove, None),
                    NodeChange::PutSpilled => {
                        let body = spilled.get(id).copied();
                        let body = body
                            .ok_or_else(|| Error::Invalid(format!("{id} was not written ahead")))?;
                        (ChangeKind::PutSpilled(body), None)
                    }
                };
                changes.push(Change { id: *id, kind });
                pages.push(page);
            }
            if plan.items != 0 && *store != LogicalId::CATALOG {
                changes.push(Change {
                    id: LogicalId::counter(*store),
                    kind: ChangeKind::Add(plan.items),
                });
                pages.push(None);
            }
        }
        if changes.len() > limits::IDS_MAX {
            return Err(Error::limit(
                "changed nodes of a transaction",
                limits::IDS_MAX,
            ));
        }
        Ok((changes, pages))
    }
}
