//! Merging writes into the cells of one leaf, and what becomes of its value blobs.

use super::change::Planner;
use super::descend::{damaged, missing};
use super::draft::{Cells, Draft, LeafCell};
use super::{NodeChange, Source, Write};
use crate::error::Result;
use crate::page::{Cell, Page, Value, encode_value};
use crate::types::LogicalId;

impl<S: Source> Planner<'_, S> {
    /// The leaf after these writes; none if its page stays as it is.
    pub(super) fn leaf<'a>(
        &mut self,
        page: &Page,
        writes: &[(&'a [u8], Write<'a>)],
    ) -> Result<Option<Draft<'a>>> {
        let slots: Vec<_> = writes.iter().map(|(key, _)| page.search(key)).collect();
        let mut fresh = self.fresh_values(page, writes, &slots)?.into_iter();
        let mut changes = Vec::new();
        let mut changed_slots = Vec::new();
        for ((key, write), slot) in writes.iter().zip(slots) {
            let old = slot.ok().map(|slot| page.value(slot));
            if let Some(cell) = self.write(page, old, *write, &mut fresh)? {
                self.items += match (slot, cell) {
                    (Ok(_), Cell::Removed) => -1,
                    (Err(_), _) => 1,
                    (Ok(_), _) => 0,
                };
                changes.push((*key, cell));
                changed_slots.push(slot);
            }
        }
        if changes.is_empty() {
            return Ok(None);
        }
        let mut draft = Draft::with_cells(page, Cells::Leaf(merge(page, &changes, &changed_slots)));
        let mut inserted = changed_slots
            .iter()
            .filter_map(|slot| slot.err())
            .peekable();
        draft.appended = inserted.peek().is_some() && inserted.all(|slot| slot == page.len());
        draft.shrunk = draft.page_bytes() < page.page_bytes();
        draft.before = Some(page.clone());
        draft.changes = changes;
        Ok(Some(draft))
    }

    /// Ids for the values that become value blobs and are not yet, in the order of the writes.
    fn fresh_values(
        &mut self,
        page: &Page,
        writes: &[(&[u8], Write<'_>)],
        slots: &[Result<usize, usize>],
    ) -> Result<Vec<LogicalId>> {
        let needs_id = |((_, write), slot): &(&(&[u8], Write<'_>), &Result<usize, usize>)| {
            let old = slot.ok().map(|slot| page.value(slot));
            matches!(write, Write::Put(value) if self.tree.spills(value.len()))
                && !matches!(old, Some(Value::Blob(_)))
        };
        let count = writes.iter().zip(slots).filter(needs_id).count();
        self.allocate(count)
    }

    /// What one write makes of a cell; none if the cell stays as it is. Value blobs are planned here.
    fn write<'a>(
        &mut self,
        page: &Page,
        old: Option<Value<'_>>,
        write: Write<'a>,
        fresh: &mut impl Iterator<Item = LogicalId>,
    ) -> Result<Option<Cell<'a>>> {
        match (write, old) {
            (Write::Put(value), old) if self.tree.spills(value.len()) => {
                if let Some(Value::Blob(id)) = old {
                    self.observe(id)?;
                    self.plan_value(id, NodeChange::PutValue(encode_value(id, value)))?;
                    return Ok(None);
                }
                let id = fresh
                    .next()
                    .ok_or_else(|| damaged(page.id(), "too few ids were allocated"))?;
                self.plan_value(id, NodeChange::PutValue(encode_value(id, value)))?;
                Ok(Some(Cell::Reference(id.node)))
            }
            (Write::Put(value), Some(Value::Inline(old))) if value == old => Ok(None),
            (Write::Put(value), old) => {
                self.remove_value(old)?;
                Ok(Some(Cell::Inline(value)))
            }
            (Write::PutSpilled { id }, Some(Value::Blob(old))) if old == id => {
                self.observe(id)?;
                self.plan_value(id, NodeChange::PutSpilled)?;
                Ok(None)
            }
            (Write::PutSpilled { id }, old) => {
                self.remove_value(old)?;
                self.plan_value(id, NodeChange::PutSpilled)?;
                Ok(Some(Cell::Reference(id.node)))
            }
            (Write::Remove, None) => Ok(None),
            (Write::Remove, old) => {
                self.remove_value(old)?;
                Ok(Some(Cell::Removed))
            }
        }
    }

    /// The value blob of a cell that is replaced or removed ends with it.
    fn remove_value(&mut self, old: Option<Value<'_>>) -> Result<()> {
        let Some(Value::Blob(id)) = old else {
            return Ok(());
        };
        self.observe(id)?;
        self.plan_value(id, NodeChange::Remove)
    }

    fn observe(&mut self, id: LogicalId) -> Result<()> {
        if self.source.observe(id)? {
            Ok(())
        } else {
            Err(missing(id))
        }
    }

    fn plan_value(&mut self, id: LogicalId, change: NodeChange) -> Result<()> {
        match self.nodes.insert(id, change) {
            None => Ok(()),
            Some(_) => Err(damaged(id, "the tree refers to it more than once")),
        }
    }
}

/// The cells of a page with the changed ones in their places.
fn merge<'a>(
    page: &Page,
    changes: &[(&'a [u8], Cell<'a>)],
    slots: &[Result<usize, usize>],
) -> Vec<LeafCell<'a>> {
    let mut cells = Vec::with_capacity(page.len() + changes.len());
    let mut copied = 0;
    for ((key, cell), slot) in changes.iter().zip(slots) {
        let (Ok(at) | Err(at)) = *slot;
        cells.extend((copied..at).map(|slot| LeafCell::Old(page.clone(), slot)));
        copied = if slot.is_ok() { at + 1 } else { at };
        if *cell != Cell::Removed {
            cells.push(LeafCell::New(key, *cell));
        }
    }
    cells.extend((copied..page.len()).map(|slot| LeafCell::Old(page.clone(), slot)));
    cells
}
