//! An optional tier under L1: blobs of an object store on the local disk, so that a host that starts again is warm.
//!
//! ```text
//!   L1 ──miss──► file of this physical id ──there and whole──► answered
//!                  └─missing or damaged─► blob store ─► answered, and written here if its checksum is right
//! ```
//!
//! A file holds the checksum of its physical id and bytes, then the bytes. Nothing in the folder is ever needed: it may be
//! deleted at any moment, in part or as a whole, and nothing is synced. It is bounded by bytes; what was not used for
//! longest goes first. One folder belongs to one database and one process: a lock on it says so, and whoever comes second
//! goes without.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use moka::future::Cache as Moka;
use moka::policy::EvictionPolicy;
use rustix::fs::{FlockOperation, flock};
use sop_engine::types::PhysicalId;
use xxhash_rust::xxh3::Xxh3;

use crate::blob::{BlobError, BlobStore, Put, SegmentKey};
use crate::commit::segment::{FRAME_BYTES, verify_body};

/// Bytes of the checksum before the blob.
const CHECKSUM_BYTES: usize = 8;
/// Bytes that a file costs beyond its contents.
const FILE_BYTES: u64 = 512;

/// A blob store with a folder before it.
#[derive(Debug)]
pub struct DiskTier {
    below: Arc<dyn BlobStore>,
    folder: PathBuf,
    /// Which blobs have files, and their lengths.
    files: Moka<PhysicalId, u32>,
    /// Held as long as the tier is used; the system drops it with the process.
    _lock: File,
}

fn file_name(id: PhysicalId) -> String {
    let (front, unique) = id.segment;
    format!(
        "{front:016x}-{unique:016x}-{:08x}-{:08x}",
        id.offset, id.length
    )
}

fn file_id(name: &str) -> Option<PhysicalId> {
    let mut parts = name.split('-');
    let mut number = || u64::from_str_radix(parts.next()?, 16).ok();
    let segment = (number()?, number()?);
    let id = PhysicalId {
        segment,
        offset: u32::try_from(number()?).ok()?,
        length: u32::try_from(number()?).ok()?,
    };
    (file_name(id) == name).then_some(id)
}

fn checksum(id: PhysicalId, framed: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = Xxh3::new();
    hasher.update(file_name(id).as_bytes());
    hasher.update(framed);
    hasher.digest().to_le_bytes()
}

impl DiskTier {
    /// A tier before a blob store, if the folder can be used; else the blob store alone, for nothing depends on a cache.
    pub(crate) async fn before(
        below: Arc<dyn BlobStore>,
        folder: &Path,
        bytes_max: u64,
    ) -> Arc<dyn BlobStore> {
        match Self::open(Arc::clone(&below), folder, bytes_max).await {
            Ok(tier) => Arc::new(tier),
            Err(error) => {
                let folder = folder.display();
                tracing::warn!(%folder, %error, "going on without a disk cache");
                below
            }
        }
    }

    /// A tier of at most so many bytes in a folder, which is made if it is not there; what it holds already is used.
    ///
    /// # Errors
    /// `WouldBlock`: another process uses the folder.
    pub async fn open(
        below: Arc<dyn BlobStore>,
        folder: &Path,
        bytes_max: u64,
    ) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let lock = File::open(folder)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        let place = folder.to_path_buf();
        let files = Moka::builder()
            .max_capacity(bytes_max / 1024)
            // In KiB, so that a long blob does not saturate the weight.
            .weigher(|_, length: &u32| {
                u32::try_from((u64::from(*length) + FILE_BYTES).div_ceil(1024)).unwrap_or(u32::MAX)
            })
            .eviction_policy(EvictionPolicy::lru())
            .eviction_listener(move |id, _, cause| {
                if cause.was_evicted() {
                    let _ = std::fs::remove_file(place.join(file_name(*id)));
                }
            })
            .build();
        let tier = Self {
            below,
            folder: folder.to_path_buf(),
            files,
            _lock: lock,
        };
        tier.adopt().await?;
        Ok(tier)
    }

    /// Takes over what lies in the folder, oldest first, and removes what is not a blob.
    async fn adopt(&self) -> std::io::Result<()> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            let id = entry.file_name().to_str().and_then(file_id);
            match (id, entry.metadata()) {
                (Some(id), Ok(metadata)) => found.push((metadata.modified().ok(), id)),
                _ => drop(std::fs::remove_file(entry.path())),
            }
        }
        found.sort_unstable_by_key(|(modified, _)| *modified);
        for (_, id) in found {
            self.files.insert(id, id.length).await;
        }
        Ok(())
    }

    /// Waits until what goes is gone.
    #[cfg(test)]
    pub(super) async fn settle(&self) {
        self.files.run_pending_tasks().await;
    }

    /// The framed bytes of a blob, if they are here and whole.
    async fn find(&self, id: PhysicalId) -> Option<Bytes> {
        self.files.get(&id).await?;
        let path = self.folder.join(file_name(id));
        let bytes = std::fs::read(&path).map(Bytes::from).ok();
        let whole = bytes.filter(|bytes| {
            let (sum, framed) = bytes.split_at_checked(CHECKSUM_BYTES).unwrap_or_default();
            sum == checksum(id, framed)
        });
        if whole.is_none() {
            let _ = std::fs::remove_file(&path);
            self.files.invalidate(&id).await;
        }
        whole.map(|bytes| bytes.slice(CHECKSUM_BYTES..))
    }

    /// Keeps a blob that was fetched, if it is what was written. A disk that fails makes nobody wait.
    async fn keep(&self, id: PhysicalId, framed: &Bytes) {
        let expected = u64::from(id.length) + u64::from(FRAME_BYTES);
        if framed.len() as u64 != expected || verify_body(framed).is_err() {
            return;
        }
        let path = self.folder.join(file_name(id));
        let fresh = path.with_extension("new");
        let contents = [&checksum(id, framed)[..], framed].concat();
        let written =
            std::fs::write(&fresh, contents).and_then(|()| std::fs::rename(&fresh, &path));
        match written {
            Ok(()) => self.files.insert(id, id.length).await,
            Err(error) => {
                let _ = std::fs::remove_file(&fresh);
                tracing::debug!(%error, "a blob could not be kept on the local disk");
            }
        }
    }
}

#[async_trait]
impl BlobStore for DiskTier {
    async fn put(&self, key: SegmentKey, bytes: Bytes) -> Result<Put, BlobError> {
        self.below.put(key, bytes).await
    }

    async fn put_tombstone(&self, key: SegmentKey) -> Result<Put, BlobError> {
        self.below.put_tombstone(key).await
    }

    async fn decided_from(&self, epoch: u32) -> Result<u32, BlobError> {
        self.below.decided_from(epoch).await
    }

    async fn claimed_after(&self, epoch: u32) -> Result<bool, BlobError> {
        self.below.claimed_after(epoch).await
    }

    async fn read(&self, id: PhysicalId, before: u32) -> Result<Bytes, BlobError> {
        let mut answers = self.read_many(&[(id, before)]).await;
        answers.pop().unwrap_or(Err(BlobError::Missing(id)))
    }

    async fn read_many(&self, reads: &[(PhysicalId, u32)]) -> Vec<Result<Bytes, BlobError>> {
        let mut answers = Vec::with_capacity(reads.len());
        let mut absent = Vec::new();
        for (id, before) in reads {
            // Anything but a body with its frame is read past this tier.
            let found = if *before == FRAME_BYTES {
                self.find(*id).await
            } else {
                None
            };
            if found.is_none() {
                absent.push((*id, *before));
            }
            answers.push(found);
        }
        if absent.is_empty() {
            return answers.into_iter().flatten().map(Ok).collect();
        }
        let fetched = self.below.read_many(&absent).await;
        for ((id, before), answer) in absent.iter().zip(&fetched) {
            if let (&FRAME_BYTES, Ok(framed)) = (before, answer) {
                self.keep(*id, framed).await;
            }
        }
        let mut fetched = fetched.into_iter();
        let filled = answers
            .into_iter()
            .filter_map(|found| found.map(Ok).or_else(|| fetched.next()));
        filled.collect()
    }

    fn place(&self, id: PhysicalId) -> String {
        self.below.place(id)
    }
}
