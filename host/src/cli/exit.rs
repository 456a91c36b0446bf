//! What the exit code of `sop` says, in one table.

use std::fmt::Write as _;

/// Why `sop` ended. The numbers are part of its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Success = 0,
    /// Any other failure.
    Failure = 1,
    /// The command line or its input makes no sense.
    Usage = 2,
    /// Not there although it must be, or there although it must not be.
    Presence = 3,
    /// Another transaction was in the way.
    Conflict = 4,
    /// The storage did not answer.
    Unavailable = 5,
    /// Stored bytes are damaged.
    Corrupt = 6,
    /// A grant or a limit forbids it.
    Refused = 7,
    /// The database cannot be opened.
    Closed = 8,
    /// The plugin is at fault.
    Plugin = 9,
    /// Stopped by the user.
    Interrupted = 130,
}

/// Every exit code with its meaning, as `sop --help` prints it.
const TABLE: [(Exit, &str); 11] = [
    (Exit::Success, "done"),
    (
        Exit::Failure,
        "failed for any other reason, which stderr names",
    ),
    (Exit::Usage, "the command line or the input makes no sense"),
    (
        Exit::Presence,
        "no such store or key; or there already is one",
    ),
    (
        Exit::Conflict,
        "conflict with another transaction: run it again; or the snapshot expired",
    ),
    (
        Exit::Unavailable,
        "the storage did not answer, or the outcome of a commit is unknown",
    ),
    (Exit::Corrupt, "stored bytes are damaged"),
    (Exit::Refused, "not granted, read-only, or over a limit"),
    (
        Exit::Closed,
        "cannot open the database: missing, foreign, locked, fenced or of a newer format",
    ),
    (
        Exit::Plugin,
        "the plugin is not valid, trapped or answered that it failed",
    ),
    (
        Exit::Interrupted,
        "interrupted; open transactions were rolled back",
    ),
];

impl Exit {
    /// The exit code for a kind of error, as [`sop_host::Error::kind`] names it.
    pub(crate) fn of_kind(kind: &str) -> Self {
        match kind {
            "usage" | "invalid" => Self::Usage,
            "not-found" | "exists" => Self::Presence,
            "conflict" | "snapshot-expired" => Self::Conflict,
            "unavailable" | "unknown-outcome" => Self::Unavailable,
            "corrupt" => Self::Corrupt,
            "denied" | "limit" | "read-only" => Self::Refused,
            "missing-database" | "foreign-database" | "locked" | "newer-format" | "fenced" => {
                Self::Closed
            }
            "plugin-invalid" | "plugin-import" | "plugin-trap" | "plugin-failed" => Self::Plugin,
            "interrupted" => Self::Interrupted,
            _ => Self::Failure,
        }
    }

    /// The number that the operating system is given.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The table as text for `sop --help`.
pub(crate) fn help() -> String {
    let mut text = String::from("Exit codes:\n");
    for (exit, meaning) in TABLE {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {:>3}  {meaning}", exit.code());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_once_in_the_help() {
        let text = help();
        for (exit, _) in TABLE {
            let line = format!("\n  {:>3}  ", exit.code());
            assert_eq!(text.matches(&line).count(), 1, "{exit:?}");
        }
    }

    #[test]
    fn kinds_lead_to_their_codes() {
        assert_eq!(Exit::of_kind("not-found").code(), 3);
        assert_eq!(Exit::of_kind("conflict").code(), 4);
        assert_eq!(Exit::of_kind("locked").code(), 8);
        assert_eq!(Exit::of_kind("internal").code(), 1);
    }
}
