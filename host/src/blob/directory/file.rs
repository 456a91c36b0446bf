//! One log file while it is written: room, zeros, bytes, sync, trim.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::error::is_full;
use super::layout::{LogFileId, LogPosition};
use super::steps::Steps;
use crate::limits;

/// The log file that takes the next record.
#[derive(Debug)]
pub(crate) struct LogFile {
    file: File,
    path: PathBuf,
    steps: Steps,
    id: LogFileId,
    /// Where the next frame starts.
    end: u32,
    /// The disk has room up to here.
    allocated: u32,
    /// Zeros were written up to here, or data.
    zeroed: u32,
}

impl LogFile {
    /// A new file, with room for `bytes`, whose name is durable.
    pub(crate) fn create(
        path: &Path,
        id: LogFileId,
        bytes: u32,
        steps: &Steps,
    ) -> io::Result<Self> {
        steps.at("create a log file")?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)?;
        let path = path.to_owned();
        let mut created = Self {
            file,
            path,
            steps: steps.clone(),
            id,
            end: 0,
            allocated: 0,
            zeroed: 0,
        };
        if let Err(error) = created.publish(bytes) {
            // A file without room is of no use; the next attempt makes it again.
            let _ = std::fs::remove_file(&created.path);
            return Err(error);
        }
        Ok(created)
    }

    fn publish(&mut self, bytes: u32) -> io::Result<()> {
        self.reserve(bytes)?;
        self.steps.at("sync a new log file")?;
        self.file.sync_all()?;
        let folder = self.path.parent().unwrap_or(&self.path);
        File::open(folder).and_then(|folder| folder.sync_all())
    }

    /// Where the next frame starts.
    pub(crate) fn position(&self) -> LogPosition {
        LogPosition {
            epoch: self.id.epoch,
            index: self.id.index,
            offset: self.end,
        }
    }

    /// Makes sure that the disk has room for `bytes` more, so that a full disk shows before any record is touched.
    pub(crate) fn reserve(&mut self, bytes: u32) -> io::Result<()> {
        let needed = self
            .end
            .checked_add(bytes)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        if needed > self.allocated {
            self.steps.at("allocate")?;
            let chunk = needed.saturating_add(limits::LOG_ALLOCATION_BYTES);
            let allocated = match self.allocate(chunk) {
                Err(error) if is_full(&error) => self.allocate(needed).map(|()| needed),
                other => other.map(|()| chunk),
            };
            self.allocated = allocated?;
        }
        if needed > self.zeroed {
            // Large records are written once: the gain of one cheap sync is not worth writing them twice.
            let large = bytes > limits::LOG_ZEROS_BYTES;
            let target = if large {
                needed
            } else {
                needed.saturating_add(limits::LOG_ZEROS_BYTES)
            };
            let target = target.min(self.allocated);
            if !large {
                self.write_zeros(target)?;
            }
            self.zeroed = target;
        }
        Ok(())
    }

    fn allocate(&self, target: u32) -> io::Result<()> {
        let length = u64::from(target.saturating_sub(self.allocated));
        match fallocate(
            &self.file,
            FallocateFlags::empty(),
            u64::from(self.allocated),
            length,
        ) {
            Ok(()) => Ok(()),
            // A file system that cannot allocate gets its room from the zeros; the length says all the same that this file
            // was begun.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.file.set_len(u64::from(target)),
            Err(error) => Err(error.into()),
        }
    }

    fn write_zeros(&self, target: u32) -> io::Result<()> {
        static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
        let mut at = self.zeroed.max(self.end);
        while at < target {
            let length = (target - at).min(64 << 10);
            let zeros = ZEROS.get(..length as usize).unwrap_or(&ZEROS);
            self.file.write_all_at(zeros, u64::from(at))?;
            at += length;
        }
        Ok(())
    }

    /// Writes frames at the end. The room was reserved before.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_at_end(bytes)?;
        let length = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.end = self
            .end
            .checked_add(length)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(())
    }

    /// Writes bytes at the end that the next frame overwrites.
    pub(crate) fn write_at_end(&self, bytes: &[u8]) -> io::Result<()> {
        self.steps.at("write the log")?;
        self.file.write_all_at(bytes, u64::from(self.end))
    }

    /// Makes everything written durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.steps.at("sync the log")?;
        self.file.sync_data()
    }

    /// Gives the room back that lies more than `kept` bytes after the end. A file that was never trimmed ends in zeros,
    /// which is as good.
    pub(crate) fn trim(&mut self, kept: u32) -> io::Result<()> {
        self.steps.at("trim the log")?;
        self.file.set_len(u64::from(self.end) + u64::from(kept))?;
        self.allocated = self.end;
        self.zeroed = self.end;
        Ok(())
    }
}
