//! `sop:storage/registry` and `sop:storage/blobs` in the memory of one component: with it the
//! engine runs under any component runtime, such as the plain wasmtime CLI.
//!
//! ```text
//! test component ── sop:engine ──> engine ── sop:storage ──> provider: handles, counters, bodies, and their history
//! ```
//!
//! It implements both interfaces in full, for one database with one client, without threads and
//! without a clock. So nobody is ever publishing, no answer is ever lost, and everything is
//! granted. What is durable is durable as long as the instance.
//!
//! Invariants:
//! - a commit changes everything that it names, under one version, or nothing;
//! - what can be read at a version stays the same as long as it is among the last
//!   [`limits::HISTORY_VERSIONS`] or a read point holds it; what no version reaches any more is
//!   forgotten;
//! - what breaks the contract is `invalid`, never a guess.
#![cfg(any(test, target_arch = "wasm32"))]

#[cfg(target_arch = "wasm32")]
mod bindings;
#[cfg(target_arch = "wasm32")]
mod component;
mod limits;
mod state;
