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
//! - a transaction that is dropped, or whose database is closed, leaves no trace;
//! - nothing of this module knows pages, handles or segments.
//!
//! It is not where grants are checked: what runs here is the host itself. Plugins are.

mod builder;
mod data;
mod range;
mod scan;
mod statistics;
mod store;
mod transact;
mod transaction;

pub use builder::DatabaseBuilder;
pub use data::{
    CommitId, CommitInfo, Damage, Direction, Isolation, Item, Outcome, Progress, StoreInfo, StoreReport, VerifyReport,
};
pub use range::KeyRange;
pub use scan::Scan;
pub use statistics::{Calls, Statistics};
pub use store::Store;
pub use transact::{TransactOptions, Transacted};
pub use transaction::Transaction;
