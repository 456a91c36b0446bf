//! What needs more than one crate of sop: tests with the servers they start, and the simulation that they and `simulate` run.

pub mod servers;
pub mod simulation;
