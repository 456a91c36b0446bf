//! Trees: search, scan and change over pages, as pure functions of a source of pages.
//!
//! ```text
//!             root (node 1)          level 2      [ | g | p )         fences: empty .. +infinity
//!            /     |      \
//!      branch   branch   branch      level 1      [g | h | k )        fences: g .. p
//!              /   |   \
//!          leaf   leaf  leaf         level 0      [h: h1 h2 j )       fences: h .. k
//! ```
//!
//! A change is a plan: which nodes get which new pages. Nothing is written here. Leaves change alone; their
//! parent changes only when they split, merge or vanish, and so on up. Nodes keep their ids while they
//! live: parents refer to logical ids, so a new page of a child leaves its parent alone.
//!
//! Invariants:
//! - the fences of the children tile the fences of their parent exactly;
//! - a child is exactly one level below its parent, so all leaves are at the same depth;
//! - the root keeps its id for ever; it is never a branch with a single child;
//! - only the root may be a leaf without cells; a tree without a root is empty;
//! - a page is longer than the page size only if it cannot be split (one cell, or a branch of up to three
//!   children).
//!
//! Checksums prove that a page is what someone wrote, not that the writer was right: every descent compares
//! level and fences of a child with what its parent says. Levels fall on the way down, so no descent can go
//! on for ever.
//!
//! What it is not: a tree knows nothing of versions, transactions or conflicts; the source records what was
//! looked at.

mod change;
mod delta;
mod descend;
mod dismantle;
mod draft;
mod inspect;
mod join;
mod leaf;
mod scan;
mod split;

use std::ops::{Bound, ControlFlow};

use crate::error::Result;
use crate::page::{Page, Value};
use crate::types::LogicalId;

pub use inspect::Inspection;

/// Where pages come from.
pub trait Source {
    /// The page of a node at the read point; none if the node does not exist. Records that it was looked
    /// at.
    fn page(&mut self, id: LogicalId) -> Result<Option<Page>>;

    /// Like [`Source::page`] for several nodes at once, index-aligned.
    fn pages(&mut self, ids: &[LogicalId]) -> Result<Vec<Option<Page>>> {
        ids.iter().map(|id| self.page(*id)).collect()
    }

    /// Records that a value blob was looked at without reading its body; answers whether it exists.
    fn observe(&mut self, id: LogicalId) -> Result<bool>;

    /// Fresh node ids of a store.
    fn allocate(&mut self, store: u64, count: usize) -> Result<Vec<LogicalId>>;
}

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From low keys to high keys.
    Ascending,
    /// From high keys to low keys.
    Descending,
}

/// The tree of one store.
#[derive(Clone, Copy, Debug)]
pub struct Tree {
    /// The store.
    pub store: u64,
    /// A page splits when it would grow beyond this.
    pub page_bytes: usize,
}

/// A cell that was found. It holds on to its page, so nothing is copied.
#[derive(Clone, Debug)]
pub struct Located {
    page: Page,
    slot: usize,
}

impl Located {
    /// What the cell says.
    pub fn value(&self) -> Value<'_> {
        self.page.value(self.slot)
    }
}

/// A write to one key.
#[derive(Clone, Copy, Debug)]
pub enum Write<'a> {
    /// Set the value.
    Put(&'a [u8]),
    /// Set the value to one that was written ahead as the value blob of this fresh id.
    PutSpilled {
        /// The id of its value blob.
        id: LogicalId,
    },
    /// Remove the key, if it is there.
    Remove,
}

/// What a change comes to.
#[derive(Debug, Default)]
pub struct Plan {
    /// What becomes of each changed node, in the order of their ids, each at most once.
    pub nodes: Vec<(LogicalId, NodeChange)>,
    /// By how much the number of items changes.
    pub items: i64,
}

/// What becomes of a node.
#[derive(Debug)]
pub enum NodeChange {
    /// A new page.
    Put(Page),
    /// A delta to append to its chain.
    Delta {
        /// The body of the delta.
        body: Vec<u8>,
        /// The page that the chain then comes to.
        page: Page,
    },
    /// A new body of a value blob.
    PutValue(Vec<u8>),
    /// The value blob that was written ahead.
    PutSpilled,
    /// It ends.
    Remove,
}

/// Called with each cell of a scan; the key is only lent.
pub type Visit<'a> = dyn FnMut(&[u8], Value<'_>) -> Result<ControlFlow<()>> + 'a;

impl Tree {
    /// The tree of a store.
    pub fn new(store: u64, page_bytes: usize) -> Self {
        Self { store, page_bytes }
    }

    /// The cell of a key.
    pub fn find(&self, source: &mut impl Source, key: &[u8]) -> Result<Option<Located>> {
        descend::find(self, source, key)
    }

    /// Calls `visit` for each cell of the range, in the direction, until it breaks.
    pub fn scan(
        &self,
        source: &mut impl Source,
        lower: Bound<&[u8]>,
        upper: Bound<&[u8]>,
        direction: Direction,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        scan::scan(self, source, lower, upper, direction, visit)
    }

    /// What applying these writes comes to; their keys strictly ascend. Nothing is changed, but ids are
    /// allocated.
    pub fn change(&self, source: &mut impl Source, writes: &[(&[u8], Write<'_>)]) -> Result<Plan> {
        change::change(self, source, writes)
    }

    /// What removing the next part of a dropped tree comes to: about `nodes_max` nodes and value blobs.
    ///
    /// Each plan leaves a sound, smaller tree; a plan without nodes says that nothing is left.
    pub fn dismantle(&self, source: &mut impl Source, nodes_max: usize) -> Result<Plan> {
        dismantle::dismantle(self, source, nodes_max)
    }

    /// Whether a value of this length becomes a value blob.
    pub fn spills(&self, value_bytes: usize) -> bool {
        value_bytes > self.page_bytes / crate::limits::INLINE_SHARE
    }
}

#[cfg(test)]
mod tests;
