//! Point B in the engine: what a transaction has read, and whether it would read the same again.
//!
//! ```text
//!   point A                                point B
//!   version S ── reads ──► footprint ──►  registry: all versions unchanged?  ── yes ──► committed
//!                                              │ no: these ids changed
//!                                              ▼
//!                          take a new read point S2, and of all that was read:
//!                            node unchanged from S to S2 ─► the read still holds
//!                            node changed ─► run the logical read at S and at S2 and compare
//!                                              │ all the same: time stood still ─► apply the writes at S2, try again
//!                                              └ any differs ─► conflict
//! ```
//!
//! A logical read depends on leaves and value blobs only. A leaf carries the fences of its range, and the fences of all
//! leaves tile the key space; so while a leaf is unchanged it answers for its range, however its parents are rearranged.
//! An absent root stands for the whole key space in the same way.
//!
//! Invariants:
//! - after a rebase *every* read holds at the new read point, so the transaction is as if it had begun there;
//! - a read that is run again gets the set of nodes it depends on anew;
//! - both sides of a comparison are read from storage, the old one from the history that the transaction's registered
//!   version keeps. Nothing is digested, so nothing can collide; where the history is gone after all, that is a conflict.
//!
//! What it is not: it neither reserves nor writes. It only compares.

mod reads;
mod rerun;

pub use reads::{CountRead, PointRead, RangeRead, Reads, StoreReads};
pub use rerun::rerun;
