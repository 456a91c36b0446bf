//! Transfers between accounts in three stores; the sum never changes.

use rand::Rng;
use sop_engine::error::Result;
use sop_engine::transaction::Isolation;

use super::{Body, STORES, filler, isolation};
use crate::simulation::model::Items;
use crate::simulation::plan::Plan;
use crate::simulation::session::Session;

const BALANCE: u64 = 100;

fn accounts(plan: &Plan) -> u8 {
    u8::try_from(4 + plan.seed % 8).unwrap_or(4)
}

fn key(account: u8) -> Vec<u8> {
    format!("account/{account:02}").into_bytes()
}

fn balance(value: &[u8]) -> u64 {
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))
}

fn sum(plan: &Plan) -> u64 {
    u64::from(STORES) * u64::from(accounts(plan)) * BALANCE
}

pub(super) fn set_up(plan: &Plan, recorded: Body<'_, '_, '_>) -> Result<()> {
    for store in 0..STORES {
        for account in 0..accounts(plan) {
            let value = filler(plan, &BALANCE.to_string());
            recorded.put(store, &key(account), &value)?;
        }
    }
    Ok(())
}

pub(super) fn step(plan: &Plan, session: &Session<'_>) -> Result<Option<String>> {
    let audit = session.random.borrow_mut().random_range(0..4) == 0;
    if !audit {
        return transfer(plan, session).map(|()| None);
    }
    let isolation = isolation(&mut *session.random.borrow_mut());
    let mut found = None;
    session.transact(isolation, |recorded| {
        let mut total = 0;
        for store in 0..STORES {
            let items = recorded.scan(store, (b"account/", b"account0"), store == 1, 1_000)?;
            total += items.iter().map(|(_, value)| balance(value)).sum::<u64>();
        }
        if total != sum(plan) {
            found = Some(format!("an audit found {total} instead of {}", sum(plan)));
        }
        Ok(())
    })?;
    Ok(found)
}

fn transfer(plan: &Plan, session: &Session<'_>) -> Result<()> {
    let (from, to, amount) = {
        let mut random = session.random.borrow_mut();
        let mut any = || {
            let store = random.random_range(0..STORES);
            (store, random.random_range(0..accounts(plan)))
        };
        let (from, to) = (any(), any());
        (from, to, random.random_range(1..20))
    };
    if from == to {
        return Ok(());
    }
    session.transact(Isolation::Serializable, |recorded| {
        let giver = recorded.get(from.0, &key(from.1))?.unwrap_or_default();
        let taker = recorded.get(to.0, &key(to.1))?.unwrap_or_default();
        let amount = amount.min(balance(&giver));
        let giver = filler(plan, &(balance(&giver) - amount).to_string());
        let taker = filler(plan, &(balance(&taker) + amount).to_string());
        recorded.put(from.0, &key(from.1), &giver)?;
        recorded.put(to.0, &key(to.1), &taker)
    })
}

pub(super) fn total(plan: &Plan, items: &Items) -> Option<String> {
    let accounts = items
        .iter()
        .filter(|((_, key), _)| key.starts_with(b"account/"));
    let total: u64 = accounts.map(|(_, value)| balance(value)).sum();
    (total != sum(plan)).then(|| format!("the accounts hold {total} instead of {}", sum(plan)))
}
