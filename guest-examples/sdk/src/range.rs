//! Ranges of keys.

use std::ops::{Bound, RangeBounds};

use crate::key::{Key, PrefixOf};

/// A range of encoded keys in bytewise order. Empty and inverted ranges are valid and have no
/// items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// Where it starts: the smaller end, whatever the direction of a scan.
    pub lower: Bound<Vec<u8>>,
    /// Where it ends: the greater end.
    pub upper: Bound<Vec<u8>>,
}

impl KeyRange {
    /// All keys.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            lower: Bound::Unbounded,
            upper: Bound::Unbounded,
        }
    }

    /// The keys that begin with these bytes.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        let upper = successor(prefix).map_or(Bound::Unbounded, Bound::Excluded);
        let lower = if prefix.is_empty() {
            Bound::Unbounded
        } else {
            Bound::Included(prefix.to_vec())
        };
        Self { lower, upper }
    }

    /// The encoded keys of a range of values: `KeyRange::of(3u64..=9)`.
    #[must_use]
    pub fn of<K: Key>(range: impl RangeBounds<K>) -> Self {
        Self {
            lower: range.start_bound().map(Key::encoded),
            upper: range.end_bound().map(Key::encoded),
        }
    }

    /// The encoded tuple keys that begin with these elements: `KeyRange::under::<(String, u64),
    /// _>(&(term,))`.
    #[must_use]
    pub fn under<K: Key, P: PrefixOf<K>>(prefix: &P) -> Self {
        Self::prefix(&prefix.encoded())
    }

    /// Whether a key lies in the range.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        let bounds: (Bound<&[u8]>, Bound<&[u8]>) = (
            self.lower.as_ref().map(Vec::as_slice),
            self.upper.as_ref().map(Vec::as_slice),
        );
        <(Bound<&[u8]>, Bound<&[u8]>) as RangeBounds<[u8]>>::contains(&bounds, key)
    }
}

/// The smallest byte string that is greater than all that begin with this prefix; none if there is
/// no such.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut bytes = prefix.get(..=kept)?.to_vec();
    let last = bytes.last_mut()?;
    *last = last.checked_add(1)?;
    Some(bytes)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::key::text_prefix;
    use proptest::prelude::*;

    #[test]
    fn a_prefix_of_highest_bytes_is_open_above() {
        assert_eq!(KeyRange::prefix(&[0xff, 0xff]).upper, Bound::Unbounded);
        assert_eq!(KeyRange::prefix(&[7, 0xff]).upper, Bound::Excluded(vec![8]));
        assert_eq!(KeyRange::prefix(&[]), KeyRange::all());
    }

    proptest! {
        #[test]
        fn a_prefix_range_holds_exactly_what_begins_with_it(
            prefix in prop::collection::vec(prop_oneof![Just(0xff_u8), any::<u8>()], 0..4),
            key in prop::collection::vec(prop_oneof![Just(0xff_u8), any::<u8>()], 0..6),
            tail in prop::collection::vec(any::<u8>(), 0..3),
        ) {
            let range = KeyRange::prefix(&prefix);
            prop_assert_eq!(range.contains(&key), key.starts_with(&prefix));
            let below = [prefix, tail].concat();
            prop_assert!(range.contains(&below));
        }

        #[test]
        fn a_tuple_prefix_holds_exactly_the_tuples_below_it(
            element in "[a\0]{0,3}", key in ("[a\0]{0,3}", any::<u64>()),
        ) {
            let range = KeyRange::under::<(String, u64), _>(&(element.clone(),));
            prop_assert_eq!(range.contains(&key.encoded()), key.0 == element);
        }

        #[test]
        fn a_text_prefix_holds_exactly_the_texts_that_begin_with_it(
            prefix in "[ab\0]{0,3}", key in ("[ab\0]{0,4}", any::<u8>()),
        ) {
            let range = KeyRange::prefix(&text_prefix(&prefix));
            prop_assert_eq!(range.contains(&key.encoded()), key.0.starts_with(&prefix));
        }

        #[test]
        fn a_range_of_values_holds_exactly_the_keys_of_its_values(
            low in any::<i64>(), high in any::<i64>(), value in any::<i64>(),
        ) {
            prop_assert_eq!(KeyRange::of(low..high).contains(&value.encoded()), (low..high).contains(&value));
            prop_assert_eq!(KeyRange::of(low..=high).contains(&value.encoded()), (low..=high).contains(&value));
            prop_assert_eq!(KeyRange::of(..low).contains(&value.encoded()), value < low);
        }
    }
}
