//! A bank: accounts over three stores, transfers between them, and audits that must always find the
//! same sum.
//!
//! | request | does | response |
//! |---|---|---|
//! | `{"op": "open", "accounts": 32, "balance": 100}` | makes the accounts, all or none | `{"accounts": 32, "sum": 3200}` |
//! | `{"op": "transfer", "from": 1, "to": 2, "amount": 5}` | one transfer; refused if it would overdraw | `{"moved": 5, "refused": 0, "tries": 1}` |
//! | `{"op": "work", "seed": 7, "transfers": 100}` | so many transfers between accounts drawn from the seed | the same |
//! | `{"op": "audit"}` | reads all accounts at one version | `{"accounts": 32, "sum": 3200}` |
//!
//! Account `n` is in the store `accounts-{n % 3}`: number (u64) -> balance (i64). So most transfers
//! write two stores, and an audit reads three; a torn transaction would show as a wrong sum.

use serde::{Deserialize, Serialize};
use sop_guest::{
    Error, Result, Transaction, TypedStore, limits, snapshot, transact, transact_up_to,
};

/// Stores that the accounts are spread over.
const STORES: u64 = 3;

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
enum Request {
    Open { accounts: u64, balance: i64 },
    Transfer { from: u64, to: u64, amount: i64 },
    Work { seed: u64, transfers: u64 },
    Audit,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum Response {
    Audited {
        accounts: u64,
        sum: i64,
    },
    Moved {
        moved: i64,
        refused: u64,
        tries: u64,
    },
}

fn run(request: Request) -> Result<Response> {
    match request {
        Request::Open { accounts, balance } => {
            transact(|transaction| open(transaction, accounts, balance))
        }
        Request::Transfer { from, to, amount } => {
            let (moved, tries) = transfer(from, to, amount)?;
            Ok(Response::Moved {
                moved,
                refused: u64::from(moved == 0),
                tries,
            })
        }
        Request::Work { seed, transfers } => work(seed, transfers),
        Request::Audit => snapshot(audit),
    }
}

fn accounts<'t>(transaction: &'t Transaction, account: u64) -> Result<TypedStore<'t, u64, i64>> {
    transaction.typed(&format!("accounts-{}", account % STORES))
}

fn open(transaction: &Transaction, number: u64, balance: i64) -> Result<Response> {
    for account in 0..number {
        accounts(transaction, account)?.insert(&account, &balance)?;
    }
    audit(transaction)
}

fn audit(transaction: &Transaction) -> Result<Response> {
    let (mut number, mut sum) = (0, 0_i64);
    for store in 0..STORES {
        for item in accounts(transaction, store)?.range(..)? {
            let (_, balance) = item?;
            number += 1;
            sum = sum.checked_add(balance).ok_or_else(too_much)?;
        }
    }
    Ok(Response::Audited {
        accounts: number,
        sum,
    })
}

/// Moves an amount; nothing if the account has not so much. Answers what was moved and how many
/// tries it took.
fn transfer(from: u64, to: u64, amount: i64) -> Result<(i64, u64)> {
    if amount <= 0 || from == to {
        return Err(Error::Request(
            "a transfer moves a positive amount between two accounts".to_owned(),
        ));
    }
    let committed = transact_up_to(limits::TRIES_MAX, |transaction| {
        let (payers, payees) = (accounts(transaction, from)?, accounts(transaction, to)?);
        let payer = payers.get(&from)?.ok_or_else(|| absent(from))?;
        let payee = payees.get(&to)?.ok_or_else(|| absent(to))?;
        if payer < amount {
            return Ok(0);
        }
        payers.update(&from, &(payer - amount))?;
        payees.update(&to, &payee.checked_add(amount).ok_or_else(too_much)?)?;
        Ok(amount)
    })?;
    Ok((committed.value, u64::from(committed.tries)))
}

fn work(seed: u64, transfers: u64) -> Result<Response> {
    let Response::Audited { accounts, .. } = snapshot(audit)? else {
        return Err(Error::Failed("an audit that is none".to_owned()));
    };
    if accounts < 2 {
        return Err(Error::NotFound("two accounts; open some first".to_owned()));
    }
    let (mut moved, mut refused, mut tries) = (0_i64, 0, 0);
    let mut draw = seed;
    for _ in 0..transfers {
        let from = drawn(&mut draw) % accounts;
        // Any account but `from`.
        let to = (from + 1 + drawn(&mut draw) % (accounts - 1)) % accounts;
        let amount = i64::try_from(1 + drawn(&mut draw) % 10).unwrap_or(1);
        let (amount, runs) = transfer(from, to, amount)?;
        moved = moved.saturating_add(amount);
        refused += u64::from(amount == 0);
        tries += runs;
    }
    Ok(Response::Moved {
        moved,
        refused,
        tries,
    })
}

/// The next number of a sequence that only its seed decides (splitmix64).
fn drawn(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn absent(account: u64) -> Error {
    Error::NotFound(format!("the account {account}"))
}

fn too_much() -> Error {
    Error::Failed("more money than can be counted".to_owned())
}

sop_guest::plugin!(json: run);

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    #![expect(clippy::panic, reason = "a test may stop at a broken assumption")]
    use super::*;
    use sop_guest::testing::{CommitFault, fail_commits, reset};

    #[test]
    fn transfers_keep_the_sum_whatever_becomes_of_the_commits() {
        reset();
        let opened = Ok(Response::Audited {
            accounts: 32,
            sum: 320,
        });
        assert_eq!(
            run(Request::Open {
                accounts: 32,
                balance: 10
            }),
            opened
        );
        for seed in 0..20 {
            let faults = [
                CommitFault::Conflict,
                CommitFault::ReplyLostAfter,
                CommitFault::ReplyLostBefore,
            ];
            fail_commits(faults);
            let Ok(Response::Moved { moved, tries, .. }) = run(Request::Work {
                seed,
                transfers: 20,
            }) else {
                panic!("the work failed");
            };
            assert!(moved > 0 && tries >= 20);
            assert_eq!(run(Request::Audit), opened);
        }
    }

    #[test]
    fn an_account_is_not_overdrawn_and_accounts_are_opened_once() {
        reset();
        assert!(
            run(Request::Open {
                accounts: 3,
                balance: 10
            })
            .is_ok()
        );
        assert!(matches!(
            run(Request::Open {
                accounts: 9,
                balance: 10
            }),
            Err(Error::Exists(_))
        ));
        let refused = Ok(Response::Moved {
            moved: 0,
            refused: 1,
            tries: 1,
        });
        assert_eq!(
            run(Request::Transfer {
                from: 0,
                to: 1,
                amount: 11
            }),
            refused
        );
        let moved = Ok(Response::Moved {
            moved: 10,
            refused: 0,
            tries: 1,
        });
        assert_eq!(
            run(Request::Transfer {
                from: 0,
                to: 1,
                amount: 10
            }),
            moved
        );
        assert_eq!(
            run(Request::Audit),
            Ok(Response::Audited {
                accounts: 3,
                sum: 30
            })
        );
    }
}
