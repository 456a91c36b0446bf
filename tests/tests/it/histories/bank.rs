//! `bank`: money moves between accounts in three stores and auditors add it all up, each in one transaction. A torn commit,
//! a lost write or a torn snapshot shows as a sum that is not the one of the beginning.

use std::time::Instant;

use rand::Rng;
use rand::rngs::StdRng;
use sop_host::Isolation;

use super::session::{Attempt, Backend, Failed, Session};
use super::{Verdict, all, client_rng, step_back};

const ACCOUNTS: u64 = 32;
const STORES: [&str; 3] = ["north", "south", "west"];
const TELLERS: u64 = 6;
const AUDITORS: u64 = 2;
const BALANCE: i64 = 100;
const AMOUNT_MAX: i64 = 20;

/// Figures of a run in which every sum was right.
#[derive(Debug, Default)]
pub struct Figures {
    pub transfers: u64,
    pub audits: u64,
    pub aborted: u64,
}

/// Lets each teller do so many transfers and each auditor half as many audits.
pub async fn run(backend: &dyn Backend, seed: u64, transfers: u64) -> Verdict<Figures> {
    let mut session = backend.session().await;
    open_accounts(&mut *session).await.unwrap();
    let mut tellers = Vec::new();
    for client in 0..TELLERS {
        let (session, rng) = (backend.session().await, client_rng(seed, client));
        tellers.push(tokio::spawn(tell(session, rng, transfers)));
    }
    let mut auditors = Vec::new();
    for client in TELLERS..TELLERS + AUDITORS {
        let (session, rng) = (backend.session().await, client_rng(seed, client));
        auditors.push(tokio::spawn(watch(session, rng, transfers / 2)));
    }
    let mut figures = Figures::default();
    for (done, aborted) in all(tellers).await {
        figures.transfers += done;
        figures.aborted += aborted;
    }
    for seen in all(auditors).await {
        figures.audits += seen?;
    }
    figures.audits += watch(session, client_rng(seed, TELLERS + AUDITORS), 2).await?;
    Ok(figures)
}

fn place(account: u64) -> (&'static str, String) {
    let store = usize::try_from(account).unwrap() % STORES.len();
    (STORES[store], format!("{account:02}"))
}

async fn open_accounts(session: &mut dyn Session) -> Attempt<()> {
    session.begin(Isolation::Serializable).await?;
    for store in STORES {
        session.create(store).await?;
    }
    for account in 0..ACCOUNTS {
        let (store, key) = place(account);
        session.put(store, &key, &BALANCE.to_string()).await?;
    }
    session.commit().await
}

/// Answers how many transfers went through, and how many attempts did not.
async fn tell(mut session: Box<dyn Session>, mut rng: StdRng, transfers: u64) -> (u64, u64) {
    let (mut done, mut aborted) = (0, 0);
    while done < transfers {
        let from = rng.random_range(0..ACCOUNTS);
        let to = (from + rng.random_range(1..ACCOUNTS)) % ACCOUNTS;
        let amount = rng.random_range(1..=AMOUNT_MAX);
        let begun = Instant::now();
        match transfer(&mut *session, from, to, amount).await {
            // Whether it happened or not, the sum stays.
            Ok(()) | Err(Failed::Unknown) => done += 1,
            Err(Failed::Aborted | Failed::Away) => {
                aborted += 1;
                step_back(&mut *session, &mut rng, begun).await;
            }
        }
    }
    (done, aborted)
}

async fn transfer(session: &mut dyn Session, from: u64, to: u64, amount: i64) -> Attempt<()> {
    session.begin(Isolation::Serializable).await?;
    for (account, change) in [(from, -amount), (to, amount)] {
        let (store, key) = place(account);
        let balance = session.get(store, &key).await?;
        let balance: i64 = balance.expect("an account stays").parse().unwrap();
        session
            .put(store, &key, &(balance + change).to_string())
            .await?;
    }
    session.commit().await
}

/// Answers how many audits were right, in turn those of a snapshot and those that are validated.
async fn watch(mut session: Box<dyn Session>, mut rng: StdRng, audits: u64) -> Verdict<u64> {
    let mut done = 0;
    while done < audits {
        let isolation = match done % 2 {
            0 => Isolation::Snapshot,
            _ => Isolation::Serializable,
        };
        let begun = Instant::now();
        match audit(&mut *session, isolation).await {
            Ok(balances) => {
                judge(&balances)?;
                done += 1;
            }
            Err(failed) if isolation == Isolation::Snapshot && failed != Failed::Away => {
                return Err(format!("a snapshot does not fail: {failed:?}"));
            }
            Err(_) => step_back(&mut *session, &mut rng, begun).await,
        }
    }
    Ok(done)
}

async fn audit(session: &mut dyn Session, isolation: Isolation) -> Attempt<Vec<i64>> {
    session.begin(isolation).await?;
    let mut balances = Vec::new();
    for store in STORES {
        let items = session.scan(store).await?;
        balances.extend(items.iter().map(|(_, value)| value.parse::<i64>().unwrap()));
    }
    // What a serializable transaction read counts only once it has committed.
    session.commit().await?;
    Ok(balances)
}

/// Judges what an audit saw.
pub fn judge(balances: &[i64]) -> Verdict<()> {
    let (count, sum) = (balances.len() as u64, balances.iter().sum::<i64>());
    let expected = i64::try_from(ACCOUNTS).unwrap() * BALANCE;
    if count != ACCOUNTS || sum != expected {
        return Err(format!(
            "an audit saw {sum} in {count} accounts instead of {expected} in {ACCOUNTS}: {balances:?}"
        ));
    }
    Ok(())
}
