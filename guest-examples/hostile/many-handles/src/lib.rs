//! Attack: handles without end. The request says which: `transactions`, `stores` or `cursors`; a
//! million each, none dropped.
//!
//! Expected: an error that names a limit (as the documented one of 1,024 cursors of a transaction)
//! or a run stopped at one (handles, memory, time), and the host's memory within its budget. The
//! answer, if there is one, is how many it got and what then happened.

use sop_guest::{Direction, Error, Isolation, KeyRange, Result, Transaction};

const HANDLES: usize = 1_000_000;

fn run(request: &[u8]) -> Result<Vec<u8>> {
    let (number, end) = match request {
        b"transactions" => hoard(|| Transaction::begin(Isolation::Snapshot)),
        b"stores" => {
            let transaction = Transaction::begin(Isolation::Serializable)?;
            hoard(|| transaction.open_or_create_store("hoard"))
        }
        b"cursors" => {
            let transaction = Transaction::begin(Isolation::Serializable)?;
            let store = transaction.open_or_create_store("hoard")?;
            hoard(|| store.iterate(&KeyRange::all(), Direction::Ascending))
        }
        _ => return Err(Error::Request("transactions, stores or cursors".to_owned())),
    };
    Ok(format!("{number}: {end}").into_bytes())
}

/// Keeps everything it gets.
fn hoard<T>(mut next: impl FnMut() -> Result<T>) -> (usize, String) {
    let mut kept = Vec::new();
    while kept.len() < HANDLES {
        match next() {
            Ok(handle) => kept.push(handle),
            Err(error) => return (kept.len(), error.to_string()),
        }
    }
    (kept.len(), "no end".to_owned())
}

sop_guest::plugin!(run);
