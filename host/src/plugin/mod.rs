//! Plugins: programs of any language that work on stores, sandboxed.
//!
//! ```text
//! bytes ── inspect ──> imports sop:engine, wasi:keyvalue, at most WASI ── compose ──> plugin + engine, one component ── compile ──> Plugin
//!
//! run ── fresh instance {grants, limits} ──> `run(request)` ──> response
//!   ^                                            │ conflict, and nothing of this run has committed
//!   └────────────── pause with jitter ───────────┘
//! ```
//!
//! Invariants:
//! - a plugin is given `sop:engine/types` and `sop:engine/transactions`, `wasi:keyvalue` through an adapter that has no more than
//!   these, an inert WASI where its language needs one, and nothing else: no file, time, network, and never the engine's own imports;
//! - each attempt of a run gets a fresh instance with fresh memory, dropped at its end with all it held: a transaction that
//!   was open is thereby rolled back; [`WarmPlugin`] is the exception to ask for, and keeps no instance that holds something;
//! - a run that exceeds a limit is stopped, and its caller is told which limit;
//! - a run is repeated only if none of its transactions took effect, or may have.
//!
//! It is not a scheduler: whoever calls decides what runs when.

mod compose;
mod inspect;
mod keyvalue;
mod load;
mod options;
mod run;
mod warm;

pub use compose::compose;
pub use inspect::{ImportKind, imports as component_imports};
pub use load::Plugin;
pub use options::{RunLimits, RunOptions};
pub use run::RunReport;
pub use warm::WarmPlugin;
