//! Numbers, truth values and characters: fixed widths, big-endian.

use std::cmp::Ordering;

use super::{Key, KeyError, take};

macro_rules! unsigned {
    ($($type:ty),*) => {$(
        impl Key for $type {
            fn encode_into(&self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_be_bytes());
            }
            fn decode_from(bytes: &mut &[u8]) -> Result<Self, KeyError> {
                Ok(Self::from_be_bytes(take(bytes)?))
            }
        }
    )*};
}

// Flipping the sign bit moves the negative numbers, whose top bit is set, below the others.
macro_rules! signed {
    ($($type:ty),*) => {$(
        impl Key for $type {
            fn encode_into(&self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&(*self ^ <$type>::MIN).to_be_bytes());
            }
            fn decode_from(bytes: &mut &[u8]) -> Result<Self, KeyError> {
                Ok(Self::from_be_bytes(take(bytes)?) ^ <$type>::MIN)
            }
        }
    )*};
}

unsigned!(u8, u16, u32, u64, u128);
signed!(i8, i16, i32, i64, i128);

impl Key for bool {
    fn encode_into(&self, bytes: &mut Vec<u8>) {
        bytes.push(u8::from(*self));
    }

    fn decode_from(bytes: &mut &[u8]) -> Result<Self, KeyError> {
        match take(bytes)? {
            [0] => Ok(false),
            [1] => Ok(true),
            [byte] => Err(KeyError::Byte {
                expected: "truth value",
                byte,
            }),
        }
    }
}

impl Key for char {
    fn encode_into(&self, bytes: &mut Vec<u8>) {
        u32::from(*self).encode_into(bytes);
    }

    fn decode_from(bytes: &mut &[u8]) -> Result<Self, KeyError> {
        let code = u32::decode_from(bytes)?;
        Self::from_u32(code).ok_or(KeyError::Character(code))
    }
}

const TOP_BIT: u64 = 1 << 63;

impl Key for f64 {
    fn encode_into(&self, bytes: &mut Vec<u8>) {
        let bits = self.to_bits();
        let ordered = if bits & TOP_BIT == 0 {
            bits ^ TOP_BIT
        } else {
            !bits
        };
        ordered.encode_into(bytes);
    }

    fn decode_from(bytes: &mut &[u8]) -> Result<Self, KeyError> {
        let ordered = u64::decode_from(bytes)?;
        Ok(Self::from_bits(if ordered & TOP_BIT == 0 {
            !ordered
        } else {
            ordered ^ TOP_BIT
        }))
    }
}

/// A number that compares as its key does: by `f64::total_cmp`, so that every value has its place
/// and -0 is before +0.
#[derive(Debug, Clone, Copy)]
pub struct Float(pub f64);

impl Ord for Float {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Float {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Float {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Float {}

impl Key for Float {
    fn encode_into(&self, bytes: &mut Vec<u8>) {
        self.0.encode_into(bytes);
    }

    fn decode_from(bytes: &mut &[u8]) -> Result<Self, KeyError> {
        f64::decode_from(bytes).map(Self)
    }
}
