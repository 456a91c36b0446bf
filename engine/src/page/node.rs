//! A checked page and access to its parts.

use std::fmt;
use std::rc::Rc;

use super::build::Weight;
use super::chain::materialise;
use super::check::check_base;
use super::error::PageError;
use super::format::{CHECKSUM_BYTES, HEADER_BYTES, SLOT_BYTES, checksum_in};
use super::view::{Cell, Key, Layout, View};
use crate::types::LogicalId;

/// What a leaf cell says of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// The value.
    Inline(&'a [u8]),
    /// The value blob that holds the value.
    Blob(LogicalId),
}

/// A checked leaf or branch, its deltas applied. Cheap to clone.
#[derive(Clone)]
pub struct Page {
    inner: Rc<Inner>,
}

struct Inner {
    id: LogicalId,
    layout: Layout,
    bytes: Vec<u8>,
    deltas: usize,
    delta_bytes: usize,
    /// The checksum of the last body of the chain.
    chain_checksum: u64,
}

impl Page {
    /// Checks the bodies of a chain, a base page and then deltas, and applies the deltas.
    ///
    /// Total: any bytes give a page or what is wrong with them, and nothing is allocated beyond the size of
    /// the input.
    pub fn parse(id: LogicalId, bodies: Vec<Vec<u8>>) -> Result<Self, PageError> {
        let mut bodies = bodies.into_iter();
        let base = bodies.next().ok_or(PageError::EmptyChain)?;
        let layout = check_base(id, &base)?;
        let deltas = bodies.as_slice();
        let chain_checksum = checksum_in(deltas.last().unwrap_or(&base));
        if deltas.is_empty() {
            let inner = Inner {
                id,
                layout,
                bytes: base,
                deltas: 0,
                delta_bytes: 0,
                chain_checksum,
            };
            return Ok(Self {
                inner: Rc::new(inner),
            });
        }
        let bytes = materialise(
            id,
            View {
                bytes: &base,
                layout,
            },
            deltas,
        )?;
        let (count, delta_bytes) = (deltas.len(), deltas.iter().map(Vec::len).sum());
        Ok(Self::with_chain(
            id,
            bytes,
            count,
            delta_bytes,
            chain_checksum,
        ))
    }

    /// A page that was just built.
    pub(super) fn trusted(id: LogicalId, bytes: Vec<u8>) -> Self {
        let checksum = checksum_in(&bytes);
        Self::with_chain(id, bytes, 0, 0, checksum)
    }

    fn with_chain(
        id: LogicalId,
        bytes: Vec<u8>,
        deltas: usize,
        delta_bytes: usize,
        chain_checksum: u64,
    ) -> Self {
        let layout = Layout::read(&bytes);
        Self {
            inner: Rc::new(Inner {
                id,
                layout,
                bytes,
                deltas,
                delta_bytes,
                chain_checksum,
            }),
        }
    }

    /// The same page as the result of appending a delta to the chain of `before`.
    #[must_use]
    pub fn into_delta_of(self, before: &Self, delta: &[u8]) -> Self {
        let id = self.id();
        let bytes = Rc::try_unwrap(self.inner)
            .map_or_else(|inner| inner.bytes.clone(), |inner| inner.bytes);
        let (deltas, delta_bytes) = (before.deltas() + 1, before.delta_bytes() + delta.len());
        Self::with_chain(id, bytes, deltas, delta_bytes, checksum_in(delta))
    }

    pub(super) fn view(&self) -> View<'_> {
        View {
            bytes: &self.inner.bytes,
            layout: self.inner.layout,
        }
    }

    /// Whose page it is.
    pub fn id(&self) -> LogicalId {
        self.inner.id
    }

    /// The bytes of the whole page, deltas applied.
    pub fn bytes(&self) -> &[u8] {
        &self.inner.bytes
    }

    /// Whether it is a leaf.
    pub fn is_leaf(&self) -> bool {
        self.level() == 0
    }

    /// How many levels are below it.
    pub fn level(&self) -> u8 {
        self.inner.layout.level
    }

    /// The lowest key it may hold.
    pub fn low_fence(&self) -> &[u8] {
        self.view().low()
    }

    /// The key that all of its keys are below; none is +infinity.
    pub fn high_fence(&self) -> Option<&[u8]> {
        self.view().high()
    }

    /// The prefix of all of its keys.
    pub fn prefix(&self) -> &[u8] {
        self.view().prefix()
    }

    /// How many cells it has.
    #[expect(
        clippy::len_without_is_empty,
        reason = "nobody asks whether a page is empty"
    )]
    pub fn len(&self) -> usize {
        self.inner.layout.cells
    }

    /// How many deltas are in its chain.
    pub fn deltas(&self) -> usize {
        self.inner.deltas
    }

    /// Bytes of the deltas in its chain.
    pub fn delta_bytes(&self) -> usize {
        self.inner.delta_bytes
    }

    /// The checksum of the last body of its chain, which the next delta has to name.
    pub fn chain_checksum(&self) -> u64 {
        self.inner.chain_checksum
    }

    /// The key of a cell; empty beyond the last one.
    pub fn key(&self, slot: usize) -> Key<'_> {
        if slot >= self.len() {
            return Key::default();
        }
        if slot == 0 && !self.is_leaf() {
            return Key::whole(self.low_fence());
        }
        Key {
            prefix: self.prefix(),
            suffix: self.view().suffix(slot),
        }
    }

    /// Copies the key of a cell into a buffer, replacing what was there.
    pub fn copy_key(&self, slot: usize, buffer: &mut Vec<u8>) {
        buffer.clear();
        self.key(slot).append_to(buffer);
    }

    /// Finds a key: its slot, or the slot before which it belongs.
    pub fn search(&self, key: &[u8]) -> Result<usize, usize> {
        let prefix = self.prefix();
        match key.strip_prefix(prefix) {
            Some(suffix) => self.view().search(suffix),
            None if key < prefix => Err(0),
            None => Err(self.len()),
        }
    }

    /// The slot of the child of a branch that covers a key.
    pub fn child_for(&self, key: &[u8]) -> usize {
        match self.search(key) {
            Ok(slot) => slot,
            Err(slot) => slot.saturating_sub(1),
        }
    }

    /// The content of a cell.
    pub fn cell(&self, slot: usize) -> Cell<'_> {
        self.view().cell(slot).1
    }

    /// A child of a branch.
    pub fn child(&self, slot: usize) -> LogicalId {
        match self.cell(slot) {
            Cell::Reference(node) => LogicalId::new(self.id().store, node),
            Cell::Inline(_) | Cell::Removed => LogicalId::counter(self.id().store),
        }
    }

    /// The value of a leaf cell.
    pub fn value(&self, slot: usize) -> Value<'_> {
        match self.cell(slot) {
            Cell::Inline(value) => Value::Inline(value),
            Cell::Reference(node) => Value::Blob(LogicalId::new(self.id().store, node)),
            Cell::Removed => Value::Inline(&[]),
        }
    }

    /// Bytes of the page, deltas applied.
    pub fn page_bytes(&self) -> usize {
        self.inner.bytes.len()
    }

    /// The share of `page_bytes` that it fills, in percent.
    pub fn fill_percent(&self, page_bytes: usize) -> usize {
        self.page_bytes() * 100 / page_bytes.max(1)
    }

    /// What its cells weigh.
    pub fn weight(&self) -> Weight {
        let layout = &self.inner.layout;
        let frame = HEADER_BYTES + layout.low + layout.high + CHECKSUM_BYTES;
        let stored = self
            .page_bytes()
            .saturating_sub(frame + layout.cells * SLOT_BYTES);
        let mut bytes = stored + layout.cells * layout.prefix;
        if !self.is_leaf() {
            bytes += layout.low - layout.prefix.min(layout.low);
        }
        Weight {
            cells: layout.cells,
            bytes,
        }
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (level, cells) = (self.level(), self.len());
        write!(
            formatter,
            "Page({} level {level}, {cells} cells, {} bytes)",
            self.id(),
            self.page_bytes()
        )
    }
}
