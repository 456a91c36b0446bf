//! The catalog: store 0, which says which stores there are.
//!
//! ```text
//!   key                          value (postcard, behind a version byte)
//!   name of a store (UTF-8)      Entry { id, page_bytes }
//!   0xFF, store id (8, BE)       Entry of a dropped store whose nodes are still to be removed
//! ```
//!
//! No name begins with 0xFF, because that byte never occurs in UTF-8; so dropped stores come after all names. Creating,
//! opening, listing and dropping stores are reads and writes of this store in the same transaction as everything else.

use std::ops::Bound;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::limits;
use crate::tree::Tree;
use crate::types::LogicalId;

/// Format of the entries.
const VERSION: u8 = 1;
/// First byte of the keys of dropped stores.
const DROPPED: u8 = 0xFF;

/// The tree of the catalog.
pub const TREE: Tree = Tree {
    store: LogicalId::CATALOG,
    page_bytes: limits::PAGE_BYTES_DEFAULT,
};

/// What the catalog says of one store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its id, never reused.
    pub id: u64,
    /// The size at which its pages split.
    pub page_bytes: u32,
}

impl Entry {
    /// The bytes of the entry.
    pub fn encode(&self) -> Vec<u8> {
        // A vector never refuses more bytes, so serialising into one cannot fail.
        postcard::to_extend(self, vec![VERSION]).unwrap_or_default()
    }

    /// The entry in these bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let damaged = || Error::Corrupt("an entry of the catalog cannot be read".to_owned());
        match bytes.split_first() {
            Some((&VERSION, rest)) => {
                let entry: Self = postcard::from_bytes(rest).map_err(|_| damaged())?;
                let size = entry.page_bytes as usize;
                let sane = (limits::PAGE_BYTES_MIN..=limits::PAGE_BYTES_MAX).contains(&size)
                    && entry.id != 0;
                if sane { Ok(entry) } else { Err(damaged()) }
            }
            Some((version, _)) => Err(Error::Corrupt(format!(
                "an entry of the catalog has the unknown format {version}"
            ))),
            None => Err(damaged()),
        }
    }

    /// The tree of the store.
    pub const fn tree(&self) -> Tree {
        Tree {
            store: self.id,
            page_bytes: self.page_bytes as usize,
        }
    }
}

/// Checks a store name.
pub fn check_name(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::Invalid(
            "a store name is at least 1 byte long".to_owned(),
        ));
    }
    if name.len() > limits::NAME_BYTES_MAX {
        return Err(Error::limit(
            "bytes of a store name",
            limits::NAME_BYTES_MAX,
        ));
    }
    if name.contains('\0') {
        return Err(Error::Invalid("a store name has no NUL".to_owned()));
    }
    Ok(())
}

/// The key of a dropped store.
pub fn dropped_key(id: u64) -> [u8; 9] {
    let mut key = [DROPPED; 9];
    for (place, byte) in key.iter_mut().skip(1).zip(id.to_be_bytes()) {
        *place = byte;
    }
    key
}

/// The range of all names.
pub const NAMES: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Unbounded, Bound::Excluded(&[DROPPED]));
/// The range of all dropped stores.
pub const DROPPED_STORES: (Bound<&[u8]>, Bound<&[u8]>) =
    (Bound::Included(&[DROPPED]), Bound::Unbounded);
