//! host

pub mod blob;
pub mod cache;
pub mod capability;
pub mod commit;
pub mod config;
pub mod database;
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
pub use config::{Config, Durability, Url};
pub use database::{
    Calls, CommitId, CommitInfo, Damage, Database, DatabaseBuilder, Direction, Isolation, Item, KeyRange, Outcome,
    Progress, Scan, Statistics, StorageStatistics, Store, StoreInfo, StoreReport, TransactOptions, Transacted, Transaction,
    VerifyReport,
};
pub use error::{ConflictingKey, Error, Result};
pub use plugin::{Plugin, RunLimits, RunOptions, RunReport};
pub use sop_engine::types::Version;
