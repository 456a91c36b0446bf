//! Attack: a transaction that writes to a store and never ends. Request `return`: the run ends
//! well, the transaction forgotten (not even dropped); request `loop`: the run does not end.
//!
//! Expected: nothing of it is ever visible, nobody waits for it, and what it held (history,
//! snapshot, spills) is let go when the run is over or was stopped.

use sop_guest::{Error, Isolation, Result, Transaction};

fn run(request: &[u8]) -> Result<Vec<u8>> {
    let transaction = Transaction::begin(Isolation::Serializable)?;
    let store = transaction.open_or_create_store("never-ended")?;
    store.put(b"written", b"and never committed")?;
    // Long enough to be written ahead.
    store.put(b"large", &vec![7; 2 << 20])?;
    match request {
        b"return" => {
            std::mem::forget(store);
            std::mem::forget(transaction);
            Ok(b"left open".to_vec())
        }
        b"loop" => loop {
            std::hint::spin_loop();
        },
        _ => Err(Error::Request("return or loop".to_owned())),
    }
}

sop_guest::plugin!(run);
