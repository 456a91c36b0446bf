//! Lists, sets, one hot counter.

use rand::Rng;
use sop_engine::error::Result;
use sop_engine::transaction::Isolation;

use super::{filler, isolation, unique};
use crate::simulation::plan::Plan;
use crate::simulation::session::Session;

pub(super) const COUNTER: &[u8] = b"counter";

pub(super) fn number(value: Option<&Vec<u8>>) -> u64 {
    let text = value.map(|value| String::from_utf8_lossy(value).into_owned());
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Reads some lists, appends to some others.
pub(super) fn append(session: &Session<'_>) -> Result<()> {
    let (count, reads) = {
        let mut random = session.random.borrow_mut();
        (random.random_range(1..=4), random.random_range(0..10))
    };
    let isolation = match reads {
        0 => isolation(&mut *session.random.borrow_mut()),
        _ => Isolation::Serializable,
    };
    session.transact(isolation, |recorded| {
        for _ in 0..count {
            let (store, key, write) = {
                let mut random = session.random.borrow_mut();
                let key = format!("list/{}", random.random_range(0..4));
                let write = reads > 1 && random.random_range(0..2) == 0;
                (random.random_range(0..2), key, write)
            };
            let list = recorded.get(store, key.as_bytes())?;
            if write {
                let mut list = list.unwrap_or_default();
                list.extend_from_slice(format!(",{}", unique(session)).as_bytes());
                recorded.put(store, key.as_bytes(), &list)?;
            }
        }
        Ok(())
    })
}

/// Looks at a group and adds something that depends on all that was seen.
pub(super) fn insert(plan: &Plan, session: &Session<'_>) -> Result<()> {
    let (group, remove, look) = {
        let mut random = session.random.borrow_mut();
        let group = random.random_range(0..4_u8);
        (
            group,
            random.random_range(0..4) == 0,
            random.random_range(0..5) == 0,
        )
    };
    let (from, to) = (format!("set/{group}/"), format!("set/{group}0"));
    let range = (from.as_bytes(), to.as_bytes());
    let isolation = match look {
        true => isolation(&mut *session.random.borrow_mut()),
        false => Isolation::Serializable,
    };
    session.transact(isolation, |recorded| {
        let limit = if group == 0 { 3 } else { 1_000 };
        let seen = recorded.scan(0, range, group == 1, limit)?;
        if group == 2 {
            recorded.count(0)?;
        }
        if look {
            return Ok(());
        }
        let sum = seen.len().to_string();
        match seen.first() {
            Some((key, _)) if remove => recorded.remove(0, key).map(drop),
            _ => {
                let key = format!("set/{}/{}", (group + 1) % 4, unique(session));
                recorded
                    .insert(0, key.as_bytes(), &filler(plan, &sum))
                    .map(drop)
            }
        }
    })
}

/// One more.
pub(super) fn increment(session: &Session<'_>) -> Result<()> {
    session.transact(Isolation::Serializable, |recorded| {
        let before = recorded.get(0, COUNTER)?;
        let after = number(before.as_ref()) + 1;
        recorded.put(0, COUNTER, after.to_string().as_bytes())
    })
}
