//! A bucket and what is done with it.

use std::ops::RangeInclusive;

use crate::bindings::sop::engine::types::{Error, Item};
use crate::failure::{Failure, Result};
use crate::limits::BATCH_ITEMS_MAX;
use crate::transaction::{create, read, write};

/// What an empty identifier means: components that need one bucket only often give none.
const DEFAULT: &str = "default";

/// A store, by its name.
#[derive(Clone, Debug)]
pub struct Bucket {
    name: String,
}

/// What a compare-and-swap came to.
#[derive(Debug)]
pub enum Swap {
    /// The key had the value that was seen, and now has the new one.
    Done,
    /// The key has another value: this one.
    Changed(Option<Vec<u8>>),
}

impl Bucket {
    /// Opens the store of this name. One that is not there is created if that is granted, else
    /// there is no such bucket.
    pub fn open(identifier: &str) -> Result<Self> {
        let name = match identifier {
            "" => DEFAULT,
            name => name,
        };
        match read(name, |_| Ok(())) {
            Err(Failure::NoSuchStore) => create(name).map_err(|failure| match failure {
                Failure::AccessDenied => Failure::NoSuchStore,
                other => other,
            })?,
            other => other?,
        }
        Ok(Self {
            name: name.to_owned(),
        })
    }

    /// The name of the store.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        read(&self.name, |store| store.get(key.as_bytes()))
    }

    /// Whether a key is there.
    pub fn exists(&self, key: &str) -> Result<bool> {
        read(&self.name, |store| store.contains(key.as_bytes()))
    }

    /// Adds or replaces the value of a key.
    pub fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        write(&self.name, |store| store.put(key.as_bytes(), value))
    }

    /// Removes a key, if it is there.
    pub fn delete(&self, key: &str) -> Result<()> {
        write(&self.name, |store| store.remove(key.as_bytes()).map(drop))
    }

    /// The values of several keys as of one version, index-aligned.
    pub fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>> {
        read(&self.name, |store| {
            let mut values = Vec::with_capacity(keys.len());
            for keys in keys.chunks(BATCH_ITEMS_MAX) {
                let keys: Vec<Vec<u8>> = keys.iter().map(|key| key.clone().into_bytes()).collect();
                values.extend(store.get_many(&keys)?);
            }
            Ok(values)
        })
    }

    /// Adds or replaces several items at once: all or none.
    pub fn set_many(&self, items: Vec<(String, Vec<u8>)>) -> Result<()> {
        let items: Vec<Item> = items
            .into_iter()
            .map(|(key, value)| Item {
                key: key.into_bytes(),
                value,
            })
            .collect();
        write(&self.name, |store| {
            items
                .chunks(BATCH_ITEMS_MAX)
                .try_for_each(|items| store.put_many(items))
        })
    }

    /// Removes several keys at once, as far as they are there: all or none.
    pub fn delete_many(&self, keys: &[String]) -> Result<()> {
        write(&self.name, |store| {
            keys.iter()
                .try_for_each(|key| store.remove(key.as_bytes()).map(drop))
        })
    }

    /// Adds to the number under a key. The number and the sum must lie in the range that the
    /// draft's type has.
    pub fn increment(&self, key: &str, delta: i128, range: RangeInclusive<i128>) -> Result<i128> {
        write(&self.name, |store| {
            let number = match store.get(key.as_bytes())? {
                None => 0,
                Some(value) => number(&value).filter(|number| range.contains(number)).ok_or_else(|| {
                    Error::Invalid(format!("the value of {key:?} is no decimal number that can be added to; set it to one"))
                })?,
            };
            let sum = number.saturating_add(delta);
            if !range.contains(&sum) {
                return Err(Error::Invalid(format!(
                    "the sum under {key:?} would be {sum}, outside of its range; add less"
                )));
            }
            store.put(key.as_bytes(), sum.to_string().as_bytes())?;
            Ok(sum)
        })
    }

    /// Gives a key a new value, if its value is the one that was seen.
    pub fn swap(&self, key: &str, seen: Option<&[u8]>, value: &[u8]) -> Result<Swap> {
        write(&self.name, |store| {
            let found = store.get(key.as_bytes())?;
            if found.as_deref() != seen {
                return Ok(Swap::Changed(found));
            }
            store.put(key.as_bytes(), value)?;
            Ok(Swap::Done)
        })
    }
}

/// The number that a decimal text stands for.
fn number(text: &[u8]) -> Option<i128> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
