//! What tests need beside the crates: real servers, started and stopped by the test that uses them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

pub mod servers;
