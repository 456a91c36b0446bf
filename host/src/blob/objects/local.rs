//! What a directory needs so that its files are as durable as objects.
//!
//! A put-if-absent is a synced file, a hard link and a sync of the folder. In between the link is visible and not yet
//! durable: its writer may be killed there, or that last sync may fail. So whoever meets an existing name syncs the folder
//! before believing it, and after a failed sync this process writes no more (the kernel reports such a failure once).

use std::collections::BTreeSet;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::blob::BlobError;

/// How the crate tells that the link, or the sync after it, failed.
const LINK_FAILED: &str = "Unable to rename file";

/// Failures of a sync that lose nothing.
const NEEDLESS: [ErrorKind; 2] = [ErrorKind::ReadOnlyFilesystem, ErrorKind::InvalidInput];

/// A directory that plays the part of an object store.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    root: PathBuf,
    poisoned: Arc<AtomicBool>,
}

impl Folder {
    pub(super) fn new(root: PathBuf) -> Self {
        Self {
            root,
            poisoned: Arc::default(),
        }
    }

    /// Whether anything may still be written.
    pub(super) fn check(&self) -> Result<(), BlobError> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(self.closed("a sync failed before"));
        }
        Ok(())
    }

    fn closed(&self, reason: &str) -> BlobError {
        BlobError::Closed(format!(
            "{}: {reason}; what was written last may not be on the disk",
            self.root.display()
        ))
    }

    /// After a put that failed: if its link is there all the same, it was its sync that failed.
    pub(super) async fn after_failed_put(&self, name: &str, text: &str) -> Result<(), BlobError> {
        if !text.contains(LINK_FAILED) {
            return Ok(());
        }
        let path = self.root.join(name);
        let there = self.blocking(move || Ok(path.try_exists().unwrap_or(true)));
        if there.await? {
            self.poisoned.store(true, Ordering::Release);
            return Err(self.closed("a sync failed"));
        }
        Ok(())
    }

    /// Makes durable that these names are there.
    pub(super) async fn sync(&self, names: &[&str]) -> Result<(), BlobError> {
        let folder_of = |name: &&str| self.root.join(name).parent().map(FilePath::to_path_buf);
        let folders: BTreeSet<PathBuf> = names.iter().filter_map(folder_of).collect();
        let synced = self.blocking(move || {
            for folder in folders {
                match File::open(&folder) {
                    Ok(file) => match file.sync_all() {
                        // Nothing is written there, or folders are not synced there.
                        Err(error) if NEEDLESS.contains(&error.kind()) => {}
                        synced => synced?,
                    },
                    // Its files were deleted meanwhile, and it with them.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        });
        let synced = synced.await;
        if synced.is_err() {
            self.poisoned.store(true, Ordering::Release);
        }
        synced
    }

    /// Removes the folder of a name that was deleted, if nothing else is in it: an object store has no folders, so a
    /// probe leaves none behind.
    pub(super) async fn leave(&self, name: &str) -> Result<(), BlobError> {
        let Some(folder) = self.root.join(name).parent().map(FilePath::to_path_buf) else {
            return Ok(());
        };
        self.blocking(move || {
            // Another host may be probing there.
            let _ = std::fs::remove_dir(folder);
            Ok(())
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, BlobError> {
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(self.closed(&error.to_string())),
            Err(error) => Err(self.closed(&error.to_string())),
        }
    }
}
