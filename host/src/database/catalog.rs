//! The catalog, listed by a trusted engine instance for the grant check.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use futures::channel::oneshot;
use sop_engine::storage::StorageError;
use sop_engine::types::Version;

use super::convert;
use super::core::DatabaseCore;
use crate::capability::Listing;
use crate::engine_pool::Lease;
use crate::engine_pool::bindings::exports::sop::engine::transactions::{Isolation, StoreInfo};
use crate::error::{Error, Result};

/// Lists the stores of one database.
#[derive(Debug)]
pub(super) struct Catalog(pub(super) Weak<DatabaseCore>);

#[async_trait]
impl Listing for Catalog {
    async fn list(&self, at: Option<Version>) -> Result<Vec<(u64, String)>, StorageError> {
        let closed = || StorageError::Unavailable("the database was closed".to_owned());
        let core = self.0.upgrade().ok_or_else(closed)?;
        let runtime = Arc::clone(&core.runtime);
        let (answer, answered) = oneshot::channel();
        // A task of its own: the caller is a guest's call, which may be stopped at any moment.
        runtime.spawn(Box::pin(async move {
            // Nobody listening any more is no failure.
            let _ = answer.send(list(&core, at).await);
        }));
        let stores = answered
            .await
            .map_err(|_| closed())?
            .map_err(storage_error)?;
        Ok(stores
            .into_iter()
            .map(|store| (store.id, store.name))
            .collect())
    }
}

async fn list(core: &DatabaseCore, at: Option<Version>) -> Result<Vec<StoreInfo>> {
    let mut lease = Lease::take(&core.pool, None).await?;
    let (store, transactions) = lease.parts();
    let begun = match at {
        None => {
            transactions
                .transaction()
                .call_begin(store, Isolation::Snapshot)
                .await
        }
        Some(version) => {
            transactions
                .transaction()
                .call_begin_at(store, version)
                .await
        }
    };
    let transaction = lease.answer(begun)?.map_err(convert::error)?;
    let (store, transactions) = lease.parts();
    let listed = transactions
        .transaction()
        .call_list_stores(&mut *store, transaction)
        .await;
    let freed = transaction.resource_drop_async(&mut *store).await;
    lease.answer(freed)?;
    let listed = lease.answer(listed)?;
    lease.give_back();
    listed.map_err(convert::error)
}

/// What a guest is told when the catalog cannot be read.
fn storage_error(error: Error) -> StorageError {
    match error {
        Error::Corrupt(message) => StorageError::Corrupt(message),
        Error::SnapshotExpired(oldest) => StorageError::SnapshotExpired(oldest),
        Error::Fenced => StorageError::Fenced,
        other => StorageError::Unavailable(other.to_string()),
    }
}
