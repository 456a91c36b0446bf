//! Why a directory cannot be opened or used. Each case names the file and says what to do.

use std::path::{Path, PathBuf};

use rustix::io::Errno;

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
    /// A file that must be there is not.
    #[error("{path} is missing: {reason}; restore it from a backup")]
    Gone {
        /// The file.
        path: PathBuf,
        /// Why it must be there.
        reason: String,
    },
    /// Another process took the database over in spite of the lock.
    #[error("{0} was taken over by another process: open it again")]
    Fenced(PathBuf),
    /// No room left.
    #[error("no room left for {0} (disk, quota or file size limit): free some space and try again")]
    Full(PathBuf),
    /// Permissions or a read-only file system do not allow it.
    #[error("cannot {action} {path}: {reason}; ask for its permissions, or use a copy")]
    Denied {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The answer of the system.
        reason: String,
    },
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
    /// A failed file operation. What trying again cannot mend is told apart.
    pub(crate) fn file(path: &Path, action: &'static str, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        if is_full(error) {
            return Self::Full(path.to_owned());
        }
        let (path, reason) = (path.to_owned(), error.to_string());
        match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::Denied {
                path,
                action,
                reason,
            },
            ErrorKind::IsADirectory | ErrorKind::NotADirectory => Self::Damaged {
                path,
                offset: 0,
                reason,
            },
            _ => Self::File {
                path,
                action,
                reason,
            },
        }
    }

    /// A file that could not be read, although it must be there.
    pub(crate) fn unread(path: &Path, because: &str, error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::Gone {
                path: path.to_owned(),
                reason: because.to_owned(),
            },
            _ => Self::file(path, "read", error),
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
            DirectoryError::Denied { .. } => Self::Denied(message),
            DirectoryError::Damaged { .. } | DirectoryError::Gone { .. } => Self::Damaged(message),
            DirectoryError::Fenced(_) => Self::Closed(message),
            _ => Self::Unavailable(message),
        }
    }
}

/// Whether an error says that this process, or all of them, have too many files open.
pub(crate) fn is_out_of_handles(error: &std::io::Error) -> bool {
    let code = error.raw_os_error();
    code == Some(Errno::MFILE.raw_os_error()) || code == Some(Errno::NFILE.raw_os_error())
}

/// Whether an error says that the disk, a quota or the largest file size is used up.
pub(crate) fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}
