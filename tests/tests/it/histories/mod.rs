//! Programs that keep a database busy from many sessions at once and judge what came out, without looking inside.
//!
//! ```text
//!   program (append, bank, ring, counter) ── Session ──► embedded   many tasks, one `sop_host::Database`
//!      │  seeded clients, each with a                ├─► shell      many transactions by name, one process `sop shell --json`
//!      │  session of its own                         └─► unchecked  a map without isolation: every program must fail on it
//!      ▼
//!   verdict: what happened, or what is wrong
//! ```
//! `kill` is a program of its own: its clients are in a process that does not live long.
//!
//! A program knows nothing but the trait [`Session`], so that it can be run over other databases. What its clients do
//! follows from a seed, which is printed and taken from `SOP_SEED` if that is set; how they interleave does not.

mod append;
mod bank;
mod counter;
mod embedded;
mod kill;
mod lists;
mod ring;
mod runs;
mod session;
mod shell;
mod unchecked;

use std::time::Instant;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use session::Session;

/// What a program found: figures of a good run, or what is wrong.
pub type Verdict<T> = Result<T, String>;

/// A failed transaction waits at most so many times as long as it took before it is tried again.
const BACKOFF_FACTOR: u32 = 2;

/// The seed of a run.
fn seed(program: &str) -> u64 {
    let seed = match std::env::var("SOP_SEED") {
        Ok(text) => text.parse().expect("SOP_SEED is a number"),
        Err(_) => rand::random(),
    };
    println!("{program}: SOP_SEED={seed} cargo test --workspace histories -- --nocapture");
    seed
}

/// The random numbers of one client.
fn client_rng(seed: u64, client: u64) -> StdRng {
    StdRng::seed_from_u64(seed ^ client.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Ends what is left of an attempt that began at `begun` and failed, and waits a little, so that neighbours get through:
/// the longer, the slower the database.
async fn step_back(session: &mut dyn Session, rng: &mut StdRng, begun: Instant) {
    session.rollback().await;
    let wait = begun.elapsed() * BACKOFF_FACTOR;
    tokio::time::sleep(wait.mul_f64(rng.random())).await;
}

/// Waits for all clients; what one of them panicked with is the panic of the program.
async fn all<T>(clients: Vec<tokio::task::JoinHandle<T>>) -> Vec<T> {
    let mut answers = Vec::new();
    for client in clients {
        match client.await {
            Ok(answer) => answers.push(answer),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    answers
}
