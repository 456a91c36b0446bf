//! Bytes for the eye: text as it is, everything that a terminal would not show as an escape. Lossless.
//!
//! `\\`, `\n`, `\r`, `\t`, `\0`, `\xNN` for a byte, `\u{N}` for a character that shows nothing.
//! [`decode`] also takes `\"`, `\'` and `\ ` so that quoted words can be written.

use std::fmt::Write as _;

/// Bytes as text with escapes.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        chunk
            .valid()
            .chars()
            .for_each(|character| encode_character(character, &mut text));
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

fn encode_character(character: char, text: &mut String) {
    match character {
        '\\' => text.push_str("\\\\"),
        '\'' | '"' => text.push(character),
        // The standard library knows which characters show nothing of their own; it escapes those
        // and no others.
        _ => text.extend(character.escape_debug()),
    }
}

/// Text with escapes as bytes. An unknown or unfinished escape is an error that names it.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character == '\\' {
            decode_escape(&mut rest, &mut bytes)?;
        } else {
            push(character, &mut bytes);
        }
    }
    Ok(bytes)
}

fn decode_escape(rest: &mut std::str::Chars<'_>, bytes: &mut Vec<u8>) -> Result<(), String> {
    match rest.next() {
        Some('n') => bytes.push(b'\n'),
        Some('r') => bytes.push(b'\r'),
        Some('t') => bytes.push(b'\t'),
        Some('0') => bytes.push(0),
        Some(same @ ('\\' | '"' | '\'' | ' ')) => push(same, bytes),
        Some('x') => {
            let digits: String = rest.by_ref().take(2).collect();
            let byte = (digits.len() == 2)
                .then(|| u8::from_str_radix(&digits, 16).ok())
                .flatten();
            bytes.push(byte.ok_or_else(|| {
                format!("`\\x{digits}` is not an escape: write \\x and two hex digits")
            })?);
        }
        Some('u') => {
            let digits: String = rest
                .by_ref()
                .skip(1)
                .take_while(|&character| character != '}')
                .collect();
            let character = u32::from_str_radix(&digits, 16)
                .ok()
                .and_then(char::from_u32);
            push(
                character.ok_or_else(|| {
                    format!("`\\u{{{digits}}}` is not a character: write \\u{{hex digits}}")
                })?,
                bytes,
            );
        }
        Some(other) => {
            return Err(format!(
                "unknown escape `\\{other}`: write \\\\ for a backslash"
            ));
        }
        None => return Err("a backslash at the end: write \\\\ for a backslash".to_owned()),
    }
    Ok(())
}

fn push(character: char, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop")]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_would_not_show_is_escaped() {
        assert_eq!(encode("grün 🐜 \"x\"".as_bytes()), "grün 🐜 \"x\"");
        assert_eq!(
            encode(b"a\nb\t\\\0\x1b[31m\xff"),
            r"a\nb\t\\\0\u{1b}[31m\xff"
        );
        // A right-to-left override would let one key look like another.
        assert_eq!(encode("a\u{202e}b".as_bytes()), r"a\u{202e}b");
    }

    #[test]
    fn bad_escapes_are_named() {
        for (text, part) in [
            ("\\q", "\\q"),
            ("a\\", "end"),
            ("\\x1", "\\x1"),
            ("\\xzz", "\\xzz"),
            ("\\u{d800}", "d800"),
        ] {
            assert!(decode(text).unwrap_err().contains(part), "{text}");
        }
    }

    proptest! {
        #[test]
        fn escapes_are_lossless(bytes in proptest::collection::vec(any::<u8>(), 0..64), text in "\\PC*") {
            prop_assert_eq!(decode(&encode(&bytes)).unwrap(), bytes);
            prop_assert_eq!(decode(&encode(text.as_bytes())).unwrap(), text.into_bytes());
        }
    }
}
