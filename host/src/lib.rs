//! host

pub mod blob;
pub mod recovery;
pub mod runtime;
pub mod storage;
