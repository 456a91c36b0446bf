//! The guest kit of sop: write plugins in Rust.
//!
//! A plugin is a program that a host runs in a sandbox, on stores that many plugins share. It has
//! transactions and nothing else: no clock, no randomness, no files, no network.
//!
//! 1. Write `fn run(request) -> Result<response>` and name it in [`plugin!`].
//! 2. Inside, [`transact`] runs a closure as one serializable transaction, again on a conflict;
//!    [`snapshot`] only reads.
//! 3. The closure opens stores: [`Transaction::typed`] for typed keys and values,
//!    [`Transaction::open_store`] for bytes.
//!
//! Keys sort like their values (see [`key`] for the form in bytes), so ranges of numbers, of
//! strings, and of tuples by their first elements are ranges of the store:
//!
//! ```
//! # sop_guest::testing::reset();
//! use sop_guest::transact;
//!
//! let hits = transact(|transaction| {
//!     let index = transaction.typed::<(String, u64), u32>("index")?;
//!     index.put(&("tree".into(), 7), &2)?;
//!     index.put(&("tree".into(), 300), &1)?;
//!     index.put(&("trees".into(), 1), &5)?;
//!     index.under(&("tree".to_owned(),))?.map(|item| Ok(item?.0.1)).collect::<Result<Vec<u64>, _>>()
//! })?;
//! assert_eq!(hits, [7, 300]);
//! # Ok::<(), sop_guest::Error>(())
//! ```
//!
//! Built for wasm32 the kit works on the engine that the host composes the plugin with; built for
//! the machine itself, on a database in the memory of the thread (see `testing`), so a plugin is
//! tested by plain `cargo test`.
//!
//! In reading order: `transact`, `transaction`, `store`, `typed`, [`key`], `range`, `plugin`; below
//! them `packed` and `engine`.

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}

mod engine;
mod error;
pub mod key;
pub mod limits;
mod packed;
mod plugin;
mod range;
mod store;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod transact;
mod transaction;
mod typed;
mod types;

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub use engine::bindings;
pub use error::{ConflictingKey, Error, Result, TransactionId};
pub use key::{Key, KeyError};
#[doc(hidden)]
pub use plugin::json_run;
pub use range::KeyRange;
pub use store::{Items, Store};
pub use transact::{Committed, snapshot, transact, transact_up_to};
pub use transaction::{Transaction, outcome};
pub use typed::{TypedItems, TypedStore};
pub use types::{CommitInfo, Direction, Isolation, Item, StoreInfo, TransactionOutcome};
