//! Pages and values as of one version: the only user of the storage imports for reading.
//!
//! ```text
//!   transaction ──► View (one version) ──► resolve ──► registry      (the scent: which body is current)
//!                     │  nodes seen so far                            
//!                     └──► PageCache (by physical id) ──► get ──► blobs   (the food: immutable, so never stale)
//! ```
//!
//! - A view never mixes versions: everything it answers is as of its version.
//! - A view remembers the version of every logical id it answered for, so that a footprint can be made of it.
//! - The page cache belongs to the engine instance and outlives transactions. Its key is the newest physical id of a
//!   chain; bodies are immutable and physical ids are never reused, so nothing in it can be stale.
//!
//! It is not a handle cache: which body is current is asked of the registry in every transaction.

mod cache;
mod view;

pub use cache::PageCache;
pub use view::{Body, View};

use std::cell::RefCell;

use crate::limits;
use crate::storage::Storage;

/// One engine instance: the storage it runs on and the pages it keeps.
#[derive(Debug)]
pub struct Engine<S> {
    /// The two imports.
    pub storage: S,
    pages: RefCell<PageCache>,
    spill_bytes: usize,
}

impl<S: Storage> Engine<S> {
    /// An engine with an empty page cache.
    pub fn new(storage: S) -> Self {
        Self {
            storage,
            pages: RefCell::new(PageCache::new(limits::PAGE_CACHE_BYTES)),
            spill_bytes: limits::SPILL_BYTES_MIN,
        }
    }

    /// The same, writing values of this length and longer ones ahead: for tests with small ones. Longer than a share of a page
    /// that stays in it.
    #[must_use]
    pub fn with_spill_bytes(self, spill_bytes: usize) -> Self {
        Self {
            spill_bytes,
            ..self
        }
    }

    pub(crate) fn spill_bytes(&self) -> usize {
        self.spill_bytes
    }
}
