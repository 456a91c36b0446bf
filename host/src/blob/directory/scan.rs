//! Reads the log back, from a position on to its end, and tells a torn tail from damage.
//!
//! ```text
//!   file 1                              file 2                        file 3
//!   [seg][seg][seg][seg][END]           [seg][seg][se▒▒▒▒▒▒▒▒▒        (created, empty)
//!    ^ from                                       ^ the log ends here
//! ```
//!
//! The log ends at the first thing that is not a valid record, and what lies behind is ignored: it was written together
//! with the torn record and never acknowledged. Unless a frame behind says that the log was on the disk *beyond* that
//! place when it was written. Then the broken record had been acknowledged, and going on without it would lose a commit
//! silently: that is damage, and the database is not opened.
//!
//! A log file is durable, with room for a frame, before anything says that the log goes on in it. So one that is missing or
//! shorter is damage too; and so is one that begins with the frames of
//! another file or another database.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use bytes::Bytes;

use super::error::DirectoryError;
use super::frame::{ALIGNMENT_BYTES, Frame, FrameKind, HEADER_BYTES, checksum, misplaced};
use super::layout::{Layout, LogFileId, LogPosition};
use crate::blob::{SegmentKey, SegmentPlace};

/// What a scan found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// Where the log ends.
    pub end: LogPosition,
    /// How many segments were delivered.
    pub segments: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// The files that were read, in order.
    pub files: Vec<LogFileId>,
}

/// How the reading of one file ended.
enum FileEnd {
    /// The log goes on in the next file.
    Next,
    /// Here is no valid record.
    Tail(u32),
}

/// Delivers every segment of the log from `from` on, in order.
pub(crate) fn scan<E: From<DirectoryError>>(
    layout: &Layout,
    seed: u64,
    from: LogPosition,
    deliver: &mut dyn FnMut(SegmentKey, SegmentPlace, Bytes) -> Result<(), E>,
) -> Result<Scanned, E> {
    let mut scanned = Scanned {
        end: from,
        segments: 0,
        bytes: 0,
        files: Vec::new(),
    };
    let mut start = from.offset;
    for index in from.index.. {
        let id = LogFileId {
            epoch: from.epoch,
            index,
        };
        let Some(file) = LoadedFile::load(layout, id, seed)? else {
            let reason = "the log goes on in it".to_owned();
            let path = layout.log(id);
            return Err(DirectoryError::Gone { path, reason }.into());
        };
        file.refuse_stump(layout)?;
        scanned.files.push(id);
        let end = file.segments(start, &mut |frame, bytes| {
            scanned.segments += 1;
            scanned.bytes += u64::from(frame.length);
            let base = frame.at.offset.saturating_add(HEADER_BYTES);
            deliver(
                frame.key(),
                SegmentPlace {
                    segment: id.segment(),
                    base,
                },
                bytes,
            )
        })?;
        start = 0;
        if let FileEnd::Tail(offset) = end {
            scanned.end = LogPosition {
                epoch: id.epoch,
                index,
                offset,
            };
            break;
        }
    }
    refuse_damage(layout, seed, scanned.end)?;
    Ok(scanned)
}

/// Whether a log file begins with a record.
pub(crate) fn has_record(
    layout: &Layout,
    id: LogFileId,
    seed: u64,
) -> Result<bool, DirectoryError> {
    let file = LoadedFile::load(layout, id, seed)?;
    Ok(file.is_some_and(|file| file.frame_at(0).is_some()))
}

/// Fails if any frame behind `end` says that the log was durable beyond it.
fn refuse_damage(layout: &Layout, seed: u64, end: LogPosition) -> Result<(), DirectoryError> {
    let later = layout
        .list_logs()?
        .into_iter()
        .filter(|id| id.epoch == end.epoch && id.index >= end.index);
    for id in later {
        let Some(file) = LoadedFile::load(layout, id, seed)? else {
            continue;
        };
        let start = if id.index == end.index { end.offset } else { 0 };
        let witness = file
            .frames_anywhere(start)
            .find(|frame| frame.durable > end);
        if let Some(witness) = witness {
            let path = layout.log(end.file());
            let reason = format!(
                "a record that was acknowledged is not readable (the log was durable up to file {} byte {})",
                witness.durable.index, witness.durable.offset
            );
            return Err(DirectoryError::damaged(
                &path,
                u64::from(end.offset),
                reason,
            ));
        }
    }
    Ok(())
}

/// A log file in memory: a scan reads each once.
struct LoadedFile {
    id: LogFileId,
    seed: u64,
    bytes: Bytes,
}

impl LoadedFile {
    fn load(layout: &Layout, id: LogFileId, seed: u64) -> Result<Option<Self>, DirectoryError> {
        let path: PathBuf = layout.log(id);
        let failed = |error: io::Error| DirectoryError::file(&path, "read", &error);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        // Offsets have 32 bits: what lies beyond cannot be a record.
        let mut bytes = Vec::new();
        file.take(u64::from(u32::MAX))
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        Ok(Some(Self {
            id,
            seed,
            bytes: Bytes::from(bytes),
        }))
    }

    /// Fails if there is less than any log file has, or the frames of another file.
    fn refuse_stump(&self, layout: &Layout) -> Result<(), DirectoryError> {
        let damaged = |reason: &str| DirectoryError::damaged(&layout.log(self.id), 0, reason);
        if self.bytes.len() < HEADER_BYTES as usize {
            return Err(damaged("it is shorter than any log file"));
        }
        let header = |offset: u32| self.bytes.get(offset as usize..)?.first_chunk().copied();
        match misplaced(self.id, self.seed, header) {
            Some(reason) => Err(damaged(reason)),
            None => Ok(()),
        }
    }

    fn position(&self, offset: u32) -> LogPosition {
        LogPosition {
            epoch: self.id.epoch,
            index: self.id.index,
            offset,
        }
    }

    fn frame_at(&self, offset: u32) -> Option<Frame> {
        Frame::decode(
            self.bytes.get(offset as usize..)?,
            self.position(offset),
            self.seed,
        )
    }

    /// The bytes of a frame, if they are what was written, the zeros after them included.
    fn bytes_of(&self, frame: &Frame) -> Option<Bytes> {
        let start = frame.at.offset.checked_add(HEADER_BYTES)? as usize;
        let end = start.checked_add(frame.length as usize)?;
        let zeros = self.bytes.get(end..frame.next_offset()? as usize)?;
        let bytes = self.bytes.get(start..end)?;
        let valid = zeros.iter().all(|zero| *zero == 0)
            && checksum(bytes, self.seed) == frame.bytes_checksum;
        valid.then(|| self.bytes.slice(start..end))
    }

    fn segments<E>(
        &self,
        start: u32,
        deliver: &mut dyn FnMut(&Frame, Bytes) -> Result<(), E>,
    ) -> Result<FileEnd, E> {
        let mut offset = start;
        loop {
            let Some(frame) = self.frame_at(offset) else {
                return Ok(FileEnd::Tail(offset));
            };
            match frame.kind {
                FrameKind::Segment => {}
                FrameKind::End => return Ok(FileEnd::Next),
                FrameKind::Mark => return Ok(FileEnd::Tail(offset)),
            }
            let Some((bytes, next)) = self.bytes_of(&frame).zip(frame.next_offset()) else {
                return Ok(FileEnd::Tail(offset));
            };
            deliver(&frame, bytes)?;
            offset = next;
        }
    }

    /// Every intact header from `start` on, whatever lies between them.
    fn frames_anywhere(&self, start: u32) -> impl Iterator<Item = Frame> {
        let end = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        (start..end)
            .step_by(ALIGNMENT_BYTES as usize)
            .filter_map(|offset| self.frame_at(offset))
    }
}

#[cfg(test)]
#[path = "scan_test.rs"]
mod test;
