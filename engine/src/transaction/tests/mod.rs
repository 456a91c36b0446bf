//! Transactions on a storage in memory. Several transactions run interleaved in one thread, each on its own engine, so that
//! page caches are warm and separate as in several host processes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod anomalies;
mod conflicts;
mod model;
mod single;

use std::ops::Bound;
use std::rc::Rc;

use super::{Isolation, Range, Transaction};
use crate::error::{Error, Result};
use crate::memory::MemoryStorage;
use crate::store::Engine;
use crate::tree::Direction;

type Tx = Transaction<MemoryStorage>;

/// Engines on one storage.
struct World {
    storage: MemoryStorage,
    engines: Vec<Rc<Engine<MemoryStorage>>>,
    next: std::cell::Cell<usize>,
}

impl World {
    fn new() -> Self {
        let storage = MemoryStorage::default();
        let engines = (0..3)
            .map(|_| Rc::new(Engine::new(storage.clone())))
            .collect();
        Self {
            storage,
            engines,
            next: std::cell::Cell::new(0),
        }
    }

    fn engine(&self) -> &Rc<Engine<MemoryStorage>> {
        self.next.set(self.next.get() + 1);
        &self.engines[self.next.get() % self.engines.len()]
    }

    fn begin(&self) -> Tx {
        Transaction::begin(self.engine(), Isolation::Serializable).unwrap()
    }

    fn snapshot(&self) -> Tx {
        Transaction::begin(self.engine(), Isolation::Snapshot).unwrap()
    }

    /// A store of this page size with these items.
    fn with(page_bytes: usize, store: &str, items: &[(&str, &str)]) -> Self {
        let world = Self::new();
        let mut tx = world.begin();
        let id = tx.create_store_with(store, page_bytes).unwrap();
        for (key, value) in items {
            tx.put(id, key.as_bytes(), value.as_bytes()).unwrap();
        }
        tx.commit().unwrap();
        world
    }

    fn dump(&self, store: &str) -> Vec<(String, String)> {
        let mut tx = self.snapshot();
        let id = tx.open_store(store).unwrap();
        all(&mut tx, id)
    }

    fn calls(&self, name: &str) -> usize {
        self.storage
            .0
            .borrow()
            .calls
            .get(name)
            .copied()
            .unwrap_or(0)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(
                self.storage.0.borrow().registered.is_empty(),
                "every read point is released"
            );
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn range<'a>(from: &'a str, to: &'a str) -> Range<'a> {
    Range {
        lower: Bound::Included(from.as_bytes()),
        upper: Bound::Excluded(to.as_bytes()),
    }
}

fn pairs(items: super::Items) -> Vec<(String, String)> {
    items
        .into_pairs()
        .map(|(key, value)| (text(&key), text(&value)))
        .collect()
}

fn all(tx: &mut Tx, store: u64) -> Vec<(String, String)> {
    pairs(
        tx.scan(store, Tx::everything(), Direction::Ascending, 10_000)
            .unwrap(),
    )
}

fn scan(tx: &mut Tx, store: &str, from: &str, to: &str) -> Vec<(String, String)> {
    let id = tx.open_store(store).unwrap();
    pairs(
        tx.scan(id, range(from, to), Direction::Ascending, 1_000)
            .unwrap(),
    )
}

fn get(tx: &mut Tx, store: &str, key: &str) -> Option<String> {
    let id = tx.open_store(store).unwrap();
    tx.get(id, key.as_bytes())
        .unwrap()
        .map(|value| text(value.as_slice()))
}

fn put(tx: &mut Tx, store: &str, key: &str, value: &str) {
    let id = tx.open_store(store).unwrap();
    tx.put(id, key.as_bytes(), value.as_bytes()).unwrap();
}

fn is_conflict<T: std::fmt::Debug>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::Conflict(_)))
}
