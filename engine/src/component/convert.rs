//! Conversions between the engine's types and those of the exported interfaces.

use std::ops::Bound;

use crate::bindings::exports::sop::engine::types as wire;
use crate::error::Error;
use crate::transaction::{Found, Items, Range};
use crate::tree::Direction;

/// The top bit of an end: the string is absent.
const ABSENT: u64 = 1 << 63;

pub(super) fn error(error: Error) -> wire::Error {
    match error {
        Error::Conflict(keys) => wire::Error::Conflict(
            keys.into_iter()
                .map(|key| wire::ConflictingKey {
                    store: key.store,
                    key: key.key,
                })
                .collect(),
        ),
        Error::Unavailable(message) => wire::Error::Unavailable(message),
        Error::UnknownOutcome(id) => wire::Error::UnknownOutcome(wire::TransactionId {
            high: id.high,
            low: id.low,
        }),
        Error::Corrupt(message) => wire::Error::Corrupt(message),
        Error::Denied(message) => wire::Error::Denied(message),
        Error::Limit { name, maximum } => wire::Error::Limit(wire::LimitExceeded { name, maximum }),
        Error::SnapshotExpired(oldest) => wire::Error::SnapshotExpired(oldest),
        Error::Fenced => wire::Error::Fenced,
        Error::Ended => wire::Error::Ended,
        Error::NotFound(what) => wire::Error::NotFound(what),
        Error::Exists(what) => wire::Error::Exists(what),
        Error::ReadOnly => wire::Error::ReadOnly,
        Error::Invalid(message) => wire::Error::Invalid(message),
    }
}

fn bound(bound: &wire::Bound) -> Bound<&[u8]> {
    match bound {
        wire::Bound::Unbounded => Bound::Unbounded,
        wire::Bound::Included(key) => Bound::Included(key),
        wire::Bound::Excluded(key) => Bound::Excluded(key),
    }
}

pub(super) fn range(range: &wire::Range) -> Range<'_> {
    Range {
        lower: bound(&range.lower),
        upper: bound(&range.upper),
    }
}

pub(super) const fn direction(direction: wire::Direction) -> Direction {
    match direction {
        wire::Direction::Ascending => Direction::Ascending,
        wire::Direction::Descending => Direction::Descending,
    }
}

pub(super) fn items(items: Items) -> Vec<wire::Item> {
    items
        .into_pairs()
        .map(|(key, value)| wire::Item { key, value })
        .collect()
}

/// Builds the packed form: strings back to back in little-endian words.
#[derive(Default)]
pub(super) struct Packer {
    ends: Vec<u64>,
    words: Vec<u64>,
    /// Bytes of the last, unfinished word.
    tail: [u8; 8],
    bytes: usize,
}

impl Packer {
    fn push(&mut self, mut string: &[u8]) {
        let used = self.bytes % 8;
        self.bytes += string.len();
        self.ends.push(self.bytes as u64);
        if used > 0 {
            let taken = string.len().min(8 - used);
            let (head, rest) = string.split_at(taken);
            for (place, byte) in self.tail.iter_mut().skip(used).zip(head) {
                *place = *byte;
            }
            if used + taken < 8 {
                return;
            }
            self.words.push(u64::from_le_bytes(self.tail));
            string = rest;
        }
        let (words, rest) = string.as_chunks::<8>();
        self.words
            .extend(words.iter().map(|word| u64::from_le_bytes(*word)));
        self.tail = [0; 8];
        for (place, byte) in self.tail.iter_mut().zip(rest) {
            *place = *byte;
        }
    }

    fn finish(mut self) -> wire::Packed {
        if !self.bytes.is_multiple_of(8) {
            for place in self.tail.iter_mut().skip(self.bytes % 8) {
                *place = 0;
            }
            self.words.push(u64::from_le_bytes(self.tail));
        }
        wire::Packed {
            ends: self.ends,
            words: self.words,
        }
    }
}

pub(super) fn packed_items(items: &Items) -> wire::Packed {
    let mut packer = Packer::default();
    items.visit(|key, value| {
        packer.push(key);
        packer.push(value);
    });
    packer.finish()
}

pub(super) fn packed_values(values: &[Option<Found>]) -> wire::Packed {
    let mut packer = Packer::default();
    for value in values {
        match value {
            Some(value) => packer.push(value.as_slice()),
            None => packer.ends.push(packer.bytes as u64 | ABSENT),
        }
    }
    packer.finish()
}

/// The strings of a packed block: one buffer and the end of each string.
pub(super) fn unpack(packed: &wire::Packed) -> Result<(Vec<u8>, Vec<usize>), Error> {
    let malformed = || Error::Invalid("a packed list is malformed".to_owned());
    let bytes: Vec<u8> = packed
        .words
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let mut ends = Vec::with_capacity(packed.ends.len());
    let mut before = 0;
    for end in &packed.ends {
        let end = usize::try_from(*end).map_err(|_| malformed())?;
        if end < before || end > bytes.len() {
            return Err(malformed());
        }
        ends.push(end);
        before = end;
    }
    Ok((bytes, ends))
}

/// The strings between the ends.
pub(super) fn strings<'a>(
    bytes: &'a [u8],
    ends: &'a [usize],
) -> impl ExactSizeIterator<Item = &'a [u8]> {
    ends.iter().enumerate().map(|(index, end)| {
        let start = index
            .checked_sub(1)
            .and_then(|before| ends.get(before))
            .copied()
            .unwrap_or(0);
        bytes.get(start..*end).unwrap_or_default()
    })
}
