//! Keeps stock: tuple keys, scans of ranges in both directions, two stores in one transaction.
//!
//! The same requests, responses and stores as the inventories in Python and JavaScript: plugins of
//! several languages work on one database.
//!
//! | `op` | other members | response |
//! |---|---|---|
//! | `move` | `"place": "Kiel", "article": "bolt", "change": 5` | `{"amount": 5, "number": 0}` |
//! | `stock` | `"place": "Kiel", "beginning": "b"` | `{"articles": [["bolt", 5]]}` |
//! | `history` | `"place": "Kiel", "limit": 10` | `{"movements": [[0, "bolt", 5]]}` |
//!
//! A movement answers what is there now, and its number. The stock is by name, of the articles that
//! begin like this. The history has the newest movement first.
//!
//! Stores `stock`: (place, article) -> amount (u64), and `movements`: (place, number as u64) ->
//! (article, change as i64).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sop_guest::key::text_prefix;
use sop_guest::{
    Direction, Error, Key, KeyRange, Result, Transaction, TypedStore, snapshot, transact,
};

/// The greatest integer that JSON carries safely between all languages.
const AMOUNT_MAX: i64 = (1 << 53) - 1;
/// Most movements of one response.
const HISTORY_MAX: u32 = 1_000;

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
enum Request {
    Move {
        place: String,
        article: String,
        change: i64,
    },
    Stock {
        place: String,
        #[serde(default)]
        beginning: String,
    },
    History {
        place: String,
        #[serde(default = "default_limit")]
        limit: u32,
    },
}

const fn default_limit() -> u32 {
    10
}

#[derive(Serialize)]
struct Moved {
    amount: u64,
    number: u64,
}

type Amounts<'transaction> = TypedStore<'transaction, (String, String), u64>;
type Movements<'transaction> = TypedStore<'transaction, (String, u64), (String, i64)>;

fn run(request: Request) -> Result<Value> {
    match request {
        Request::Move {
            place,
            article,
            change,
        } => {
            let moved = transact(|transaction| relocate(transaction, &place, &article, change))?;
            Ok(serde_json::to_value(moved)?)
        }
        Request::Stock { place, beginning } => {
            snapshot(|transaction| stock(transaction, &place, &beginning))
        }
        Request::History { place, limit } if limit <= HISTORY_MAX => {
            snapshot(|transaction| history(transaction, place, limit))
        }
        Request::History { .. } => Err(Error::Request(format!(
            "`limit` has to be a number up to {HISTORY_MAX}"
        ))),
    }
}

/// Changes an amount and writes down that it did.
fn relocate(transaction: &Transaction, place: &str, article: &str, change: i64) -> Result<Moved> {
    let amounts: Amounts = transaction.typed("stock")?;
    let movements: Movements = transaction.typed("movements")?;
    let key = (place.to_owned(), article.to_owned());
    let before = amounts.get(&key)?.unwrap_or_default();
    let amount = before
        .checked_add_signed(change)
        .filter(|amount| *amount <= AMOUNT_MAX.unsigned_abs())
        .ok_or_else(|| Error::Failed(format!("there are only {before} of {article} at {place}")))?;
    if amount == 0 {
        amounts.remove(&key)?;
    } else {
        amounts.put(&key, &amount)?;
    }
    let under = KeyRange::under::<(String, u64), _>(&(place.to_owned(),));
    let newest = movements.scan(&under, Direction::Descending, 1)?;
    let number = newest.first().map_or(0, |((_, number), _)| number + 1);
    movements.insert(&(place.to_owned(), number), &(article.to_owned(), change))?;
    Ok(Moved { amount, number })
}

/// What is at a place.
fn stock(transaction: &Transaction, place: &str, beginning: &str) -> Result<Value> {
    let amounts: Amounts = transaction.typed("stock")?;
    let mut prefix = (place.to_owned(),).encoded();
    prefix.extend(text_prefix(beginning));
    let articles: Vec<(String, u64)> = amounts
        .iterate(&KeyRange::prefix(&prefix), Direction::Ascending)?
        .map(|item| item.map(|((_, article), amount)| (article, amount)))
        .collect::<Result<_>>()?;
    Ok(json!({ "articles": articles }))
}

/// What happened last at a place.
fn history(transaction: &Transaction, place: String, limit: u32) -> Result<Value> {
    let movements: Movements = transaction.typed("movements")?;
    let under = KeyRange::under::<(String, u64), _>(&(place,));
    let found = movements.scan(&under, Direction::Descending, limit)?;
    let found: Vec<(u64, String, i64)> = found
        .into_iter()
        .map(|((_, number), (article, change))| (number, article, change))
        .collect();
    Ok(json!({ "movements": found }))
}

sop_guest::plugin!(json: run);

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use sop_guest::testing::reset;

    fn answer(request: Value) -> Result<Value> {
        let request = serde_json::to_vec(&request)?;
        Ok(serde_json::from_slice(&sop_guest::json_run(
            &request, run,
        )?)?)
    }

    fn relocate(place: &str, article: &str, change: i64) -> Result<Value> {
        answer(json!({ "op": "move", "place": place, "article": article, "change": change }))
    }

    #[test]
    fn an_inventory_keeps_stock_and_its_history() {
        reset();
        let moved = |amount: u64, number: u64| Ok(json!({ "amount": amount, "number": number }));
        assert_eq!(relocate("Kiel", "bolt", 5), moved(5, 0));
        assert_eq!(relocate("Kiel", "nut", 300), moved(300, 1));
        assert_eq!(relocate("Kiel", "bolt", -2), moved(3, 2));
        assert_eq!(relocate("Bonn", "bolt", 1), moved(1, 0));
        let stock = |place: &str, beginning: &str| {
            answer(json!({ "op": "stock", "place": place, "beginning": beginning }))
        };
        let both = json!({ "articles": [["bolt", 3], ["nut", 300]] });
        assert_eq!(stock("Kiel", ""), Ok(both));
        assert_eq!(
            stock("Kiel", "n"),
            Ok(json!({ "articles": [["nut", 300]] }))
        );
        assert_eq!(
            answer(json!({ "op": "history", "place": "Kiel", "limit": 2 })),
            Ok(json!({ "movements": [[2, "bolt", -2], [1, "nut", 300]] }))
        );
        let few = Error::Failed("there are only 3 of bolt at Kiel".to_owned());
        assert_eq!(relocate("Kiel", "bolt", -4), Err(few));
        assert_eq!(relocate("Bonn", "bolt", -1), moved(0, 1));
        assert_eq!(stock("Bonn", ""), Ok(json!({ "articles": [] })));
    }

    #[test]
    fn a_bad_request_says_what_is_wrong_with_it() {
        let long = answer(json!({ "op": "history", "place": "Kiel", "limit": 1_001 }));
        for answer in [long, answer(json!({ "op": "fly" }))] {
            assert!(matches!(answer, Err(Error::Request(_))), "{answer:?}");
        }
    }
}
