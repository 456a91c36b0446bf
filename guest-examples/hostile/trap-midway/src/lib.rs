//! Attack: traps in the middle of a transaction, after it has written to two stores; before that it
//! commits once, so that a host that ran it again from its start would do that commit twice.
//!
//! Expected: the caller is told of the trap, and not by a second run; the store `trap-midway` has
//! exactly the item `committed` with the value `1` after one run, and no item `torn`; there is no
//! store `trap-midway-2`.

use sop_guest::{Isolation, Result, Transaction, transact};

fn run(_request: &[u8]) -> Result<Vec<u8>> {
    transact(|transaction| {
        let store = transaction.open_or_create_store("trap-midway")?;
        let before = store
            .get(b"committed")?
            .map_or(0, |value| value.first().copied().unwrap_or(0) - b'0');
        store.put(b"committed", &[before + 1 + b'0'])
    })?;
    let transaction = Transaction::begin(Isolation::Serializable)?;
    transaction
        .open_or_create_store("trap-midway")?
        .put(b"torn", b"half")?;
    transaction
        .open_or_create_store("trap-midway-2")?
        .put(b"torn", b"other half")?;
    std::process::abort()
}

sop_guest::plugin!(run);
