//! Strings and byte strings: zeros escaped, then an end mark.

use super::{Key, KeyError};

const ZERO: u8 = 0;
/// After a zero: the zero is part of the string.
const ESCAPED: u8 = 0xff;
/// After a zero: the string is over.
const END: u8 = 1;

impl Key for Vec<u8> {
    fn encode_into(&self, bytes: &mut Vec<u8>) {
        escape(self, bytes);
        bytes.extend_from_slice(&[ZERO, END]);
    }

    fn decode_from(bytes: &mut &[u8]) -> Result<Self, KeyError> {
        let mut value = Self::new();
        loop {
            let zero = bytes
                .iter()
                .position(|byte| *byte == ZERO)
                .ok_or(KeyError::Truncated)?;
            let (run, rest) = bytes.split_at(zero);
            value.extend_from_slice(run);
            let (mark, rest) = rest.split_first_chunk::<2>().ok_or(KeyError::Truncated)?;
            *bytes = rest;
            match mark {
                [_, END] => return Ok(value),
                [_, ESCAPED] => value.push(ZERO),
                [_, byte] => {
                    return Err(KeyError::Byte {
                        expected: "mark after a zero",
                        byte: *byte,
                    });
                }
            }
        }
    }
}

impl Key for String {
    fn encode_into(&self, bytes: &mut Vec<u8>) {
        escape(self.as_bytes(), bytes);
        bytes.extend_from_slice(&[ZERO, END]);
    }

    fn decode_from(bytes: &mut &[u8]) -> Result<Self, KeyError> {
        Self::from_utf8(Vec::decode_from(bytes)?).map_err(|_| KeyError::Text)
    }
}

/// What the keys of all strings that begin with this one begin with: the encoded form without its
/// end mark. Use it with [`KeyRange::prefix`](crate::KeyRange::prefix).
#[must_use]
pub fn text_prefix(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    escape(text.as_bytes(), &mut bytes);
    bytes
}

fn escape(mut value: &[u8], bytes: &mut Vec<u8>) {
    while let Some(zero) = value.iter().position(|byte| *byte == ZERO) {
        let (run, rest) = value.split_at(zero);
        bytes.extend_from_slice(run);
        bytes.extend_from_slice(&[ZERO, ESCAPED]);
        value = rest.get(1..).unwrap_or_default();
    }
    bytes.extend_from_slice(value);
}
