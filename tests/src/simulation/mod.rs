//! The shipped protocol code under a seed: engines, committers, resolution, replay, in one thread.
//!
//! ```text
//!   client (fiber): workload ──► engine ──► Storage ──► FaultyRegistry ─┐            ┌─► Sabotage ──► Ledger ──► MemoryRegistry
//!   host: 1-3 clients, one Storage                      FaultyBlobs ────┴─ network ──┴─► Sabotage ──────────────► MemoryBlobs
//!   nemesis: crashes, pauses, takeovers                                     every request and answer is a task of its own
//! ```
//!
//! - The scheduler picks the next ready task at random; time passes only when nothing is ready. Same seed, same run: the
//!   event hash says so.
//! - A request that was sent goes on when its host is gone: it arrives late, twice, or never; its answer may be lost.
//! - What happened is judged from outside: the segments in the blob store are what was committed, in the order of their
//!   tickets, and every read of every transaction is replayed against that (see [`check`]).
//!
//! Half of the seeds have one object store and a cluster of registry servers that lose, restart and fail over ([`cluster`]);
//! the shipped recovery makes the epochs. In the others ([`ground`]) segments lie in memory and an epoch begins with a
//! replay from outside, so that the commit protocol alone is under test.
//!
//! Where to look: [`plan`] (what a seed means), [`world`] (hosts and clients), [`nemesis`], [`faults`], [`sabotage`],
//! [`workload`], [`history`], [`ledger`], [`check`]; below them [`scheduler`] and [`fiber`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a simulation fails loudly"
)]

pub mod archive;
pub mod check;
pub mod cluster;
pub mod director;
pub mod faults;
pub mod fiber;
pub mod ground;
pub mod history;
pub mod ledger;
pub mod model;
pub mod nemesis;
pub mod plan;
pub mod run;
pub mod sabotage;
pub mod scheduler;
pub mod session;
pub mod workload;
pub mod world;

pub use plan::{Plan, WorkloadKind};
pub use run::{Report, run};
pub use sabotage::Sabotage;
