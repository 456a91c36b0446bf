//! Buckets as `wasi:keyvalue` has them, on the stores of sop. The adapters of its drafts share them
//! and add only the shapes.
//!
//! ```text
//! bucket    the store of the same name; "" is the store "default"
//! key       the bytes of its UTF-8
//! number    decimal text
//! call      one transaction: a snapshot to read, a serializable one to write, run again when it conflicts
//! ```
//!
//! Invariants:
//! - a call that writes happens completely and once, or not at all, or answers that its outcome is
//!   unknown;
//! - a read sees everything that was acknowledged anywhere before its call;
//! - what may be opened and created is decided by the grants of the run, nowhere else.
//!
//! It is not a cache: nothing is kept between two calls but names, and positions in lists of keys.
#![cfg(target_arch = "wasm32")]

mod bindings;
mod bucket;
mod failure;
mod keys;
mod limits;
mod transaction;

pub use bucket::{Bucket, Swap};
pub use failure::{Failure, Result};
pub use keys::{KeyPage, Position};
