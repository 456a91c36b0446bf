//! Claims numbered slots by compare-and-swap. It knows `wasi:keyvalue@0.2.0-draft2` and nothing of
//! sop: however many run at once, in one process or several, each slot has one winner.
//!
//! - `{"claim": {"claimer": "ada", "slots": 40}}` -> `{"won": [0, 3], "lost": 38, "races": 2}`: the
//!   slots that this run won, how many were somebody else's, and how often a swap failed because
//!   another one came first;
//! - `{"report": null}` -> `{"slots": {"0": "ada"}, "count": 1, "sum": 1}`: who has which slot, and
//!   two counts of the slots that were won, one kept by swaps, one by increments.
//!
//! Bucket `claims`: `slot/NNNNN` -> the claimer, `count` and `sum` -> a decimal number.
#![cfg(target_arch = "wasm32")]

mod bindings;

use std::collections::BTreeMap;

use bindings::wasi::keyvalue::atomics::{Cas, CasError, increment, swap};
use bindings::wasi::keyvalue::batch::get_many;
use bindings::wasi::keyvalue::store::{Bucket, Error, open};
use bindings::{Guest, RunError};
use serde::{Deserialize, Serialize};

const PREFIX: &str = "slot/";

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Request {
    Claim { claimer: String, slots: u32 },
    Report(()),
}

#[derive(Default, Serialize)]
struct Claimed {
    won: Vec<u32>,
    lost: u32,
    races: u32,
}

#[derive(Serialize)]
struct Report {
    slots: BTreeMap<u32, String>,
    count: u64,
    sum: u64,
}

struct Claims;

impl Guest for Claims {
    fn run(request: Vec<u8>) -> Result<Vec<u8>, RunError> {
        answer(&request).map_err(RunError::Failed)
    }
}

fn answer(request: &[u8]) -> Result<Vec<u8>, String> {
    let request = serde_json::from_slice(request).map_err(|error| error.to_string())?;
    let bucket = open("claims").map_err(words)?;
    let answer = match request {
        Request::Claim { claimer, slots } => serde_json::to_vec(&claim(&bucket, &claimer, slots)?),
        Request::Report(()) => serde_json::to_vec(&report(&bucket)?),
    };
    answer.map_err(|error| error.to_string())
}

fn claim(bucket: &Bucket, claimer: &str, slots: u32) -> Result<Claimed, String> {
    let mut claimed = Claimed::default();
    for slot in 0..slots {
        let cas = Cas::new(bucket, &format!("{PREFIX}{slot:05}")).map_err(words)?;
        if cas.current().map_err(words)?.is_some() {
            claimed.lost += 1;
            continue;
        }
        match swap(cas, claimer.as_bytes()) {
            Ok(()) => {
                claimed.won.push(slot);
                claimed.races += count_one(bucket)?;
                increment(bucket, "sum", 1).map_err(words)?;
            }
            Err(CasError::CasFailed(fresh)) => {
                claimed.lost += 1;
                claimed.races += 1;
                if fresh.current().map_err(words)?.is_none() {
                    return Err(format!("slot {slot} was lost to nobody"));
                }
            }
            Err(CasError::StoreError(error)) => return Err(words(error)),
        }
    }
    Ok(claimed)
}

/// Counts by swaps; answers how many failed.
fn count_one(bucket: &Bucket) -> Result<u32, String> {
    let mut cas = Cas::new(bucket, "count").map_err(words)?;
    let mut races = 0;
    loop {
        let count = match cas.current().map_err(words)? {
            Some(text) => number(&text)?,
            None => 0,
        };
        match swap(cas, (count + 1).to_string().as_bytes()) {
            Ok(()) => return Ok(races),
            Err(CasError::CasFailed(fresh)) => {
                races += 1;
                cas = fresh;
            }
            Err(CasError::StoreError(error)) => return Err(words(error)),
        }
    }
}

fn report(bucket: &Bucket) -> Result<Report, String> {
    let mut report = Report {
        slots: BTreeMap::new(),
        count: 0,
        sum: 0,
    };
    let mut cursor = None;
    loop {
        let page = bucket.list_keys(cursor.as_deref()).map_err(words)?;
        for (key, value) in get_many(bucket, &page.keys).map_err(words)? {
            let value = value.unwrap_or_default();
            match key.strip_prefix(PREFIX) {
                Some(slot) => {
                    let slot = slot.parse().map_err(|_| format!("the key {key:?}"))?;
                    let claimer = String::from_utf8_lossy(&value).into_owned();
                    report.slots.insert(slot, claimer);
                }
                None if key == "count" => report.count = number(&value)?,
                None => report.sum = number(&value)?,
            }
        }
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(report);
        }
    }
}

fn number(text: &[u8]) -> Result<u64, String> {
    let text = String::from_utf8_lossy(text);
    text.parse().map_err(|_| format!("{text:?} is no number"))
}

fn words(error: Error) -> String {
    match error {
        Error::NoSuchStore => "no such store".to_owned(),
        Error::AccessDenied => "access denied".to_owned(),
        Error::Other(words) => words,
    }
}

#[allow(unsafe_code, reason = "generated: the exports of the component")]
mod exports {
    use super::{Claims, bindings};

    bindings::export!(Claims with_types_in bindings);
}
