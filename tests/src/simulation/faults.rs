//! The way between hosts and what they share. Requests and answers are tasks that nobody can stop: late, twice, lost.

mod blobs;
mod network;
mod objects;
mod registry;

pub use blobs::FaultyBlobs;
pub use network::{Network, Served};
pub use objects::FaultyObjects;
pub use registry::FaultyRegistry;
