//! The host from outside: transactions, plugins, grants, and what the engine component imports.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop"
)]

mod cli;
mod costs;
mod determinism;
mod directory;
mod figures;
mod grants;
mod handles;
mod hostile;
mod pool;
mod surface;
mod transactions;
mod wasi;
mod wat_plugin;

use sop_host::Database;

/// An empty database in memory.
async fn memory() -> Database {
    Database::open("memory:").await.unwrap()
}
