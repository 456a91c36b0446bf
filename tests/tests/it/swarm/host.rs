//! The process that is stopped and killed: a host with a few clients that move money as fast as they can and tell what
//! became of each attempt, until their input ends.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;
use sop_host::{CommitId, Database, Error, Outcome};

use super::hosts::Place;
use super::ledger::transfer;

/// What a host is to do, as JSON.
pub const ORDER: &str = "SOP_TEST_HOST";
/// Before each thing that a host tells.
pub const MARK: &str = "@ ";
/// How long a client goes on asking what became of a commit.
const ASKING: Duration = Duration::from_secs(60);
/// How long it waits between two questions, and after a failure.
const PAUSE: Duration = Duration::from_millis(100);

fn tell(word: &str, line: &str, rest: &str) {
    println!("{MARK}{word} {line} {rest}");
}

/// Started by [`super::hosts`]. Alone it does nothing.
#[test]
#[ignore = "started by other tests"]
fn host() {
    let Ok(order) = std::env::var(ORDER) else {
        return;
    };
    let order: Value = serde_json::from_str(&order).unwrap();
    let number = |name: &str| order[name].as_u64().unwrap();
    let (name, clients, accounts) = (number("name"), number("clients"), number("accounts"));
    let seed = number("seed");
    let place = Place::from_json(&order["place"]);
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&stop);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        stopping.store(true, Ordering::Relaxed);
    });
    super::runtime().block_on(async {
        let database = place.open_patiently().await;
        let mut working = Vec::new();
        for client in 0..clients {
            let client = Client {
                database: database.clone(),
                rng: StdRng::seed_from_u64(seed ^ (name << 32) ^ client),
                name: format!("{name:02}-{client:02}"),
                accounts,
                stop: Arc::clone(&stop),
            };
            working.push(tokio::spawn(client.work()));
        }
        for client in working {
            client.await.unwrap();
        }
        database.close().await.unwrap();
    });
}

struct Client {
    database: Database,
    rng: StdRng,
    name: String,
    accounts: u64,
    stop: Arc<AtomicBool>,
}

impl Client {
    async fn work(mut self) {
        let mut asking = Vec::new();
        let mut number = 0_u64;
        while !self.stop.load(Ordering::Relaxed) {
            let line = format!("{}-{number:06}", self.name);
            number += 1;
            let moved = transfer(&self.database, &mut self.rng, self.accounts, &line).await;
            match moved {
                Ok(info) => tell("acknowledged", &line, &info.version.to_string()),
                Err(Error::UnknownOutcome(id)) => {
                    tell("unknown", &line, "");
                    asking.push(tokio::spawn(ask(self.database.clone(), id, line)));
                }
                Err(error) => {
                    let text = error.to_string().replace('\n', " ");
                    tell("refused", &line, &format!("{} {text}", error.kind()));
                    if !error.is_conflict() {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        }
        for asking in asking {
            asking.await.unwrap();
        }
    }
}

/// Asks what became of a commit until it is known.
async fn ask(database: Database, id: CommitId, line: String) {
    let begun = Instant::now();
    while begun.elapsed() < ASKING {
        match database.outcome(id).await {
            Ok(Outcome::Committed(_)) => return tell("committed", &line, ""),
            Ok(Outcome::Aborted) => return tell("aborted", &line, ""),
            Ok(Outcome::Undecided | Outcome::Unknown) | Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
