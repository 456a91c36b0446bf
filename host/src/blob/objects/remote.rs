//! Objects in S3 and its like, or in a directory that several hosts share: through the crate `object_store`.
//!
//! Two clients: one for the puts that decide, which never repeats a request by itself (a repeated conditional put reports
//! its own object as existing; the truth is found out above this file), and one for everything else, which does.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    ClientOptions, Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
    RetryConfig, WriteMultipart,
};

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
    /// Repeats what changes nothing when it is repeated.
    again: Arc<dyn ObjectStore>,
}

impl RemoteObjects {
    /// The objects at `s3://BUCKET/PREFIX`, `gs://…`, `az://…`. Settings by the names of the crate `object_store`; what is
    /// not among them is taken from the environment, under the same names in capitals. Asks nobody anything yet.
    pub fn connect(url: &str, settings: &BTreeMap<String, String>) -> Result<Self, BlobError> {
        // Another part of this process may have chosen its provider before; then that one serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            place: url.to_owned(),
            once: build(url, settings, 0)?,
            again: build(url, settings, limits::OBJECT_RETRIES)?,
        })
    }

    /// The objects in a directory, which is made if it is not there. Every write is synced.
    pub fn directory(path: &FilePath) -> Result<Self, BlobError> {
        let failed = |error: &dyn std::fmt::Display| {
            BlobError::Unavailable(format!("{}: {error}", path.display()))
        };
        std::fs::create_dir_all(path).map_err(|error| failed(&error))?;
        let files = LocalFileSystem::new_with_prefix(path).map_err(|error| failed(&error))?;
        let files: Arc<dyn ObjectStore> = Arc::new(files.with_fsync(true));
        Ok(Self {
            place: path.display().to_string(),
            once: Arc::clone(&files),
            again: files,
        })
    }

    fn failed(&self, action: &str, name: &str, error: &Error) -> BlobError {
        let text = chain(error);
        let message = format!("{action} `{name}` in {}: {text}", self.place);
        let full = [
            "507",
            "InsufficientStorage",
            "QuotaExceeded",
            "No space left",
        ];
        match error {
            Error::PermissionDenied { .. }
            | Error::Unauthenticated { .. }
            | Error::NotSupported { .. }
            | Error::NotImplemented { .. } => BlobError::Denied(message),
            _ if full.iter().any(|word| text.contains(word)) => BlobError::Full(message),
            _ => BlobError::Unavailable(message),
        }
    }
}

/// An error with what lies under it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(below) = source {
        let below_text = below.to_string();
        if !text.contains(&below_text) {
            text = format!("{text}: {below_text}");
        }
        source = below.source();
    }
    text
}

/// The store at a URL, with so many repetitions of a failed request.
fn build(
    url: &str,
    settings: &BTreeMap<String, String>,
    retries: usize,
) -> Result<Arc<dyn ObjectStore>, BlobError> {
    let failed = |error: &dyn std::error::Error| BlobError::Unavailable(chain(error));
    let retry = RetryConfig {
        max_retries: retries,
        retry_timeout: limits::OBJECT_TIMEOUT * 2,
        ..RetryConfig::default()
    };
    let client = ClientOptions::new()
        .with_timeout(limits::OBJECT_TIMEOUT)
        .with_connect_timeout(limits::OBJECT_CONNECT_TIMEOUT);
    let (scheme, rest) = url
        .split_once("://")
        .ok_or_else(|| BlobError::Unavailable(format!("`{url}` is not a URL")))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let unknown =
        |key: &str| BlobError::Unavailable(format!("`{key}` is not a setting of {scheme}://"));
    /// Applies all settings to a builder and builds it.
    macro_rules! built {
        ($builder:expr) => {{
            let mut builder = $builder.with_client_options(client).with_retry(retry);
            for (key, value) in settings {
                let parsed = key.parse().map_err(|_| unknown(key))?;
                builder = builder.with_config(parsed, value);
            }
            Arc::new(builder.build().map_err(|error| failed(&error))?) as Arc<dyn ObjectStore>
        }};
    }
    let store = match scheme {
        "s3" => built!(AmazonS3Builder::from_env().with_bucket_name(bucket)),
        "gs" => built!(GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket)),
        "az" | "azure" => built!(MicrosoftAzureBuilder::from_env().with_container_name(bucket)),
        _ => {
            return Err(BlobError::Unavailable(format!(
                "`{scheme}://` is not known"
            )));
        }
    };
    let prefix = Path::parse(prefix).map_err(|error| failed(&error))?;
    if prefix.as_ref().is_empty() {
        return Ok(store);
    }
    Ok(Arc::new(PrefixStore::new(store, prefix)))
}

#[async_trait]
impl Objects for RemoteObjects {
    async fn put_if_absent(&self, name: &str, bytes: Bytes) -> Result<Stored, BlobError> {
        let options = PutOptions::from(PutMode::Create);
        let payload = PutPayload::from_bytes(bytes);
        match self
            .once
            .put_opts(&Path::from(name), payload, options)
            .await
        {
            Ok(_) => Ok(Stored::New),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(Stored::Exists),
            Err(error) => Err(self.failed("put", name, &error)),
        }
    }

    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), BlobError> {
        let path = Path::from(name);
        let failed = |error: Error| self.failed("put", name, &error);
        if bytes.len() <= limits::OBJECT_PART_BYTES {
            let payload = PutPayload::from_bytes(bytes);
            return self
                .again
                .put(&path, payload)
                .await
                .map(drop)
                .map_err(failed);
        }
        let upload = self.again.put_multipart(&path).await.map_err(failed)?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, limits::OBJECT_PART_BYTES);
        let mut rest = bytes;
        while !rest.is_empty() {
            writer
                .wait_for_capacity(limits::OBJECT_PARTS_AT_ONCE)
                .await
                .map_err(failed)?;
            writer.put(rest.split_to(rest.len().min(limits::OBJECT_PART_BYTES)));
        }
        writer.finish().await.map(drop).map_err(failed)
    }

    async fn get(&self, name: &str) -> Result<Option<Bytes>, BlobError> {
        let answer = match self.again.get(&Path::from(name)).await {
            Ok(found) => found.bytes().await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("get", name, &error)),
        }
    }

    async fn get_ranges(
        &self,
        name: &str,
        ranges: &[Range<u64>],
    ) -> Result<Option<Vec<Bytes>>, BlobError> {
        let path = Path::from(name);
        let answer = match ranges {
            [range] => {
                let part = self.again.get_range(&path, range.clone()).await;
                part.map(|part| vec![part])
            }
            _ => self.again.get_ranges(&path, ranges).await,
        };
        match answer {
            Ok(parts) => Ok(Some(parts)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("get", name, &error)),
        }
    }

    async fn exists(&self, name: &str) -> Result<bool, BlobError> {
        match self.again.head(&Path::from(name)).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(self.failed("look for", name, &error)),
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, BlobError> {
        let path = Path::from(prefix);
        let within = (!path.as_ref().is_empty()).then_some(&path);
        let listing = self.again.list(within).map_ok(|found| Listed {
            name: found.location.to_string(),
            bytes: found.size,
        });
        let listed: Result<Vec<_>, _> = listing.boxed().try_collect().await;
        match listed {
            Ok(mut listed) => {
                listed.sort_by(|one, other| one.name.cmp(&other.name));
                Ok(listed)
            }
            // A directory that nobody has written to yet.
            Err(Error::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(self.failed("list", prefix, &error)),
        }
    }

    async fn delete(&self, name: &str) -> Result<(), BlobError> {
        match self.again.delete(&Path::from(name)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("delete", name, &error)),
        }
    }
}
