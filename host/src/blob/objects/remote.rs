//! Objects in S3 and its like, or in a directory that several hosts share: through the crate `object_store`.
//!
//! Three clients: one for the puts that decide, which never repeats a request by itself (a repeated conditional put reports
//! its own object as existing; the truth is found out above this file), one for reads and one for other writes, which do.
//! Every call ends: a request by its timeouts, a call by a deadline that grows with the bytes it asked for.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, WriteMultipart,
    coalesce_ranges,
};

pub use super::connect::PlaceError;
use super::connect::{ONCE, READS, WRITES, client};
use super::fault::{chain, classify, is_absent};
use super::local::Folder;
use super::probe::PREFIX;
use super::{Listed, Objects, Stored};
use crate::blob::BlobError;
use crate::limits;

/// Objects of another process or machine.
#[derive(Debug)]
pub struct RemoteObjects {
    /// For messages.
    place: String,
    /// Repeats nothing.
    once: Arc<dyn ObjectStore>,
    /// Repeats reads.
    reads: Arc<dyn ObjectStore>,
    /// Repeats writes that change nothing when they are repeated.
    writes: Arc<dyn ObjectStore>,
    /// If it is a directory.
    folder: Option<Folder>,
}

/// How long a call may take that moves so many bytes.
fn deadline(bytes: u64) -> Duration {
    let transfer = Duration::from_millis(bytes / (limits::OBJECT_BYTES_PER_SECOND_MIN / 1000));
    limits::OBJECT_TIMEOUT * 3 + transfer
}

impl RemoteObjects {
    /// The objects at `s3://BUCKET/PREFIX`, `gs://…`, `az://…`. Settings by the names of the crate `object_store`
    /// (`aws_access_key_id`, `aws_endpoint`, `aws_region`, `aws_allow_http`, …); what is not among them is taken from the
    /// environment, under the same names in capitals. Asks nobody anything yet.
    pub fn connect(url: &str, settings: &BTreeMap<String, String>) -> Result<Self, PlaceError> {
        // Another part of this process may have chosen its provider before; then that one serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            place: url.to_owned(),
            once: client(url, settings, ONCE)?,
            reads: client(url, settings, READS)?,
            writes: client(url, settings, WRITES)?,
            folder: None,
        })
    }

    /// The objects in a directory, which is made if it is not there. Every write is synced.
    pub fn directory(path: &FilePath) -> Result<Self, PlaceError> {
        std::fs::create_dir_all(path).map_err(|error| PlaceError(error.to_string()))?;
        let root = std::fs::canonicalize(path).map_err(|error| PlaceError(error.to_string()))?;
        let files = LocalFileSystem::new_with_prefix(&root)
            .map_err(|error| PlaceError(chain(&error)))?
            .with_fsync(true);
        let files: Arc<dyn ObjectStore> = Arc::new(files);
        Ok(Self {
            place: path.display().to_string(),
            once: Arc::clone(&files),
            reads: Arc::clone(&files),
            writes: files,
            folder: Some(Folder::new(root)),
        })
    }

    fn failed(&self, action: &str, name: &str, error: &Error) -> BlobError {
        classify(action, name, &self.place, error)
    }

    /// A call that ends in time.
    async fn in_time<T>(
        &self,
        action: &str,
        name: &str,
        bytes: u64,
        call: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<Option<T>, BlobError> {
        match tokio::time::timeout(deadline(bytes), call).await {
            Ok(Ok(answer)) => Ok(Some(answer)),
            Ok(Err(error)) if is_absent(&error) => Ok(None),
            Ok(Err(error)) => Err(self.failed(action, name, &error)),
            Err(_) => Err(BlobError::Unavailable(format!(
                "{action} `{name}` in {}: no answer in time",
                self.place
            ))),
        }
    }

    /// All objects below a prefix, or those whose names come after one.
    async fn listing(&self, prefix: &str, from: Option<&str>) -> Result<Vec<Listed>, BlobError> {
        let path = Path::from(prefix);
        let within = (!path.as_ref().is_empty()).then_some(&path);
        let found = match from {
            Some(from) => self.reads.list_with_offset(within, &Path::from(from)),
            None => self.reads.list(within),
        };
        let listing = found.map_ok(|found| Listed {
            name: found.location.to_string(),
            bytes: found.size,
        });
        let listed = listing.boxed().try_collect::<Vec<_>>();
        let listed = self.in_time("list", prefix, limits::OBJECT_BYTES_MAX, listed);
        // A directory that nobody has written to yet.
        let mut listed = listed.await?.unwrap_or_default();
        listed.sort_by(|one, other| one.name.cmp(&other.name));
        if let Some(folder) = &self.folder {
            let names: Vec<&str> = listed.iter().map(|found| found.name.as_str()).collect();
            folder.sync(&names).await?;
        }
        Ok(listed)
    }

    /// Puts an object in parts.
    async fn put_parts(&self, path: &Path, mut rest: Bytes) -> Result<(), Error> {
        let upload = self.writes.put_multipart(path).await?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, limits::OBJECT_PART_BYTES);
        while !rest.is_empty() {
            let ready = writer.wait_for_capacity(limits::OBJECT_PARTS_AT_ONCE);
            if let Err(error) = ready.await {
                let _ = writer.abort().await;
                return Err(error);
            }
            writer.put(rest.split_to(rest.len().min(limits::OBJECT_PART_BYTES)));
        }
        writer.finish().await.map(drop)
    }
}

#[async_trait]
impl Objects for RemoteObjects {
    async fn put_if_absent(&self, name: &str, bytes: Bytes) -> Result<Stored, BlobError> {
        if let Some(folder) = &self.folder {
            folder.check()?;
        }
        let path = Path::from(name);
        let options = PutOptions::from(PutMode::Create);
        let put = self
            .once
            .put_opts(&path, PutPayload::from_bytes(bytes), options);
        match (put.await, &self.folder) {
            (Ok(_), _) => Ok(Stored::New),
            (Err(Error::AlreadyExists { .. } | Error::Precondition { .. }), folder) => {
                if let Some(folder) = folder {
                    folder.sync(&[name]).await?;
                }
                Ok(Stored::Exists)
            }
            (Err(error), folder) => {
                if let Some(folder) = folder {
                    folder.after_failed_put(name, &chain(&error)).await?;
                }
                Err(self.failed("put", name, &error))
            }
        }
    }

    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), BlobError> {
        if let Some(folder) = &self.folder {
            folder.check()?;
        }
        let path = Path::from(name);
        let length = bytes.len() as u64;
        if bytes.len() <= limits::OBJECT_PART_BYTES || self.folder.is_some() {
            let put = self.writes.put(&path, PutPayload::from_bytes(bytes));
            self.in_time("put", name, length, put).await?.map(drop)
        } else {
            let put = self.put_parts(&path, bytes);
            self.in_time("put", name, length, put).await?
        }
        .ok_or_else(|| BlobError::Unavailable(format!("put `{name}` in {}: not found", self.place)))
    }

    async fn get(&self, name: &str) -> Result<Option<Bytes>, BlobError> {
        let path = Path::from(name);
        let get = async { self.reads.get(&path).await?.bytes().await };
        // How long it is only the answer says; the client's own timeouts hold.
        self.in_time("get", name, limits::OBJECT_BYTES_MAX, get)
            .await
    }

    async fn get_ranges(
        &self,
        name: &str,
        ranges: &[Range<u64>],
    ) -> Result<Option<Vec<Bytes>>, BlobError> {
        let path = Path::from(name);
        let asked = ranges
            .iter()
            .map(|range| range.end.saturating_sub(range.start));
        let bytes = asked.fold(0, u64::saturating_add);
        let get = async {
            match ranges {
                [range] => Ok(vec![self.reads.get_range(&path, range.clone()).await?]),
                _ if self.folder.is_some() => self.reads.get_ranges(&path, ranges).await,
                _ => {
                    let fetch = |range| self.reads.get_range(&path, range);
                    coalesce_ranges(ranges, fetch, limits::OBJECT_GAP_BYTES).await
                }
            }
        };
        self.in_time("get", name, bytes, get).await
    }

    async fn exists(&self, name: &str) -> Result<bool, BlobError> {
        let path = Path::from(name);
        let head = self.reads.head(&path);
        Ok(self.in_time("look for", name, 0, head).await?.is_some())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, BlobError> {
        self.listing(prefix, None).await
    }

    async fn list_from(&self, prefix: &str, from: &str) -> Result<Vec<Listed>, BlobError> {
        self.listing(prefix, Some(from)).await
    }

    async fn delete(&self, name: &str) -> Result<(), BlobError> {
        let path = Path::from(name);
        let delete = self.writes.delete(&path);
        self.in_time("delete", name, 0, delete).await?;
        match &self.folder {
            Some(folder) if name.starts_with(PREFIX) => folder.leave(name).await,
            _ => Ok(()),
        }
    }
}
