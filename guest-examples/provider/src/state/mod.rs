//! The database: a plain state machine that knows nothing of components.

mod commit;
mod failure;
mod history;
#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use crate::limits::{CALL_BLOBS_MAX, CALL_IDS_MAX, HISTORY_VERSIONS, NAME_BYTES_MAX};
pub use commit::{Change, Outcome};
pub use failure::{Failure, Result};
use history::History;

/// Grows with every commit that changes something; 0 = nothing was there.
pub type Version = u64;

/// The first version of epoch 1: the upper 24 bits are the epoch, the lower 40 a counter.
pub const FIRST_VERSION: Version = 1 << 40;
/// Node 0 of a store: its item counter.
const COUNTER: u64 = 0;
/// Node 1 of a store: the root of its tree.
const ROOT: u64 = 1;
/// Store 0: the catalog.
const CATALOG: u64 = 0;

/// Names a node, a value blob or an item counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogicalId {
    /// The store it belongs to.
    pub store: u64,
    /// Which node of it.
    pub node: u64,
}

/// Names one immutable body. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BodyId(pub u64);

/// The current body of a logical id, as of some version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handle {
    /// The version that published it.
    pub version: Version,
    /// A base page, then deltas in the order of their application.
    pub chain: Vec<BodyId>,
}

/// Everything that is stored.
#[derive(Debug)]
pub struct State {
    version: Version,
    handles: History<Vec<BodyId>>,
    counters: History<i64>,
    bodies: BTreeMap<BodyId, Vec<u8>>,
    /// Bodies written ahead that no commit has consumed.
    spills: BTreeMap<BodyId, LogicalId>,
    bodies_made: u64,
    stores_made: u64,
    next_node: u64,
    /// Versions that someone reads at, and how many do.
    read_points: BTreeMap<Version, usize>,
    /// Who was changed by which version, oldest first.
    changed: VecDeque<(Version, LogicalId)>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            version: FIRST_VERSION,
            handles: History::default(),
            counters: History::default(),
            bodies: BTreeMap::new(),
            spills: BTreeMap::new(),
            bodies_made: 0,
            stores_made: CATALOG,
            next_node: ROOT + 1,
            read_points: BTreeMap::new(),
            changed: VecDeque::new(),
        }
    }
}

impl State {
    /// Point A: the version to read at, held until it is released.
    pub fn now(&mut self, at: Option<Version>) -> Result<Version> {
        let version = at.unwrap_or(self.version);
        self.check_readable(version)?;
        *self.read_points.entry(version).or_default() += 1;
        Ok(version)
    }

    /// Ends one `now`.
    pub fn release(&mut self, at: Version) {
        if let Some(count) = self.read_points.get_mut(&at) {
            *count -= 1;
            if *count == 0 {
                self.read_points.remove(&at);
                self.forget();
            }
        }
    }

    /// Handles as of a version, index-aligned.
    pub fn resolve(&self, ids: &[LogicalId], at: Version) -> Result<Vec<Option<Handle>>> {
        Failure::above("ids of one call", ids.len(), CALL_IDS_MAX)?;
        self.check_readable(at)?;
        let find = |id: &LogicalId| match id.node {
            COUNTER => Err(Failure::invalid("a counter has no handle")),
            _ => Ok(self.handles.at(*id, at).map(|(version, chain)| Handle {
                version,
                chain: chain.clone(),
            })),
        };
        ids.iter().map(find).collect()
    }

    /// Value and version of item counters as of a version, index-aligned.
    pub fn counters(&self, ids: &[LogicalId], at: Version) -> Result<Vec<(i64, Version)>> {
        Failure::above("ids of one call", ids.len(), CALL_IDS_MAX)?;
        self.check_readable(at)?;
        let find = |id: &LogicalId| match id.node {
            COUNTER => Ok(self
                .counters
                .at(*id, at)
                .map_or((0, 0), |(version, value)| (*value, version))),
            _ => Err(Failure::invalid("only node 0 of a store is a counter")),
        };
        ids.iter().map(find).collect()
    }

    /// Fresh ids of a store.
    pub fn allocate(&mut self, store: u64, count: u32) -> Result<Vec<LogicalId>> {
        Failure::above("ids of one call", count as usize, CALL_IDS_MAX)?;
        self.check_store(store)?;
        let first = self.next_node;
        self.next_node += u64::from(count);
        let nodes = first..self.next_node;
        Ok(nodes.map(|node| LogicalId { store, node }).collect())
    }

    /// A fresh store id.
    pub fn allocate_store(&mut self, name: &[u8]) -> Result<u64> {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(Failure::invalid("a store name has 1 to 255 bytes"));
        }
        self.stores_made += 1;
        Ok(self.stores_made)
    }

    /// Bodies, index-aligned.
    pub fn get(&self, ids: &[BodyId]) -> Result<Vec<Vec<u8>>> {
        Failure::above("blobs of one call", ids.len(), CALL_BLOBS_MAX)?;
        let find = |id: &BodyId| self.bodies.get(id).cloned().ok_or(Failure::Missing(*id));
        ids.iter().map(find).collect()
    }

    /// The length of a body that is there.
    #[cfg(target_arch = "wasm32")]
    pub fn body_bytes(&self, id: BodyId) -> usize {
        self.bodies.get(&id).map_or(0, Vec::len)
    }

    /// Writes a body ahead of its commit.
    pub fn spill(&mut self, id: LogicalId, body: Vec<u8>) -> Result<BodyId> {
        self.check_node(id)?;
        let body = self.keep(body)?;
        self.spills.insert(body, id);
        Ok(body)
    }

    /// Gives up a body that was written ahead, unless a commit has consumed it.
    pub fn abandon(&mut self, body: BodyId) {
        if self.spills.remove(&body).is_some() {
            self.bodies.remove(&body);
        }
    }

    fn keep(&mut self, body: Vec<u8>) -> Result<BodyId> {
        Failure::above("bytes of a body", body.len(), u32::MAX as usize)?;
        self.bodies_made += 1;
        let id = BodyId(self.bodies_made);
        self.bodies.insert(id, body);
        Ok(id)
    }

    /// The oldest version that can be read.
    fn floor(&self) -> Version {
        let unheld = self
            .version
            .saturating_sub(HISTORY_VERSIONS)
            .max(FIRST_VERSION);
        let held = self.read_points.keys().next().copied();
        held.map_or(unheld, |held| held.min(unheld))
    }

    fn check_readable(&self, at: Version) -> Result<()> {
        let floor = self.floor();
        if at > self.version {
            Err(Failure::invalid("that version is not there yet"))
        } else if at < floor {
            Err(Failure::SnapshotExpired(floor))
        } else {
            Ok(())
        }
    }

    fn check_store(&self, store: u64) -> Result<()> {
        match store <= self.stores_made {
            true => Ok(()),
            false => Err(Failure::invalid(format!(
                "store {store} was never allocated"
            ))),
        }
    }

    /// Whether an id is that of a node: a root, or one that was allocated.
    fn check_node(&self, id: LogicalId) -> Result<()> {
        self.check_store(id.store)?;
        match id.node {
            COUNTER => Err(Failure::invalid("a counter has no body")),
            node if node < self.next_node => Ok(()),
            node => Err(Failure::invalid(format!("node {node} was never allocated"))),
        }
    }

    /// Forgets what no version shows any more.
    fn forget(&mut self) {
        let floor = self.floor();
        while let Some(&(version, id)) = self.changed.front()
            && version <= floor
        {
            self.changed.pop_front();
            if id.node == COUNTER {
                self.counters.forget(id, floor);
                continue;
            }
            // A delta leaves the bodies before it in the chain.
            let (forgotten, left) = self.handles.forget(id, floor);
            for body in forgotten.into_iter().flatten() {
                let mut chains = left.iter().filter_map(|(_, chain)| chain.as_ref());
                if !chains.any(|chain| chain.contains(&body)) {
                    self.bodies.remove(&body);
                }
            }
        }
    }
}
