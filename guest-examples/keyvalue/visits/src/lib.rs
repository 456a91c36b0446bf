//! Counts visits of pages. It knows `wasi:keyvalue@0.2.0-draft` and nothing of sop.
//!
//! - `{"visit": {"page": "home", "times": 3}}` -> `3`: the visits after the last one;
//! - `{"add": {"home": 7, "about": 1}}` -> `2`: how many pages were set, all at once;
//! - `{"forget": ["about"]}` -> `1`: how many of these pages there were, removed all at once;
//! - `{"look": ["home", "none"]}` -> `{"home": 7}`: the visits of the pages that there are;
//! - `{"pages": 0}` -> `[["about", "home"], null]`: some pages after so many others, and after how
//!   many the next ones come;
//! - `{"all": null}` -> `2`: the number of pages, listed one after the other in one run.
//!
//! `"bucket"` beside the request names another bucket than `visits`. Page -> decimal number.
#![cfg(target_arch = "wasm32")]

mod bindings;

use std::collections::BTreeMap;

use bindings::wasi::keyvalue::atomics::increment;
use bindings::wasi::keyvalue::batch::{delete_many, get_many, set_many};
use bindings::wasi::keyvalue::store::{Bucket, Error, open};
use bindings::{Guest, RunError};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Request {
    bucket: Option<String>,
    #[serde(flatten)]
    work: Work,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Work {
    Visit { page: String, times: u32 },
    Add(BTreeMap<String, u64>),
    Forget(Vec<String>),
    Look(Vec<String>),
    Pages(u64),
    All(()),
}

struct Visits;

impl Guest for Visits {
    fn run(request: Vec<u8>) -> Result<Vec<u8>, RunError> {
        let answer = answer(&request).map_err(RunError::Failed)?;
        Ok(answer.to_string().into_bytes())
    }
}

fn answer(request: &[u8]) -> Result<Value, String> {
    let request: Request = serde_json::from_slice(request).map_err(|error| error.to_string())?;
    let name = request.bucket.as_deref().unwrap_or("visits");
    work(&open(name).map_err(words)?, request.work).map_err(words)
}

fn work(bucket: &Bucket, work: Work) -> Result<Value, Error> {
    Ok(match work {
        Work::Visit { page, times } => {
            let mut visits = 0;
            for _ in 0..times {
                visits = increment(bucket, &page, 1)?;
            }
            json!(visits)
        }
        Work::Add(pages) => {
            let items: Vec<_> = pages
                .into_iter()
                .map(|(page, visits)| (page, visits.to_string().into_bytes()))
                .collect();
            set_many(bucket, &items)?;
            json!(items.len())
        }
        Work::Forget(pages) => {
            let mut found = 0;
            for page in &pages {
                found += u32::from(bucket.exists(page)?);
            }
            delete_many(bucket, &pages)?;
            json!(found)
        }
        Work::Look(pages) => {
            let items = get_many(bucket, &pages)?.into_iter().flatten();
            let visits = |value: Vec<u8>| String::from_utf8_lossy(&value).parse::<u64>();
            let found: BTreeMap<_, _> = items
                .map(|(page, value)| (page, visits(value).unwrap_or_default()))
                .collect();
            json!(found)
        }
        Work::Pages(from) => {
            let response = bucket.list_keys((from > 0).then_some(from))?;
            json!([response.keys, response.cursor])
        }
        Work::All(()) => {
            let (mut count, mut cursor) = (0, None);
            loop {
                let response = bucket.list_keys(cursor)?;
                count += response.keys.len();
                cursor = response.cursor;
                if cursor.is_none() {
                    break json!(count);
                }
            }
        }
    })
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
    use super::{Visits, bindings};

    bindings::export!(Visits with_types_in bindings);
}
