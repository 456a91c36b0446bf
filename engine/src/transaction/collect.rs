//! Scans: the committed items of a range merged with the transaction's own writes.
//!
//! ```text
//!   committed (view)   a   c   d       f           the visit goes over these
//!   own writes           b   d'   -e                and looks here before each of them
//!   result             a b c d'      f             with limit 3: a b c, and the read kept is [lower, c]
//! ```
//!
//! The read that is kept covers exactly what decided the result: from the start of the range to the last merged key, with
//! the committed cells that own writes hide, or the whole range if the scan came to its end.

use std::iter::Peekable;
use std::ops::{Bound, ControlFlow};

use super::buffer::is_empty;
use super::read::Found;
use super::{Pending, Transaction};
use crate::error::{Error, Result};
use crate::limits;
use crate::page::Value;
use crate::storage::Storage;
use crate::tree::{Direction, Tree};
use crate::types::LogicalId;
use crate::validation::RangeRead;

/// A range of keys.
#[derive(Clone, Copy, Debug)]
pub struct Range<'a> {
    /// The smaller end.
    pub lower: Bound<&'a [u8]>,
    /// The greater end.
    pub upper: Bound<&'a [u8]>,
}

impl<'a> From<(Bound<&'a [u8]>, Bound<&'a [u8]>)> for Range<'a> {
    fn from((lower, upper): (Bound<&'a [u8]>, Bound<&'a [u8]>)) -> Self {
        Self { lower, upper }
    }
}

/// The items a scan found, in its direction.
#[derive(Debug, Default)]
pub struct Items {
    entries: Vec<(Vec<u8>, Found)>,
}

impl Items {
    /// How many.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Calls `visit` with each key and value.
    pub fn visit(&self, mut visit: impl FnMut(&[u8], &[u8])) {
        for (key, value) in &self.entries {
            visit(key, value.as_slice());
        }
    }

    /// The keys and values as vectors.
    pub fn into_pairs(self) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
        self.entries
            .into_iter()
            .map(|(key, value)| (key, value.into_vec()))
    }

    /// The last key.
    pub fn last_key(&self) -> Option<&[u8]> {
        self.entries.last().map(|(key, _)| key.as_slice())
    }
}

/// What bounds the bytes of a result.
#[derive(Clone, Copy, Debug)]
pub(super) enum Budget {
    /// More than this is an error.
    Hard(usize),
    /// The result ends after this many, but has at least one item.
    Soft(usize),
}

/// A value that may still have to be fetched.
enum Cell<P> {
    Nothing,
    Own(std::rc::Rc<[u8]>),
    Spilled(LogicalId, std::rc::Rc<P>),
    Inline(Vec<u8>),
    Blob(LogicalId),
}

impl<P> Cell<P> {
    fn byte_len(&self) -> usize {
        match self {
            Self::Own(value) => value.len(),
            Self::Inline(value) => value.len(),
            Self::Nothing | Self::Spilled(..) | Self::Blob(_) => 0,
        }
    }
}

/// Keys with their cells, in the direction of the scan.
type Cells<P> = Vec<(Vec<u8>, Cell<P>)>;
/// Own writes in the direction of the scan.
type Own<'a, P> = Box<dyn Iterator<Item = (&'a [u8], &'a Pending<P>)> + 'a>;

/// What to gather.
#[derive(Clone, Copy)]
struct Wish<'a> {
    tree: Tree,
    name: &'a str,
    range: Range<'a>,
    direction: Direction,
    items_max: usize,
    budget: Budget,
    values: bool,
}

impl<S: Storage> Transaction<S> {
    /// Up to `limit` items of a range.
    pub fn scan(
        &mut self,
        store: u64,
        range: Range<'_>,
        direction: Direction,
        limit: usize,
    ) -> Result<Items> {
        let (tree, name) = self.readable(store)?;
        if limit > limits::SCAN_ITEMS_MAX {
            return Err(Error::limit(
                "items of a scan; use a cursor",
                limits::SCAN_ITEMS_MAX,
            ));
        }
        self.collect(
            tree,
            &name,
            range,
            direction,
            limit,
            limits::RESULT_BYTES_MAX,
        )
    }

    /// The next batch of a cursor: at most `items_max`, fewer when they come to more than a batch may hold.
    pub fn scan_batch(
        &mut self,
        store: u64,
        range: Range<'_>,
        direction: Direction,
        items_max: usize,
    ) -> Result<Items> {
        let (tree, name) = self.readable(store)?;
        let items_max = items_max.min(limits::SCAN_ITEMS_MAX);
        let budget = Budget::Soft(limits::CURSOR_BATCH_BYTES);
        let wish = Wish {
            tree,
            name: &name,
            range,
            direction,
            items_max,
            budget,
            values: true,
        };
        let cells = self.gather(wish)?;
        self.fetch(cells)
    }

    pub(super) fn collect(
        &mut self,
        tree: Tree,
        name: &str,
        range: Range<'_>,
        direction: Direction,
        items_max: usize,
        bytes_max: usize,
    ) -> Result<Items> {
        let budget = Budget::Hard(bytes_max);
        let cells = self.gather(Wish {
            tree,
            name,
            range,
            direction,
            items_max,
            budget,
            values: true,
        })?;
        self.fetch(cells)
    }

    pub(super) fn collect_keys(
        &mut self,
        tree: Tree,
        name: &str,
        range: Range<'_>,
        direction: Direction,
        items_max: usize,
    ) -> Result<Vec<Vec<u8>>> {
        let budget = Budget::Hard(usize::MAX);
        let cells = self.gather(Wish {
            tree,
            name,
            range,
            direction,
            items_max,
            budget,
            values: false,
        })?;
        Ok(cells.into_iter().map(|(key, _)| key).collect())
    }

    fn gather(&mut self, wish: Wish<'_>) -> Result<Cells<S::Spilled>> {
        self.version()?;
        let Range { lower, upper } = wish.range;
        if wish.items_max == 0 || is_empty(lower, upper) {
            return Ok(Vec::new());
        }
        let keeps = self.keeps_reads();
        let Self {
            view,
            buffer,
            reads,
            ..
        } = self;
        let view = view.as_mut().ok_or(Error::Ended)?;
        view.start_touching();
        let own = buffer.range(wish.tree.store, lower, upper);
        let own: Own<'_, S::Spilled> = match wish.direction {
            Direction::Ascending => Box::new(own),
            Direction::Descending => Box::new(own.rev()),
        };
        let mut merge = Merge {
            own: own.peekable(),
            wish,
            cells: Vec::new(),
            bytes: 0,
            full: false,
        };
        wish.tree
            .scan(view, lower, upper, wish.direction, &mut |key, value| {
                merge.committed(key, value)
            })?;
        merge.rest()?;
        let Merge {
            mut cells,
            mut full,
            bytes,
            ..
        } = merge;
        full |= fit_blobs(view, &mut cells, wish.budget, bytes)?;
        if keeps {
            let read = covered(
                wish,
                full.then(|| cells.last().map(|(key, _)| key.clone()))
                    .flatten(),
            );
            reads.range(
                wish.tree,
                wish.name,
                RangeRead {
                    nodes: view.touched(),
                    ..read
                },
            )?;
        }
        Ok(cells)
    }

    fn fetch(&mut self, cells: Cells<S::Spilled>) -> Result<Items> {
        let ids: Vec<_> = cells.iter().filter_map(|(_, cell)| blob_of(cell)).collect();
        let mut bodies = if ids.is_empty() {
            Vec::new()
        } else {
            self.view()?.values(&ids)?
        }
        .into_iter();
        let mut entries = Vec::with_capacity(cells.len());
        for (key, cell) in cells {
            let found = match cell {
                Cell::Nothing => Found::Inline(Vec::new()),
                Cell::Own(value) => Found::Own(value),
                Cell::Inline(value) => Found::Inline(value),
                Cell::Spilled(id, spilled) => self.spilled_value(id, &spilled)?,
                Cell::Blob(_) => match bodies.next() {
                    Some(body) => Found::Blob(body),
                    None => {
                        return Err(Error::Invalid(
                            "fewer value blobs than asked for".to_owned(),
                        ));
                    }
                },
            };
            entries.push((key, found));
        }
        Ok(Items { entries })
    }
}

fn blob_of<P>(cell: &Cell<P>) -> Option<LogicalId> {
    match cell {
        Cell::Blob(id) => Some(*id),
        _ => None,
    }
}

/// The range read that decided the result; `stop` is the last merged key if the range was not exhausted.
fn covered(wish: Wish<'_>, stop: Option<Vec<u8>>) -> RangeRead {
    let mut lower = wish.range.lower.map(<[u8]>::to_vec);
    let mut upper = wish.range.upper.map(<[u8]>::to_vec);
    if let Some(key) = stop {
        match wish.direction {
            Direction::Ascending => upper = Bound::Included(key),
            Direction::Descending => lower = Bound::Included(key),
        }
    }
    RangeRead {
        lower,
        upper,
        values: wish.values,
        nodes: Vec::new(),
    }
}

/// Cuts the result where its value blobs exceed the budget. Answers whether it was cut.
fn fit_blobs<S: Storage>(
    view: &mut crate::store::View<S>,
    cells: &mut Cells<S::Spilled>,
    budget: Budget,
    other_bytes: usize,
) -> Result<bool> {
    let ids: Vec<_> = cells.iter().filter_map(|(_, cell)| blob_of(cell)).collect();
    if ids.is_empty() {
        return Ok(false);
    }
    let mut lengths = view.value_bytes(&ids)?.into_iter();
    let bytes_max = match budget {
        Budget::Hard(bytes_max) | Budget::Soft(bytes_max) => bytes_max,
    };
    let mut bytes = other_bytes;
    for (index, (_, cell)) in cells.iter().enumerate() {
        if blob_of(cell).is_none() {
            continue;
        }
        bytes = bytes.saturating_add(lengths.next().unwrap_or_default());
        if bytes > bytes_max {
            if matches!(budget, Budget::Hard(_)) {
                return Err(too_long(bytes_max));
            }
            let kept = index.max(1);
            let cut = kept < cells.len();
            cells.truncate(kept);
            return Ok(cut);
        }
    }
    Ok(false)
}

fn too_long(bytes_max: usize) -> Error {
    Error::limit(
        "bytes of a result; use a cursor or a smaller limit",
        bytes_max,
    )
}

/// The merge of committed cells with own writes.
struct Merge<'a, P: 'a, I: Iterator<Item = (&'a [u8], &'a Pending<P>)>> {
    own: Peekable<I>,
    wish: Wish<'a>,
    cells: Cells<P>,
    bytes: usize,
    full: bool,
}

impl<'a, P: 'a, I: Iterator<Item = (&'a [u8], &'a Pending<P>)>> Merge<'a, P, I> {
    /// Takes a committed cell, after the own writes that come before it.
    fn committed(&mut self, key: &[u8], value: Value<'_>) -> Result<ControlFlow<()>> {
        while let Some((own, _)) = self.own.peek() {
            let order = match self.wish.direction {
                Direction::Ascending => (*own).cmp(key),
                Direction::Descending => key.cmp(own),
            };
            if order.is_gt() {
                break;
            }
            if self.take_own()?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if order.is_eq() {
                return Ok(ControlFlow::Continue(()));
            }
        }
        let cell = match value {
            Value::Inline(_) if !self.wish.values => Cell::Nothing,
            Value::Inline(bytes) => Cell::Inline(bytes.to_vec()),
            Value::Blob(id) if self.wish.values => Cell::Blob(id),
            Value::Blob(_) => Cell::Nothing,
        };
        self.push(key, cell)
    }

    /// Takes the own writes after the last committed cell.
    fn rest(&mut self) -> Result<()> {
        while !self.full && self.own.peek().is_some() {
            if self.take_own()?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn take_own(&mut self) -> Result<ControlFlow<()>> {
        match self.own.next() {
            Some((key, Pending::Put(value))) => {
                self.push(key, Cell::Own(std::rc::Rc::clone(value)))
            }
            Some((key, Pending::Spilled(id, spilled))) => {
                self.push(key, Cell::Spilled(*id, std::rc::Rc::clone(spilled)))
            }
            Some((_, Pending::Remove)) | None => Ok(ControlFlow::Continue(())),
        }
    }

    fn push(&mut self, key: &[u8], cell: Cell<P>) -> Result<ControlFlow<()>> {
        self.bytes += key.len() + cell.byte_len();
        self.cells.push((key.to_vec(), cell));
        match self.wish.budget {
            Budget::Hard(bytes_max) if self.bytes > bytes_max => return Err(too_long(bytes_max)),
            Budget::Soft(bytes_max) if self.bytes >= bytes_max => self.full = true,
            Budget::Hard(_) | Budget::Soft(_) => {}
        }
        self.full |= self.cells.len() >= self.wish.items_max;
        Ok(if self.full {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    }
}
