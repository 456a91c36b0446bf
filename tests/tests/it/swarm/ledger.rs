//! Money moves between accounts, and each move leaves a line in a ledger, in the same transaction. Each attempt has a line
//! of its own, so what hosts were told can be held against what is there: no acknowledged line is missing, no refused one
//! is there, the balances are those that the ledger comes to, and the counts are those of the items.

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng;
use rand::rngs::StdRng;
use sop_host::{CommitInfo, Database, Direction, Isolation, KeyRange, Result};
use tokio::runtime::Runtime;

use super::hosts::{Place, Record, Told};
use crate::histories::Verdict;

const BALANCES: &str = "balances";
const LEDGER: &str = "ledger";
/// One line in so many is long enough for a blob of its own.
const LONG_LINES: u32 = 16;
const LONG_LINE_BYTES: usize = 5_000;

const BALANCE_BYTES_MAX: usize = 2_000;

/// Makes the database and its stores.
pub async fn prepare(place: &Place) {
    let database = place.open().await.unwrap();
    let transaction = database.begin(Isolation::Serializable).await.unwrap();
    transaction.create_store(BALANCES).await.unwrap();
    transaction.create_store(LEDGER).await.unwrap();
    transaction.commit().await.unwrap();
    database.close().await.unwrap();
}

/// Moves 1 from one account to another and writes it down.
pub async fn transfer(
    database: &Database,
    rng: &mut StdRng,
    accounts: u64,
    line: &str,
) -> Result<CommitInfo> {
    let from = rng.random_range(0..accounts);
    let to = (from + rng.random_range(1..accounts)) % accounts;
    let padding = if rng.random_ratio(1, LONG_LINES) {
        LONG_LINE_BYTES
    } else {
        rng.random_range(0..200)
    };
    let transaction = database.begin(Isolation::Serializable).await?;
    let balances = transaction.open_store(BALANCES).await?;
    for (account, change) in [(from, -1), (to, 1)] {
        let key = format!("{account:03}");
        let balance = balances.get(&key).await?;
        let balance = balance.map_or(0, |balance| number(&balance)) + change;
        // Long enough for accounts to lie in several leaves, which split.
        let padding = " ".repeat(rng.random_range(0..BALANCE_BYTES_MAX));
        balances.put(&key, format!("{balance}{padding}")).await?;
    }
    let ledger = transaction.open_store(LEDGER).await?;
    let text = format!("{from:03} {to:03}{}", " ".repeat(padding));
    ledger.insert(line, text).await?;
    transaction.commit().await
}

fn number(bytes: &[u8]) -> i64 {
    text(bytes)
        .trim_end()
        .parse()
        .expect("a balance is a number")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("only text was written")
}

/// Judges a database by what its hosts were told, then lets its registry lose everything: what a recovery brings back is
/// what was there before.
pub fn audit(runtime: &Runtime, place: &Place, record: &Record, lose: impl FnOnce()) {
    assert_eq!(
        record.unknown(),
        0,
        "the outcome of each commit becomes known"
    );
    let contents = runtime.block_on(Contents::of(place));
    contents.judge(record).unwrap();
    lose();
    let recovered = runtime.block_on(Contents::of(place));
    recovered.judge(record).unwrap();
    assert!(
        recovered == contents,
        "{contents:?} before, {recovered:?} after a recovery"
    );
    println!("{} moves are there", contents.ledger.len());
}

/// What a database holds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Contents {
    balances: BTreeMap<String, i64>,
    ledger: BTreeMap<String, String>,
    /// What the stores say how many items they have.
    counts: [u64; 2],
}

impl Contents {
    /// Reads and inspects it all.
    async fn of(place: &Place) -> Self {
        let database = place.open_patiently().await;
        let transaction = database.snapshot().await.unwrap();
        let mut contents = Self::default();
        for (index, name) in [BALANCES, LEDGER].into_iter().enumerate() {
            let store = transaction.open_store(name).await.unwrap();
            contents.counts[index] = store.count().await.unwrap();
            let everything = KeyRange::from(..);
            let mut scan = store
                .stream(everything, Direction::Ascending)
                .await
                .unwrap();
            while let Some(item) = scan.next().await.unwrap() {
                let key = text(&item.key).to_owned();
                let twice = if index == 0 {
                    contents.balances.insert(key, number(&item.value)).is_some()
                } else {
                    let line = text(&item.value).trim_end().to_owned();
                    contents.ledger.insert(key, line).is_some()
                };
                assert!(!twice, "a key is there twice");
            }
        }
        transaction.rollback().await.unwrap();
        let report = database.verify(|_| ()).await.unwrap();
        assert!(report.is_sound(), "{report:?}");
        database.close().await.unwrap();
        contents
    }

    /// Judges it by what the hosts were told.
    fn judge(&self, record: &Record) -> Verdict<()> {
        for (line, told) in &record.told {
            let there = self.ledger.contains_key(line);
            match told {
                Told::Acknowledged | Told::Committed if !there => {
                    return Err(format!("{line}: {told:?}, and it is lost"));
                }
                Told::Refused | Told::Aborted if there => {
                    return Err(format!("{line}: {told:?}, and it is there"));
                }
                _ => {}
            }
        }
        let counts = [self.balances.len() as u64, self.ledger.len() as u64];
        if counts != self.counts {
            return Err(format!("{counts:?} items are counted as {:?}", self.counts));
        }
        let mut balances: BTreeMap<String, i64> = BTreeMap::new();
        for accounts in self.ledger.values() {
            let (from, to) = accounts.split_once(' ').expect("two accounts");
            *balances.entry(from.to_owned()).or_default() -= 1;
            *balances.entry(to.to_owned()).or_default() += 1;
        }
        if balances != self.balances {
            let all: BTreeSet<_> = balances.keys().chain(self.balances.keys()).collect();
            let differ = all
                .iter()
                .filter(|key| balances.get(**key) != self.balances.get(**key));
            let differ: Vec<_> = differ
                .map(|key| (key, self.balances.get(*key), balances.get(*key)))
                .collect();
            return Err(format!(
                "account, balance, balance by the ledger: {differ:?}"
            ));
        }
        Ok(())
    }
}

#[test]
fn lost_torn_and_doubled_moves_are_found() {
    let line = |line: &str, accounts: &str| (line.to_owned(), accounts.to_owned());
    let mut contents = Contents {
        balances: BTreeMap::from([("000".to_owned(), -2), ("001".to_owned(), 2)]),
        ledger: BTreeMap::from([line("a", "000 001"), line("b", "000 001")]),
        counts: [2, 2],
    };
    let told = |told: &[(&str, Told)]| Record {
        told: told
            .iter()
            .map(|(line, told)| ((*line).to_owned(), *told))
            .collect(),
        ..Record::default()
    };
    use Told::{Aborted, Acknowledged, Committed, Refused, Unknown};
    contents
        .judge(&told(&[("a", Acknowledged), ("b", Committed)]))
        .unwrap();
    contents
        .judge(&told(&[("b", Unknown), ("c", Unknown), ("d", Refused)]))
        .unwrap();
    contents
        .judge(&told(&[("c", Acknowledged)]))
        .expect_err("it is lost");
    contents
        .judge(&told(&[("c", Committed)]))
        .expect_err("it is lost");
    contents
        .judge(&told(&[("a", Refused)]))
        .expect_err("it is there");
    contents
        .judge(&told(&[("a", Aborted)]))
        .expect_err("it is there");
    contents.counts = [2, 3];
    contents.judge(&told(&[])).expect_err("an add was doubled");
    contents.counts = [2, 2];
    contents.balances.insert("001".to_owned(), 1);
    contents.judge(&told(&[])).expect_err("a move is torn");
}
