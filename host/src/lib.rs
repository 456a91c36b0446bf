//! host

pub mod blob;
pub mod limits;
pub mod recovery;
pub mod runtime;
pub mod storage;
