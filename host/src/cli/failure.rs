//! How a command fails: a kind for programs, a sentence for people, an exit code.

use sop_host::Error;

use super::exit::Exit;

/// The result of a command.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The case as a word, in the words of [`Error::kind`].
    pub(crate) kind: &'static str,
    /// One sentence that says what happened and what to do.
    pub(crate) message: String,
}

/// The kind that says: whoever reads our output went away. Nobody is told.
const BROKEN_PIPE: &str = "broken-pipe";

impl Failure {
    /// A failure of this kind.
    pub(crate) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// The command line or its input makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new("invalid", message)
    }

    /// Something is not there.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new("not-found", message)
    }

    /// A file could not be read or written.
    pub(crate) fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::new("file", format!("{}: {error}", path.display()))
    }

    /// The same failure, with a sentence before it.
    pub(crate) fn after(self, text: &str) -> Self {
        Self {
            kind: self.kind,
            message: format!("{text}: {}", self.message),
        }
    }

    /// The same failure, with advice behind it.
    pub(crate) fn advise(self, text: &str) -> Self {
        Self {
            kind: self.kind,
            message: format!("{}; {text}", self.message),
        }
    }

    /// Whether nobody reads our output any more: the end of the command, and nothing to report.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.kind == BROKEN_PIPE
    }

    /// The exit code it leads to.
    pub(crate) fn exit(&self) -> Exit {
        if self.is_broken_pipe() {
            Exit::Success
        } else {
            Exit::of_kind(self.kind)
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            kind: error.kind(),
            message: error.to_string(),
        }
    }
}

/// Errors of stdout: every other file names its path with [`Failure::file`].
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::new(BROKEN_PIPE, "nobody reads the output"),
            _ => Self::new("file", format!("cannot write the output: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let failure = Failure::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert!(failure.is_broken_pipe());
        assert_eq!(failure.exit(), Exit::Success);
        let full = Failure::from(std::io::Error::from(std::io::ErrorKind::StorageFull));
        assert_eq!(full.exit(), Exit::Failure);
    }

    #[test]
    fn errors_of_the_library_keep_their_kind() {
        let failure = Failure::from(Error::NotFound("store `x`".to_owned())).advise("create it");
        assert_eq!(
            (failure.kind, failure.exit()),
            ("not-found", Exit::Presence)
        );
        assert_eq!(failure.message, "not found: store `x`; create it");
    }
}
