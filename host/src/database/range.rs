//! Ranges of keys, made from Rust's own range expressions.

use std::ops::{Bound, Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

/// A range of keys in bytewise order. An empty or inverted range is valid and has no items.
///
/// Every range expression over keys converts into one: `..`, `"a".."b"`, `b"a"..=b"b"`, a pair of [`Bound`]s; and
/// [`KeyRange::prefix`] makes the range of all keys that begin alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// Where it starts: the smaller end, whatever the direction of the scan.
    pub lower: Bound<Vec<u8>>,
    /// Where it ends: the greater end.
    pub upper: Bound<Vec<u8>>,
}

impl KeyRange {
    /// All keys that begin with these bytes.
    pub fn prefix(prefix: impl AsRef<[u8]>) -> Self {
        let prefix = prefix.as_ref();
        let mut end = prefix.to_vec();
        while end.last() == Some(&u8::MAX) {
            end.pop();
        }
        let upper = match end.last_mut() {
            None => Bound::Unbounded,
            Some(last) => {
                *last = last.wrapping_add(1);
                Bound::Excluded(end)
            }
        };
        Self {
            lower: Bound::Included(prefix.to_vec()),
            upper: if prefix.is_empty() {
                Bound::Unbounded
            } else {
                upper
            },
        }
    }
}

fn bytes(key: impl AsRef<[u8]>) -> Vec<u8> {
    key.as_ref().to_vec()
}

impl From<RangeFull> for KeyRange {
    fn from(_: RangeFull) -> Self {
        Self {
            lower: Bound::Unbounded,
            upper: Bound::Unbounded,
        }
    }
}

impl<K: AsRef<[u8]>> From<Range<K>> for KeyRange {
    fn from(range: Range<K>) -> Self {
        Self {
            lower: Bound::Included(bytes(range.start)),
            upper: Bound::Excluded(bytes(range.end)),
        }
    }
}

impl<K: AsRef<[u8]>> From<RangeInclusive<K>> for KeyRange {
    fn from(range: RangeInclusive<K>) -> Self {
        let (start, end) = range.into_inner();
        Self {
            lower: Bound::Included(bytes(start)),
            upper: Bound::Included(bytes(end)),
        }
    }
}

impl<K: AsRef<[u8]>> From<RangeFrom<K>> for KeyRange {
    fn from(range: RangeFrom<K>) -> Self {
        Self {
            lower: Bound::Included(bytes(range.start)),
            upper: Bound::Unbounded,
        }
    }
}

impl<K: AsRef<[u8]>> From<RangeTo<K>> for KeyRange {
    fn from(range: RangeTo<K>) -> Self {
        Self {
            lower: Bound::Unbounded,
            upper: Bound::Excluded(bytes(range.end)),
        }
    }
}

impl<K: AsRef<[u8]>> From<RangeToInclusive<K>> for KeyRange {
    fn from(range: RangeToInclusive<K>) -> Self {
        Self {
            lower: Bound::Unbounded,
            upper: Bound::Included(bytes(range.end)),
        }
    }
}

impl<K: AsRef<[u8]>> From<(Bound<K>, Bound<K>)> for KeyRange {
    fn from((lower, upper): (Bound<K>, Bound<K>)) -> Self {
        Self {
            lower: lower.map(bytes),
            upper: upper.map(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_greater_prefix() {
        let upper = |prefix: &[u8]| KeyRange::prefix(prefix).upper;
        assert_eq!(upper(b"user/"), Bound::Excluded(b"user0".to_vec()));
        assert_eq!(upper(b"a\xff\xff"), Bound::Excluded(b"b".to_vec()));
        assert_eq!(upper(b"\xff"), Bound::Unbounded);
        assert_eq!(upper(b""), Bound::Unbounded);
    }

    #[test]
    fn range_expressions_keep_their_ends() {
        assert_eq!(
            KeyRange::from("a".."b").upper,
            Bound::Excluded(b"b".to_vec())
        );
        assert_eq!(
            KeyRange::from(b"a"..=b"b").upper,
            Bound::Included(b"b".to_vec())
        );
        assert_eq!(KeyRange::from(.."b").lower, Bound::Unbounded);
        assert_eq!(
            KeyRange::from((Bound::Excluded("a"), Bound::Unbounded)).lower,
            Bound::Excluded(b"a".to_vec())
        );
    }
}
