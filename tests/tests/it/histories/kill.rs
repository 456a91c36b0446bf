//! `kill`: a process of its own moves money, tells each transfer that was acknowledged, and is killed with SIGKILL in the
//! middle. Each transfer also leaves a line in a ledger, in the same transaction, so that what survived can be recounted:
//! the balances are those that the ledger comes to, and no acknowledged line is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sop_host::{Database, Durability, Isolation};

use super::embedded::Embedded;
use super::session::{Attempt, Backend, Failed, Session};
use super::{Verdict, client_rng, seed, step_back};

const ACCOUNTS: u64 = 16;
const CLIENTS: u64 = 6;
const ROUNDS: u64 = 8;
/// Acknowledged transfers after which a kill may come.
const ACKNOWLEDGED_MIN: usize = 20;
/// The longest that a victim lives after them.
const LIFE_MAX: Duration = Duration::from_millis(150);
const BALANCES: &str = "balances";
const LEDGER: &str = "ledger";
/// Tells the test that is the victim what to do.
const ORDER: &str = "SOP_TEST_VICTIM";
/// What a victim writes before the name of an acknowledged line.
const ACKNOWLEDGED: &str = "acknowledged ";

async fn open(url: &str, durability: Durability) -> Box<dyn Backend> {
    let database = Database::builder().url(url).durability(durability);
    Box::new(Embedded::from(database.open().await.unwrap()))
}

/// The process that is killed: see `round`. Alone it does nothing.
#[test]
#[ignore = "started by other tests"]
fn victim() {
    let Ok(order) = std::env::var(ORDER) else {
        return;
    };
    let words: Vec<&str> = order.splitn(3, ' ').collect();
    let [durability, round, url] = words[..] else {
        panic!("not an order: {order}");
    };
    let durability = match durability {
        "sync" => Durability::Sync,
        _ => Durability::Relaxed {
            interval: Duration::from_millis(20),
        },
    };
    let round: u64 = round.parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let backend = open(url, durability).await;
        let mut clients = Vec::new();
        for client in 0..CLIENTS {
            let session = backend.session().await;
            clients.push(tokio::spawn(move_money(session, round, client)));
        }
        super::all(clients).await;
    });
}

async fn move_money(mut session: Box<dyn Session>, round: u64, client: u64) {
    let mut rng = client_rng(round, client);
    for number in 0_u64.. {
        let line = format!("{round:03}-{client:03}-{number:06}");
        loop {
            let from = rng.random_range(0..ACCOUNTS);
            let to = (from + rng.random_range(1..ACCOUNTS)) % ACCOUNTS;
            let begun = Instant::now();
            match transfer(&mut *session, &mut rng, &line, [from, to]).await {
                Ok(()) => {
                    println!("{ACKNOWLEDGED}{line}");
                    break;
                }
                Err(Failed::Unknown) => panic!("a directory does not lose answers"),
                Err(Failed::Aborted | Failed::Away) => {
                    step_back(&mut *session, &mut rng, begun).await
                }
            }
        }
    }
}

/// Moves 1 from one account to another, and writes a line that may be long enough for a blob of its own.
async fn transfer(
    session: &mut dyn Session,
    rng: &mut StdRng,
    line: &str,
    [from, to]: [u64; 2],
) -> Attempt<()> {
    session.begin(Isolation::Serializable).await?;
    for (account, change) in [(from, -1), (to, 1)] {
        let account = account.to_string();
        let balance = session.get(BALANCES, &account).await?;
        let balance = balance.map_or(0, |balance| balance.parse().unwrap()) + change;
        session
            .put(BALANCES, &account, &balance.to_string())
            .await?;
    }
    let padding = " ".repeat(if rng.random_ratio(1, 8) { 5_000 } else { 0 });
    session
        .put(LEDGER, line, &format!("{from} {to}{padding}"))
        .await?;
    session.commit().await
}

/// Kills a victim in the middle of its work; answers what it had told.
fn round(url: &str, durability: &str, number: u64, rng: &mut StdRng) -> BTreeSet<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "histories::kill::victim",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env(ORDER, format!("{durability} {number} {url}"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (mut told, mut victim) = (BTreeSet::new(), Some(child));
    for line in output.lines() {
        // The test harness begins the first line with words of its own.
        if let Some((_, line)) = line.unwrap().split_once(ACKNOWLEDGED) {
            told.insert(line.to_owned());
        }
        if told.len() >= ACKNOWLEDGED_MIN
            && let Some(child) = victim.take()
        {
            let life = LIFE_MAX.mul_f64(rng.random());
            std::thread::spawn(move || kill(child, life));
        }
    }
    assert!(victim.is_none(), "the victim ended by itself");
    told
}

fn kill(mut child: Child, life: Duration) {
    std::thread::sleep(life);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// What a database holds: the balances and the lines of the ledger.
struct Contents {
    balances: BTreeMap<String, i64>,
    ledger: BTreeMap<String, String>,
}

impl Contents {
    async fn of(backend: &dyn Backend) -> Self {
        let mut session = backend.session().await;
        session.begin(Isolation::Snapshot).await.unwrap();
        let balances = session.scan(BALANCES).await.unwrap().into_iter();
        Self {
            balances: balances
                .map(|(account, balance)| (account, balance.parse().unwrap()))
                .collect(),
            ledger: session.scan(LEDGER).await.unwrap().into_iter().collect(),
        }
    }

    /// Judges them. `told` are acknowledged lines that must be there.
    fn judge(&self, told: &BTreeSet<String>) -> Verdict<()> {
        if let Some(line) = told.iter().find(|line| !self.ledger.contains_key(*line)) {
            return Err(format!("{line} was acknowledged and is lost"));
        }
        let mut balances: BTreeMap<String, i64> = BTreeMap::new();
        let mut before: Option<(&str, u64)> = None;
        for (line, accounts) in &self.ledger {
            let mut accounts = accounts.split_whitespace().map(str::to_owned);
            *balances.entry(accounts.next().unwrap()).or_default() -= 1;
            *balances.entry(accounts.next().unwrap()).or_default() += 1;
            let (client, number) = line.rsplit_once('-').unwrap();
            let number: u64 = number.parse().unwrap();
            let expected = match before {
                Some((other, last)) if other == client => last + 1,
                _ => 0,
            };
            if number != expected {
                return Err(format!("{client} wrote {number} and {expected} is missing"));
            }
            before = Some((client, number));
        }
        if balances != self.balances {
            return Err(format!(
                "balances {:?}, and {balances:?} in the ledger",
                self.balances
            ));
        }
        Ok(())
    }
}

fn survive(durability: &str) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("dir:{}", folder.path().join("data").display());
    let mut rng = StdRng::seed_from_u64(seed("kill"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let backend = open(&url, Durability::Sync).await;
        let mut session = backend.session().await;
        session.begin(Isolation::Serializable).await.unwrap();
        session.create(BALANCES).await.unwrap();
        session.create(LEDGER).await.unwrap();
        session.commit().await.unwrap();
        drop(session);
        backend.close().await;
    });
    let mut lines = 0;
    for number in 0..ROUNDS {
        let mut told = round(&url, durability, number, &mut rng);
        if durability != "sync" {
            // What was acknowledged last may be lost, but nothing of an earlier life and nothing by halves.
            told.clear();
        }
        let contents = runtime.block_on(async {
            let backend = open(&url, Durability::Sync).await;
            let contents = Contents::of(&*backend).await;
            backend.close().await;
            contents
        });
        contents.judge(&told).unwrap();
        assert!(contents.ledger.len() >= lines, "earlier lines are gone");
        lines = contents.ledger.len();
    }
    println!("{durability}: {lines} transfers survived {ROUNDS} kills");
    assert!(lines as u64 >= ROUNDS);
}

#[test]
fn acknowledged_transfers_survive_a_kill() {
    survive("sync");
}

#[test]
fn a_kill_tears_nothing_when_durability_is_relaxed() {
    survive("relaxed");
}

#[test]
fn lost_and_torn_transfers_are_found() {
    let ledger = |lines: &[(&str, &str)]| {
        let lines = lines.iter();
        lines
            .map(|(line, accounts)| ((*line).to_owned(), (*accounts).to_owned()))
            .collect()
    };
    let mut contents = Contents {
        balances: BTreeMap::from([("1".to_owned(), -2), ("2".to_owned(), 2)]),
        ledger: ledger(&[("0-0-0", "1 2"), ("0-0-1", "1 2 ")]),
    };
    let told = BTreeSet::from(["0-0-1".to_owned()]);
    contents.judge(&told).unwrap();
    contents
        .judge(&BTreeSet::from(["0-0-2".to_owned()]))
        .expect_err("an acknowledged line is lost");
    contents.balances.insert("2".to_owned(), 1);
    contents.judge(&told).expect_err("half of a transfer");
    contents.ledger = ledger(&[("0-0-1", "1 2")]);
    contents
        .judge(&BTreeSet::new())
        .expect_err("an earlier transfer of the same client is lost");
}
