//! Transactions: their life, their writes, their reads.
//!
//! ```text
//!            begin (point A: read point S)
//!              │
//!      open ───┤  get, scan …   = write buffer over the view at S; what was read of the view is kept (validation/)
//!              │  put, remove … = write buffer only
//!              │  savepoint, rollback-to = positions in the buffer's undo log
//!              ▼
//!            commit ── nothing written ──► validated where needed, ended
//!              │
//!              ▼                                        ┌──────────── conflict on some nodes ────────────┐
//!            apply the buffer to the trees at S ──► registry.commit(footprint, changes) ──► committed    │
//!              ▲                                                                                         ▼
//!              └──────── every read still holds at S2: S := S2 ◄───────────────────────────── rebase (validation/)
//! ```
//!
//! Invariants:
//! - nothing is sent to the storage before `commit`, except large values that are written ahead;
//! - what a read answered depends on the write buffer and on committed cells; only the latter are kept as reads;
//! - going back to a savepoint drops writes, never reads;
//! - after its end every call answers `ended`, and the read point is released.

mod apply;
mod buffer;
mod collect;
mod commit;
mod read;
mod savepoint;
mod stores;
mod write;

use std::collections::BTreeMap;
use std::rc::Rc;

pub use buffer::Pending;
pub use collect::{Items, Range};
pub use commit::CommitInfo;
pub use read::Found;
pub use stores::StoreInfo;

use crate::catalog;
use crate::error::{Error, Result};
use crate::storage::Storage;
use crate::store::{Engine, View};
use crate::types::{Access, ReadPoint, Version};
use crate::validation::Reads;
use buffer::Buffer;

/// What a transaction promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// As if the committed transactions had run one after another, in real-time order.
    Serializable,
    /// One consistent version; never conflicts, cannot write.
    Snapshot,
}

/// A store that a transaction has opened.
#[derive(Clone, Debug)]
struct OpenStore {
    name: Rc<str>,
    entry: catalog::Entry,
    access: Access,
    /// Created by this transaction: nothing of it is in the storage yet.
    created: bool,
}

/// A transaction.
#[derive(Debug)]
pub struct Transaction<S: Storage> {
    engine: Rc<Engine<S>>,
    isolation: Isolation,
    /// None = ended.
    view: Option<View<S>>,
    publishing: Option<Vec<crate::types::LogicalId>>,
    stores: BTreeMap<u64, OpenStore>,
    buffer: Buffer<S::Spilled>,
    reads: Reads,
    savepoints: Vec<savepoint::Savepoint>,
}

impl<S: Storage> Transaction<S> {
    /// Begins at a fresh version.
    pub fn begin(engine: &Rc<Engine<S>>, isolation: Isolation) -> Result<Self> {
        let point = engine.storage.now(None)?;
        Ok(Self::at(engine, isolation, point))
    }

    /// Begins a snapshot transaction at a past version.
    pub fn begin_at(engine: &Rc<Engine<S>>, version: Version) -> Result<Self> {
        let point = engine.storage.now(Some(version))?;
        Ok(Self::at(engine, Isolation::Snapshot, point))
    }

    fn at(engine: &Rc<Engine<S>>, isolation: Isolation, point: ReadPoint) -> Self {
        Self {
            engine: Rc::clone(engine),
            isolation,
            view: Some(View::new(Rc::clone(engine), point.version)),
            publishing: point.publishing,
            stores: BTreeMap::new(),
            buffer: Buffer::default(),
            reads: Reads::new(),
            savepoints: Vec::new(),
        }
    }

    /// The version it reads at.
    pub fn version(&self) -> Result<Version> {
        self.view.as_ref().map(View::version).ok_or(Error::Ended)
    }

    /// Whether it is over.
    pub const fn is_ended(&self) -> bool {
        self.view.is_none()
    }

    /// Ends it without a trace.
    pub fn rollback(&mut self) -> Result<()> {
        self.version()?;
        self.end();
        Ok(())
    }

    /// Lets go of everything, the read point included.
    fn end(&mut self) {
        self.view = None;
        self.stores.clear();
        self.buffer = Buffer::default();
        self.reads = Reads::new();
        self.savepoints.clear();
    }

    fn view(&mut self) -> Result<&mut View<S>> {
        self.view.as_mut().ok_or(Error::Ended)
    }

    fn open(&self, store: u64) -> Result<&OpenStore> {
        if self.is_ended() {
            return Err(Error::Ended);
        }
        let open = self.stores.get(&store);
        open.ok_or_else(|| {
            Error::NotFound("the store was dropped or never created in this transaction".to_owned())
        })
    }

    fn check_writable(&self) -> Result<()> {
        self.version()?;
        match self.isolation {
            Isolation::Serializable => Ok(()),
            Isolation::Snapshot => Err(Error::ReadOnly),
        }
    }

    const fn keeps_reads(&self) -> bool {
        matches!(self.isolation, Isolation::Serializable)
    }
}

#[cfg(test)]
mod tests;
