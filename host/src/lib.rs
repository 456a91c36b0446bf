//! host

pub mod blob;
pub mod cache;
pub mod commit;
pub mod limits;
pub mod recovery;
pub mod registry;
pub mod runtime;
pub mod statistics;
pub mod storage;
