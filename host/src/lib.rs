//! host

pub mod blob;
pub mod capability;
pub mod config;
pub mod database;
pub mod engine_pool;
pub mod error;
pub mod limits;
pub mod runtime;
pub mod storage;

pub use config::{Config, Durability, Url};
pub use database::*;
pub use error::{Error, Result};
