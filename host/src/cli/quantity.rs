//! Sizes, counts and times: as they are written on a command line, and as people like to read them.

use std::time::Duration;

/// Factor of each unit of bytes.
const BYTE_UNITS: [(&str, u64); 9] = [
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Factor of each unit of time, in microseconds.
const TIME_UNITS: [(&str, u64); 6] = [
    ("us", 1),
    ("ms", 1_000),
    ("", 1_000_000),
    ("s", 1_000_000),
    ("min", 60_000_000),
    ("h", 3_600_000_000),
];

/// A number with one of these units.
fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text
        .find(|character: char| !character.is_ascii_digit() && character != '_')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.replace('_', "").parse().ok()?;
    let (_, factor) = units
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()))?;
    number.checked_mul(*factor)
}

/// Bytes: `65536`, `64KiB`, `1GB`.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    parse(text, &BYTE_UNITS)
        .ok_or_else(|| "write a whole number of bytes, such as 65536, 64KiB or 1GB".to_owned())
}

/// A duration: `5s`, `250ms`, `2min`; a bare number is seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    parse(text, &TIME_UNITS)
        .map(Duration::from_micros)
        .ok_or_else(|| "write a whole number and a unit, such as 250ms, 5s or 2min".to_owned())
}

/// Bytes for people.
pub(crate) fn bytes(count: u64) -> String {
    indicatif::BinaryBytes(count).to_string()
}

/// A count for people.
pub(crate) fn count(count: u64) -> String {
    indicatif::HumanCount(count).to_string()
}

/// Items per second for people; nothing is said of a time too short to measure.
pub(crate) fn rate(items: u64, elapsed: Duration) -> String {
    let per_second = u128::from(items) * 1_000_000 / elapsed.as_micros().max(1);
    count(u64::try_from(per_second).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop")]
    use super::*;

    #[test]
    fn bytes_take_units_of_both_kinds() {
        assert_eq!(parse_bytes("65_536").unwrap(), 65_536);
        assert_eq!(parse_bytes("64KiB").unwrap(), 65_536);
        assert_eq!(parse_bytes("64 kib").unwrap(), 65_536);
        assert_eq!(parse_bytes("1GB").unwrap(), 1_000_000_000);
        for bad in ["", "KiB", "-1", "1.5MiB", "9 parsecs", "99999999999TiB"] {
            assert!(parse_bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_take_units_and_default_to_seconds() {
        assert_eq!(parse_duration("250ms").unwrap(), Duration::from_millis(250));
        assert_eq!(parse_duration("5").unwrap(), Duration::from_secs(5));
        assert_eq!(parse_duration("2min").unwrap(), Duration::from_secs(120));
        assert!(parse_duration("soon").is_err());
    }

    #[test]
    fn rates_of_no_time_do_not_divide_by_zero() {
        assert_eq!(rate(5, Duration::from_secs(5)), "1");
        assert_eq!(rate(0, Duration::ZERO), "0");
    }
}
