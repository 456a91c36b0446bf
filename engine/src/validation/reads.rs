//! The logical reads of a transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::error::{Error, Result};
use crate::limits;
use crate::tree::Tree;
use crate::types::LogicalId;

/// That a key was looked at.
#[derive(Clone, Debug)]
pub struct PointRead {
    /// Whether the value was read, or only whether there is one.
    pub value: bool,
    /// The leaf, or absent root, that it depends on, and the value blob if that was read.
    pub nodes: Vec<LogicalId>,
}

/// That all committed items between two bounds were looked at.
#[derive(Clone, Debug)]
pub struct RangeRead {
    /// Where the part that was looked at begins.
    pub lower: Bound<Vec<u8>>,
    /// Where it ends.
    pub upper: Bound<Vec<u8>>,
    /// Whether values were read, or only keys.
    pub values: bool,
    /// The leaves that it depends on, and the value blobs if those were read.
    pub nodes: Vec<LogicalId>,
}

/// That the item counter was read.
#[derive(Clone, Copy, Debug)]
pub struct CountRead {
    /// What it said.
    pub value: i64,
    /// The version that had last changed it.
    pub version: u64,
}

/// What was read of one store.
#[derive(Clone, Debug)]
pub struct StoreReads {
    /// Its tree.
    pub tree: Tree,
    /// Its name, for errors.
    pub name: String,
    /// Point reads by key.
    pub points: BTreeMap<Vec<u8>, PointRead>,
    /// Range reads in the order they happened.
    pub ranges: Vec<RangeRead>,
    /// The read of the item counter.
    pub count: Option<CountRead>,
}

/// Everything a transaction has read, by store.
#[derive(Clone, Debug, Default)]
pub struct Reads {
    /// By store id.
    pub stores: BTreeMap<u64, StoreReads>,
    kept: usize,
}

impl Reads {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn store(&mut self, tree: Tree, name: &str) -> &mut StoreReads {
        self.stores.entry(tree.store).or_insert_with(|| StoreReads {
            tree,
            name: name.to_owned(),
            points: BTreeMap::new(),
            ranges: Vec::new(),
            count: None,
        })
    }

    fn grow(&mut self) -> Result<()> {
        if self.kept >= limits::READS_MAX {
            return Err(Error::limit(
                "reads of a serializable transaction",
                limits::READS_MAX,
            ));
        }
        self.kept += 1;
        Ok(())
    }

    /// Whether this point read is already kept.
    pub fn has_point(&self, store: u64, key: &[u8], value: bool) -> bool {
        let read = self
            .stores
            .get(&store)
            .and_then(|reads| reads.points.get(key));
        read.is_some_and(|read| read.value || !value)
    }

    /// Keeps a point read.
    pub fn point(&mut self, tree: Tree, name: &str, key: &[u8], read: PointRead) -> Result<()> {
        self.grow()?;
        self.store(tree, name).points.insert(key.to_vec(), read);
        Ok(())
    }

    /// Keeps a range read.
    pub fn range(&mut self, tree: Tree, name: &str, read: RangeRead) -> Result<()> {
        self.grow()?;
        self.store(tree, name).ranges.push(read);
        Ok(())
    }

    /// Keeps a read of the item counter.
    pub fn count(&mut self, tree: Tree, name: &str, read: CountRead) {
        self.store(tree, name).count = Some(read);
    }

    /// All nodes and value blobs that any read depends on. Counters are not among them.
    pub fn nodes(&self) -> BTreeSet<LogicalId> {
        let mut nodes = BTreeSet::new();
        for reads in self.stores.values() {
            nodes.extend(
                reads
                    .points
                    .values()
                    .flat_map(|read| read.nodes.iter().copied()),
            );
            nodes.extend(
                reads
                    .ranges
                    .iter()
                    .flat_map(|read| read.nodes.iter().copied()),
            );
        }
        nodes
    }

    /// The counters that were read, with the version of each.
    pub fn counters(&self) -> impl Iterator<Item = (LogicalId, CountRead)> {
        self.stores.iter().filter_map(|(store, reads)| {
            reads.count.map(|count| (LogicalId::counter(*store), count))
        })
    }
}
