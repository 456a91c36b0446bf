//! Two transactions of one instance at the same time. Every pair that must conflict has a twin that
//! must not.

use crate::bindings::sop::engine::transactions::Transaction;
use crate::bindings::sop::engine::types::{Direction, Error, Isolation};
use crate::store::{ALL, NAME, begin, put, snapshot, value};

/// Commits, and tells on which keys it conflicted.
fn conflict(transaction: &Transaction) -> Vec<String> {
    match transaction.commit() {
        Err(Error::Conflict(keys)) => keys
            .into_iter()
            .map(|key| format!("{}/{}", key.store, String::from_utf8(key.key).unwrap()))
            .collect(),
        Ok(_) => panic!("it committed"),
        Err(_) => panic!("another error"),
    }
}

pub(crate) fn of_two() {
    put(&[("a", "1"), ("b", "1")]);
    let (first, store_of_first) = begin();
    let (second, store_of_second) = begin();
    // Write skew: each reads what the other writes.
    assert_eq!(value(&store_of_first, "a"), value(&store_of_second, "b"));
    store_of_first.put(b"b", b"0").unwrap();
    store_of_second.put(b"a", b"0").unwrap();
    first.commit().unwrap();
    assert_eq!(conflict(&second), [format!("{NAME}/b")]);
    assert!(matches!(second.commit(), Err(Error::Ended)));
    let (_transaction, store) = snapshot();
    assert_eq!(
        value(&store, "a").as_deref(),
        Some("1"),
        "nothing of the loser"
    );

    // A snapshot of before reads on, and never conflicts.
    let (reader, seen) = snapshot();
    put(&[("a", "2")]);
    assert_eq!(value(&seen, "a").as_deref(), Some("1"));
    reader.commit().unwrap();
}

pub(crate) fn phantom() {
    put(&[("a", "1"), ("z", "1")]);
    let (first, store) = begin();
    let before = store.scan(&ALL, Direction::Ascending, 100).unwrap();
    assert_eq!(before.len(), 2);
    store.put(b"sum", b"2").unwrap();
    put(&[("m", "1")]);
    assert_eq!(conflict(&first).len(), 1);

    // Absence is observed too.
    let (first, store) = begin();
    assert!(!store.contains(b"n").unwrap());
    store.put(b"sum", b"2").unwrap();
    put(&[("n", "1")]);
    assert_eq!(conflict(&first), [format!("{NAME}/n")]);
}

pub(crate) fn none_on_other_keys() {
    put(&[("a", "1"), ("b", "1"), ("c", "1")]);
    let (first, store) = begin();
    assert_eq!(value(&store, "a").as_deref(), Some("1"));
    store.put(b"b", b"2").unwrap();
    // The same leaf, another key.
    put(&[("c", "2")]);
    let info = first.commit().unwrap();
    assert!(info.revalidations > 0, "the leaf was another");
    // Blind writes of one key: the later one stays.
    let (first, store) = begin();
    store.put(b"a", b"first").unwrap();
    put(&[("a", "second")]);
    first.commit().unwrap();
    let (_transaction, store) = snapshot();
    let values = ["a", "b", "c"].map(|key| value(&store, key).unwrap());
    assert_eq!(values, ["first", "2", "2"]);
}

pub(crate) fn counts() {
    put(&[("a", "1")]);
    // Two that only add do not conflict, though both change the count.
    let (first, store_of_first) = begin();
    let (second, store_of_second) = begin();
    store_of_first.insert(b"b", b"1").unwrap();
    store_of_second.insert(b"c", b"1").unwrap();
    first.commit().unwrap();
    second.commit().unwrap();
    let (_transaction, store) = snapshot();
    assert_eq!(store.count().unwrap(), 3);
    // One that looked at the count does.
    let (first, store) = begin();
    assert_eq!(store.count().unwrap(), 3);
    store.put(b"a", b"3").unwrap();
    put(&[("d", "1")]);
    assert_eq!(conflict(&first).len(), 1);
    let transaction = Transaction::begin(Isolation::Serializable).unwrap();
    let store = transaction.open_store(NAME).unwrap();
    assert_eq!(store.remove_range(&ALL).unwrap(), 4);
    assert_eq!(store.count().unwrap(), 0);
    transaction.commit().unwrap();
}
