//! Reads and writes any store by JSON requests: a list of steps that are one transaction, all or
//! nothing.
//!
//! ```json
//! {"steps": [
//!   {"op": "put", "store": "users", "key": "ada", "value": "1815"},
//!   {"op": "get", "store": "users", "key": "bob"},
//!   {"op": "scan", "store": "users", "from": "a", "to": "c", "limit": 10}
//! ]}
//! ```
//! -> `{"results": [null, null, [["ada", "1815"]]], "version": 12, "tries": 1}`: one result for
//! each step.
//!
//! | step | takes | result |
//! |---|---|---|
//! | `get` | `store`, `key` | the value, or null |
//! | `put` (adds or replaces), `insert` (fails if present), `update` (fails if absent) | `store`, `key`, `value` | null |
//! | `remove` | `store`, `key` | whether it was present |
//! | `scan` | `store`, `from` (included), `to` (excluded), `reverse`, `limit` (100) | a list of `[key, value]` |
//! | `count` | `store` | the number of items |
//! | `stores` | | the names of the stores |
//!
//! Keys and values are texts, stored as their UTF-8 bytes. A store that is written is created if it
//! is missing.

use serde::Deserialize;
use serde_json::{Value, json};
use sop_guest::{Direction, KeyRange, Result, Transaction, limits, transact_up_to};
use std::ops::Bound;

#[derive(Deserialize)]
struct Request {
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
enum Step {
    Get {
        store: String,
        key: String,
    },
    Put {
        store: String,
        key: String,
        value: String,
    },
    Insert {
        store: String,
        key: String,
        value: String,
    },
    Update {
        store: String,
        key: String,
        value: String,
    },
    Remove {
        store: String,
        key: String,
    },
    Scan(Scan),
    Count {
        store: String,
    },
    Stores,
}

#[derive(Deserialize)]
struct Scan {
    store: String,
    from: Option<String>,
    to: Option<String>,
    #[serde(default)]
    reverse: bool,
    #[serde(default = "default_limit")]
    limit: u32,
}

const fn default_limit() -> u32 {
    100
}

fn run(request: Request) -> Result<Value> {
    let committed = transact_up_to(limits::TRIES_MAX, |transaction| {
        request
            .steps
            .iter()
            .map(|step| perform(transaction, step))
            .collect::<Result<Vec<Value>>>()
    })?;
    Ok(
        json!({ "results": committed.value, "version": committed.version, "tries": committed.tries }),
    )
}

fn perform(transaction: &Transaction, step: &Step) -> Result<Value> {
    let written = match step {
        Step::Get { store, key } => {
            let value = transaction.open_store(store)?.get(key.as_bytes())?;
            return Ok(value.map_or(Value::Null, |value| text(&value)));
        }
        Step::Put { store, key, value } => transaction
            .open_or_create_store(store)?
            .put(key.as_bytes(), value.as_bytes()),
        Step::Insert { store, key, value } => transaction
            .open_or_create_store(store)?
            .insert(key.as_bytes(), value.as_bytes()),
        Step::Update { store, key, value } => transaction
            .open_store(store)?
            .update(key.as_bytes(), value.as_bytes()),
        Step::Remove { store, key } => {
            return Ok(json!(
                transaction.open_store(store)?.remove(key.as_bytes())?
            ));
        }
        Step::Scan(step) => return scan(transaction, step),
        Step::Count { store } => return Ok(json!(transaction.open_store(store)?.count()?)),
        Step::Stores => {
            let stores = transaction.list_stores()?;
            return Ok(stores
                .into_iter()
                .map(|store| Value::String(store.name))
                .collect());
        }
    };
    written.map(|()| Value::Null)
}

fn scan(transaction: &Transaction, step: &Scan) -> Result<Value> {
    let bytes = |text: &Option<String>| text.as_ref().map(|text| text.as_bytes().to_vec());
    let range = KeyRange {
        lower: bytes(&step.from).map_or(Bound::Unbounded, Bound::Included),
        upper: bytes(&step.to).map_or(Bound::Unbounded, Bound::Excluded),
    };
    let direction = if step.reverse {
        Direction::Descending
    } else {
        Direction::Ascending
    };
    let items = transaction
        .open_store(&step.store)?
        .scan(&range, direction, step.limit)?;
    Ok(items
        .iter()
        .map(|(key, value)| json!([text(key), text(value)]))
        .collect())
}

/// Bytes that are no text show replacement characters.
fn text(bytes: &[u8]) -> Value {
    Value::String(String::from_utf8_lossy(bytes).into_owned())
}

sop_guest::plugin!(json: run);

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    #![expect(
        clippy::panic,
        clippy::indexing_slicing,
        reason = "a test may stop at a broken assumption"
    )]
    use super::*;
    use sop_guest::{Error, testing};

    fn results(request: &str) -> Result<Value> {
        let response = sop_guest::json_run(request.as_bytes(), run)?;
        Ok(serde_json::from_slice::<Value>(&response)?["results"].take())
    }

    #[test]
    fn the_steps_of_a_request_see_each_other_and_are_all_or_nothing() {
        testing::reset();
        let steps = r#"{"steps": [{"op": "put", "store": "s", "key": "a", "value": "1"},
            {"op": "insert", "store": "s", "key": "b", "value": "2"}, {"op": "get", "store": "s", "key": "c"},
            {"op": "scan", "store": "s", "to": "b"}, {"op": "scan", "store": "s", "reverse": true, "limit": 1},
            {"op": "count", "store": "s"}, {"op": "stores"}]}"#;
        let expected = json!([null, null, null, [["a", "1"]], [["b", "2"]], 2, ["s"]]);
        assert_eq!(results(steps), Ok(expected));
        let fails = r#"{"steps": [{"op": "remove", "store": "s", "key": "a"},
            {"op": "insert", "store": "s", "key": "b", "value": "3"}]}"#;
        assert!(matches!(results(fails), Err(Error::Exists(_))));
        let after = r#"{"steps": [{"op": "get", "store": "s", "key": "a"}, {"op": "remove", "store": "s", "key": "b"}]}"#;
        assert_eq!(results(after), Ok(json!(["1", true])));
    }

    #[test]
    fn a_bad_request_says_what_is_wrong_with_it() {
        let Err(Error::Request(message)) = results(r#"{"steps": [{"op": "fly"}]}"#) else {
            panic!("it was taken");
        };
        assert!(message.contains("fly"), "{message}");
    }
}
