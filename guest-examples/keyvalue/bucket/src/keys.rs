//! The keys of a bucket, page by page.
//!
//! The engine has no list of keys without values, so a page costs as much as reading its items.
//! Keys that are not UTF-8, which other programs can write, have no form here and are left out.

use crate::bindings::sop::engine::types::{Bound, Direction, Packed, Range};
use crate::bucket::Bucket;
use crate::failure::Result;
use crate::limits::PAGE_KEYS_MAX;
use crate::transaction::read;

/// The top bit of an end, which marks an absent string; a cursor gives none.
const ABSENT: u64 = 1 << 63;

/// Where a page starts.
#[derive(Clone, Copy, Debug)]
pub enum Position<'a> {
    /// At the first key after this one.
    After(&'a str),
    /// At the first key after so many.
    Skipping(u64),
}

/// Some keys in the order of their bytes.
#[derive(Debug)]
pub struct KeyPage {
    /// The keys.
    pub keys: Vec<String>,
    /// There were no more.
    pub is_last: bool,
}

impl Bucket {
    /// The keys from a position on, as of a fresh version.
    pub fn keys(&self, from: Position<'_>) -> Result<KeyPage> {
        let (lower, mut skipped) = match from {
            Position::After(key) => (Bound::Excluded(key.as_bytes().to_vec()), 0),
            Position::Skipping(count) => (Bound::Unbounded, count),
        };
        let range = Range {
            lower,
            upper: Bound::Unbounded,
        };
        read(self.name(), |store| {
            let cursor = store.open_cursor(&range, Direction::Ascending)?;
            let mut keys = Vec::new();
            while keys.len() < PAGE_KEYS_MAX {
                let wanted = (PAGE_KEYS_MAX - keys.len()) as u64;
                let wanted = wanted.saturating_add(skipped).min(PAGE_KEYS_MAX as u64);
                let batch = cursor.next_packed(u32::try_from(wanted).unwrap_or(u32::MAX))?;
                if batch.ends.is_empty() {
                    return Ok(KeyPage {
                        keys,
                        is_last: true,
                    });
                }
                for key in text_keys(&batch) {
                    match skipped.checked_sub(1) {
                        Some(rest) => skipped = rest,
                        None => keys.push(key),
                    }
                }
            }
            Ok(KeyPage {
                keys,
                is_last: false,
            })
        })
    }
}

/// The keys among the strings key, value, key, value, … that are UTF-8.
fn text_keys(packed: &Packed) -> impl Iterator<Item = String> {
    let bytes: Vec<u8> = packed
        .words
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let end = |index: usize| packed.ends.get(index).map_or(0, |end| end & !ABSENT);
    (0..packed.ends.len()).step_by(2).filter_map(move |index| {
        let start = index.checked_sub(1).map_or(0, end);
        let start = usize::try_from(start).ok()?;
        let key = bytes.get(start..usize::try_from(end(index)).ok()?)?;
        String::from_utf8(key.to_vec()).ok()
    })
}
