//! Several host processes on one database, and everything that can be taken away from them.
//!
//! ```text
//!   programs   the programs of `crate::histories` through several `sop shell --json`, over Redis and S3
//!   ledger ──► host: a process of its own that moves money and tells what became of each move
//!     │        hosts: several of them, stopped, continued and killed by the test
//!     ▼
//!   loss, failover, zombie, objects: hosts under load while a server or a host fails
//!   storm: all of that at random
//!   steps: one host, killed at each of its calls of registry and object store
//! ```
//! Each test prints its seed and the command that repeats it. How the processes interleave no seed decides, so each goal
//! is checked whatever happened: what was acknowledged is there once, what was refused is not, and hosts go on in time.

mod collection;
mod failover;
mod host;
mod hosts;
mod ledger;
mod loss;
mod objects;
mod programs;
mod steps;
mod storm;
mod zombie;

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;

/// How long hosts may take to go on after a fault: a lease (10 s) or two, the patience with a recovery that stopped (up to
/// 8 s), and the rest for a machine that has other things to do.
const GOES_ON: Duration = Duration::from_secs(90);

/// The random numbers of a test of this folder; prints the seed and how to repeat it.
fn seeded(test: &str) -> StdRng {
    let seed: u64 = match std::env::var("SOP_SEED") {
        Ok(text) => text.parse().expect("SOP_SEED is a number"),
        Err(_) => rand::random(),
    };
    println!(
        "SOP_SEED={seed} cargo test --workspace --locked --test it -- swarm::{test} --exact --include-ignored --nocapture"
    );
    StdRng::seed_from_u64(seed)
}

/// A runtime for proxies and for databases of the test's own process.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}
