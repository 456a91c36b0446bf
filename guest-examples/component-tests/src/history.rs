//! Past versions.

use crate::bindings::sop::engine::transactions::Transaction;
use crate::bindings::sop::engine::types::Error;
use crate::store::{put, snapshot, snapshot_at, value};

/// More versions than the provider keeps for nobody.
const VERSIONS: u32 = 1_100;

pub(crate) fn past_versions() {
    let versions: Vec<(u64, String)> = (0..50)
        .map(|number: u32| {
            let text = number.to_string();
            let padding = "x".repeat(300);
            // Filler beside the key splits pages while history is kept.
            let filler = format!("filler {number:03}");
            (put(&[("k", &text), (&filler, &padding)]), text)
        })
        .collect();
    for (count, (version, text)) in (1..).zip(&versions) {
        let (transaction, store) = snapshot_at(*version);
        assert_eq!(transaction.version().unwrap(), *version);
        assert_eq!(value(&store, "k").as_ref(), Some(text));
        assert_eq!(store.count().unwrap(), count + 1, "the filler of its time");
    }
}

pub(crate) fn expired_versions() {
    let first = put(&[("k", "first")]);
    let second = put(&[("k", "second")]);
    let (held, held_store) = snapshot_at(second);
    let mut newest = second;
    for number in 0..VERSIONS {
        newest = put(&[("k", &number.to_string())]);
    }
    // A reader holds its own version and what is younger, and nothing that is older.
    let Err(Error::SnapshotExpired(oldest)) = Transaction::begin_at(first) else {
        panic!("it is kept for nobody");
    };
    assert_eq!(oldest, second);
    assert_eq!(value(&held_store, "k").as_deref(), Some("second"));
    let (_transaction, store) = snapshot_at(oldest + 1);
    assert_eq!(value(&store, "k").as_deref(), Some("0"));
    drop((_transaction, store, held, held_store));
    put(&[("k", "last")]);
    let Err(Error::SnapshotExpired(oldest)) = Transaction::begin_at(second) else {
        panic!("nobody holds it any more");
    };
    assert!(oldest > second && oldest < newest);
    let (_transaction, store) = snapshot();
    assert_eq!(value(&store, "k").as_deref(), Some("last"));
}
