//! Several byte strings in one block: how lists cross between components fastest. Nothing outside
//! the kit sees it.

use crate::error::{Error, Result};

/// In an end: the string is absent, not merely empty.
const ABSENT: u64 = 1 << 63;
const WORD: usize = size_of::<u64>();

/// Strings back to back as little-endian words, and where each ends in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Packed {
    /// Where each string ends; it starts where the one before it ended.
    pub ends: Vec<u64>,
    /// The strings; the last word is padded with zeros.
    pub words: Vec<u64>,
}

impl Packed {
    /// Packs strings; none = absent.
    pub fn pack<'s>(strings: impl IntoIterator<Item = Option<&'s [u8]>>) -> Self {
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        for string in strings {
            bytes.extend_from_slice(string.unwrap_or_default());
            ends.push(bytes.len() as u64 | if string.is_none() { ABSENT } else { 0 });
        }
        bytes.resize(bytes.len().next_multiple_of(WORD), 0);
        let (words, _) = bytes.as_chunks::<WORD>();
        Self {
            ends,
            words: words.iter().map(|word| u64::from_le_bytes(*word)).collect(),
        }
    }

    /// The strings; none = absent. Fails on ends that do not fit the words.
    pub fn unpack(&self) -> Result<Vec<Option<Vec<u8>>>> {
        let mut bytes = Vec::with_capacity(self.words.len() * WORD);
        for word in &self.words {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        let mut start = 0;
        let mut strings = Vec::with_capacity(self.ends.len());
        for end in &self.ends {
            let stop = usize::try_from(end & !ABSENT).map_err(|_| damaged())?;
            let string = bytes.get(start..stop).ok_or_else(damaged)?;
            strings.push((end & ABSENT == 0).then(|| string.to_vec()));
            start = stop;
        }
        Ok(strings)
    }

    /// The strings in pairs: key, value, key, value, …
    pub fn items(&self) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut strings = self.unpack()?.into_iter();
        let mut items = Vec::with_capacity(self.ends.len() / 2);
        while let Some(key) = strings.next() {
            let value = strings.next().ok_or_else(damaged)?;
            items.push((key.ok_or_else(damaged)?, value.ok_or_else(damaged)?));
        }
        Ok(items)
    }
}

fn damaged() -> Error {
    Error::Corrupt("a packed list whose ends do not fit its bytes".to_owned())
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_form_is_that_of_the_interface() {
        let packed = Packed::pack([
            Some(b"ab".as_slice()),
            None,
            Some(b"".as_slice()),
            Some(b"1234567".as_slice()),
        ]);
        assert_eq!(packed.ends, [2, 2 | 1 << 63, 2, 9]);
        assert_eq!(
            packed.words,
            [u64::from_le_bytes(*b"ab123456"), u64::from(b'7')]
        );
    }

    proptest! {
        #[test]
        fn what_is_packed_unpacks(
            strings in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..20)), 0..20),
        ) {
            let packed = Packed::pack(strings.iter().map(Option::as_deref));
            prop_assert_eq!(packed.unpack(), Ok(strings));
        }

        #[test]
        fn any_ends_and_words_give_strings_or_an_error(
            ends in prop::collection::vec(prop_oneof![0_u64..40, any::<u64>()], 0..6),
            words in prop::collection::vec(any::<u64>(), 0..5),
        ) {
            let packed = Packed { ends, words };
            if let Ok(strings) = packed.unpack() {
                prop_assert!(strings.iter().flatten().map(Vec::len).sum::<usize>() <= packed.words.len() * 8);
            }
            let _ = packed.items();
        }
    }
}
