//! host

pub mod blob;
pub mod runtime;
pub mod storage;
