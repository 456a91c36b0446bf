//! The sop engine: B-trees, transactions and two-point validation.

pub mod catalog;
pub mod error;
pub mod limits;
pub mod maintenance;
#[cfg(test)]
mod memory;
pub mod page;
pub mod storage;
pub mod store;
pub mod transaction;
pub mod tree;
pub mod types;
pub mod validation;

#[cfg(target_arch = "wasm32")]
mod bindings;
#[cfg(target_arch = "wasm32")]
mod component;
