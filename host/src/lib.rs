//! host

pub mod blob;
pub mod runtime;
