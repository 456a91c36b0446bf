//! Keys, values and ranges as they are written on a command line.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::ops::Bound;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use sop_host::KeyRange;

use super::escape;
use super::failure::{Failure, Outcome};

/// Longest value that is read from a file or stdin: one byte more than a store takes is enough to
/// be refused there.
const VALUE_BYTES_MAX: u64 = 64 << 20;

/// How keys and values are written, on the command line and in what is printed.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Form {
    /// Keys and values are hexadecimal, on the command line and in the output
    #[arg(long, conflicts_with_all = ["base64", "escaped"], help_heading = "Form of keys and values")]
    hex: bool,
    /// Keys and values are base64, on the command line and in the output
    #[arg(
        long,
        conflicts_with = "escaped",
        help_heading = "Form of keys and values"
    )]
    base64: bool,
    /// Keys and values have escapes: \n \t \0 \\ \xNN \u{N}
    #[arg(long, help_heading = "Form of keys and values")]
    escaped: bool,
}

impl Form {
    /// The bytes that an argument stands for.
    pub(crate) fn parse(self, argument: &OsStr) -> Outcome<Vec<u8>> {
        if !(self.hex || self.base64 || self.escaped) {
            return Ok(argument.as_bytes().to_vec());
        }
        let bad = |why: String| Failure::usage(format!("`{}`: {why}", argument.display()));
        let text = argument
            .to_str()
            .ok_or_else(|| bad("not UTF-8".to_owned()))?;
        if self.hex {
            parse_hex(text)
                .ok_or_else(|| bad("not hexadecimal: write two digits for each byte".to_owned()))
        } else if self.base64 {
            STANDARD
                .decode(text)
                .map_err(|error| bad(format!("not base64: {error}")))
        } else {
            escape::decode(text).map_err(bad)
        }
    }

    /// Bytes in this form; text with escapes unless another form was asked for.
    pub(crate) fn print(self, bytes: &[u8]) -> String {
        match self {
            Self { hex: true, .. } => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            Self { base64: true, .. } => STANDARD.encode(bytes),
            _ => escape::encode(bytes),
        }
    }

    /// Whether no form was asked for: bytes may then be printed as they are.
    pub(crate) fn is_plain(self) -> bool {
        !(self.hex || self.base64 || self.escaped)
    }
}

fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|character| !character.is_ascii_whitespace())
        .map(|character| {
            character
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// A value: in the form of the others, from a file as `@PATH`, from stdin as `-`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ValueArgument {
    /// The value; @PATH takes the bytes of a file, - those of stdin
    value: OsString,
    /// Take VALUE as it is, even if it is - or begins with @
    #[arg(long, help_heading = "Form of keys and values")]
    literal: bool,
}

impl ValueArgument {
    /// The bytes of the value.
    pub(crate) fn read(&self, form: Form) -> Outcome<Vec<u8>> {
        if self.literal {
            form.parse(&self.value)
        } else {
            read(&self.value, form)
        }
    }
}

/// The bytes that an argument stands for: itself, `@PATH` a file, `-` stdin. Files are never decoded.
pub(crate) fn read(argument: &OsStr, form: Form) -> Outcome<Vec<u8>> {
    if argument == "-" {
        return read_all(std::io::stdin().lock(), Path::new("stdin"));
    }
    match argument.as_bytes().strip_prefix(b"@") {
        Some([]) => Err(Failure::usage(
            "@ names no file: write @PATH, or --literal for the character itself",
        )),
        Some(path) => {
            let path = Path::new(OsStr::from_bytes(path));
            let file = std::fs::File::open(path).map_err(|error| Failure::file(path, &error))?;
            read_all(file, path)
        }
        None => form.parse(argument),
    }
}

fn read_all(reader: impl Read, path: &Path) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    reader
        .take(VALUE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::file(path, &error))?;
    if bytes.len() as u64 > VALUE_BYTES_MAX {
        return Err(Failure::new(
            "limit",
            format!(
                "{}: over the limit of {VALUE_BYTES_MAX} value bytes",
                path.display()
            ),
        ));
    }
    Ok(bytes)
}

/// A range of keys.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct RangeArguments {
    /// First key of the range
    #[arg(long, value_name = "KEY", help_heading = "Range")]
    from: Option<OsString>,
    /// Leave out the key that --from names
    #[arg(long, requires = "from", help_heading = "Range")]
    from_exclusive: bool,
    /// Where the range ends; that key is left out
    #[arg(long, value_name = "KEY", help_heading = "Range")]
    to: Option<OsString>,
    /// Include the key that --to names
    #[arg(long, requires = "to", help_heading = "Range")]
    to_inclusive: bool,
    /// Only keys that begin like this
    #[arg(long, value_name = "KEY", conflicts_with_all = ["from", "to"], help_heading = "Range")]
    prefix: Option<OsString>,
}

impl RangeArguments {
    /// Whether every key belongs to it, because nothing was said.
    pub(crate) fn is_unbounded(&self) -> bool {
        self.from.is_none() && self.to.is_none() && self.prefix.is_none()
    }

    /// The range they describe.
    pub(crate) fn range(&self, form: Form) -> Outcome<KeyRange> {
        if let Some(prefix) = &self.prefix {
            return Ok(KeyRange::prefix(form.parse(prefix)?));
        }
        let parse = |key: &Option<OsString>| key.as_ref().map(|key| form.parse(key)).transpose();
        Ok(KeyRange {
            lower: bound(parse(&self.from)?, !self.from_exclusive),
            upper: bound(parse(&self.to)?, self.to_inclusive),
        })
    }
}

/// One end of a range.
pub(crate) fn bound(key: Option<Vec<u8>>, inclusive: bool) -> Bound<Vec<u8>> {
    match (key, inclusive) {
        (None, _) => Bound::Unbounded,
        (Some(key), true) => Bound::Included(key),
        (Some(key), false) => Bound::Excluded(key),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop")]
    use super::*;

    const HEX: Form = Form {
        hex: true,
        base64: false,
        escaped: false,
    };
    const BASE64: Form = Form {
        hex: false,
        base64: true,
        escaped: false,
    };
    const ESCAPED: Form = Form {
        hex: false,
        base64: false,
        escaped: true,
    };

    #[test]
    fn every_form_reads_what_it_prints() {
        let bytes = b"k\xff\0\n";
        for form in [HEX, BASE64, ESCAPED] {
            assert_eq!(
                form.parse(OsStr::new(&form.print(bytes))).unwrap(),
                bytes,
                "{form:?}"
            );
        }
        let plain = OsStr::from_bytes(b"k\xff\\n");
        assert_eq!(Form::default().parse(plain).unwrap(), b"k\xff\\n");
    }

    #[test]
    fn bad_forms_are_usage_errors_that_show_the_argument() {
        for (form, text) in [(HEX, "0"), (HEX, "zz"), (BASE64, "*"), (ESCAPED, "\\q")] {
            let failure = form.parse(OsStr::new(text)).unwrap_err();
            assert_eq!(failure.kind, "invalid");
            assert!(failure.message.contains(text), "{}", failure.message);
        }
        assert_eq!(HEX.parse(OsStr::new("6B FF")).unwrap(), b"k\xff");
    }

    #[test]
    fn values_come_from_files_as_they_are() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"\xff\n").unwrap();
        let mut argument = OsString::from("@");
        argument.push(file.path());
        assert_eq!(read(&argument, HEX).unwrap(), b"\xff\n");
        let literal = ValueArgument {
            value: argument.clone(),
            literal: true,
        };
        assert_eq!(literal.read(Form::default()).unwrap(), argument.as_bytes());
        assert!(
            read(OsStr::new("@/no/such/file"), HEX)
                .unwrap_err()
                .message
                .contains("/no/such/file")
        );
    }

    #[test]
    fn ranges_have_the_ends_that_were_asked_for() {
        let arguments = RangeArguments {
            from: Some("a".into()),
            to: Some("b".into()),
            ..RangeArguments::default()
        };
        let range = arguments.range(Form::default()).unwrap();
        assert_eq!(range, KeyRange::from("a".."b"));
        let turned = RangeArguments {
            from_exclusive: true,
            to_inclusive: true,
            ..arguments
        };
        let range = turned.range(Form::default()).unwrap();
        assert_eq!(range.lower, Bound::Excluded(b"a".to_vec()));
        assert_eq!(range.upper, Bound::Included(b"b".to_vec()));
        assert!(RangeArguments::default().is_unbounded() && !turned.is_unbounded());
    }
}
