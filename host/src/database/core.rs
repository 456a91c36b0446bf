//! What all clones of a database share.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::catalog::Catalog;
use super::statistics::Activity;
use crate::capability::StoreNames;
use crate::config::{Config, Url};
use crate::engine_pool::{EnginePool, Lease};
use crate::error::{Error, Result};
use crate::limits;
use crate::runtime::Runtime;
use crate::storage::Storage;

/// An open database, behind `Arc`.
#[derive(Debug)]
pub(crate) struct DatabaseCore {
    pub(crate) url: Url,
    pub(crate) config: Config,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) storage: Arc<Storage>,
    pub(crate) pool: Arc<EnginePool>,
    pub(crate) activity: Activity,
    /// Names of stores, for the grant check.
    pub(crate) names: Arc<StoreNames>,
    /// One permit for each running plugin.
    pub(crate) runs: Semaphore,
    /// One permit for each open transaction.
    permits: Arc<Semaphore>,
}

impl DatabaseCore {
    pub(crate) fn new(
        url: Url,
        config: Config,
        storage: Arc<Storage>,
        runtime: Arc<dyn Runtime>,
    ) -> Result<Arc<Self>> {
        let pool = Arc::new(EnginePool::new(Arc::clone(&storage))?);
        let permits = Arc::new(Semaphore::new(
            config.transactions_max.clamp(1, Semaphore::MAX_PERMITS),
        ));
        Ok(Arc::new_cyclic(|core| Self {
            url,
            config,
            runtime,
            storage,
            pool,
            activity: Activity::default(),
            names: Arc::new(StoreNames::new(Box::new(Catalog(core.clone())))),
            runs: Semaphore::new(limits::RUNS_MAX),
            permits,
        }))
    }

    /// A warm instance; waits while as many transactions are open as may be.
    pub(crate) async fn lease(&self) -> Result<Lease> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| Error::Ended)?;
        Lease::take(&self.pool, Some(permit)).await
    }

    /// No further transaction begins.
    pub(crate) fn close(&self) {
        self.permits.close();
        self.runs.close();
    }
}
