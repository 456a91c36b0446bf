//! Range scans, in both directions.

use std::collections::VecDeque;
use std::ops::{Bound, ControlFlow, Range};

use super::descend::{child, children, root};
use super::{Direction, Source, Tree, Visit};
use crate::error::Result;
use crate::page::Page;

/// Most leaves that are asked for ahead of their turn.
const AHEAD_NODES_MAX: usize = 16;

#[derive(Clone, Copy)]
struct Bounds<'a> {
    lower: Bound<&'a [u8]>,
    upper: Bound<&'a [u8]>,
    direction: Direction,
}

impl Bounds<'_> {
    fn is_empty(&self) -> bool {
        use Bound::{Excluded, Included, Unbounded};
        match (self.lower, self.upper) {
            (Unbounded, _) | (_, Unbounded) => false,
            (Included(low), Included(high)) => low > high,
            (Included(low) | Excluded(low), Included(high) | Excluded(high)) => low >= high,
        }
    }

    /// The slots of a leaf that are in the range.
    fn slots(&self, leaf: &Page) -> Range<usize> {
        let start = match self.lower {
            Bound::Unbounded => 0,
            Bound::Included(key) => leaf.search(key).unwrap_or_else(|slot| slot),
            Bound::Excluded(key) => leaf.search(key).map_or_else(|slot| slot, |slot| slot + 1),
        };
        let end = match self.upper {
            Bound::Unbounded => leaf.len(),
            Bound::Included(key) => leaf.search(key).map_or_else(|slot| slot, |slot| slot + 1),
            Bound::Excluded(key) => leaf.search(key).unwrap_or_else(|slot| slot),
        };
        start..end
    }

    /// The children of a branch that can hold keys of the range.
    fn children(&self, branch: &Page) -> Range<usize> {
        let start = match self.lower {
            Bound::Unbounded => 0,
            Bound::Included(key) | Bound::Excluded(key) => branch.child_for(key),
        };
        let end = match self.upper {
            Bound::Unbounded => branch.len(),
            Bound::Included(key) => branch.child_for(key) + 1,
            // The child that begins with an excluded key holds nothing of the range.
            Bound::Excluded(key) => branch.search(key).unwrap_or_else(|slot| slot).max(1),
        };
        start..end.max(start)
    }
}

/// A branch on the path, and which of its children are still to come.
struct Frame {
    page: Page,
    slots: Range<usize>,
    /// Children already fetched, those next in turn.
    ahead: VecDeque<Page>,
}

impl Frame {
    fn new(page: Page, bounds: &Bounds<'_>) -> Self {
        let slots = bounds.children(&page);
        Self {
            page,
            slots,
            ahead: VecDeque::new(),
        }
    }

    fn take(&mut self, direction: Direction) -> Option<usize> {
        match direction {
            Direction::Ascending => self.slots.next(),
            Direction::Descending => self.slots.next_back(),
        }
    }

    /// The next child; leaves come from a batch of up to `count`.
    fn next(
        &mut self,
        source: &mut impl Source,
        direction: Direction,
        count: usize,
    ) -> Result<Option<Page>> {
        if let Some(page) = self.ahead.pop_front() {
            return Ok(Some(page));
        }
        let Some(slot) = self.take(direction) else {
            return Ok(None);
        };
        if count < 2 || self.page.level() > 1 {
            return child(source, &self.page, slot).map(Some);
        }
        let mut slots = vec![slot];
        while slots.len() < count {
            let Some(slot) = self.take(direction) else {
                break;
            };
            slots.push(slot);
        }
        self.ahead.extend(children(source, &self.page, &slots)?);
        Ok(self.ahead.pop_front())
    }
}

/// Calls `visit` for each cell of the range until it breaks.
///
/// The first leaves are read one by one, since most scans are short; then batches double, so that never
/// many more leaves are read, and observed, than visited.
pub(super) fn scan(
    tree: &Tree,
    source: &mut impl Source,
    lower: Bound<&[u8]>,
    upper: Bound<&[u8]>,
    direction: Direction,
    visit: &mut Visit<'_>,
) -> Result<()> {
    let bounds = Bounds {
        lower,
        upper,
        direction,
    };
    if bounds.is_empty() {
        return Ok(());
    }
    let Some(page) = root(tree, source)? else {
        return Ok(());
    };
    let mut key = Vec::new();
    if page.is_leaf() {
        return visit_leaf(&page, &bounds, &mut key, visit).map(|_| ());
    }
    let mut stack = vec![Frame::new(page, &bounds)];
    let mut leaves = 0;
    while let Some(frame) = stack.last_mut() {
        let count = leaves.clamp(1, AHEAD_NODES_MAX);
        let Some(page) = frame.next(source, direction, count)? else {
            stack.pop();
            continue;
        };
        if !page.is_leaf() {
            stack.push(Frame::new(page, &bounds));
            continue;
        }
        leaves += 1;
        if visit_leaf(&page, &bounds, &mut key, visit)?.is_break() {
            return Ok(());
        }
    }
    Ok(())
}

fn visit_leaf(
    leaf: &Page,
    bounds: &Bounds<'_>,
    key: &mut Vec<u8>,
    visit: &mut Visit<'_>,
) -> Result<ControlFlow<()>> {
    let mut slots = bounds.slots(leaf);
    loop {
        let next = match bounds.direction {
            Direction::Ascending => slots.next(),
            Direction::Descending => slots.next_back(),
        };
        let Some(slot) = next else {
            return Ok(ControlFlow::Continue(()));
        };
        leaf.copy_key(slot, key);
        if visit(key, leaf.value(slot))?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
}
