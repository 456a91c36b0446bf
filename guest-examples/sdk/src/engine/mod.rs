//! What the kit stands on: the engine that the host composes the plugin with, or, when a plugin is
//! built for the machine itself (its tests), a database in the memory of the thread. Both have the
//! same functions; nothing above knows which.

#[cfg(target_arch = "wasm32")]
pub mod bindings;
#[cfg(target_arch = "wasm32")]
mod component;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod memory;

#[cfg(target_arch = "wasm32")]
pub(crate) use component::{Cursor, Store, Transaction, outcome};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use memory::{Cursor, Store, Transaction, outcome};
