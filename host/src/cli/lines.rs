//! Lines of input, each of a bounded length.

use std::io::BufRead;

/// Longest line, in bytes: a value of the greatest length takes 86 MiB in base64.
pub(crate) const LINE_BYTES_MAX: usize = 128 << 20;

/// One line of input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Its bytes, without the end of line.
    Whole(Vec<u8>),
    /// It was longer than allowed and is skipped.
    TooLong,
}

/// The lines of a reader. A last line without an end counts.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    reader: R,
    line_bytes_max: usize,
    /// Lines read so far: the number of the last one.
    number: u64,
    /// Bytes read so far.
    bytes: u64,
}

impl<R: BufRead> Lines<R> {
    /// The lines of this reader.
    pub(crate) fn new(reader: R, line_bytes_max: usize) -> Self {
        Self {
            reader,
            line_bytes_max,
            number: 0,
            bytes: 0,
        }
    }

    /// The number of the last line, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Bytes read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next line; `None` = the end of the input.
    pub(crate) fn next(&mut self) -> std::io::Result<Option<Line>> {
        let mut line = Vec::new();
        let mut is_too_long = false;
        let mut is_empty = true;
        loop {
            let available = match self.reader.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let end = available.iter().position(|&byte| byte == b'\n');
            let (text, consumed) = match end {
                Some(end) => (available.get(..end).unwrap_or_default(), end + 1),
                None => (available, available.len()),
            };
            is_too_long |= line.len() + text.len() > self.line_bytes_max;
            if is_too_long {
                line = Vec::new();
            } else {
                line.extend_from_slice(text);
            }
            self.reader.consume(consumed);
            self.bytes += consumed as u64;
            is_empty &= consumed == 0;
            if end.is_some() || consumed == 0 {
                break;
            }
        }
        if is_empty {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some(if is_too_long {
            Line::TooLong
        } else {
            Line::Whole(line)
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop")]
    use std::io::BufReader;

    use super::*;

    fn all(text: &str, max: usize) -> Vec<Option<String>> {
        let mut lines = Lines::new(BufReader::with_capacity(3, text.as_bytes()), max);
        let mut seen = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            seen.push(match line {
                Line::Whole(bytes) => Some(String::from_utf8(bytes).unwrap()),
                Line::TooLong => None,
            });
        }
        assert_eq!(
            (lines.number(), lines.bytes()),
            (seen.len() as u64, text.len() as u64)
        );
        seen
    }

    #[test]
    fn lines_end_at_newlines_and_at_the_end() {
        let line = |text: &str| Some(text.to_owned());
        assert_eq!(all("", 9), []);
        assert_eq!(all("\n", 9), [line("")]);
        assert_eq!(
            all("one\n\nthree", 9),
            [line("one"), line(""), line("three")]
        );
    }

    #[test]
    fn a_line_over_the_limit_is_skipped_and_the_next_is_read() {
        assert_eq!(
            all("12345\n123456\n7\n", 5),
            [Some("12345".to_owned()), None, Some("7".to_owned())]
        );
        assert_eq!(all("1234567890", 5), [None]);
    }
}
