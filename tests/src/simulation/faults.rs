//! The way between hosts and what they share. Requests and answers are tasks that nobody can stop: late, twice, lost.

mod blobs;
mod network;
mod registry;

pub use blobs::FaultyBlobs;
pub use network::Network;
pub use registry::FaultyRegistry;
