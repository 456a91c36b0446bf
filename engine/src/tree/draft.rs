//! Nodes in the making: the cells a node is going to have, before they become pages.

use crate::page::{Builder, Cell, Key, Page, Weight};
use crate::types::LogicalId;

/// A cell of a leaf in the making.
#[derive(Clone, Debug)]
pub(super) enum LeafCell<'a> {
    /// As it is in a page.
    Old(Page, usize),
    /// As a write says.
    New(&'a [u8], Cell<'a>),
}

impl LeafCell<'_> {
    pub(super) fn key(&self) -> Key<'_> {
        match self {
            Self::Old(page, slot) => page.key(*slot),
            Self::New(key, _) => Key::whole(key),
        }
    }

    fn cell(&self) -> Cell<'_> {
        match self {
            Self::Old(page, slot) => page.cell(*slot),
            Self::New(_, cell) => *cell,
        }
    }

    fn weight(&self) -> Weight {
        Weight::of(self.key().len(), &self.cell())
    }
}

/// A child of a branch in the making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Child {
    pub(super) key: Vec<u8>,
    pub(super) id: LogicalId,
}

/// The cells of a node in the making.
#[derive(Debug)]
pub(super) enum Cells<'a> {
    Leaf(Vec<LeafCell<'a>>),
    Branch(Vec<Child>),
}

impl<'a> Cells<'a> {
    /// All cells of a page.
    pub(super) fn of(page: &Page) -> Self {
        let slots = 0..page.len();
        if page.is_leaf() {
            return Self::Leaf(
                slots
                    .map(|slot| LeafCell::Old(page.clone(), slot))
                    .collect(),
            );
        }
        Self::Branch(
            slots
                .map(|slot| Child {
                    key: page.key(slot).to_vec(),
                    id: page.child(slot),
                })
                .collect(),
        )
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Leaf(cells) => cells.len(),
            Self::Branch(children) => children.len(),
        }
    }

    /// What the cell in a slot weighs.
    pub(super) fn weight_at(&self, slot: usize) -> Weight {
        match self {
            Self::Leaf(cells) => cells
                .get(slot)
                .map_or_else(Weight::default, LeafCell::weight),
            Self::Branch(children) => children
                .get(slot)
                .map_or_else(Weight::default, |child| Weight::of_child(child.key.len())),
        }
    }

    pub(super) fn weight(&self) -> Weight {
        (0..self.len())
            .map(|slot| self.weight_at(slot))
            .fold(Weight::default(), Weight::plus)
    }

    /// The key in a slot.
    pub(super) fn key(&self, slot: usize) -> Option<Key<'_>> {
        match self {
            Self::Leaf(cells) => cells.get(slot).map(LeafCell::key),
            Self::Branch(children) => children.get(slot).map(|child| Key::whole(&child.key)),
        }
    }

    pub(super) fn last_key(&self) -> Option<Key<'_>> {
        self.key(self.len().checked_sub(1)?)
    }

    /// The fence between the cell in a slot and the one before it: in a leaf the shortest that separates
    /// the two.
    pub(super) fn fence_before(&self, slot: usize) -> Vec<u8> {
        let cells = match self {
            Self::Leaf(cells) => cells,
            Self::Branch(children) => {
                return children
                    .get(slot)
                    .map_or_else(Vec::new, |child| child.key.clone());
            }
        };
        let (left, right) = (
            slot.checked_sub(1).and_then(|left| cells.get(left)),
            cells.get(slot),
        );
        let (Some(left), Some(right)) = (left, right) else {
            return Vec::new();
        };
        let (left, mut fence) = (left.key().to_vec(), right.key().to_vec());
        let shared = left.iter().zip(&fence).take_while(|(a, b)| a == b).count();
        fence.truncate(shared + 1);
        fence
    }

    /// Splits off the cells from a slot on.
    pub(super) fn split_off(&mut self, slot: usize) -> Self {
        match self {
            Self::Leaf(cells) => Self::Leaf(cells.split_off(slot.min(cells.len()))),
            Self::Branch(children) => Self::Branch(children.split_off(slot.min(children.len()))),
        }
    }

    /// Appends the cells of the neighbour to the right.
    pub(super) fn append(&mut self, right: Self) {
        match (self, right) {
            (Self::Leaf(cells), Self::Leaf(more)) => cells.extend(more),
            (Self::Branch(children), Self::Branch(more)) => children.extend(more),
            (Self::Leaf(_), Self::Branch(_)) | (Self::Branch(_), Self::Leaf(_)) => {
                debug_assert!(false, "neighbours are of one level");
            }
        }
    }

    /// Bytes of a page with the cells before a slot, those of this weight.
    pub(super) fn page_bytes(
        &self,
        weight: Weight,
        low: &[u8],
        high: Option<&[u8]>,
        end: usize,
    ) -> usize {
        let last = end.checked_sub(1).and_then(|last| self.key(last));
        match self {
            Self::Leaf(_) => weight.leaf_bytes(low, high, last),
            Self::Branch(_) => weight.branch_bytes(low, high, last),
        }
    }
}

/// A node in the making.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) id: LogicalId,
    pub(super) level: u8,
    pub(super) low: Vec<u8>,
    pub(super) high: Option<Vec<u8>>,
    pub(super) cells: Cells<'a>,
    /// The page of which `changes` make this draft; none if more than cells changed.
    pub(super) before: Option<Page>,
    /// The changed cells of a leaf, in key order.
    pub(super) changes: Vec<(&'a [u8], Cell<'a>)>,
    /// All new cells are above all old ones: full pages are better than half-full ones.
    pub(super) appended: bool,
    /// It lost bytes, so it may be worth joining it with a neighbour.
    pub(super) shrunk: bool,
}

impl<'a> Draft<'a> {
    /// A node as it is, about to be changed as a whole.
    pub(super) fn of(page: &Page) -> Self {
        Self::with_cells(page, Cells::of(page))
    }

    /// A node with the fences of a page and other cells.
    pub(super) fn with_cells(page: &Page, cells: Cells<'a>) -> Self {
        Self {
            id: page.id(),
            level: page.level(),
            low: page.low_fence().to_vec(),
            high: page.high_fence().map(<[u8]>::to_vec),
            cells,
            before: None,
            changes: Vec::new(),
            appended: false,
            shrunk: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cells.len() == 0
    }

    /// Bytes of the page it would become.
    pub(super) fn page_bytes(&self) -> usize {
        self.cells.page_bytes(
            self.cells.weight(),
            &self.low,
            self.high.as_deref(),
            self.cells.len(),
        )
    }

    /// Appends the cells and the range of the neighbour to the right.
    pub(super) fn append(&mut self, right: Self) {
        self.cells.append(right.cells);
        self.high = right.high;
        self.shrunk |= right.shrunk;
        self.appended = false;
        self.forget_before();
    }

    /// More than its cells changed.
    pub(super) fn forget_before(&mut self) {
        self.before = None;
        self.changes = Vec::new();
    }

    /// The page it becomes, which is checked as it is built.
    pub(super) fn build(&self) -> Page {
        let high = self.high.as_deref();
        let last = self.cells.last_key();
        match &self.cells {
            Cells::Leaf(cells) => {
                let mut builder = Builder::leaf(self.id, &self.low, high, last);
                builder.reserve(self.cells.weight());
                cells
                    .iter()
                    .for_each(|cell| builder.push(cell.key(), &cell.cell()));
                builder.finish()
            }
            Cells::Branch(children) => {
                let mut builder = Builder::branch(self.id, self.level, &self.low, high, last);
                builder.reserve(self.cells.weight());
                children
                    .iter()
                    .for_each(|child| builder.push_child(Key::whole(&child.key), child.id));
                builder.finish()
            }
        }
    }
}
