//! The engine as a WebAssembly component: one wasmtime engine for the process, one compiled component, a pool of warm
//! instances for each database.
//!
//! ```text
//! build.rs ──> sop_engine.wasm ──> Compiled (on disk, by content) ──> EnginePre ──> EnginePool ──> Lease ──> a transaction
//!                                                                                      └────── given back <─────┘
//! ```
//!
//! Invariants:
//! - compiled code is loaded only from a directory that nobody but this user can write, and only if its checksum holds;
//! - what strangers wrote is compiled in another process, which can be stopped;
//! - an instance that trapped, whose call was dropped half-way, that still holds something, or that has grown large is
//!   never used again;
//! - guest code yields to other tasks at every tick of the epoch, so an endless loop never holds a thread.
//!
//! It is not where plugins are limited (`plugin`) or grants are checked (`capability`).

#[expect(
    missing_docs,
    reason = "generated from wit/, where everything is documented"
)]
pub mod bindings;
mod compiled;
mod compiler;
mod lease;
mod pool;
mod wasm;

pub(crate) use compiled::compile_stranger;
pub use compiler::{COMPILE_COMMAND, compile_standard_input, set_compiler};
pub(crate) use lease::{HostStore, Lease};
pub use pool::EnginePool;
pub use wasm::ENGINE_COMPONENT;
pub use wasm::Metering;
pub(crate) use wasm::Wasm;
