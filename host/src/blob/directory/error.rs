//! Why a directory cannot be opened or used. Each case names the file and says what to do.

use std::path::{Path, PathBuf};

use crate::blob::BlobError;

/// Why a database directory cannot be opened or used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Nothing is there.
    #[error("there is no database in {0}: check the path, or open it for writing to create one")]
    Missing(PathBuf),
    /// Something else is there.
    #[error("{path} is not a sop database ({reason}): choose another or an empty directory")]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A later release wrote it.
    #[error("{path} has format {found}, this program reads up to {supported}: use a newer release")]
    Newer {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format this program knows.
        supported: u32,
    },
    /// Another process has it open.
    #[error("{path} is in use by {}: close that first", holder.map_or_else(|| "another process".to_owned(),
        |pid| format!("process {pid}")))]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The process that has it open for writing, if known.
        holder: Option<u32>,
    },
    /// Bytes that were acknowledged as durable are not what was written.
    #[error("{path} is damaged at byte {offset}: {reason}; restore it from a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// Another process took the database over in spite of the lock.
    #[error("{0} was taken over by another process: open it again")]
    Fenced(PathBuf),
    /// No room left.
    #[error("no room left on the disk of {0}: free some space and try again")]
    Full(PathBuf),
    /// The file system failed.
    #[error("cannot {action} {path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The answer of the system.
        reason: String,
    },
}

impl DirectoryError {
    /// A failed file operation; a full disk is told apart.
    pub(crate) fn file(path: &Path, action: &'static str, error: &std::io::Error) -> Self {
        if is_full(error) {
            return Self::Full(path.to_owned());
        }
        Self::File {
            path: path.to_owned(),
            action,
            reason: error.to_string(),
        }
    }

    /// Damage found in a file.
    pub(crate) fn damaged(path: &Path, offset: u64, reason: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            offset,
            reason: reason.into(),
        }
    }
}

impl From<DirectoryError> for BlobError {
    fn from(error: DirectoryError) -> Self {
        let message = error.to_string();
        match error {
            DirectoryError::Full(_) => Self::Full(message),
            DirectoryError::Damaged { .. } => Self::Damaged(message),
            DirectoryError::Fenced(_) => Self::Closed(message),
            _ => Self::Unavailable(message),
        }
    }
}

/// Whether an error says that the disk, a quota or the largest file size is used up.
pub(crate) fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}
