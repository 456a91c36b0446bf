//! Upkeep for the host that owns the database: walking everything to verify it, removing what was dropped.

use std::rc::Rc;

use crate::catalog;
use crate::error::{Error, Result};
use crate::storage::Storage;
use crate::store::{Engine, View};
use crate::transaction::{Isolation, StoreInfo, Transaction};
use crate::tree::{self, Tree};
use crate::types::{LogicalId, Version};

/// Most damages that are kept.
const DAMAGES_MAX: usize = 1_000;

/// Something wrong that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The store; empty for the catalog.
    pub store: String,
    /// The node or value blob.
    pub node: LogicalId,
    /// What is wrong with it.
    pub message: String,
}

/// What an inspection saw of one store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreReport {
    /// Its name; empty for the catalog.
    pub name: String,
    /// Its id.
    pub id: u64,
    /// Items found in its leaves.
    pub items: u64,
    /// Items according to its counter.
    pub counted: i64,
    /// Levels of its tree.
    pub depth: u32,
    /// Leaves.
    pub leaves: u64,
    /// Branches.
    pub branches: u64,
    /// Value blobs.
    pub values: u64,
    /// Bytes of its pages.
    pub page_bytes: u64,
    /// Bytes of its value blobs.
    pub value_bytes: u64,
}

/// How far an inspection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Nothing is left to look at.
    pub done: bool,
    /// Nodes and value blobs looked at so far.
    pub nodes: u64,
    /// Nodes known to be still ahead.
    pub ahead: u64,
}

/// One store that is being walked.
#[derive(Debug)]
struct Walk {
    report: StoreReport,
    tree: tree::Inspection,
    /// Value blobs still to be read.
    values: Vec<LogicalId>,
    done: bool,
}

/// A walk over every page and value of a database at one version.
///
/// It goes on after damage, so that one pass names everything that is wrong.
#[derive(Debug)]
pub struct Inspection<S: Storage> {
    view: View<S>,
    walks: Vec<Walk>,
    damages: Vec<Damage>,
    nodes: u64,
}

impl<S: Storage> Inspection<S> {
    /// Begins at a fresh version, or at a past one.
    pub fn begin(engine: &Rc<Engine<S>>, at: Option<Version>) -> Result<Self> {
        let mut transaction = match at {
            None => Transaction::begin(engine, Isolation::Snapshot)?,
            Some(version) => Transaction::begin_at(engine, version)?,
        };
        let version = transaction.version()?;
        let point = engine.storage.now(Some(version))?;
        let view = View::new(Rc::clone(engine), point.version);
        let catalog = Walk::new(
            StoreInfo {
                name: String::new(),
                id: LogicalId::CATALOG,
            },
            &catalog::TREE,
        );
        let mut inspection = Self {
            view,
            walks: vec![catalog],
            damages: Vec::new(),
            nodes: 0,
        };
        match transaction.catalog_entries() {
            Ok(entries) => {
                inspection
                    .walks
                    .extend(entries.into_iter().map(|(name, entry)| {
                        Walk::new(StoreInfo { name, id: entry.id }, &entry.tree())
                    }))
            }
            // The walk over the catalog itself will name what is damaged.
            Err(Error::Corrupt(message)) => {
                inspection.damage(String::new(), LogicalId::root(LogicalId::CATALOG), message);
            }
            Err(error) => return Err(error),
        }
        Ok(inspection)
    }

    /// The version it looks at.
    pub fn version(&self) -> Version {
        self.view.version()
    }

    /// Looks at up to this many more nodes and value blobs.
    pub fn step(&mut self, nodes_max: usize) -> Result<Progress> {
        let Self {
            view,
            walks,
            damages,
            nodes,
        } = self;
        if let Some(walk) = walks.iter_mut().rev().find(|walk| !walk.done) {
            let before = walk.looked_at();
            walk.step(view, nodes_max.max(1), damages)?;
            *nodes += walk.looked_at() - before;
            // A walk needs no footprint, so what it has seen need not be remembered.
            view.forget();
        }
        damages.truncate(DAMAGES_MAX);
        let ahead = walks.iter().map(Walk::ahead).sum();
        Ok(Progress {
            done: walks.iter().all(|walk| walk.done),
            nodes: *nodes,
            ahead,
        })
    }

    /// What was seen so far, by store.
    pub fn stores(&self) -> Vec<StoreReport> {
        self.walks.iter().map(Walk::current).collect()
    }

    /// What is wrong, as far as seen.
    pub fn damages(&self) -> &[Damage] {
        &self.damages
    }

    fn damage(&mut self, store: String, node: LogicalId, message: String) {
        self.damages.push(Damage {
            store,
            node,
            message,
        });
    }
}

impl Walk {
    fn new(store: StoreInfo, tree: &Tree) -> Self {
        Self {
            report: StoreReport {
                name: store.name,
                id: store.id,
                ..StoreReport::default()
            },
            tree: tree::Inspection::new(tree),
            values: Vec::new(),
            done: false,
        }
    }

    fn looked_at(&self) -> u64 {
        self.tree.leaves + self.tree.branches + self.report.values
    }

    fn ahead(&self) -> u64 {
        if self.done {
            0
        } else {
            (self.tree.ahead() + self.values.len()) as u64
        }
    }

    fn current(&self) -> StoreReport {
        StoreReport {
            items: self.tree.items,
            depth: u32::try_from(self.tree.depth).unwrap_or(u32::MAX),
            leaves: self.tree.leaves,
            branches: self.tree.branches,
            page_bytes: self.tree.page_bytes,
            ..self.report.clone()
        }
    }

    fn step<S: Storage>(
        &mut self,
        view: &mut View<S>,
        nodes_max: usize,
        damages: &mut Vec<Damage>,
    ) -> Result<()> {
        if !self.values.is_empty() {
            return self.read_values(view, nodes_max, damages);
        }
        let known = self.tree.damages.len();
        let walked = self.tree.step(view, nodes_max)?;
        for (node, message) in self.tree.damages.iter().skip(known) {
            damages.push(self.describe(*node, message.clone()));
        }
        self.values = self.tree.take_values();
        if walked && self.values.is_empty() {
            self.finish(view, damages)?;
        }
        Ok(())
    }

    fn read_values<S: Storage>(
        &mut self,
        view: &mut View<S>,
        nodes_max: usize,
        damages: &mut Vec<Damage>,
    ) -> Result<()> {
        for _ in 0..nodes_max {
            let Some(id) = self.values.pop() else {
                break;
            };
            self.report.values += 1;
            match view.values(&[id]) {
                Ok(bodies) => {
                    self.report.value_bytes += bodies
                        .iter()
                        .map(|body| body.as_slice().len() as u64)
                        .sum::<u64>();
                }
                Err(Error::Corrupt(message)) => damages.push(self.describe(id, message)),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Compares the items found with the counter.
    fn finish<S: Storage>(&mut self, view: &View<S>, damages: &mut Vec<Damage>) -> Result<()> {
        self.done = true;
        if self.report.id == LogicalId::CATALOG {
            self.report.counted = i64::try_from(self.tree.items).unwrap_or(i64::MAX);
            return Ok(());
        }
        self.report.counted = view.counter(self.report.id)?.value;
        if self.tree.damages.is_empty() && u64::try_from(self.report.counted) != Ok(self.tree.items)
        {
            let message = format!(
                "the counter says {} items, the leaves have {}",
                self.report.counted, self.tree.items
            );
            damages.push(self.describe(LogicalId::counter(self.report.id), message));
        }
        Ok(())
    }

    fn describe(&self, node: LogicalId, message: String) -> Damage {
        Damage {
            store: self.report.name.clone(),
            node,
            message,
        }
    }
}

/// Removes up to about `nodes_max` nodes of stores that were dropped, in one transaction. Answers whether any are left.
pub fn reclaim<S: Storage>(engine: &Rc<Engine<S>>, nodes_max: usize) -> Result<bool> {
    let mut transaction = Transaction::begin(engine, Isolation::Serializable)?;
    let dropped = transaction.dropped_stores()?;
    let Some(entry) = dropped.first().copied() else {
        return Ok(false);
    };
    let gone = transaction.dismantle(entry, nodes_max)?;
    Ok(!gone || dropped.len() > 1)
}
