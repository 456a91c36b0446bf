//! The clients of a remote store: which settings they take, and how long they wait.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig};

use super::fault::chain;
use crate::limits;

/// Why a place cannot be one of objects: the URL or a setting is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PlaceError(pub String);

/// How a client waits and repeats.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Repetitions of a request that failed.
    pub retries: usize,
    /// How long nothing may come.
    pub silence: Duration,
    /// How long one request may take.
    pub request: Duration,
}

/// For puts that decide: nothing is repeated, and the answer comes soon or not at all.
pub(super) const ONCE: Patience = Patience {
    retries: 0,
    silence: limits::OBJECT_TIMEOUT,
    request: limits::OBJECT_TIMEOUT,
};
/// For reads: short silence, any length.
pub(super) const READS: Patience = Patience {
    retries: limits::OBJECT_RETRIES,
    silence: limits::OBJECT_TIMEOUT,
    request: limits::OBJECT_TRANSFER_TIMEOUT,
};
/// For writes that do not decide: while a part is on its way, nothing comes back.
pub(super) const WRITES: Patience = Patience {
    retries: limits::OBJECT_RETRIES,
    silence: limits::OBJECT_PART_TIMEOUT,
    request: limits::OBJECT_PART_TIMEOUT,
};

impl Patience {
    fn retry(self) -> RetryConfig {
        RetryConfig {
            backoff: BackoffConfig {
                init_backoff: limits::OBJECT_BACKOFF,
                max_backoff: limits::RESOLVE_BACKOFF_MAX,
                base: 2.0,
            },
            max_retries: self.retries,
            retry_timeout: limits::OBJECT_TIMEOUT * 2,
        }
    }

    fn settings(self) -> [(ClientConfigKey, String); 4] {
        let text = |duration: Duration| format!("{}ms", duration.as_millis());
        [
            (ClientConfigKey::Timeout, text(self.request)),
            (ClientConfigKey::ReadTimeout, text(self.silence)),
            (
                ClientConfigKey::ConnectTimeout,
                text(limits::OBJECT_CONNECT_TIMEOUT),
            ),
            (
                ClientConfigKey::PoolIdleTimeout,
                text(limits::OBJECT_IDLE_TIMEOUT),
            ),
        ]
    }
}

/// Applies the environment, the waits and the explicit settings, in this order, to a builder and builds it.
macro_rules! built {
    ($builder:expr, $key:ident, $scheme:expr, $settings:expr, $patience:expr) => {{
        let mut builder = $builder.with_retry($patience.retry());
        for (key, value) in $patience.settings() {
            builder = builder.with_config($key::Client(key), value);
        }
        for (key, value) in $settings {
            let parsed: $key = key
                .to_ascii_lowercase()
                .parse()
                .map_err(|_| PlaceError(format!("`{key}` is not a setting of {}://", $scheme)))?;
            builder = builder.with_config(parsed, value);
        }
        let store = builder.build().map_err(|error| PlaceError(chain(&error)))?;
        Arc::new(store) as Arc<dyn ObjectStore>
    }};
}

/// The store at `s3://BUCKET/PREFIX`, `gs://…`, `az://…`, as one client that is so patient.
pub(super) fn client(
    url: &str,
    settings: &BTreeMap<String, String>,
    patience: Patience,
) -> Result<Arc<dyn ObjectStore>, PlaceError> {
    let not_a_place = || PlaceError(format!("`{url}` is not like `s3://BUCKET/PREFIX`"));
    let (scheme, rest) = url.split_once("://").ok_or_else(not_a_place)?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err(not_a_place());
    }
    let store = match scheme {
        "s3" | "s3a" => {
            // Objects are deleted one by one, and not every server knows how to delete several at once.
            let builder = AmazonS3Builder::from_env()
                .with_bucket_name(bucket)
                .with_disable_bulk_delete(true);
            built!(builder, AmazonS3ConfigKey, scheme, settings, patience)
        }
        "gs" => {
            let builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket);
            built!(builder, GoogleConfigKey, scheme, settings, patience)
        }
        "az" | "azure" => {
            let builder = MicrosoftAzureBuilder::from_env().with_container_name(bucket);
            built!(builder, AzureConfigKey, scheme, settings, patience)
        }
        _ => {
            return Err(PlaceError(format!(
                "`{scheme}://` is not a known kind of store"
            )));
        }
    };
    let prefix = Path::parse(prefix.trim_end_matches('/'))
        .map_err(|error| PlaceError(format!("`{url}`: {}", chain(&error))))?;
    if prefix.as_ref().is_empty() {
        return Ok(store);
    }
    Ok(Arc::new(PrefixStore::new(store, prefix)))
}
