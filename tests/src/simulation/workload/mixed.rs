//! Every operation on few keys: the tree changes its shape under everybody's hands.

use rand::Rng;
use sop_engine::error::Result;
use sop_engine::transaction::Isolation;

use super::{Body, filler, isolation, unique};
use crate::simulation::plan::Plan;
use crate::simulation::session::Session;

const KEYS: u32 = 40;

fn key(number: u32) -> Vec<u8> {
    format!("key/{number:03}").into_bytes()
}

pub(super) fn step(plan: &Plan, session: &Session<'_>) -> Result<()> {
    let (count, reads) = {
        let mut random = session.random.borrow_mut();
        (random.random_range(1..=6), random.random_range(0..4) == 0)
    };
    let isolation = match reads {
        true => isolation(&mut *session.random.borrow_mut()),
        false => Isolation::Serializable,
    };
    session.transact(isolation, |recorded| {
        if !reads && session.random.borrow_mut().random_range(0..4) == 0 {
            recorded.mark()?;
            write(plan, session, recorded)?;
            recorded.restart()?;
        }
        for _ in 0..count {
            match !reads && session.random.borrow_mut().random_range(0..3) > 0 {
                true => write(plan, session, recorded)?,
                false => read(session, recorded)?,
            }
        }
        Ok(())
    })
}

fn read(session: &Session<'_>, recorded: Body<'_, '_, '_>) -> Result<()> {
    let (what, store, low, more, limit) = {
        let mut random = session.random.borrow_mut();
        (
            random.random_range(0..10),
            random.random_range(0..2),
            random.random_range(0..KEYS),
            random.random_range(0..KEYS / 2),
            random.random_range(1..8),
        )
    };
    match what {
        0 => recorded.count(store).map(drop),
        1..=3 => {
            let range = (key(low), key(low + more));
            recorded
                .scan(store, (&range.0, &range.1), what == 1, limit)
                .map(drop)
        }
        _ => recorded.get(store, &key(low)).map(drop),
    }
}

fn write(plan: &Plan, session: &Session<'_>, recorded: Body<'_, '_, '_>) -> Result<()> {
    let (what, store, low, more, large) = {
        let mut random = session.random.borrow_mut();
        (
            random.random_range(0..12),
            random.random_range(0..2),
            random.random_range(0..KEYS),
            random.random_range(0..KEYS / 4),
            random.random_range(0..5) == 0,
        )
    };
    let mut value = filler(plan, &unique(session));
    if large {
        value.resize(plan.page_bytes, b'+');
    }
    match what {
        0..=2 => recorded.insert(store, &key(low), &value).map(drop),
        3..=4 => recorded.update(store, &key(low), &value).map(drop),
        5..=6 => recorded.remove(store, &key(low)).map(drop),
        7 => recorded
            .remove_range(store, &key(low), &key(low + more))
            .map(drop),
        _ => recorded.put(store, &key(low), &value),
    }
}
