//! The embedding API: a database, its transactions, their stores.
//!
//! ```text
//! Database ── begin ──> Transaction ── open_store ──> Store ── get, put, scan, stream ──> engine instance
//!    │  transact: begin, body, commit, and again on conflict                              (a pooled wasm component)
//!    └── verify, checkpoint, compact, statistics, close
//! ```
//!
//! Each open transaction has an engine instance of its own, taken from the pool of warm instances and given back after
//! its end. Calls on one transaction and on its stores run one at a time; different transactions run in parallel.
//!
//! Invariants:
//! - an instance is given back only after a completed call; one that trapped, or whose call was dropped half-way, is
//!   dropped with everything it held;
//! - a transaction that is dropped leaves no trace;
//! - nothing of this module knows pages, handles or segments.
//!
//! It is not where grants are checked: what runs here is the host itself. Plugins are.

mod builder;
mod call;
mod catalog;
mod convert;
mod core;
mod data;
mod open;
mod range;
mod scan;
mod statistics;
mod store;
mod transact;
mod transaction;
mod upkeep;

use std::future::Future;
use std::sync::Arc;

use sop_engine::types::Version;

pub(crate) use self::open::connect_objects;
pub use builder::DatabaseBuilder;
pub(crate) use core::DatabaseCore;
pub use data::{
    CommitId, CommitInfo, Damage, Direction, Isolation, Item, Outcome, Progress, StoreInfo,
    StoreReport, VerifyReport,
};
pub use range::KeyRange;
pub use scan::Scan;
pub use statistics::{Calls, Statistics, StorageStatistics};
pub use store::Store;
pub(crate) use transact::backoff;
pub use transact::{TransactOptions, Transacted};
pub use transaction::Transaction;

use crate::capability::{Authority, Budget, Grants, HostState};
use crate::config::{Config, Url};
use crate::error::Result;
use crate::plugin::RunLimits;
use crate::runtime::{Runtime, TokioRuntime};
pub use crate::storage::{Compacted, DiskStatistics};

/// An open database. Cheap to clone; all clones are the same database.
///
/// Needs a tokio runtime: open and use it inside one.
#[derive(Clone, Debug)]
pub struct Database {
    core: Arc<DatabaseCore>,
}

impl Database {
    /// Opens the database at a URL for reading and writing, and creates it if there is none: `dir:PATH` is a local
    /// directory, `memory:` is gone when it is closed. [`Database::builder`] has the options.
    pub async fn open(url: &str) -> Result<Self> {
        Self::builder().url(url).open().await
    }

    /// Options for opening a database.
    pub fn builder() -> DatabaseBuilder {
        DatabaseBuilder::default()
    }

    async fn open_with(url: Url, config: Config) -> Result<Self> {
        let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::current());
        let storage = open::open_storage(&url, &config, &runtime).await?;
        Ok(Self {
            core: DatabaseCore::new(url, config, storage, runtime)?,
        })
    }

    /// Where it lives.
    pub fn url(&self) -> &Url {
        &self.core.url
    }

    /// How many segments and transactions opening replayed; `None` if it joined an epoch that was active, or if the
    /// database has no object store.
    pub fn recovered(&self) -> Option<(usize, usize)> {
        self.core.storage.replayed()
    }

    /// How it was opened.
    pub fn config(&self) -> &Config {
        &self.core.config
    }

    /// Runs a body in a serializable transaction and commits it; after a conflict runs it again from its start, a
    /// bounded number of times with growing pauses. So the body must have no effect but on the transaction.
    ///
    /// The body gets the transaction and answers a value, or an error that rolls back: use [`Error::other`] for your
    /// own. A body may commit or roll back by itself; then nothing is left to commit.
    ///
    /// The future can be spawned: `async |transaction| { … }` may borrow from its surroundings.
    ///
    /// [`Error::other`]: crate::Error::other
    ///
    /// ```
    /// # async fn example() -> sop_host::Result<()> {
    /// let db = sop_host::Database::open("memory:").await?;
    /// let name = String::from("ada");
    /// let visits = db
    ///     .transact(async |tx| {
    ///         let visits = tx.open_or_create_store("visits").await?;
    ///         let count = visits.get(&name).await?.map_or(0, |bytes| bytes[0]) + 1;
    ///         visits.put(&name, [count]).await?;
    ///         Ok(count)
    ///     })
    ///     .await?;
    /// assert_eq!(visits, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn transact<T, F, Fut>(&self, body: F) -> Result<T>
    where
        F: FnMut(Transaction) -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        Ok(
            transact::transact(&self.core, &TransactOptions::default(), body)
                .await?
                .value,
        )
    }

    /// [`Database::transact`] with options; also tells how it went.
    pub async fn transact_with<T, F, Fut>(
        &self,
        options: &TransactOptions,
        body: F,
    ) -> Result<Transacted<T>>
    where
        F: FnMut(Transaction) -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        transact::transact(&self.core, options, body).await
    }

    /// Begins a transaction at a fresh version: it sees everything that was acknowledged anywhere before this call.
    /// Waits while [`Config::transactions_max`] are open.
    pub async fn begin(&self, isolation: Isolation) -> Result<Transaction> {
        Transaction::begin(&self.core, isolation, 0).await
    }

    /// Begins a read-only transaction at a past version.
    ///
    /// # Errors
    /// [`Error::SnapshotExpired`](crate::Error::SnapshotExpired) when its history is gone.
    pub async fn begin_at(&self, version: Version) -> Result<Transaction> {
        Transaction::begin_at(&self.core, version).await
    }

    /// Begins a read-only transaction at a fresh version.
    pub async fn snapshot(&self) -> Result<Transaction> {
        self.begin(Isolation::Snapshot).await
    }

    /// What became of a commit that answered [`Error::UnknownOutcome`](crate::Error::UnknownOutcome).
    pub async fn outcome(&self, id: CommitId) -> Result<Outcome> {
        upkeep::outcome(&self.core, id).await
    }

    /// What this process did with the database since it opened it.
    pub fn statistics(&self) -> Statistics {
        upkeep::statistics(&self.core)
    }

    /// What the database takes on the disk, and how often it was synced; `None` if it has no directory.
    pub fn disk(&self) -> Result<Option<DiskStatistics>> {
        Ok(self.core.storage.disk()?)
    }

    /// Walks every page and value at a fresh version, checking checksums, fences, order, fill and counts. Transactions go
    /// on meanwhile.
    pub async fn verify(&self, progress: impl FnMut(Progress) + Send) -> Result<VerifyReport> {
        upkeep::verify(&self.core, progress).await
    }

    /// Removes the pages of dropped stores, in transactions of their own. Answers when none are left.
    pub async fn reclaim(&self) -> Result<()> {
        upkeep::reclaim(&self.core).await
    }

    /// Writes a checkpoint: the next opening (over a shared registry, the next recovery) replays only what came after it, and
    /// space that nothing reaches any more is freed.
    pub async fn checkpoint(&self) -> Result<()> {
        upkeep::checkpoint(&self.core).await
    }

    /// Moves what lives in mostly dead segments to new ones, in the order of scans, and frees them. Transactions go on
    /// meanwhile, of other hosts too. Versions within retention and those that snapshots use count as living.
    pub async fn compact(&self, progress: impl FnMut(Progress) + Send) -> Result<Compacted> {
        upkeep::compact(&self.core, progress).await
    }

    /// Waits for running commits, writes a checkpoint and closes the database. Open transactions then fail.
    pub async fn close(self) -> Result<()> {
        upkeep::close(&self.core).await
    }

    /// The state of an instance in another wasmtime embedding: see [`add_to_linker`](crate::capability::add_to_linker).
    /// With `None` it may do everything; otherwise what the grants say.
    pub fn host_state(&self, grants: Option<Grants>) -> HostState {
        let names = Arc::clone(&self.core.names);
        let authority = grants.map_or(Authority::Host, |grants| {
            Authority::plugin(Arc::new(grants), names)
        });
        HostState::new(
            Arc::clone(&self.core.storage),
            authority,
            Budget::host(),
            Arc::clone(self.core.pool.counters()),
        )
    }

    /// The same for a run of a plugin, within these limits: [`HostState::limiter`] for memory and tables. Time is for the
    /// embedding to watch.
    pub fn host_state_within(&self, grants: Grants, limits: &RunLimits) -> HostState {
        let names = Arc::clone(&self.core.names);
        HostState::new(
            Arc::clone(&self.core.storage),
            Authority::plugin(Arc::new(grants), names),
            limits.budget(),
            Arc::clone(self.core.pool.counters()),
        )
    }

    pub(crate) fn core(&self) -> &Arc<DatabaseCore> {
        &self.core
    }
}
