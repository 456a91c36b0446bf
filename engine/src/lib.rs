//! engine

pub mod error;
pub mod limits;
pub mod page;
pub mod storage;
pub mod tree;
pub mod types;
