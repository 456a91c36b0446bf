//! Counts: the smallest plugin. Many at once are the *hot counter*: every increment reads and
//! writes one key, so they conflict, are run again, and none is lost.
//!
//! Request `{"key": "visits", "times": 10}` -> response `{"value": 10, "tries": 10}`: the value
//! after the last increment, and how many runs of the transaction it took. `key` is `count` and
//! `times` is 1 if they are not given.
//!
//! Store `counters`: name (string) -> count (u64).

use serde::{Deserialize, Serialize};
use sop_guest::{Result, limits, transact_up_to};

#[derive(Deserialize)]
struct Request {
    #[serde(default = "default_key")]
    key: String,
    #[serde(default = "default_times")]
    times: u64,
}

#[derive(Debug, PartialEq, Serialize)]
struct Response {
    value: u64,
    tries: u64,
}

fn default_key() -> String {
    "count".to_owned()
}

const fn default_times() -> u64 {
    1
}

fn run(request: Request) -> Result<Response> {
    let mut response = Response { value: 0, tries: 0 };
    for _ in 0..request.times {
        let committed = transact_up_to(limits::TRIES_MAX, |transaction| {
            transaction
                .typed::<String, u64>("counters")?
                .modify(&request.key, |count| *count += 1)
        })?;
        response.value = committed.value;
        response.tries += u64::from(committed.tries);
    }
    Ok(response)
}

sop_guest::plugin!(json: run);

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use sop_guest::testing::{CommitFault, fail_commits, reset};

    #[test]
    fn every_increment_counts_once_whatever_becomes_of_the_commits() {
        reset();
        fail_commits([
            CommitFault::Conflict,
            CommitFault::ReplyLostAfter,
            CommitFault::ReplyLostBefore,
        ]);
        let response = run(Request {
            key: default_key(),
            times: 5,
        });
        assert_eq!(response, Ok(Response { value: 5, tries: 7 }));
    }
}
