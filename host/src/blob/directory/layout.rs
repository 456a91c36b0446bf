//! The names of the files of a database directory, and the format file that says whose directory it is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::DirectoryError;
use super::frame::checksum;
use super::steps::Steps;

/// The newest format this program reads and the one it writes.
pub(crate) const FORMAT: u32 = 1;
const FORMAT_MAGIC: &str = "sop-database";
const FORMAT_FILE: &str = "format";
const FORMAT_TEMPORARY: &str = "format.temporary";
const LOCK_FILE: &str = "lock";
const FOLDERS: [&str; 3] = ["epoch", "log", "checkpoint"];
const TEMPORARY: &str = "temporary";

/// A position in the log: positions of one epoch are ordered as they were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogPosition {
    /// The epoch that wrote it.
    pub epoch: u32,
    /// Which log file of that epoch, from 1.
    pub index: u32,
    /// Where in that file.
    pub offset: u32,
}

impl LogPosition {
    /// Where the log of an epoch starts.
    pub const fn start(epoch: u32) -> Self {
        Self {
            epoch,
            index: 1,
            offset: 0,
        }
    }

    /// The log file.
    pub const fn file(self) -> LogFileId {
        LogFileId {
            epoch: self.epoch,
            index: self.index,
        }
    }
}

/// Identity of a log file: never used twice, because an epoch is claimed once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogFileId {
    /// The epoch that wrote it.
    pub epoch: u32,
    /// Which file of that epoch, from 1.
    pub index: u32,
}

impl LogFileId {
    /// The `segment` part of the physical ids of the blobs in this file.
    pub const fn segment(self) -> (u64, u64) {
        ((self.epoch as u64) << 32 | self.index as u64, 0)
    }

    /// The file of a physical id.
    pub fn from_segment(segment: (u64, u64)) -> Option<Self> {
        let (high, low) = segment;
        let epoch = u32::try_from(high >> 32).ok()?;
        let index = u32::try_from(high & u64::from(u32::MAX)).ok()?;
        (low == 0 && index > 0).then_some(Self { epoch, index })
    }
}

/// Identity of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CheckpointId {
    /// The epoch that wrote it.
    pub epoch: u32,
    /// The period that it starts.
    pub period: u32,
}

/// The paths of a database directory.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join(LOCK_FILE)
    }

    pub(crate) fn epochs(&self) -> PathBuf {
        self.root.join("epoch")
    }

    pub(crate) fn claim(&self, epoch: u32) -> PathBuf {
        self.epochs().join(format!("{epoch:08x}.claim"))
    }

    pub(crate) fn manifest(&self, epoch: u32) -> PathBuf {
        self.epochs().join(format!("{epoch:08x}.manifest"))
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("log")
    }

    pub(crate) fn log(&self, id: LogFileId) -> PathBuf {
        self.logs()
            .join(format!("{:08x}-{:08x}.log", id.epoch, id.index))
    }

    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoint")
    }

    pub(crate) fn checkpoint(&self, id: CheckpointId) -> PathBuf {
        self.checkpoints()
            .join(format!("{:08x}-{:08x}.checkpoint", id.epoch, id.period))
    }

    /// The epochs with a file of this extension (`claim` or `manifest`), in order.
    pub(crate) fn list_epochs(&self, extension: &str) -> Result<Vec<u32>, DirectoryError> {
        let parse = |name: &str| number(name.strip_suffix(extension)?.strip_suffix('.')?);
        list(&self.epochs(), parse)
    }

    /// The log files, in order.
    pub(crate) fn list_logs(&self) -> Result<Vec<LogFileId>, DirectoryError> {
        list(&self.logs(), |name| {
            let (epoch, index) = name.strip_suffix(".log")?.split_once('-')?;
            Some(LogFileId {
                epoch: number(epoch)?,
                index: number(index)?,
            })
        })
    }

    /// The checkpoints, in order.
    pub(crate) fn list_checkpoints(&self) -> Result<Vec<CheckpointId>, DirectoryError> {
        list(&self.checkpoints(), |name| {
            let (epoch, period) = name.strip_suffix(".checkpoint")?.split_once('-')?;
            Some(CheckpointId {
                epoch: number(epoch)?,
                period: number(period)?,
            })
        })
    }

    /// Removes what a killed process left half written. Only the holder of the exclusive lock may.
    pub(crate) fn remove_temporaries(&self, steps: &Steps) -> Result<(), DirectoryError> {
        for folder in [self.epochs(), self.checkpoints()] {
            for path in list_paths(&folder)? {
                if path
                    .extension()
                    .is_some_and(|extension| extension == TEMPORARY)
                {
                    let removed = steps
                        .at("remove a temporary")
                        .and_then(|()| fs::remove_file(&path));
                    removed.map_err(|error| DirectoryError::file(&path, "remove", &error))?;
                }
            }
        }
        Ok(())
    }
}

/// A path beside `path` for bytes that are not complete yet; no two processes use the same.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    path.with_added_extension(format!("{}.{TEMPORARY}", std::process::id()))
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> Result<(), DirectoryError> {
    let synced = fs::File::open(path).and_then(|folder| folder.sync_all());
    synced.map_err(|error| DirectoryError::file(path, "sync", &error))
}

fn number(text: &str) -> Option<u32> {
    (text.len() == 8).then(|| u32::from_str_radix(text, 16).ok())?
}

fn list_paths(folder: &Path) -> Result<Vec<PathBuf>, DirectoryError> {
    let failed = |error: io::Error| DirectoryError::file(folder, "list", &error);
    let entries = fs::read_dir(folder).map_err(failed)?;
    entries
        .map(|entry| entry.map(|entry| entry.path()).map_err(failed))
        .collect()
}

fn list<T: Ord>(
    folder: &Path,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, DirectoryError> {
    let paths = list_paths(folder)?;
    let names = paths.iter().filter_map(|path| path.file_name()?.to_str());
    let mut found: Vec<T> = names.filter_map(parse).collect();
    found.sort_unstable();
    Ok(found)
}

/// Identity of a database; every checksum in its directory is seeded with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatabaseId(pub u128);

impl DatabaseId {
    /// The seed of checksums.
    pub(crate) fn seed(self) -> u64 {
        checksum(&self.0.to_le_bytes(), u64::from(FORMAT))
    }
}

/// What a look at the path shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A database.
    Database(DatabaseId),
    /// Nothing, or a creation that did not finish.
    Empty,
}

/// Looks at the path without changing anything.
pub(crate) fn inspect(layout: &Layout) -> Result<Found, DirectoryError> {
    let root = layout.root();
    let foreign = |reason: &str| DirectoryError::Foreign {
        path: root.to_owned(),
        reason: reason.to_owned(),
    };
    match fs::metadata(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return if root.is_symlink() {
                Err(foreign("it is a link that leads nowhere"))
            } else {
                Ok(Found::Empty)
            };
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(foreign("a part of its path is a file"));
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidFilename => {
            return Err(foreign("its name is too long"));
        }
        Err(error) => return Err(DirectoryError::file(root, "open", &error)),
        Ok(metadata) if !metadata.is_dir() => return Err(foreign("it is a file")),
        Ok(_) => {}
    }
    let path = root.join(FORMAT_FILE);
    match fs::read(&path) {
        Ok(bytes) => parse_format(root, &bytes).map(Found::Database),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            for path in list_paths(root)? {
                let name = path
                    .file_name()
                    .and_then(|name| name.to_str())
                    .unwrap_or_default();
                let ours = name == LOCK_FILE || name == FORMAT_TEMPORARY;
                let empty_folder =
                    FOLDERS.contains(&name) && path.is_dir() && list_paths(&path)?.is_empty();
                if !ours && !empty_folder {
                    return Err(foreign(&format!(
                        "it holds {name:?} and no {FORMAT_FILE:?} file"
                    )));
                }
            }
            Ok(Found::Empty)
        }
        Err(error) => Err(DirectoryError::file(&path, "read", &error)),
    }
}

/// Makes an empty directory a database. The format file comes last, so that a creation that was killed is no database.
pub(crate) fn create(layout: &Layout, id: DatabaseId, steps: &Steps) -> Result<(), DirectoryError> {
    let root = layout.root();
    for folder in FOLDERS {
        let path = root.join(folder);
        let made = steps
            .at("create a folder")
            .and_then(|()| fs::create_dir_all(&path));
        made.map_err(|error| DirectoryError::file(&path, "create", &error))?;
    }
    let temporary = root.join(FORMAT_TEMPORARY);
    let path = root.join(FORMAT_FILE);
    let write = || {
        steps.at("write the format file")?;
        write_synced(&temporary, format_line(FORMAT, id).as_bytes())?;
        steps.at("name the format file")?;
        fs::rename(&temporary, &path)
    };
    write().map_err(|error| DirectoryError::file(&path, "write", &error))?;
    sync_folder(root)
}

/// Writes a whole new file and makes its bytes durable.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn format_line(format: u32, id: DatabaseId) -> String {
    let text = format!("{FORMAT_MAGIC} {format} {:032x}", id.0);
    format!("{text} {:016x}\n", checksum(text.as_bytes(), 0))
}

fn parse_format(root: &Path, bytes: &[u8]) -> Result<DatabaseId, DirectoryError> {
    let foreign = || DirectoryError::Foreign {
        path: root.to_owned(),
        reason: format!("its {FORMAT_FILE:?} file is not one of sop"),
    };
    let text = std::str::from_utf8(bytes).map_err(|_| foreign())?;
    let mut words = text.split_ascii_whitespace();
    if words.next() != Some(FORMAT_MAGIC) {
        return Err(foreign());
    }
    let path = root.join(FORMAT_FILE);
    let damaged =
        || DirectoryError::damaged(&path, 0, "the format file does not match its checksum");
    // A later format may say more than this program understands, so its number is looked at first.
    let found: u32 = words
        .next()
        .and_then(|word| word.parse().ok())
        .ok_or_else(damaged)?;
    if found > FORMAT {
        return Err(DirectoryError::Newer {
            path: root.to_owned(),
            found,
            supported: FORMAT,
        });
    }
    let id = words
        .next()
        .and_then(|word| u128::from_str_radix(word, 16).ok())
        .ok_or_else(damaged)?;
    let id = DatabaseId(id);
    if format_line(found, id) == text {
        Ok(id)
    } else {
        Err(damaged())
    }
}

#[cfg(test)]
#[path = "layout_test.rs"]
mod test;
