//! Writes a checkpoint file, entry by entry.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::Checkpoint;
use super::builder::CheckpointBuilder;
use crate::blob::directory::{DirectoryError, Steps, sync_folder, temporary};
use crate::recovery::entry::{Entry, Header};

const BUFFER_BYTES: usize = 1 << 20;

/// A checkpoint file while it is written; nothing has its name before [`CheckpointWriter::finish`].
#[derive(Debug)]
pub struct CheckpointWriter {
    path: PathBuf,
    seed: u64,
    builder: CheckpointBuilder,
    target: Target,
}

/// Where the bytes go.
#[derive(Debug)]
struct Target {
    temporary: PathBuf,
    file: File,
    steps: Steps,
}

impl CheckpointWriter {
    /// Begins a checkpoint that will be at `path`.
    pub fn create(path: &Path, seed: u64, steps: &Steps) -> Result<Self, DirectoryError> {
        let temporary = temporary(path);
        let created = steps
            .at("create a checkpoint")
            .and_then(|()| File::create(&temporary));
        let file = created.map_err(|error| DirectoryError::file(&temporary, "create", &error))?;
        Ok(Self {
            path: path.to_owned(),
            seed,
            builder: CheckpointBuilder::new(&temporary, seed),
            target: Target {
                temporary,
                file,
                steps: steps.clone(),
            },
        })
    }

    /// Adds the next entry; ids ascend.
    pub fn push(&mut self, entry: &Entry) -> Result<(), DirectoryError> {
        self.builder.push(entry)?;
        match self.builder.ready(BUFFER_BYTES) {
            Some(bytes) => self.target.write(&bytes),
            None => Ok(()),
        }
    }

    /// Bytes of live blobs by log file, of the entries so far.
    pub fn live(&self) -> &BTreeMap<u64, u64> {
        self.builder.live()
    }

    /// Writes the rest, makes it durable and gives it its name.
    pub fn finish(mut self, header: &Header) -> Result<Checkpoint, DirectoryError> {
        let rest = self.builder.finish(header)?;
        self.target.write(&rest)?;
        let named = self.target.name(&self.path);
        named.map_err(|error| self.target.failed(&error))?;
        sync_folder(self.path.parent().unwrap_or(&self.path))?;
        // What was written is read back before anyone relies on it.
        Checkpoint::open(&self.path, self.seed)
    }
}

impl Target {
    fn write(&mut self, bytes: &[u8]) -> Result<(), DirectoryError> {
        let written = self
            .steps
            .at("write a checkpoint")
            .and_then(|()| self.file.write_all(bytes));
        written.map_err(|error| self.failed(&error))
    }

    fn name(&self, path: &Path) -> io::Result<()> {
        self.steps.at("sync a checkpoint")?;
        self.file.sync_all()?;
        self.steps.at("name a checkpoint")?;
        std::fs::rename(&self.temporary, path)?;
        self.steps.at("sync the checkpoint folder")
    }

    fn failed(&self, error: &io::Error) -> DirectoryError {
        DirectoryError::file(&self.temporary, "write", error)
    }
}

impl Drop for Target {
    /// An abandoned file gives its room back; a finished one has another name by now.
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.temporary);
    }
}
