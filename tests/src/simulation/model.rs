//! What the database is: a sorted map. Replays operations and compares every answer.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::history::{Key, Operation};

/// Keys and values.
pub type Items = BTreeMap<Key, Vec<u8>>;
/// What one transaction wrote; `None` = removed.
pub type Own = BTreeMap<Key, Option<Vec<u8>>>;

/// A state, seen through the writes of one transaction.
#[derive(Debug)]
struct Seen<'a> {
    items: &'a Items,
    own: Own,
}

fn within(store: u8, from: &[u8], to: &[u8]) -> (Bound<Key>, Bound<Key>) {
    let first = Bound::Included((store, from.to_vec()));
    let end = Bound::Excluded((store, to.to_vec()));
    (first, end)
}

fn whole(store: u8) -> (Bound<Key>, Bound<Key>) {
    let first = Bound::Included((store, Vec::new()));
    (first, Bound::Excluded((store + 1, Vec::new())))
}

impl Seen<'_> {
    fn get(&self, key: &Key) -> Option<&Vec<u8>> {
        match self.own.get(key) {
            Some(own) => own.as_ref(),
            None => self.items.get(key),
        }
    }

    fn range(&self, range: (Bound<Key>, Bound<Key>)) -> Vec<(Vec<u8>, Vec<u8>)> {
        if let (Bound::Included(first), Bound::Excluded(end)) = &range
            && first >= end
        {
            return Vec::new();
        }
        let mut merged: BTreeMap<&Key, &Vec<u8>> = self.items.range(range.clone()).collect();
        for (key, own) in self.own.range(range) {
            match own {
                Some(value) => merged.insert(key, value),
                None => merged.remove(key),
            };
        }
        let pairs = merged.into_iter();
        pairs
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect()
    }

    fn expect<T: PartialEq + std::fmt::Debug>(
        operation: &Operation,
        is: T,
        answered: &T,
    ) -> Result<(), String> {
        if is == *answered {
            return Ok(());
        }
        Err(format!("{operation:?}, but it is {is:?}"))
    }

    fn carry_out(&mut self, operation: &Operation) -> Result<(), String> {
        match operation {
            Operation::Get(key, found) => {
                Self::expect(operation, self.get(key), &found.as_ref())?;
            }
            Operation::Scan {
                store,
                from,
                to,
                descending,
                limit,
                found,
            } => {
                let mut is = self.range(within(*store, from, to));
                if *descending {
                    is.reverse();
                }
                is.truncate(*limit);
                Self::expect(operation, is, found)?;
            }
            Operation::Count(store, count) => {
                let is = self.range(whole(*store)).len() as u64;
                Self::expect(operation, is, count)?;
            }
            Operation::Put(key, value) => {
                self.own.insert(key.clone(), Some(value.clone()));
            }
            Operation::Insert(key, value, inserted) => {
                Self::expect(operation, self.get(key).is_none(), inserted)?;
                if *inserted {
                    self.own.insert(key.clone(), Some(value.clone()));
                }
            }
            Operation::Update(key, value, updated) => {
                Self::expect(operation, self.get(key).is_some(), updated)?;
                if *updated {
                    self.own.insert(key.clone(), Some(value.clone()));
                }
            }
            Operation::Remove(key, removed) => {
                Self::expect(operation, self.get(key).is_some(), removed)?;
                if *removed {
                    self.own.insert(key.clone(), None);
                }
            }
            Operation::RemoveRange(store, from, to, removed) => {
                let keys = self.range(within(*store, from, to));
                Self::expect(operation, keys.len() as u64, removed)?;
                let gone = keys.into_iter().map(|(key, _)| ((*store, key), None));
                self.own.extend(gone);
            }
            Operation::Restart => self.own.clear(),
        }
        Ok(())
    }
}

/// The writes of a transaction on this state, if it would have answered just so.
pub fn replay(items: &Items, operations: &[Operation]) -> Result<Own, String> {
    let own = Own::new();
    let mut seen = Seen { items, own };
    for operation in operations {
        seen.carry_out(operation)?;
    }
    Ok(seen.own)
}

/// Carries out writes.
pub fn apply(items: &mut Items, writes: &Own) {
    for (key, value) in writes {
        match value {
            Some(value) => items.insert(key.clone(), value.clone()),
            None => items.remove(key),
        };
    }
}
