//! Where the bytes of a checkpoint lie.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use bytes::Bytes;

/// A file, or bytes in memory.
#[derive(Debug)]
pub(super) enum Source {
    File(File),
    Memory(Bytes),
}

impl Source {
    pub(super) fn length(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Memory(bytes) => Ok(bytes.len() as u64),
        }
    }

    /// Exactly so many bytes from an offset.
    pub(super) fn read(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        match self {
            Self::File(file) => {
                let mut bytes = vec![0; length];
                file.read_exact_at(&mut bytes, offset)?;
                Ok(Bytes::from(bytes))
            }
            Self::Memory(bytes) => {
                let start = usize::try_from(offset).ok();
                let range = start.and_then(|start| Some(start..start.checked_add(length)?));
                match range {
                    Some(range) if range.end <= bytes.len() => Ok(bytes.slice(range)),
                    _ => Err(io::ErrorKind::UnexpectedEof.into()),
                }
            }
        }
    }
}
