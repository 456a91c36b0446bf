//! Servers for tests, each in its own process and directory, gone when dropped.

pub mod redis;
