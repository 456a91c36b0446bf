//! What the tests of this folder share: opening without a registry, and reading a log back.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use bytes::Bytes;

use super::error::DirectoryError;
use super::{Directory, DirectoryOptions, LogFileId, Opening};
use crate::blob::{BlobStore, Put, SegmentKey, SegmentPlace};

/// A segment as a scan delivered it.
pub(super) type Segment = (SegmentKey, SegmentPlace, Bytes);

/// Small log files, so that every test crosses from one to the next.
pub(super) fn small_files() -> DirectoryOptions {
    DirectoryOptions {
        log_file_bytes: 4 << 10,
        ..DirectoryOptions::default()
    }
}

/// Opens for writing and keeps what was replayed in the old log: the next opening replays the new epoch only.
pub(super) fn open(
    path: &Path,
    options: DirectoryOptions,
) -> Result<(Directory, Vec<Segment>), DirectoryError> {
    let mut opening = Opening::for_writing(
        path,
        options,
        [rand::random(), rand::random(), rand::random()],
    )?;
    let mut segments = Vec::new();
    replay(&mut opening, &mut segments)?;
    Ok((opening.finish(None)?, segments))
}

/// The segments of the newest epoch, without changing anything.
pub(super) fn look(path: &Path) -> Result<Vec<Segment>, DirectoryError> {
    let mut segments = Vec::new();
    replay(&mut Opening::for_reading(path)?, &mut segments)?;
    Ok(segments)
}

fn replay(opening: &mut Opening, segments: &mut Vec<Segment>) -> Result<(), DirectoryError> {
    opening.replay(None, &mut |key, place, bytes| {
        segments.push((key, place, bytes));
        Ok::<(), DirectoryError>(())
    })?;
    Ok(())
}

/// The key of the n-th segment.
pub(super) fn key(directory: &Directory, unique: u64) -> SegmentKey {
    SegmentKey {
        epoch: directory.epoch(),
        period: 0,
        unique,
    }
}

/// Bytes that differ from segment to segment.
pub(super) fn body(unique: u64, length: usize) -> Bytes {
    let word = (unique.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1).to_le_bytes();
    word.iter().copied().cycle().take(length).collect()
}

/// Appends and expects success.
pub(super) async fn put(directory: &Directory, unique: u64, length: usize) -> SegmentPlace {
    let put = directory
        .put(key(directory, unique), body(unique, length))
        .await
        .unwrap();
    let Put::Won(place) = put else {
        unreachable!("the key was free")
    };
    place
}

/// The path of a log file.
pub(super) fn log_path(path: &Path, id: LogFileId) -> std::path::PathBuf {
    super::layout::Layout::new(path).log(id)
}

/// Copies a database, without its lock.
pub(super) fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.unwrap();
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}
