//! The two imports of the engine as wasmtime host functions: convert, check the grant, count, call on.
//!
//! ```text
//! engine instance ── resolve(ids) ──> convert ──> Authority::check ──> Calls, Budget ──> Storage (cache, commit)
//!                                                   │  store 0: all may read, creators may write
//!                                                   └─ other stores: id ─> name (StoreNames) ─> Grants
//! ```
//!
//! Each wasmtime store carries one [`HostState`]: what the instance may do, what it holds (read points, spilled bodies,
//! physical ids it was given) and what it has used up. Dropping the state releases all of it, because dropping a wasmtime
//! store runs no guest destructor.
//!
//! Invariants:
//! - the grant is checked in `Authority::check` and nowhere else, on the `store` part of each logical id, before any
//!   look-up;
//! - an instance of a plugin reads only blobs whose physical id a granted handle gave it;
//! - every list from a guest is capped, every byte of a plugin's calls is counted against its budget;
//! - nothing a guest sends can panic the host;
//! - however many plugins compute, a thread of the runtime stays free for everybody else.
//!
//! It is not a cache and knows no transaction: one call in, one call on.

mod authority;
mod blobs;
mod budget;
mod calls;
mod convert;
mod grants;
mod linker;
mod names;
mod output;
mod refusal;
mod registry;
mod state;
mod turn;
mod wasi;

pub use authority::Authority;
pub use budget::Budget;
pub use calls::{CallCounters, Calls};
pub use grants::{Grant, Grants, Mode};
pub use linker::add_to_linker;
pub(crate) use names::{Listing, StoreNames};
pub(crate) use output::Output;
pub use refusal::{LimitReached, Refusal};
pub(crate) use state::Settlement;
pub use state::{HostState, SpilledBody};
pub(crate) use wasi::is_given as is_wasi;
