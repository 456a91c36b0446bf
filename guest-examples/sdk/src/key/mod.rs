//! Keys as bytes that sort like the values they stand for.
//!
//! A store orders its keys bytewise. [`Key`] turns a value into bytes so that for any two values of
//! one type `a < b` exactly when `encoded(a) < encoded(b)`, and one encoding is never a proper
//! prefix of another of the same type. From both follows that encodings can simply be put one after
//! another: a tuple sorts element by element, and the keys that begin with certain elements are one
//! contiguous range ([`PrefixOf`]).
//!
//! ```text
//! type                 bytes
//! u8 … u128            big-endian, as many bytes as the type has
//! i8 … i128            the same with the top bit flipped         -1i16 -> 7f ff    0 -> 80 00    1 -> 80 01
//! bool                 00 = false, 01 = true
//! char                 its code point as u32
//! f64                  its IEEE bits, big-endian; top bit set: all bits flipped, else: only the top bit flipped.
//!                      That is the order of `f64::total_cmp`: -NaN, -inf, …, -0, +0, …, +inf, +NaN  (see [`Float`])
//! String, Vec<u8>      the bytes with 00 written as 00 ff, then the end mark 00 01
//!                          "ab" -> 61 62 00 01        "a\0b" -> 61 00 ff 62 00 01        "" -> 00 01
//! Option<T>            00 = none; 01 and the value = some         (none sorts first)
//! (A, B, …), up to 6   the elements one after another
//! [T; N]               the elements one after another; so [u8; N] is its N bytes as they are
//! ```
//!
//! Why `00 01` ends a string: what can follow a common beginning is either the end mark (`00 01`),
//! an escaped zero (`00 ff`) or a byte from `01` up, and in this order they sort. The mark has two
//! bytes because the element after it may begin with any byte at all, `ff` included, so a lone `00`
//! could not be told from an escaped zero. `00 00` never occurs inside an encoded string.
//!
//! Decoding is total: any bytes give a value or a [`KeyError`], and what decodes encodes to the
//! same bytes again. No encoding carries its type; a store has one key type, known to those who use
//! it. Other languages share the test vectors in `guest-examples/key-vectors.json`.
//!
//! Not here: values (they are postcard, see [`crate::TypedStore`]), collation (strings sort by code
//! point, not by language), and sizes of the machine (`usize`).

mod compound;
mod number;
mod text;

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
#[cfg(all(test, not(target_arch = "wasm32")))]
mod vectors;

pub use compound::PrefixOf;
pub use number::Float;
pub use text::text_prefix;

/// A value that can be a key: it has a form in bytes that sorts like the value.
pub trait Key: Sized {
    /// Appends the encoded form.
    fn encode_into(&self, bytes: &mut Vec<u8>);

    /// Takes one encoded value from the front of the bytes.
    fn decode_from(bytes: &mut &[u8]) -> Result<Self, KeyError>;

    /// The encoded form.
    fn encoded(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode_into(&mut bytes);
        bytes
    }

    /// The value of which these bytes, all of them, are the encoded form.
    fn decode(mut bytes: &[u8]) -> Result<Self, KeyError> {
        let value = Self::decode_from(&mut bytes)?;
        if bytes.is_empty() {
            Ok(value)
        } else {
            Err(KeyError::Trailing(bytes.len()))
        }
    }
}

/// Why bytes are not the encoded form of a key. Either the store was written with another key type,
/// or by something that does not use this encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes end inside a value.
    #[error("a key ends inside a value; is it of another type?")]
    Truncated,
    /// So many bytes are left over behind the value.
    #[error("a key has {0} bytes too many; is it of another type?")]
    Trailing(usize),
    /// A byte that no value of this type has there.
    #[error("a key has the byte {byte:#04x} where a {expected} should be; is it of another type?")]
    Byte {
        /// What was expected.
        expected: &'static str,
        /// What was found.
        byte: u8,
    },
    /// A number that is no Unicode character.
    #[error("a key has {0:#x} where a character should be; is it of another type?")]
    Character(u32),
    /// A string that is not UTF-8.
    #[error("a key has a string that is not UTF-8; is it a byte string?")]
    Text,
}

/// Takes a fixed number of bytes from the front.
fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], KeyError> {
    let (head, tail) = bytes.split_first_chunk::<N>().ok_or(KeyError::Truncated)?;
    *bytes = tail;
    Ok(*head)
}
