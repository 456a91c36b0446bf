//! `hot-counter`: everybody increments one key. The total must be exact, and nobody may starve: an attempt fails only
//! because another one went through.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rand::rngs::StdRng;
use sop_host::Isolation;

use super::session::{Attempt, Backend, Failed, Session};
use super::{Verdict, all, client_rng, step_back};

const STORE: &str = "counters";
const KEY: &str = "hot";

/// Figures of a run whose total was right.
#[derive(Debug, Default)]
pub struct Figures {
    pub total: u64,
    pub aborted: u64,
    /// Most attempts that one increment took.
    pub attempts_max: u64,
}

/// Lets so many writers increment the counter so many times each.
pub async fn run(
    backend: &dyn Backend,
    seed: u64,
    writers: u64,
    increments: u64,
) -> Verdict<Figures> {
    let mut session = backend.session().await;
    session.begin(Isolation::Serializable).await.unwrap();
    session.create(STORE).await.unwrap();
    session.commit().await.unwrap();
    let committed = Arc::new(AtomicU64::new(0));
    let mut clients = Vec::new();
    for client in 0..writers {
        let writer = Writer {
            session: backend.session().await,
            rng: client_rng(seed, client),
            committed: Arc::clone(&committed),
        };
        clients.push(tokio::spawn(writer.work(increments)));
    }
    let mut figures = Figures::default();
    let mut unknown = 0;
    for answer in all(clients).await {
        let one = answer?;
        figures.aborted += one.aborted;
        figures.attempts_max = figures.attempts_max.max(one.attempts_max);
        unknown += one.unknown;
    }
    session.begin(Isolation::Snapshot).await.unwrap();
    let total = session.get(STORE, KEY).await.unwrap();
    figures.total = total.map_or(0, |total| total.parse().unwrap());
    session.rollback().await;
    let least = committed.load(Ordering::SeqCst);
    if !(least..=least + unknown).contains(&figures.total) {
        return Err(format!(
            "the counter is {} after {least} increments and {unknown} of unknown outcome",
            figures.total
        ));
    }
    Ok(figures)
}

struct Writer {
    session: Box<dyn Session>,
    rng: StdRng,
    /// Increments of all writers that were acknowledged.
    committed: Arc<AtomicU64>,
}

#[derive(Default)]
struct Tally {
    aborted: u64,
    attempts_max: u64,
    unknown: u64,
}

impl Writer {
    async fn work(mut self, increments: u64) -> Verdict<Tally> {
        let mut tally = Tally::default();
        for _ in 0..increments {
            let mut attempts = 1;
            loop {
                let begun = Instant::now();
                match increment(&mut *self.session).await {
                    Ok(()) => {
                        self.committed.fetch_add(1, Ordering::SeqCst);
                        break;
                    }
                    Err(Failed::Unknown) => {
                        tally.unknown += 1;
                        break;
                    }
                    Err(Failed::Aborted | Failed::Away) => attempts += 1,
                }
                step_back(&mut *self.session, &mut self.rng, begun).await;
            }
            tally.aborted += attempts - 1;
            tally.attempts_max = tally.attempts_max.max(attempts);
        }
        Ok(tally)
    }
}

async fn increment(session: &mut dyn Session) -> Attempt<()> {
    session.begin(Isolation::Serializable).await?;
    let value = session.get(STORE, KEY).await?;
    let value: u64 = value.map_or(0, |value| value.parse().unwrap());
    session.put(STORE, KEY, &(value + 1).to_string()).await?;
    session.commit().await
}
