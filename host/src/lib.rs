//! Transactional, ordered object storage for swarms of sandboxed programs.
//!
//! The engine (B-trees, transactions, two-point validation) is a WebAssembly component; this library hosts it: it provides
//! the engine's two imports over a local directory or in memory, runs transactions in pooled engine instances, and runs
//! plugins that are composed with the engine, limited and granted.
//!
//! ```
//! use sop_host::{Database, Direction, KeyRange};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> sop_host::Result<()> {
//! let db = Database::open("memory:").await?;
//!
//! // Runs again from its start if another transaction changed what it read.
//! db.transact(async |tx| {
//!     let accounts = tx.open_or_create_store("accounts").await?;
//!     let log = tx.open_or_create_store("log").await?;
//!     accounts.put("user/ada", "120").await?;
//!     log.insert("0001", "opened an account").await
//! })
//! .await?;
//!
//! // Reads one consistent version and never conflicts.
//! let snapshot = db.snapshot().await?;
//! let accounts = snapshot.open_store("accounts").await?;
//! assert_eq!(accounts.get("user/ada").await?.as_deref(), Some(&b"120"[..]));
//! let mut users = accounts.stream(KeyRange::prefix("user/"), Direction::Ascending).await?;
//! while let Some(item) = users.next().await? {
//!     println!("{} bytes under {:?}", item.value.len(), item.key);
//! }
//! # drop((users, accounts, snapshot));
//! db.close().await
//! # }
//! ```
//!
//! # A commit in steps
//! 1. The body reads and writes through its engine instance, which keeps what it observed and what it will change.
//! 2. `commit` applies the writes to the tree's pages and calls `registry.commit(observed, changes)`.
//! 3. The capability layer checks the grants (the host's own transactions may do everything) and hands on.
//! 4. The committer puts the transaction into a group: reserve (does everything observed still hold?), persist (one
//!    durable put), fence check, publish.
//! 5. On a conflict the engine runs again only those reads that touched what changed; if they see the same, it re-applies
//!    the writes and returns to 3, else it answers `conflict` and [`Database::transact`] begins again at 1.
//!
//! # Modules, in reading order
//! | module | what |
//! |---|---|
//! | [`database`] | the embedding API: databases, transactions, stores, streams, upkeep |
//! | [`doctor`] | whether object store and registry can be relied on |
//! | [`error`], [`config`], [`limits`] | what can go wrong and what to do; options; every bound |
//! | [`plugin`] | load, check, compose, run, limit plugins |
//! | [`engine_pool`] | the wasmtime engine, the compiled component, warm instances |
//! | [`capability`] | the engine's imports: convert, check the grant, count, call on |
//! | [`storage`] | the two imports behind the grants |
//! | [`cache`], [`commit`] | L1; groups, reserve-persist-fence-publish, resolution |
//! | [`registry`], [`blob`] | handles and versions; immutable bodies |
//! | [`recovery`] | records, checkpoints, a new epoch |
//! | [`runtime`], [`statistics`] | time, tasks, randomness; counters |
//!
//! Data flows down this list and nothing calls back up.

pub mod blob;
pub mod cache;
pub mod capability;
pub mod commit;
pub mod config;
pub mod database;
pub mod doctor;
pub mod engine_pool;
pub mod error;
pub mod limits;
pub mod plugin;
pub mod recovery;
pub mod registry;
pub mod runtime;
pub mod statistics;
pub mod storage;

pub use capability::{Grant, Grants, Mode};
pub use config::{Backends, Config, Durability, Url};
pub use database::{
    Calls, CommitId, CommitInfo, Compacted, Damage, Database, DatabaseBuilder, Direction,
    DiskStatistics, Isolation, Item, KeyRange, Outcome, Progress, Scan, Statistics,
    StorageStatistics, Store, StoreInfo, StoreReport, TransactOptions, Transacted, Transaction,
    VerifyReport,
};
pub use error::{ConflictingKey, Error, Result};
pub use plugin::{
    ImportKind, Plugin, RunLimits, RunOptions, RunReport, WarmPlugin, component_imports,
};
pub use sop_engine::types::Version;
