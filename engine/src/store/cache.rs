//! The pages an engine instance keeps across transactions.

use std::collections::BTreeMap;

use crate::page::Page;
use crate::types::PhysicalId;

/// Pages by the newest physical id of their chain, bounded by bytes.
///
/// Two generations instead of a list ordered by use: a page that is used moves to the young generation, and when the
/// young one holds half of the budget, the old one is dropped and takes its place. So a look-up costs no list surgery
/// and what is used often stays.
#[derive(Debug)]
pub struct PageCache {
    young: BTreeMap<PhysicalId, Page>,
    old: BTreeMap<PhysicalId, Page>,
    young_bytes: usize,
    bytes_max: usize,
}

impl PageCache {
    /// An empty cache that keeps at most about this many bytes of pages.
    pub const fn new(bytes_max: usize) -> Self {
        Self {
            young: BTreeMap::new(),
            old: BTreeMap::new(),
            young_bytes: 0,
            bytes_max,
        }
    }

    /// The page under this id.
    pub fn get(&mut self, id: PhysicalId) -> Option<Page> {
        if let Some(page) = self.young.get(&id) {
            return Some(page.clone());
        }
        let page = self.old.remove(&id)?;
        self.insert(id, page.clone());
        Some(page)
    }

    /// Keeps a page.
    pub fn insert(&mut self, id: PhysicalId, page: Page) {
        let bytes = page.page_bytes();
        if self.young_bytes + bytes > self.bytes_max / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        if self.young.insert(id, page).is_none() {
            self.young_bytes += bytes;
        }
    }
}
