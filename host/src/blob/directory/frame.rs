//! The frame in front of every record of a log file.
//!
//! ```text
//!  0       4      8       12      16       20       24       28        32        36      40       48       56       64
//!  | magic | kind | epoch | index | offset | length | period | durable | durable | zeros | unique | check  | check  | bytes, zeros
//!  |       |      |       |       |        |        |        | index   | offset  |       |        | bytes  | header | up to 8
//! ```
//!
//! Epoch, index of the file in its epoch, and offset of the frame in its file are under the checksum of the header, and
//! every checksum is seeded with the identity of the database: bytes that lay elsewhere, or belong to an earlier life of
//! the same blocks, are never a record here. `durable` is the position up to which the log was on the disk when the
//! frame was written: whatever is damaged *below* that was once acknowledged, whatever is damaged above may be a torn
//! tail.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::layout::{LogFileId, LogPosition};
use crate::blob::SegmentKey;

/// Length of a header, in bytes.
pub(crate) const HEADER_BYTES: u32 = 64;
/// Every frame starts at a multiple of this.
pub(crate) const ALIGNMENT_BYTES: u32 = 8;

pub(crate) const HEADER_LENGTH: usize = HEADER_BYTES as usize;
const MAGIC: u32 = 0x676f_6c73;
const CHECKED_BYTES: usize = 56;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// A segment follows.
    Segment,
    /// The log goes on in the next file.
    End,
    /// Everything before is on the disk. The next record overwrites it.
    Mark,
}

impl FrameKind {
    const fn number(self) -> u32 {
        match self {
            Self::Segment => 1,
            Self::End => 2,
            Self::Mark => 3,
        }
    }

    const fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Segment),
            2 => Some(Self::End),
            3 => Some(Self::Mark),
            _ => None,
        }
    }
}

/// The decoded header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: FrameKind,
    /// Where the frame starts.
    pub(crate) at: LogPosition,
    /// The log was on the disk up to here when this was written (same epoch).
    pub(crate) durable: LogPosition,
    pub(crate) period: u32,
    pub(crate) unique: u64,
    /// Length of the bytes, without the zeros after them.
    pub(crate) length: u32,
    pub(crate) bytes_checksum: u64,
}

impl Frame {
    /// A frame without bytes.
    pub(crate) fn empty(kind: FrameKind, at: LogPosition, durable: LogPosition, seed: u64) -> Self {
        Self {
            kind,
            at,
            durable,
            period: 0,
            unique: 0,
            length: 0,
            bytes_checksum: checksum(&[], seed),
        }
    }

    /// The key of the segment.
    pub(crate) fn key(&self) -> SegmentKey {
        SegmentKey {
            epoch: self.at.epoch,
            period: self.period,
            unique: self.unique,
        }
    }

    /// The header as it lies in the file.
    pub(crate) fn encode(&self, seed: u64) -> [u8; HEADER_LENGTH] {
        assert_eq!(
            self.at.epoch, self.durable.epoch,
            "durable positions are of the same epoch"
        );
        assert_eq!(self.at.offset % ALIGNMENT_BYTES, 0, "frames are aligned");
        let words = [
            MAGIC,
            self.kind.number(),
            self.at.epoch,
            self.at.index,
            self.at.offset,
            self.length,
            self.period,
            self.durable.index,
            self.durable.offset,
            0,
        ];
        let mut header = [0; HEADER_LENGTH];
        for (place, word) in header.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        header[40..48].copy_from_slice(&self.unique.to_le_bytes());
        header[48..56].copy_from_slice(&self.bytes_checksum.to_le_bytes());
        let check = checksum(&header[..CHECKED_BYTES], seed);
        header[56..64].copy_from_slice(&check.to_le_bytes());
        header
    }

    /// The frame whose header starts at the first byte of `bytes`, if it is one and belongs at this position.
    pub(crate) fn decode(bytes: &[u8], at: LogPosition, seed: u64) -> Option<Self> {
        let header: &[u8; HEADER_LENGTH] = bytes.first_chunk()?;
        Self::is_checked(header, seed)
            .then(|| Self::read(header, at))
            .flatten()
    }

    fn is_checked(header: &[u8; HEADER_LENGTH], seed: u64) -> bool {
        let (checked, check) = header.split_at(CHECKED_BYTES);
        check == checksum(checked, seed).to_le_bytes()
    }

    fn read(header: &[u8; HEADER_LENGTH], at: LogPosition) -> Option<Self> {
        if word(header, 0) != MAGIC {
            return None;
        }
        let found = LogPosition {
            epoch: word(header, 2),
            index: word(header, 3),
            offset: word(header, 4),
        };
        if found != at {
            return None;
        }
        Some(Self {
            kind: FrameKind::from_number(word(header, 1))?,
            at,
            durable: LogPosition {
                epoch: at.epoch,
                index: word(header, 7),
                offset: word(header, 8),
            },
            period: word(header, 6),
            unique: u64::from(word(header, 10)) | u64::from(word(header, 11)) << 32,
            length: word(header, 5),
            bytes_checksum: u64::from(word(header, 12)) | u64::from(word(header, 13)) << 32,
        })
    }

    /// Where the next frame starts; `None` if that is beyond any file.
    pub(crate) fn next_offset(&self) -> Option<u32> {
        self.at.offset.checked_add(frame_bytes(self.length)?)
    }
}

/// Why a log file is not the one that its name says, if that can be told from its first frames. `header` reads one.
///
/// A frame of this database lies at its place or in the wrong file. One that fails its checksum may be damaged or torn; but
/// two that follow each other and both fail are the log of another database.
pub(crate) fn misplaced(
    file: LogFileId,
    seed: u64,
    header: impl Fn(u32) -> Option<[u8; HEADER_LENGTH]>,
) -> Option<&'static str> {
    let first = header(0)?;
    let named = LogPosition {
        epoch: word(&first, 2),
        index: word(&first, 3),
        offset: 0,
    };
    if Frame::is_checked(&first, seed) {
        return (named.file() != file).then_some("it is another log file of this database");
    }
    let next = Frame::read(&first, named)?.next_offset()?;
    let second = header(next)?;
    let at = LogPosition {
        offset: next,
        ..named
    };
    let foreign = Frame::read(&second, at).is_some() && !Frame::is_checked(&second, seed);
    foreign.then_some("it is the log of another database, or its beginning is damaged")
}

/// Length of a frame with its header and the zeros after it.
pub(crate) fn frame_bytes(length: u32) -> Option<u32> {
    length
        .checked_next_multiple_of(ALIGNMENT_BYTES)?
        .checked_add(HEADER_BYTES)
}

/// The checksum of this database.
pub(crate) fn checksum(bytes: &[u8], seed: u64) -> u64 {
    xxh3_64_with_seed(bytes, seed)
}

fn word(header: &[u8; HEADER_LENGTH], index: usize) -> u32 {
    let place = header
        .get(index * 4..)
        .and_then(|rest| rest.first_chunk::<4>());
    place.map_or(0, |place| u32::from_le_bytes(*place))
}
