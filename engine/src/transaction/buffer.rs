//! What a transaction would write: the buffered puts and removals of one store after another, and how to take them back.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::limits;
use crate::types::LogicalId;

/// One buffered write. Cheap to clone.
#[derive(Debug)]
pub enum Pending<P> {
    /// The new value.
    Put(Rc<[u8]>),
    /// A new value that was written ahead, under the logical id it will have.
    Spilled(LogicalId, Rc<P>),
    /// The key goes.
    Remove,
}

impl<P> Clone for Pending<P> {
    fn clone(&self) -> Self {
        match self {
            Self::Put(value) => Self::Put(Rc::clone(value)),
            Self::Spilled(id, spilled) => Self::Spilled(*id, Rc::clone(spilled)),
            Self::Remove => Self::Remove,
        }
    }
}

impl<P> Pending<P> {
    fn byte_len(&self) -> usize {
        match self {
            Self::Put(value) => value.len(),
            Self::Spilled(..) | Self::Remove => 0,
        }
    }
}

/// How to take one step back.
#[derive(Debug)]
enum Undo<P> {
    /// The key had this write before.
    Write(u64, Vec<u8>, Option<Pending<P>>),
    /// The store had all these writes before it was dropped.
    Clear(u64, BTreeMap<Vec<u8>, Pending<P>>),
}

/// The write buffer of a transaction: by store, then by key.
///
/// With a savepoint set, every step is logged; going back undoes the log from its end. Without one nothing is logged.
#[derive(Debug)]
pub struct Buffer<P> {
    stores: BTreeMap<u64, BTreeMap<Vec<u8>, Pending<P>>>,
    undo: Vec<Undo<P>>,
    logging: bool,
    writes: usize,
    bytes: usize,
}

impl<P> Default for Buffer<P> {
    fn default() -> Self {
        Self {
            stores: BTreeMap::new(),
            undo: Vec::new(),
            logging: false,
            writes: 0,
            bytes: 0,
        }
    }
}

impl<P> Buffer<P> {
    /// The write of a key, if there is one.
    pub fn get(&self, store: u64, key: &[u8]) -> Option<&Pending<P>> {
        self.stores.get(&store)?.get(key)
    }

    /// Sets the write of a key.
    pub fn set(&mut self, store: u64, key: &[u8], pending: Pending<P>) -> Result<()> {
        let bytes = key.len() + pending.byte_len();
        if self.writes >= limits::WRITES_MAX {
            return Err(Error::limit("writes of a transaction", limits::WRITES_MAX));
        }
        if self.bytes + bytes > limits::WRITE_BYTES_MAX {
            return Err(Error::limit(
                "bytes of buffered writes of a transaction",
                limits::WRITE_BYTES_MAX,
            ));
        }
        let before = self.replace(store, key, Some(pending));
        if self.logging {
            self.undo.push(Undo::Write(store, key.to_vec(), before));
        }
        Ok(())
    }

    /// Forgets all writes of a store.
    pub fn clear(&mut self, store: u64) {
        let Some(writes) = self.stores.remove(&store) else {
            return;
        };
        self.writes -= writes.len();
        self.bytes -= writes
            .iter()
            .map(|(key, write)| key.len() + write.byte_len())
            .sum::<usize>();
        if self.logging {
            self.undo.push(Undo::Clear(store, writes));
        }
    }

    /// Starts logging and answers the present position in the log.
    pub fn mark(&mut self) -> usize {
        self.logging = true;
        self.undo.len()
    }

    /// Undoes everything after a position.
    pub fn rollback_to(&mut self, mark: usize) {
        while self.undo.len() > mark {
            match self.undo.pop() {
                Some(Undo::Write(store, key, before)) => {
                    self.replace(store, &key, before);
                }
                Some(Undo::Clear(store, writes)) => {
                    for (key, write) in writes {
                        self.replace(store, &key, Some(write));
                    }
                }
                None => return,
            }
        }
    }

    /// The stores with writes, ascending, and their writes by key.
    pub fn stores(&self) -> impl Iterator<Item = (u64, &BTreeMap<Vec<u8>, Pending<P>>)> {
        self.stores
            .iter()
            .filter(|(_, writes)| !writes.is_empty())
            .map(|(store, writes)| (*store, writes))
    }

    /// The writes of a store in a range of keys. An inverted range is empty.
    pub fn range(
        &self,
        store: u64,
        lower: Bound<&[u8]>,
        upper: Bound<&[u8]>,
    ) -> impl DoubleEndedIterator<Item = (&[u8], &Pending<P>)> {
        let writes = if is_empty(lower, upper) {
            None
        } else {
            self.stores.get(&store)
        };
        writes
            .into_iter()
            .flat_map(move |writes| writes.range::<[u8], _>((lower, upper)))
            .map(|(key, write)| (key.as_slice(), write))
    }

    fn replace(
        &mut self,
        store: u64,
        key: &[u8],
        pending: Option<Pending<P>>,
    ) -> Option<Pending<P>> {
        let writes = self.stores.entry(store).or_default();
        let before = match pending {
            Some(pending) => {
                self.writes += 1;
                self.bytes += key.len() + pending.byte_len();
                match writes.get_mut(key) {
                    Some(place) => Some(std::mem::replace(place, pending)),
                    None => writes.insert(key.to_vec(), pending),
                }
            }
            None => writes.remove(key),
        };
        if let Some(before) = &before {
            self.writes -= 1;
            self.bytes -= key.len() + before.byte_len();
        }
        before
    }
}

/// Whether no key can lie between these bounds. `BTreeMap::range` panics on such ranges.
pub fn is_empty(lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> bool {
    match (lower, upper) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(lower), Bound::Included(upper)) => lower > upper,
        (
            Bound::Included(lower) | Bound::Excluded(lower),
            Bound::Included(upper) | Bound::Excluded(upper),
        ) => lower >= upper,
    }
}
