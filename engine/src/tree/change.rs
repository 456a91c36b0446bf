//! Applying writes: one descent down, drafts on the way back up.
//!
//! ```text
//!   writes ──▶ root ──▶ branch ──▶ leaf        partition the writes by child
//!                                   │ draft    merge cells and writes
//!                         join ◀────┘          underfull and empty drafts go to a neighbour     (join.rs)
//!                         finish               drafts that outgrew a page are split, pages built
//!              draft ◀────┘                    only if the children of the branch are other ones now
//! ```
//!
//! A node is finished by its parent, after its neighbours had their turn: so it is built once, in its final
//! shape.

use std::collections::{BTreeMap, BTreeSet};

use super::delta::publish;
use super::descend::{children, damaged, root};
use super::draft::{Cells, Child, Draft};
use super::join::Item;
use super::split::split;
use super::{NodeChange, Plan, Source, Tree, Write};
use crate::error::{Error, Result};
use crate::limits::{DEPTH_MAX, KEY_BYTES_MAX, PAGE_BYTES_MAX, PAGE_BYTES_MIN};
use crate::page::{Builder, Page};
use crate::types::LogicalId;

/// What applying these writes comes to.
pub(super) fn change(
    tree: &Tree,
    source: &mut impl Source,
    writes: &[(&[u8], Write<'_>)],
) -> Result<Plan> {
    check(tree, writes)?;
    let mut planner = Planner {
        tree: *tree,
        source,
        nodes: BTreeMap::new(),
        fresh: BTreeSet::new(),
        items: 0,
    };
    if !writes.is_empty() {
        planner.change_root(writes)?;
    }
    Ok(Plan {
        nodes: planner.nodes.into_iter().collect(),
        items: planner.items,
    })
}

fn check(tree: &Tree, writes: &[(&[u8], Write<'_>)]) -> Result<()> {
    if !(PAGE_BYTES_MIN..=PAGE_BYTES_MAX).contains(&tree.page_bytes) {
        return Err(Error::Invalid(format!(
            "a page size of {} bytes",
            tree.page_bytes
        )));
    }
    if writes.iter().any(|(key, _)| key.len() > KEY_BYTES_MAX) {
        return Err(Error::limit("bytes of a key", KEY_BYTES_MAX));
    }
    if !writes.is_sorted_by(|(left, _), (right, _)| left < right) {
        return Err(Error::Invalid(
            "the keys of the writes do not ascend".to_owned(),
        ));
    }
    Ok(())
}

/// A plan in the making.
pub(super) struct Planner<'s, S> {
    pub(super) tree: Tree,
    pub(super) source: &'s mut S,
    pub(super) nodes: BTreeMap<LogicalId, NodeChange>,
    /// Ids that this plan allocated.
    fresh: BTreeSet<LogicalId>,
    pub(super) items: i64,
}

impl<S: Source> Planner<'_, S> {
    fn change_root<'a>(&mut self, writes: &[(&'a [u8], Write<'a>)]) -> Result<()> {
        let id = LogicalId::root(self.tree.store);
        let existing = root(&self.tree, self.source)?;
        let exists = existing.is_some();
        let page = existing.unwrap_or_else(|| Builder::leaf(id, &[], None, None).finish());
        let Some(mut draft) = self.node(&page, writes)? else {
            return Ok(());
        };
        if !exists {
            draft.forget_before();
        }
        self.collapse(&mut draft)?;
        self.finish_root(draft)
    }

    /// A root without children becomes an empty leaf, one with a single child takes its place.
    fn collapse(&mut self, draft: &mut Draft<'_>) -> Result<()> {
        loop {
            let Cells::Branch(children) = &draft.cells else {
                return Ok(());
            };
            let [child] = children.as_slice() else {
                if children.is_empty() {
                    (draft.level, draft.cells) = (0, Cells::Leaf(Vec::new()));
                }
                return Ok(());
            };
            let id = child.id;
            let page = self.current(id, draft.level, &draft.low, draft.high.as_deref())?;
            let root = draft.id;
            *draft = Draft::of(&page);
            draft.id = root;
            self.remove_node(id)?;
        }
    }

    /// A root that outgrew its page keeps its id: its content moves to fresh children.
    fn finish_root(&mut self, mut draft: Draft<'_>) -> Result<()> {
        loop {
            let (root, level, appended) = (draft.id, draft.level, draft.appended);
            let mut parts = split(draft, self.tree.page_bytes);
            if parts.len() == 1 {
                let Some(part) = parts.pop() else {
                    return Ok(());
                };
                return self.plan_node(root, publish(&self.tree, &part));
            }
            if usize::from(level) >= DEPTH_MAX {
                return Err(Error::limit("levels of a tree", DEPTH_MAX));
            }
            let ids = self.allocate(parts.len())?;
            parts
                .iter_mut()
                .zip(ids)
                .for_each(|(part, id)| part.id = id);
            let children = self.publish_all(parts)?;
            draft = Draft {
                id: root,
                level: level + 1,
                low: Vec::new(),
                high: None,
                cells: Cells::Branch(children),
                before: None,
                changes: Vec::new(),
                appended,
                shrunk: false,
            };
        }
    }

    /// The node after these writes; none if its page stays as it is.
    pub(super) fn node<'a>(
        &mut self,
        page: &Page,
        writes: &[(&'a [u8], Write<'a>)],
    ) -> Result<Option<Draft<'a>>> {
        if page.is_leaf() {
            self.leaf(page, writes)
        } else {
            self.branch(page, writes)
        }
    }

    fn branch<'a>(
        &mut self,
        page: &Page,
        writes: &[(&'a [u8], Write<'a>)],
    ) -> Result<Option<Draft<'a>>> {
        let groups = partition(page, writes);
        let slots: Vec<_> = groups.iter().map(|(slot, _)| *slot).collect();
        let pages = children(self.source, page, &slots)?;
        let mut items = Vec::with_capacity(page.len());
        let mut changed = false;
        for ((slot, writes), child) in groups.into_iter().zip(pages) {
            items.extend((items.len()..slot).map(|slot| Item::Same(slot, None)));
            match self.node(&child, writes)? {
                Some(draft) => {
                    changed = true;
                    items.push(Item::Draft(Box::new(draft)));
                }
                None => items.push(Item::Same(slot, Some(child))),
            }
        }
        if !changed {
            return Ok(None);
        }
        items.extend((items.len()..page.len()).map(|slot| Item::Same(slot, None)));
        let items = self.join(page, items)?;
        self.finish_children(page, items)
    }

    /// Turns the children into pages; the branch itself is a draft only if its cells are other ones now.
    fn finish_children<'a>(
        &mut self,
        page: &Page,
        mut items: Vec<Item<'a>>,
    ) -> Result<Option<Draft<'a>>> {
        if let [Item::Draft(draft)] = items.as_slice()
            && draft.is_empty()
        {
            // Nothing is left below: the branch is empty and goes to a neighbour as a whole.
            self.remove_node(draft.id)?;
            items.clear();
        }
        let mut finished = Vec::with_capacity(items.len());
        let mut same = items.len() == page.len();
        for (index, item) in items.into_iter().enumerate() {
            let (slot, children) = match item {
                Item::Same(slot, _) => (slot, None),
                Item::Draft(draft) => (index, Some(self.finish(*draft)?)),
            };
            same &= slot == index
                && children
                    .as_deref()
                    .is_none_or(|children| is_child(page, index, children));
            finished.push((slot, children));
        }
        if same {
            return Ok(None);
        }
        let mut children = Vec::with_capacity(finished.len());
        for (slot, parts) in finished {
            match parts {
                Some(parts) => children.extend(parts),
                None => children.push(Child {
                    key: page.key(slot).to_vec(),
                    id: page.child(slot),
                }),
            }
        }
        let begins =
            |(slot, child): (usize, &Child)| is_child(page, slot, std::slice::from_ref(child));
        let appended =
            children.len() > page.len() && children.iter().enumerate().take(page.len()).all(begins);
        let mut draft = Draft::with_cells(page, Cells::Branch(children));
        draft.appended = appended;
        draft.shrunk = draft.page_bytes() < page.page_bytes();
        Ok(Some(draft))
    }

    /// Plans the pages of a draft: what its parent then refers to.
    pub(super) fn finish(&mut self, draft: Draft<'_>) -> Result<Vec<Child>> {
        let mut parts = split(draft, self.tree.page_bytes);
        let ids = self.allocate(parts.len() - 1)?;
        parts
            .iter_mut()
            .skip(1)
            .zip(ids)
            .for_each(|(part, id)| part.id = id);
        self.publish_all(parts)
    }

    fn publish_all(&mut self, parts: Vec<Draft<'_>>) -> Result<Vec<Child>> {
        let mut children = Vec::with_capacity(parts.len());
        for part in parts {
            self.plan_node(part.id, publish(&self.tree, &part))?;
            children.push(Child {
                id: part.id,
                key: part.low,
            });
        }
        Ok(children)
    }

    /// The page of a child as the plan so far has it.
    pub(super) fn current(
        &mut self,
        id: LogicalId,
        parent_level: u8,
        low: &[u8],
        high: Option<&[u8]>,
    ) -> Result<Page> {
        let page = match self.nodes.get(&id) {
            Some(NodeChange::Put(page) | NodeChange::Delta { page, .. }) => page.clone(),
            Some(_) => return Err(damaged(id, "the tree refers to it more than once")),
            None => self
                .source
                .page(id)?
                .ok_or_else(|| super::descend::missing(id))?,
        };
        let level = usize::from(page.level()) + 1 == usize::from(parent_level);
        if page.id() != id || !level || page.low_fence() != low || page.high_fence() != high {
            return Err(damaged(id, "it is not what its parent says"));
        }
        Ok(page)
    }

    pub(super) fn allocate(&mut self, count: usize) -> Result<Vec<LogicalId>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let ids = self.source.allocate(self.tree.store, count)?;
        let right = |id: &LogicalId| id.store == self.tree.store && id.node > LogicalId::ROOT;
        if ids.len() != count || !ids.iter().all(right) {
            return Err(Error::Corrupt(
                "the registry allocated other ids than it was asked for".to_owned(),
            ));
        }
        self.fresh.extend(&ids);
        Ok(ids)
    }

    /// A node may change more than once in one plan; the last page counts.
    fn plan_node(&mut self, id: LogicalId, change: NodeChange) -> Result<()> {
        match self.nodes.insert(id, change) {
            None | Some(NodeChange::Put(_) | NodeChange::Delta { .. }) => Ok(()),
            Some(_) => Err(damaged(id, "the tree refers to it more than once")),
        }
    }

    /// The node ends; if it only began in this plan, it never was.
    pub(super) fn remove_node(&mut self, id: LogicalId) -> Result<()> {
        self.plan_node(id, NodeChange::Remove)?;
        if self.fresh.contains(&id) {
            self.nodes.remove(&id);
        }
        Ok(())
    }
}

/// Whether a slot of a branch already says just that.
fn is_child(page: &Page, slot: usize, children: &[Child]) -> bool {
    matches!(children, [child] if child.id == page.child(slot) && page.key(slot).compare(&child.key).is_eq())
}

/// A slot of a branch and the writes that go to its child.
type Group<'w, 'a> = (usize, &'w [(&'a [u8], Write<'a>)]);

/// The writes of each affected child, in order.
fn partition<'w, 'a>(page: &Page, mut writes: &'w [(&'a [u8], Write<'a>)]) -> Vec<Group<'w, 'a>> {
    let mut groups = Vec::new();
    while let Some((key, _)) = writes.first() {
        let slot = page.child_for(key);
        let count = if slot + 1 < page.len() {
            let next = page.key(slot + 1);
            writes.partition_point(|(key, _)| next.compare(key).is_gt())
        } else {
            writes.len()
        };
        let (group, rest) = writes.split_at(count.clamp(1, writes.len()));
        groups.push((slot, group));
        writes = rest;
    }
    groups
}
