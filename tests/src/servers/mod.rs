//! Servers for tests, each in its own process and directory, gone when dropped.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

pub mod http;
pub mod proxy;
pub mod redis;
pub mod s3;
pub mod steps;

mod shelf;
