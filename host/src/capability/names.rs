//! Names of stores by id, for the grant check.
//!
//! Ids are never reused and the name of an id never changes, so an entry is right for ever and only an unknown id asks the
//! catalog, through a trusted engine instance of the host.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures::lock::Mutex;
use parking_lot::RwLock;
use sop_engine::storage::StorageError;
use sop_engine::types::Version;

use crate::limits;

/// Lists the catalog for the host.
#[async_trait]
pub(crate) trait Listing: Send + Sync + Debug {
    /// Ids and names of all stores at a version; `None` = now.
    async fn list(&self, at: Option<Version>) -> Result<Vec<(u64, String)>, StorageError>;
}

/// The names of all stores that were asked for so far.
#[derive(Debug)]
pub(crate) struct StoreNames {
    listing: Box<dyn Listing>,
    names: RwLock<HashMap<u64, Arc<[u8]>>>,
    /// One listing at a time: whoever waits finds the answer.
    refresh: Mutex<()>,
}

impl StoreNames {
    pub(crate) fn new(listing: Box<dyn Listing>) -> Self {
        Self {
            listing,
            names: RwLock::default(),
            refresh: Mutex::default(),
        }
    }

    /// The name of a store, if it is known without asking.
    pub(super) fn known(&self, store: u64) -> Option<Arc<[u8]>> {
        self.names.read().get(&store).cloned()
    }

    /// The name of a store that exists now or existed at `at`.
    pub(super) async fn find(
        &self,
        store: u64,
        at: Option<Version>,
    ) -> Result<Option<Arc<[u8]>>, StorageError> {
        if let Some(name) = self.known(store) {
            return Ok(Some(name));
        }
        let _one = self.refresh.lock().await;
        for version in [None, at] {
            if self.known(store).is_none() && (version.is_none() || at.is_some()) {
                self.learn(self.listing.list(version).await?);
            }
        }
        Ok(self.known(store))
    }

    fn learn(&self, stores: Vec<(u64, String)>) {
        let mut names = self.names.write();
        if names.len() > limits::STORE_NAMES_MAX {
            names.clear();
        }
        names.extend(
            stores
                .into_iter()
                .map(|(id, name)| (id, name.into_bytes().into())),
        );
    }
}
