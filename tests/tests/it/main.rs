//! Everything that needs more than one crate, in one binary, because each binary links wasmtime.

#![allow(missing_docs, reason = "tests have no public interface")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

mod bounds;
mod doctor;
mod embedding;
mod golden;
mod histories;
mod keyvalue;
mod layers;
mod objects;
mod projects;
mod readme;
mod redis;
mod simulation;
mod swarm;
