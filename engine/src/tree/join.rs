//! Joining neighbours that became small or empty.

use super::Source;
use super::change::Planner;
use super::descend::child;
use super::draft::{Cells, Draft};
use crate::error::Result;
use crate::page::Page;

/// A changed node that fills less than this share of a page looks for a neighbour to join.
const UNDERFULL_SHARE: usize = 3;
/// Neighbours join if they fill at most this many percent of a page, so that the next write does not split
/// them again.
const JOINED_PERCENT_MAX: usize = 90;

/// A child of a branch that is being changed.
pub(super) enum Item<'a> {
    /// As it is: its slot, and its page if it was read.
    Same(usize, Option<Page>),
    /// Changed.
    Draft(Box<Draft<'a>>),
}

impl<'a> Item<'a> {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Draft(draft) if draft.is_empty())
    }

    fn is_loaded(&self) -> bool {
        !matches!(self, Self::Same(_, None))
    }
}

impl<S: Source> Planner<'_, S> {
    /// Joins neighbours where one has become too small and both fit into one page. Afterwards there are
    /// empty children only if there is no other child.
    pub(super) fn join<'a>(
        &mut self,
        parent: &Page,
        items: Vec<Item<'a>>,
    ) -> Result<Vec<Item<'a>>> {
        if !items
            .iter()
            .any(|item| item.is_empty() || self.is_underfull(item))
        {
            return Ok(items);
        }
        let mut joined: Vec<Item<'a>> = Vec::with_capacity(items.len());
        for mut item in items {
            while let Some(left) = joined.pop() {
                match self.join_two(parent, left, item, joined.is_empty())? {
                    Ok(both) => item = both,
                    Err((left, right)) => {
                        joined.push(left);
                        item = right;
                        break;
                    }
                }
            }
            joined.push(item);
        }
        Ok(joined)
    }

    /// Two neighbours as one, or as they were.
    fn join_two<'a>(
        &mut self,
        parent: &Page,
        left: Item<'a>,
        right: Item<'a>,
        left_is_first: bool,
    ) -> Result<Result<Item<'a>, (Item<'a>, Item<'a>)>> {
        if left.is_empty() || right.is_empty() {
            let (left, right) = (self.draft(parent, left)?, self.draft(parent, right)?);
            return self.absorb(left, right).map(|draft| Ok(Item::Draft(draft)));
        }
        let (left_wants, right_wants) = (self.is_underfull(&left), self.is_underfull(&right));
        // To look at one unchanged neighbour is enough: each look is one more thing to conflict with.
        let may_load = right_wants || (left_wants && left_is_first);
        if !(left_wants || right_wants) || !(may_load || (left.is_loaded() && right.is_loaded())) {
            return Ok(Err((left, right)));
        }
        let (left, right) = (self.load(parent, left)?, self.load(parent, right)?);
        if !self.fits(&left, &right) {
            return Ok(Err((left, right)));
        }
        let (mut left, right) = (self.draft(parent, left)?, self.draft(parent, right)?);
        self.remove_node(right.id)?;
        left.append(*right);
        Ok(Ok(Item::Draft(left)))
    }

    fn is_underfull(&self, item: &Item<'_>) -> bool {
        match item {
            Item::Same(..) => false,
            Item::Draft(draft) => {
                draft.shrunk && draft.page_bytes() < self.tree.page_bytes / UNDERFULL_SHARE
            }
        }
    }

    fn load<'a>(&mut self, parent: &Page, item: Item<'a>) -> Result<Item<'a>> {
        match item {
            Item::Same(slot, None) => Ok(Item::Same(slot, Some(child(self.source, parent, slot)?))),
            loaded => Ok(loaded),
        }
    }

    fn draft<'a>(&mut self, parent: &Page, item: Item<'a>) -> Result<Box<Draft<'a>>> {
        match item {
            Item::Draft(draft) => Ok(draft),
            Item::Same(_, Some(page)) => Ok(Box::new(Draft::of(&page))),
            Item::Same(slot, None) => Ok(Box::new(Draft::of(&child(self.source, parent, slot)?))),
        }
    }

    fn fits(&self, left: &Item<'_>, right: &Item<'_>) -> bool {
        let weigh = |item: &Item<'_>| match item {
            Item::Draft(draft) => draft.cells.weight(),
            Item::Same(_, page) => page.as_ref().map(Page::weight).unwrap_or_default(),
        };
        let weight = weigh(left).plus(weigh(right));
        let low = match left {
            Item::Draft(draft) => draft.low.as_slice(),
            Item::Same(_, page) => page.as_ref().map(Page::low_fence).unwrap_or_default(),
        };
        let high = match right {
            Item::Draft(draft) => draft.high.as_deref(),
            Item::Same(_, page) => page.as_ref().and_then(Page::high_fence),
        };
        let (leaf, last) = match right {
            Item::Draft(draft) => (draft.level == 0, draft.cells.last_key()),
            Item::Same(_, Some(page)) => (
                page.is_leaf(),
                page.len().checked_sub(1).map(|last| page.key(last)),
            ),
            Item::Same(_, None) => return false,
        };
        let bytes = if leaf {
            weight.leaf_bytes(low, high, last)
        } else {
            weight.branch_bytes(low, high, last)
        };
        bytes <= self.tree.page_bytes * JOINED_PERCENT_MAX / 100
    }

    /// Gives the range of an empty node to its neighbour.
    fn absorb<'a>(
        &mut self,
        mut left: Box<Draft<'a>>,
        mut right: Box<Draft<'a>>,
    ) -> Result<Box<Draft<'a>>> {
        if right.is_empty() {
            self.remove_node(right.id)?;
            self.widen(&mut left, None, Some(right.high))?;
            return Ok(left);
        }
        self.remove_node(left.id)?;
        self.widen(&mut right, Some(left.low), None)?;
        Ok(right)
    }

    /// Moves a fence of a node outwards, and with it the fence of all nodes below along that edge.
    fn widen(
        &mut self,
        draft: &mut Draft<'_>,
        low: Option<Vec<u8>>,
        high: Option<Option<Vec<u8>>>,
    ) -> Result<()> {
        if let Cells::Branch(children) = &mut draft.cells
            && !children.is_empty()
        {
            let slot = if low.is_some() { 0 } else { children.len() - 1 };
            let mut rest = children.split_off(slot);
            let mut after = rest.split_off(1);
            let Some(edge) = rest.pop() else {
                return Ok(());
            };
            let edge_high = after
                .first()
                .map_or(draft.high.as_deref(), |next| Some(next.key.as_slice()));
            let page = self.current(edge.id, draft.level, &edge.key, edge_high)?;
            let mut below = Draft::of(&page);
            self.widen(&mut below, low.clone(), high.clone())?;
            children.extend(self.finish(below)?);
            children.append(&mut after);
        }
        if let Some(low) = low {
            draft.low = low;
        }
        if let Some(high) = high {
            draft.high = high;
        }
        draft.forget_before();
        Ok(())
    }
}
