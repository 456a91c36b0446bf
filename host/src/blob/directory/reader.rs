//! Reads blobs out of log files.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;
use sop_engine::types::PhysicalId;

use super::error::DirectoryError;
use super::frame::{HEADER_LENGTH, misplaced};
use super::layout::{Layout, LogFileId};
use crate::blob::BlobError;
use crate::limits;

/// Log files that are open for reading.
#[derive(Debug)]
pub(crate) struct Reader {
    layout: Layout,
    seed: u64,
    files: RwLock<HashMap<LogFileId, Arc<File>>>,
}

impl Reader {
    pub(crate) fn new(layout: Layout, seed: u64) -> Self {
        Self {
            layout,
            seed,
            files: RwLock::new(HashMap::new()),
        }
    }

    /// The bytes from `offset - before` to `offset + length`.
    pub(crate) fn read(&self, id: PhysicalId, before: u32) -> Result<Bytes, BlobError> {
        let file_id = LogFileId::from_segment(id.segment).ok_or(BlobError::Missing(id))?;
        let start = id
            .offset
            .checked_sub(before)
            .ok_or(BlobError::Missing(id))?;
        let end = id
            .offset
            .checked_add(id.length)
            .ok_or(BlobError::Missing(id))?;
        let file = self.open(file_id, id)?;
        let path = || self.layout.log(file_id);
        let failed =
            |error: io::Error| BlobError::from(DirectoryError::file(&path(), "read", &error));
        // A forged id must not make the host allocate more than there is to read.
        if u64::from(end) > file.metadata().map_err(failed)?.len() {
            let reason = format!("it ends before byte {end}, where blob {id} ends");
            return Err(DirectoryError::damaged(&path(), u64::from(start), reason).into());
        }
        let mut bytes = vec![0; (end - start) as usize];
        file.read_exact_at(&mut bytes, u64::from(start))
            .map_err(failed)?;
        Ok(Bytes::from(bytes))
    }

    fn open(&self, file_id: LogFileId, id: PhysicalId) -> Result<Arc<File>, BlobError> {
        if let Some(file) = self.files.read().get(&file_id) {
            return Ok(Arc::clone(file));
        }
        let path = self.layout.log(file_id);
        let file = match File::open(&path) {
            Ok(file) => Arc::new(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(BlobError::Missing(id));
            }
            Err(error) => return Err(DirectoryError::file(&path, "open", &error).into()),
        };
        // A body says whose page it is, but not of which database and time: that only its file says.
        let header = |offset: u32| {
            let mut bytes = [0; HEADER_LENGTH];
            let read = file.read_exact_at(&mut bytes, u64::from(offset));
            read.is_ok().then_some(bytes)
        };
        if let Some(reason) = misplaced(file_id, self.seed, header) {
            return Err(DirectoryError::damaged(&path, 0, reason).into());
        }
        let mut files = self.files.write();
        if files.len() >= limits::LOG_FILES_OPEN_MAX {
            // Opening again costs microseconds, so which one goes matters little: the oldest is read least.
            if let Some(oldest) = files.keys().min().copied() {
                files.remove(&oldest);
            }
        }
        files.insert(file_id, Arc::clone(&file));
        Ok(file)
    }

    /// Forgets a file that was deleted.
    pub(crate) fn forget(&self, id: LogFileId) {
        self.files.write().remove(&id);
    }
}
