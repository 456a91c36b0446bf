//! `ring`: keys that name one another in a single cycle; each transaction reverses the order of three successors (the Cycle
//! workload of FoundationDB). Two that overlap and both commit leave a cycle that is cut in two or a key that nobody names.

use std::time::Instant;

use rand::Rng;
use rand::rngs::StdRng;
use sop_host::Isolation;

use super::session::{Attempt, Backend, Failed, Session};
use super::{Verdict, all, client_rng, step_back};

/// Keys of the ring.
pub const KEYS: usize = 1_000;
const CLIENTS: u64 = 8;
/// Half of all turns begin among so few keys, so that they meet.
const HOT_KEYS: usize = 24;
const STORE: &str = "ring";

/// Figures of a run in which the ring stayed whole.
#[derive(Debug, Default)]
pub struct Figures {
    pub turns: u64,
    pub audits: u64,
    pub aborted: u64,
}

/// Lets each client make so many turns, and look at the whole ring now and then.
pub async fn run(backend: &dyn Backend, seed: u64, turns: u64) -> Verdict<Figures> {
    let mut session = backend.session().await;
    lay(&mut *session).await.unwrap();
    let mut clients = Vec::new();
    for client in 0..CLIENTS {
        let (session, rng) = (backend.session().await, client_rng(seed, client));
        clients.push(tokio::spawn(work(session, rng, turns)));
    }
    let mut figures = Figures::default();
    for answer in all(clients).await {
        let one = answer?;
        figures.turns += one.turns;
        figures.audits += one.audits;
        figures.aborted += one.aborted;
    }
    let last = audit(&mut *session, Isolation::Serializable).await;
    judge(&last.map_err(|failed| format!("the last audit: {failed:?}"))?)?;
    Ok(figures)
}

fn name(key: usize) -> String {
    format!("{key:04}")
}

async fn lay(session: &mut dyn Session) -> Attempt<()> {
    session.begin(Isolation::Serializable).await?;
    session.create(STORE).await?;
    for key in 0..KEYS {
        session
            .put(STORE, &name(key), &name((key + 1) % KEYS))
            .await?;
    }
    session.commit().await
}

async fn work(mut session: Box<dyn Session>, mut rng: StdRng, turns: u64) -> Verdict<Figures> {
    let mut figures = Figures::default();
    while figures.turns < turns {
        if rng.random_ratio(1, 20) {
            let isolation = match figures.audits % 2 {
                0 => Isolation::Snapshot,
                _ => Isolation::Serializable,
            };
            let begun = Instant::now();
            match audit(&mut *session, isolation).await {
                Ok(ring) => {
                    judge(&ring)?;
                    figures.audits += 1;
                }
                Err(_) => step_back(&mut *session, &mut rng, begun).await,
            }
        }
        let keys = if rng.random_bool(0.5) { HOT_KEYS } else { KEYS };
        let start = name(rng.random_range(0..keys));
        let begun = Instant::now();
        match turn(&mut *session, &start).await {
            Ok(()) | Err(Failed::Unknown) => figures.turns += 1,
            Err(Failed::Aborted | Failed::Away) => {
                figures.aborted += 1;
                step_back(&mut *session, &mut rng, begun).await;
            }
        }
    }
    Ok(figures)
}

/// `a b c d e` becomes `a c b d e` and so on: the three successors of `start` come in the opposite order.
async fn turn(session: &mut dyn Session, start: &str) -> Attempt<()> {
    session.begin(Isolation::Serializable).await?;
    let first = next(session, start).await?;
    let second = next(session, &first).await?;
    let third = next(session, &second).await?;
    let fourth = next(session, &third).await?;
    session.put(STORE, start, &third).await?;
    session.put(STORE, &third, &second).await?;
    session.put(STORE, &second, &first).await?;
    session.put(STORE, &first, &fourth).await?;
    session.commit().await
}

async fn next(session: &mut dyn Session, key: &str) -> Attempt<String> {
    let next = session.get(STORE, key).await?;
    Ok(next.expect("a key stays"))
}

async fn audit(session: &mut dyn Session, isolation: Isolation) -> Attempt<Vec<(String, String)>> {
    session.begin(isolation).await?;
    let ring = session.scan(STORE).await?;
    session.commit().await?;
    Ok(ring)
}

/// Judges the pairs of key and successor.
pub fn judge(ring: &[(String, String)]) -> Verdict<()> {
    if ring.len() != KEYS {
        return Err(format!("{} keys instead of {KEYS}", ring.len()));
    }
    let mut key = ring[0].0.as_str();
    for steps in 1..=KEYS {
        let place = ring
            .binary_search_by(|(other, _)| other.as_str().cmp(key))
            .map_err(|_| format!("{key:?} is named and is not there"))?;
        key = &ring[place].1;
        if key == ring[0].0 && steps < KEYS {
            return Err(format!("a cycle of {steps} keys instead of {KEYS}"));
        }
    }
    if key != ring[0].0 {
        return Err(format!("{key:?} is named twice"));
    }
    Ok(())
}
