//! Keys made of keys: options, tuples, arrays.

use super::{Key, KeyError, take};

impl<T: Key> Key for Option<T> {
    fn encode_into(&self, bytes: &mut Vec<u8>) {
        match self {
            None => bytes.push(0),
            Some(value) => {
                bytes.push(1);
                value.encode_into(bytes);
            }
        }
    }

    fn decode_from(bytes: &mut &[u8]) -> Result<Self, KeyError> {
        match take(bytes)? {
            [0] => Ok(None),
            [1] => T::decode_from(bytes).map(Some),
            [byte] => Err(KeyError::Byte {
                expected: "mark of an option",
                byte,
            }),
        }
    }
}

impl<T: Key, const N: usize> Key for [T; N] {
    fn encode_into(&self, bytes: &mut Vec<u8>) {
        for value in self {
            value.encode_into(bytes);
        }
    }

    fn decode_from(bytes: &mut &[u8]) -> Result<Self, KeyError> {
        let mut values = Vec::new();
        for _ in 0..N {
            values.push(T::decode_from(bytes)?);
        }
        values.try_into().map_err(|_| KeyError::Truncated)
    }
}

macro_rules! tuple {
    ($($name:ident)+) => {
        impl<$($name: Key),+> Key for ($($name,)+) {
            #[expect(non_snake_case, reason = "the elements are named after their types")]
            fn encode_into(&self, bytes: &mut Vec<u8>) {
                let ($($name,)+) = self;
                $($name.encode_into(bytes);)+
            }
            fn decode_from(bytes: &mut &[u8]) -> Result<Self, KeyError> {
                Ok(($($name::decode_from(bytes)?,)+))
            }
        }
    };
}

tuple!(A);
tuple!(A B);
tuple!(A B C);
tuple!(A B C D);
tuple!(A B C D E);
tuple!(A B C D E F);

/// The first elements of a tuple key: all keys that begin with them lie in one range.
///
/// `(String,)` is a prefix of `(String, u64)`; `(u8, String)` and `(u8,)` are prefixes of `(u8,
/// String, u64)`.
pub trait PrefixOf<K>: Key {}

macro_rules! prefix {
    ($($prefix:ident)+ : $($rest:ident)+) => {
        impl<$($prefix: Key,)+ $($rest: Key),+> PrefixOf<($($prefix,)+ $($rest,)+)> for ($($prefix,)+) {}
    };
}

prefix!(A: B);
prefix!(A: B C);
prefix!(A: B C D);
prefix!(A: B C D E);
prefix!(A: B C D E F);
prefix!(A B: C);
prefix!(A B: C D);
prefix!(A B: C D E);
prefix!(A B: C D E F);
prefix!(A B C: D);
prefix!(A B C: D E);
prefix!(A B C: D E F);
prefix!(A B C D: E);
prefix!(A B C D: E F);
prefix!(A B C D E: F);
