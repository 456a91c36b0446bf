//! Turns segments into frames and frames into files: the part of the log that knows no queue.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::error::{is_full, is_out_of_handles};
use super::file::LogFile;
use super::frame::{Frame, FrameKind, HEADER_BYTES, frame_bytes};
use super::layout::{Layout, LogFileId, LogPosition};
use super::log::{Append, LogCounts};
use super::options::DirectoryOptions;
use crate::blob::SegmentPlace;
use crate::limits;

/// Why an append failed.
#[derive(Debug)]
pub(crate) enum WriterError {
    /// No room, or no handle for a new file; nothing of this record was written.
    Full(io::Error),
    /// The log may hold anything after its durable position.
    Failed(io::Error),
}

fn told_apart(error: io::Error) -> WriterError {
    if is_full(&error) || is_out_of_handles(&error) {
        WriterError::Full(error)
    } else {
        WriterError::Failed(error)
    }
}

/// Writes the log of one epoch.
#[derive(Debug)]
pub(crate) struct Writer {
    layout: Layout,
    options: DirectoryOptions,
    seed: u64,
    file: LogFile,
    /// Frames that are not with the operating system yet.
    buffer: Vec<u8>,
    /// Everything before is on the disk.
    durable: LogPosition,
    counts: Arc<LogCounts>,
}

impl Writer {
    /// Starts the log of an epoch with its first file.
    pub(crate) fn create(
        layout: Layout,
        epoch: u32,
        seed: u64,
        options: DirectoryOptions,
    ) -> io::Result<Self> {
        let start = LogPosition::start(epoch);
        let file = LogFile::create(
            &layout.log(start.file()),
            start.file(),
            2 * HEADER_BYTES,
            &options.steps,
        )?;
        let counts = Arc::new(LogCounts::default());
        Ok(Self {
            layout,
            options,
            seed,
            file,
            buffer: Vec::new(),
            durable: start,
            counts,
        })
    }

    /// The file that is written.
    pub(crate) fn path(&self) -> PathBuf {
        self.layout.log(self.file.position().file())
    }

    pub(crate) fn counts(&self) -> Arc<LogCounts> {
        Arc::clone(&self.counts)
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Where the next frame goes.
    pub(crate) fn end(&self) -> LogPosition {
        let position = self.file.position();
        let buffered = u32::try_from(self.buffer.len()).unwrap_or(u32::MAX);
        LogPosition {
            offset: position.offset.saturating_add(buffered),
            ..position
        }
    }

    /// Whether everything is on the disk.
    pub(crate) fn is_durable(&self) -> bool {
        self.durable == self.end()
    }

    /// Adds a segment. It is with the operating system after [`Writer::flush`], on the disk after [`Writer::sync`].
    pub(crate) fn append(&mut self, append: &Append) -> Result<SegmentPlace, WriterError> {
        let too_long = || WriterError::Full(io::ErrorKind::FileTooLarge.into());
        let bytes = frame_bytes(append.length).ok_or_else(too_long)?;
        // Every file keeps room for the frame that ends it, or for a mark.
        let needed = bytes.checked_add(2 * HEADER_BYTES).ok_or_else(too_long)?;
        self.make_room(needed)?;
        let at = self.end();
        let frame = Frame {
            kind: FrameKind::Segment,
            at,
            durable: self.durable,
            period: append.key.period,
            unique: append.key.unique,
            length: append.length,
            bytes_checksum: append.bytes_checksum,
        };
        self.buffer.extend_from_slice(&frame.encode(self.seed));
        let zeros = bytes as usize - HEADER_BYTES as usize - append.bytes.len();
        if append.bytes.len() > limits::LOG_COPY_BYTES_MAX {
            self.flush().map_err(WriterError::Failed)?;
            self.file
                .append(&append.bytes)
                .map_err(WriterError::Failed)?;
        } else {
            self.buffer.extend_from_slice(&append.bytes);
        }
        self.buffer.extend(std::iter::repeat_n(0, zeros));
        LogCounts::add(&self.counts.appends, 1);
        LogCounts::add(&self.counts.bytes, u64::from(bytes));
        Ok(SegmentPlace {
            segment: at.file().segment(),
            base: at.offset + HEADER_BYTES,
        })
    }

    fn make_room(&mut self, needed: u32) -> Result<(), WriterError> {
        // The file must be asked with everything in it.
        if self.buffer.len() > limits::LOG_COPY_BYTES_MAX {
            self.flush().map_err(WriterError::Failed)?;
        }
        let buffered = self.end().offset - self.file.position().offset;
        let total = needed
            .checked_add(buffered)
            .ok_or(WriterError::Full(io::ErrorKind::FileTooLarge.into()))?;
        let end = self.file.position().offset.saturating_add(total);
        // A record that is longer than a whole file gets one of its own.
        if self.end().offset == 0 || end <= self.options.log_file_bytes {
            return self.file.reserve(total).map_err(told_apart);
        }
        self.next_file(needed)
    }

    /// Goes on in a new file.
    pub(crate) fn roll(&mut self) -> Result<(), WriterError> {
        if self.end().offset == 0 {
            Ok(())
        } else {
            self.next_file(2 * HEADER_BYTES)
        }
    }

    /// The next file gets its room first: if there is none, this file simply stays the last one.
    fn next_file(&mut self, needed: u32) -> Result<(), WriterError> {
        let id = self.file.position().file();
        let next = LogFileId {
            index: id.index + 1,
            ..id
        };
        let path = self.layout.log(next);
        let next = LogFile::create(&path, next, needed, &self.options.steps).map_err(told_apart)?;
        self.finish_file().map_err(WriterError::Failed)?;
        self.file = next;
        self.durable = self.file.position();
        Ok(())
    }

    /// Says that the log goes on in the next file, and makes this one durable.
    fn finish_file(&mut self) -> io::Result<()> {
        let end = Frame::empty(FrameKind::End, self.end(), self.durable, self.seed);
        self.buffer.extend_from_slice(&end.encode(self.seed));
        self.sync()?;
        self.file.trim(0)
    }

    /// Hands everything to the operating system.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.file.append(&self.buffer)?;
            self.buffer.clear();
            self.buffer.shrink_to(4 * limits::LOG_COPY_BYTES_MAX);
        }
        Ok(())
    }

    /// Makes everything durable.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        if !self.is_durable() {
            self.file.sync()?;
            LogCounts::add(&self.counts.syncs, 1);
            self.durable = self.end();
        }
        Ok(())
    }

    /// Leaves a mark after a durable end: it proves that what lies before was acknowledged. Not synced itself.
    pub(crate) fn mark(&mut self) -> io::Result<()> {
        if !self.is_durable() || self.end().offset == 0 {
            return Ok(());
        }
        let mark = Frame::empty(FrameKind::Mark, self.end(), self.durable, self.seed);
        self.file.write_at_end(&mark.encode(self.seed))
    }

    /// Trims the last file of a log that is closed; the mark stays.
    pub(crate) fn trim(&mut self) -> io::Result<()> {
        self.sync()?;
        self.mark()?;
        self.file.trim(HEADER_BYTES)?;
        self.file.sync()
    }
}
