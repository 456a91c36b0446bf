//! Buffering writes.

use std::ops::Bound;
use std::rc::Rc;

use super::read::check_key;
use super::{Pending, Range, Transaction};
use crate::error::{Error, Result};
use crate::limits;
use crate::page;
use crate::storage::Storage;
use crate::tree::{Direction, Tree};

impl<S: Storage> Transaction<S> {
    /// Adds an item; `exists` if the key is present.
    pub fn insert(&mut self, store: u64, key: &[u8], value: &[u8]) -> Result<()> {
        let (tree, name) = self.writable(store)?;
        check_key(key)?;
        if self.presence_of(tree, &name, key)? {
            return Err(Error::Exists(format!(
                "key {} of store {name:?}",
                key.escape_ascii()
            )));
        }
        self.set(tree, key, value)
    }

    /// Adds or replaces an item.
    pub fn put(&mut self, store: u64, key: &[u8], value: &[u8]) -> Result<()> {
        let (tree, _) = self.writable(store)?;
        check_key(key)?;
        self.set(tree, key, value)
    }

    /// Replaces the value of a key; `not-found` if the key is absent.
    pub fn update(&mut self, store: u64, key: &[u8], value: &[u8]) -> Result<()> {
        let (tree, name) = self.writable(store)?;
        check_key(key)?;
        if !self.presence_of(tree, &name, key)? {
            return Err(Error::NotFound(format!(
                "key {} of store {name:?}",
                key.escape_ascii()
            )));
        }
        self.set(tree, key, value)
    }

    /// Removes a key; answers whether it was present.
    pub fn remove(&mut self, store: u64, key: &[u8]) -> Result<bool> {
        let (tree, name) = self.writable(store)?;
        check_key(key)?;
        let present = self.presence_of(tree, &name, key)?;
        if present {
            self.buffer.set(store, key, Pending::Remove)?;
        }
        Ok(present)
    }

    /// Removes all items of a range; answers how many there were.
    pub fn remove_range(&mut self, store: u64, range: Range<'_>) -> Result<u64> {
        let (tree, name) = self.writable(store)?;
        let keys = self.collect_keys(
            tree,
            &name,
            range,
            Direction::Ascending,
            limits::WRITES_MAX + 1,
        )?;
        if keys.len() > limits::WRITES_MAX {
            return Err(Error::limit("items of a remove-range", limits::WRITES_MAX));
        }
        for key in &keys {
            self.buffer.set(store, key, Pending::Remove)?;
        }
        Ok(keys.len() as u64)
    }

    fn writable(&self, store: u64) -> Result<(Tree, Rc<str>)> {
        self.check_writable()?;
        let open = self.open(store)?;
        if !open.access.write {
            return Err(Error::Denied(format!(
                "writing store {:?} is not granted",
                open.name
            )));
        }
        Ok((open.entry.tree(), Rc::clone(&open.name)))
    }

    fn set(&mut self, tree: Tree, key: &[u8], value: &[u8]) -> Result<()> {
        if value.len() > limits::VALUE_BYTES_MAX {
            return Err(Error::limit("bytes of a value", limits::VALUE_BYTES_MAX));
        }
        let pending = if value.len() >= self.engine.spill_bytes() {
            self.spill(tree, value)?
        } else {
            Pending::Put(value.into())
        };
        self.buffer.set(tree.store, key, pending)
    }

    /// Writes a large value ahead, so that the commit itself stays small.
    fn spill(&mut self, tree: Tree, value: &[u8]) -> Result<Pending<S::Spilled>> {
        let ids = self.engine.storage.allocate(tree.store, 1)?;
        let id = *ids
            .first()
            .ok_or_else(|| Error::Invalid("the storage allocated no id".to_owned()))?;
        let spilled = self
            .engine
            .storage
            .spill(id, &page::encode_value(id, value))?;
        Ok(Pending::Spilled(id, Rc::new(spilled)))
    }

    /// The unbounded range.
    pub const fn everything() -> Range<'static> {
        Range {
            lower: Bound::Unbounded,
            upper: Bound::Unbounded,
        }
    }
}
