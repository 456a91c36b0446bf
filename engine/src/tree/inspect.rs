//! Walking a whole tree in steps, to verify it.

use std::collections::BTreeSet;

use super::{Source, Tree};
use crate::error::{Error, Result};
use crate::limits::DEPTH_MAX;
use crate::page::{Page, Value};
use crate::types::LogicalId;

/// Most nodes that one call of the source is asked for.
const BATCH_NODES: usize = 64;

/// A node still to be looked at, and what its parent says of it. The root has no parent.
#[derive(Debug)]
struct Pending {
    id: LogicalId,
    low: Vec<u8>,
    high: Option<Vec<u8>>,
    level: Option<u8>,
}

/// A walk over one tree. It goes on after a damaged node, with what other nodes refer to.
#[derive(Debug)]
pub struct Inspection {
    store: u64,
    /// A stack: the next node is the last one.
    pending: Vec<Pending>,
    reached: BTreeSet<u64>,
    values: Vec<LogicalId>,
    /// Leaves seen.
    pub leaves: u64,
    /// Branches seen.
    pub branches: u64,
    /// Items seen.
    pub items: u64,
    /// Bytes of the pages seen, deltas applied.
    pub page_bytes: u64,
    /// Levels of the tree; 0 if it is empty.
    pub depth: usize,
    /// What is wrong, and with which node or value blob.
    pub damages: Vec<(LogicalId, String)>,
}

impl Inspection {
    /// A walk that has not begun.
    pub fn new(tree: &Tree) -> Self {
        let root = Pending {
            id: LogicalId::root(tree.store),
            low: Vec::new(),
            high: None,
            level: None,
        };
        Self {
            store: tree.store,
            pending: vec![root],
            reached: BTreeSet::new(),
            values: Vec::new(),
            leaves: 0,
            branches: 0,
            items: 0,
            page_bytes: 0,
            depth: 0,
            damages: Vec::new(),
        }
    }

    /// Looks at up to about `nodes_max` more nodes; true when there are none left. After an error other
    /// than damage, which is only recorded, the step can be repeated.
    pub fn step(&mut self, source: &mut impl Source, nodes_max: usize) -> Result<bool> {
        let mut budget = nodes_max.max(1);
        while budget > 0 && !self.pending.is_empty() {
            let count = budget.min(BATCH_NODES).min(self.pending.len());
            let first = self.pending.len() - count;
            let ids: Vec<_> = self
                .pending
                .iter()
                .skip(first)
                .map(|pending| pending.id)
                .collect();
            let pages = load(source, &ids)?;
            let batch = self.pending.split_off(first);
            // Children go on top of the stack in descending order, so the lowest one comes first.
            for (pending, page) in batch.into_iter().zip(pages) {
                self.look(&pending, page);
            }
            budget -= count;
        }
        Ok(self.pending.is_empty())
    }

    /// Nodes that are known and not yet looked at.
    pub fn ahead(&self) -> usize {
        self.pending.len()
    }

    /// The value blobs that were referred to since the last call.
    pub fn take_values(&mut self) -> Vec<LogicalId> {
        std::mem::take(&mut self.values)
    }

    /// The node parts of all ids that were referred to: nodes and value blobs.
    pub fn reached(&self) -> &BTreeSet<u64> {
        &self.reached
    }

    fn damage(&mut self, id: LogicalId, what: impl Into<String>) {
        self.damages.push((id, what.into()));
    }

    fn look(&mut self, pending: &Pending, page: Result<Option<Page>, String>) {
        let page = match page {
            Ok(Some(page)) => page,
            Ok(None) if pending.level.is_none() => return,
            Ok(None) => {
                return self.damage(
                    pending.id,
                    "the node does not exist although its parent refers to it",
                );
            }
            Err(what) => return self.damage(pending.id, what),
        };
        self.reached.insert(pending.id.node);
        self.page_bytes += page.page_bytes() as u64;
        if pending.level.is_none() {
            self.depth = usize::from(page.level()) + 1;
        }
        if page.low_fence() != pending.low || page.high_fence() != pending.high.as_deref() {
            self.damage(pending.id, "the fences are not those that the parent says");
        }
        if pending.level.is_some_and(|level| level != page.level()) {
            // Going down from here could go on for ever.
            return self.damage(
                pending.id,
                format!("level {} is not the one below its parent", page.level()),
            );
        }
        if page.is_leaf() {
            self.look_at_leaf(&page, pending)
        } else {
            self.look_at_branch(&page)
        }
    }

    fn look_at_leaf(&mut self, page: &Page, pending: &Pending) {
        self.leaves += 1;
        self.items += page.len() as u64;
        if page.len() == 0 && pending.level.is_some() {
            self.damage(page.id(), "a leaf without items that is not the root");
        }
        for slot in 0..page.len() {
            if let Value::Blob(id) = page.value(slot) {
                if self.reached.insert(id.node) {
                    self.values.push(id);
                } else {
                    self.damage(id, "referred to more than once");
                }
            }
        }
    }

    fn look_at_branch(&mut self, page: &Page) {
        self.branches += 1;
        debug_assert!(usize::from(page.level()) <= DEPTH_MAX);
        if page.id() == LogicalId::root(self.store) && page.len() == 1 {
            self.damage(page.id(), "a root with a single child");
        }
        let mut high = page.high_fence().map(<[u8]>::to_vec);
        for slot in (0..page.len()).rev() {
            let (id, low) = (page.child(slot), page.key(slot).to_vec());
            if self.reached.insert(id.node) {
                let level = Some(page.level().saturating_sub(1));
                self.pending.push(Pending {
                    id,
                    low: low.clone(),
                    high,
                    level,
                });
            } else {
                self.damage(id, "referred to more than once");
            }
            high = Some(low);
        }
    }
}

/// The pages of these nodes, or what is wrong with each. Only what is not damage is an error.
fn load(source: &mut impl Source, ids: &[LogicalId]) -> Result<Vec<Result<Option<Page>, String>>> {
    match source.pages(ids) {
        Ok(pages) if pages.len() == ids.len() => return Ok(pages.into_iter().map(Ok).collect()),
        Ok(_) | Err(Error::Corrupt(_)) => {}
        Err(other) => return Err(other),
    }
    let one = |id: &LogicalId| match source.page(*id) {
        Ok(page) => Ok(Ok(page)),
        Err(Error::Corrupt(what)) => Ok(Err(what)),
        Err(other) => Err(other),
    };
    ids.iter().map(one).collect()
}
