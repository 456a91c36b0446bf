//! Point reads and counts.

use std::rc::Rc;

use super::{Pending, Transaction};
use crate::error::{Error, Result};
use crate::limits;
use crate::page::Value;
use crate::storage::Storage;
use crate::store::Body;
use crate::tree::Tree;
use crate::types::LogicalId;
use crate::validation::{CountRead, PointRead};

/// A value that was read: shared where it can be, so that nothing is copied before it must.
#[derive(Clone, Debug)]
pub enum Found {
    /// Buffered by this transaction.
    Own(Rc<[u8]>),
    /// Copied out of its page.
    Inline(Vec<u8>),
    /// A value blob.
    Blob(Body),
}

impl Found {
    /// The bytes of the value.
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Own(value) => value,
            Self::Inline(value) => value,
            Self::Blob(body) => body.as_slice(),
        }
    }

    /// The bytes of the value, copied only where they are shared.
    pub fn into_vec(self) -> Vec<u8> {
        match self {
            Self::Own(value) => value.to_vec(),
            Self::Inline(value) => value,
            Self::Blob(body) => body.into_vec(),
        }
    }
}

/// Checks the length of a key.
pub(super) fn check_key(key: &[u8]) -> Result<()> {
    match key.len() {
        0 => Err(Error::Invalid("a key is at least 1 byte long".to_owned())),
        1..=limits::KEY_BYTES_MAX => Ok(()),
        _ => Err(Error::limit("bytes of a key", limits::KEY_BYTES_MAX)),
    }
}

impl<S: Storage> Transaction<S> {
    /// The value of a key.
    pub fn get(&mut self, store: u64, key: &[u8]) -> Result<Option<Found>> {
        let (tree, name) = self.readable(store)?;
        check_key(key)?;
        self.value_of(tree, &name, key)
    }

    /// Whether a key is present.
    pub fn contains(&mut self, store: u64, key: &[u8]) -> Result<bool> {
        let (tree, name) = self.readable(store)?;
        check_key(key)?;
        self.presence_of(tree, &name, key)
    }

    /// The values of several keys, index-aligned.
    pub fn get_many<'k>(
        &mut self,
        store: u64,
        keys: impl ExactSizeIterator<Item = &'k [u8]>,
    ) -> Result<Vec<Option<Found>>> {
        let (tree, name) = self.readable(store)?;
        if keys.len() > limits::BATCH_ITEMS_MAX {
            return Err(Error::limit("keys of a get-many", limits::BATCH_ITEMS_MAX));
        }
        let mut bytes = 0;
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            check_key(key)?;
            let value = self.value_of(tree, &name, key)?;
            bytes += value.as_ref().map_or(0, |value| value.as_slice().len());
            if bytes > limits::RESULT_BYTES_MAX {
                return Err(Error::limit("bytes of a result", limits::RESULT_BYTES_MAX));
            }
            values.push(value);
        }
        Ok(values)
    }

    /// The number of items: the counter as of the read point, and what the buffered writes add to it.
    pub fn count(&mut self, store: u64) -> Result<u64> {
        let (tree, name) = self.readable(store)?;
        let counter = self.view()?.counter(store)?;
        if self.keeps_reads() {
            let read = CountRead {
                value: counter.value,
                version: counter.version,
            };
            self.reads.count(tree, &name, read);
        }
        let writes: Vec<(Vec<u8>, i64)> = self
            .buffer
            .range(
                store,
                std::ops::Bound::Unbounded,
                std::ops::Bound::Unbounded,
            )
            .map(|(key, write)| (key.to_vec(), i64::from(!matches!(write, Pending::Remove))))
            .collect();
        let mut items = counter.value;
        for (key, after) in writes {
            items += after - i64::from(self.committed_presence(tree, &name, &key)?);
        }
        u64::try_from(items)
            .map_err(|_| Error::Corrupt(format!("the item counter of store {name:?} is negative")))
    }

    /// Whether reading this store is possible at all.
    pub fn check_readable(&self, store: u64) -> Result<()> {
        self.readable(store).map(|_| ())
    }

    pub(super) fn readable(&self, store: u64) -> Result<(Tree, Rc<str>)> {
        let open = self.open(store)?;
        if !open.access.read {
            return Err(Error::Denied(format!(
                "reading store {:?} is not granted",
                open.name
            )));
        }
        Ok((open.entry.tree(), Rc::clone(&open.name)))
    }

    /// The value of a key, own writes first.
    pub(super) fn value_of(&mut self, tree: Tree, name: &str, key: &[u8]) -> Result<Option<Found>> {
        match self.buffer.get(tree.store, key).cloned() {
            Some(Pending::Put(value)) => return Ok(Some(Found::Own(value))),
            Some(Pending::Remove) => return Ok(None),
            Some(Pending::Spilled(id, spilled)) => {
                return self.spilled_value(id, &spilled).map(Some);
            }
            None => {}
        }
        let keeps = self.keeps_reads();
        let view = self.view()?;
        view.start_touching();
        let found = match tree.find(view, key)? {
            None => None,
            Some(located) => Some(match located.value() {
                Value::Inline(bytes) => Found::Inline(bytes.to_vec()),
                Value::Blob(id) => Found::Blob(single(view.values(&[id])?)?),
            }),
        };
        if keeps && !self.reads.has_point(tree.store, key, true) {
            let nodes = self.view()?.touched();
            self.reads
                .point(tree, name, key, PointRead { value: true, nodes })?;
        }
        Ok(found)
    }

    /// Whether a key is present, own writes first.
    pub(super) fn presence_of(&mut self, tree: Tree, name: &str, key: &[u8]) -> Result<bool> {
        match self.buffer.get(tree.store, key) {
            Some(Pending::Remove) => Ok(false),
            Some(Pending::Put(_) | Pending::Spilled(..)) => Ok(true),
            None => self.committed_presence(tree, name, key),
        }
    }

    fn committed_presence(&mut self, tree: Tree, name: &str, key: &[u8]) -> Result<bool> {
        let keeps = self.keeps_reads();
        let view = self.view()?;
        view.start_touching();
        let present = tree.find(view, key)?.is_some();
        if keeps && !self.reads.has_point(tree.store, key, false) {
            let nodes = self.view()?.touched();
            self.reads.point(
                tree,
                name,
                key,
                PointRead {
                    value: false,
                    nodes,
                },
            )?;
        }
        Ok(present)
    }

    /// The value that was written ahead, read back.
    pub(super) fn spilled_value(
        &mut self,
        id: LogicalId,
        spilled: &Rc<S::Spilled>,
    ) -> Result<Found> {
        let place = self.engine.storage.place(spilled);
        let body = single(self.engine.storage.get(&[place])?)?;
        Ok(Found::Blob(Body::decode(id, body)?))
    }
}

fn single<T>(list: Vec<T>) -> Result<T> {
    let only = list.into_iter().next();
    only.ok_or_else(|| Error::Invalid("the storage answered fewer blobs than asked for".to_owned()))
}
