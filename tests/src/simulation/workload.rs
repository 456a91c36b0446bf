//! What clients do. Every answer is judged by [`super::check`]; here only what it should add up to.

mod bank;
mod mixed;
mod small;

use rand::Rng;
use sop_engine::error::Result;
use sop_engine::transaction::Isolation;

use super::history::{Operation, Record};
use super::model::Items;
use super::plan::{Plan, WorkloadKind};
use super::session::{Recorded, Session, store_name};

/// How many stores there are.
pub const STORES: u8 = 3;

/// Creates the stores and what is in them at first.
pub fn set_up(plan: &Plan, session: &Session<'_>) -> Result<()> {
    session.transact(Isolation::Serializable, |recorded| {
        for store in 0..STORES {
            recorded
                .transaction
                .create_store_with(&store_name(store), plan.page_bytes)?;
        }
        Ok(())
    })?;
    session.transact(Isolation::Serializable, |recorded| match plan.workload {
        WorkloadKind::Bank => bank::set_up(plan, recorded),
        _ => Ok(()),
    })
}

/// One transaction of a client; answers what was wrong with what it saw.
pub fn step(plan: &Plan, session: &Session<'_>) -> Result<Option<String>> {
    match plan.workload {
        WorkloadKind::Bank => bank::step(plan, session),
        WorkloadKind::Append => small::append(session).map(|()| None),
        WorkloadKind::Sets => small::insert(plan, session).map(|()| None),
        WorkloadKind::Counter => small::increment(session).map(|()| None),
        WorkloadKind::Mixed => mixed::step(plan, session).map(|()| None),
    }
}

/// The key that only this client writes, to show that it can.
pub fn finish(session: &Session<'_>) -> Result<()> {
    let key = format!("~final/{}", session.client);
    session.transact(Isolation::Serializable, |recorded| {
        recorded.get(0, key.as_bytes())?;
        recorded.put(0, key.as_bytes(), b"done")
    })
}

/// Reads everything.
pub fn audit(session: &Session<'_>) -> Result<()> {
    session.transact(Isolation::Serializable, |recorded| {
        for store in 0..STORES {
            recorded.scan(store, (b"!", b"\xff"), false, 10_000)?;
            recorded.count(store)?;
        }
        Ok(())
    })
}

/// What the end must add up to, given the committed transactions.
pub fn total(plan: &Plan, items: &Items, committed: &[&Record]) -> Option<String> {
    match plan.workload {
        WorkloadKind::Bank => bank::total(plan, items),
        WorkloadKind::Counter => {
            let key = (0, small::COUNTER.to_vec());
            let puts = committed.iter().filter(|record| {
                let mut all = record.operations.iter();
                all.any(|operation| matches!(operation, Operation::Put(to, _) if *to == key))
            });
            let (is, should) = (small::number(items.get(&key)), puts.count() as u64);
            (is != should).then(|| format!("the counter is {is} after {should} increments"))
        }
        _ => None,
    }
}

fn isolation(recorded: &mut impl Rng) -> Isolation {
    match recorded.random_range(0..3) {
        0 => Isolation::Snapshot,
        _ => Isolation::Serializable,
    }
}

fn filler(plan: &Plan, text: &str) -> Vec<u8> {
    let mut value = text.as_bytes().to_vec();
    value.resize(value.len() + plan.filler_bytes, b'.');
    value
}

/// Writes a value that differs from what any other transaction writes.
fn unique(session: &Session<'_>) -> String {
    format!("{:x}", session.random.borrow_mut().random::<u64>())
}

type Body<'a, 's, 'y> = &'a mut Recorded<'s, 'y>;
