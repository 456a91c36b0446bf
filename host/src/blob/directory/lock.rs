//! The lock file: one writer, or any number of readers.
//!
//! The system drops a lock with its process, so a killed holder leaves nothing to clean up. The lock is a courtesy that
//! gives a clear error; what keeps two writers apart even without it is the claim of an epoch.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::error::DirectoryError;
use super::layout::Layout;

/// A held lock; dropped with it.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: Option<File>,
}

/// Locks for writing.
pub(crate) fn exclusive(layout: &Layout) -> Result<Lock, DirectoryError> {
    let path = layout.lock();
    let failed = |error: io::Error| DirectoryError::file(&path, "lock", &error);
    let open = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path);
    let mut file = open.map_err(failed)?;
    take(layout, &mut file, FlockOperation::NonBlockingLockExclusive)?;
    // For the error of a second opener only; nobody needs it to be durable.
    let written = file
        .set_len(0)
        .and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()));
    match written {
        Ok(()) => Ok(Lock { _file: Some(file) }),
        Err(error) => Err(failed(error)),
    }
}

/// Locks for reading. Writes nothing, so a directory without a lock file, such as a copy, is read without a lock.
pub(crate) fn shared(layout: &Layout) -> Result<Lock, DirectoryError> {
    let path = layout.lock();
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Lock { _file: None }),
        Err(error) => return Err(DirectoryError::file(&path, "lock", &error)),
    };
    take(layout, &mut file, FlockOperation::NonBlockingLockShared)?;
    Ok(Lock { _file: Some(file) })
}

fn take(layout: &Layout, file: &mut File, operation: FlockOperation) -> Result<(), DirectoryError> {
    match flock(&*file, operation) {
        Ok(()) => Ok(()),
        Err(Errno::WOULDBLOCK) => Err(DirectoryError::Locked {
            path: layout.root().to_owned(),
            holder: holder(file),
        }),
        Err(error) => Err(DirectoryError::file(&layout.lock(), "lock", &error.into())),
    }
}

/// The writer that the lock file names, if it is still alive: a killed one leaves its number behind.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(16).read_to_string(&mut text).ok()?;
    let pid = text.trim().parse::<u32>().ok()?;
    let process = rustix::process::Pid::from_raw(i32::try_from(pid).ok()?)?;
    match rustix::process::test_kill_process(process) {
        Ok(()) | Err(Errno::PERM) => Some(pid),
        Err(_) => None,
    }
}
