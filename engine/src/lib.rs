//! The sop engine.

pub mod error;
pub mod limits;
pub mod storage;
pub mod types;
