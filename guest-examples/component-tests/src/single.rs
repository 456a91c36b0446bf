//! One transaction at a time.

use crate::bindings::sop::engine::transactions::{Transaction, outcome};
use crate::bindings::sop::engine::types::{Error, Isolation, TransactionId, TransactionOutcome};
use crate::store::{NAME, begin, put, snapshot, value};

pub(crate) fn life_cycle() {
    let (transaction, store) = begin();
    store.put(b"a", b"1").unwrap();
    transaction.rollback().unwrap();
    assert!(matches!(store.get(b"a"), Err(Error::Ended)));
    assert!(matches!(transaction.commit(), Err(Error::Ended)));
    let dropped = begin();
    dropped.1.put(b"a", b"2").unwrap();
    drop(dropped);
    let empty = Transaction::begin(Isolation::Snapshot).unwrap();
    assert!(empty.list_stores().unwrap().is_empty());

    let (transaction, store) = begin();
    let begun = transaction.version().unwrap();
    store.put(b"a", b"3").unwrap();
    let info = transaction.commit().unwrap();
    assert!(info.version > begun);
    assert!(matches!(transaction.rollback(), Err(Error::Ended)));
    assert!(matches!(store.get(b"a"), Err(Error::Ended)));
    let (later, store) = snapshot();
    assert_eq!(value(&store, "a").as_deref(), Some("3"));
    assert!(later.version().unwrap() >= info.version);
}

pub(crate) fn items() {
    let (transaction, store) = begin();
    store.insert(b"a", b"1").unwrap();
    assert!(matches!(store.insert(b"a", b"2"), Err(Error::Exists(_))));
    assert!(matches!(store.update(b"b", b"2"), Err(Error::NotFound(_))));
    store.update(b"a", b"2").unwrap();
    assert!(store.contains(b"a").unwrap() && !store.contains(b"b").unwrap());
    assert!(store.remove(b"a").unwrap() && !store.remove(b"a").unwrap());
    store.put(b"a", b"").unwrap();
    store.put(&[0], b"nul").unwrap();
    transaction.commit().unwrap();
    let (_transaction, store) = snapshot();
    assert_eq!(store.get(b"a").unwrap(), Some(Vec::new()));
    let keys = [b"a".to_vec(), b"b".to_vec(), vec![0]];
    let expected = [Some(Vec::new()), None, Some(b"nul".to_vec())];
    assert_eq!(store.get_many(&keys).unwrap(), expected);
    assert_eq!(store.first().unwrap().unwrap().key, [0]);
    assert_eq!(store.last().unwrap().unwrap().key, b"a");
}

pub(crate) fn savepoints() {
    put(&[("kept", "before")]);
    let (transaction, store) = begin();
    store.put(b"a", b"1").unwrap();
    transaction.savepoint("first").unwrap();
    store.put(b"a", b"2").unwrap();
    store.remove(b"kept").unwrap();
    transaction.savepoint("second").unwrap();
    store.put(b"b", b"3").unwrap();
    transaction.rollback_to("second").unwrap();
    assert_eq!(
        (value(&store, "a").as_deref(), value(&store, "b")),
        (Some("2"), None)
    );
    transaction.rollback_to("first").unwrap();
    let unknown = transaction.rollback_to("third");
    assert!(matches!(unknown, Err(Error::NotFound(_))));
    transaction.commit().unwrap();
    let (_transaction, store) = snapshot();
    assert_eq!(value(&store, "a").as_deref(), Some("1"));
    assert_eq!(value(&store, "kept").as_deref(), Some("before"));
    assert_eq!(store.count().unwrap(), 2);
}

/// Lengths around the places where a value changes its home: the leaf, a blob of its own, a blob
/// written ahead.
pub(crate) fn large_values() {
    const LENGTHS: [usize; 8] = [0, 1, 2_047, 2_049, 8_192, 100_000, 1 << 20, 5_000_001];
    let filled = |length: usize| -> Vec<u8> {
        let cycle = (0..251_u8).cycle();
        cycle.take(length).collect()
    };
    for round in 0..3 {
        let (transaction, store) = begin();
        for (number, length) in LENGTHS.iter().enumerate() {
            store
                .put(&[round, number.try_into().unwrap()], &filled(*length))
                .unwrap();
        }
        transaction.commit().unwrap();
        let (transaction, store) = begin();
        for (number, length) in LENGTHS.iter().enumerate() {
            let key = [round, number.try_into().unwrap()];
            assert!(store.get(&key).unwrap() == Some(filled(*length)));
            // Each value takes the place of another length.
            store
                .put(&key, &filled(LENGTHS[LENGTHS.len() - 1 - number]))
                .unwrap();
        }
        transaction.commit().unwrap();
    }
    let (_transaction, store) = snapshot();
    for (number, length) in LENGTHS.iter().rev().enumerate() {
        assert!(store.get(&[2, number.try_into().unwrap()]).unwrap() == Some(filled(*length)));
    }
    let (_transaction, store) = begin();
    assert!(matches!(
        store.put(b"k", &vec![0; (64 << 20) + 1]),
        Err(Error::Limit(_))
    ));
}

pub(crate) fn stores() {
    let transaction = Transaction::begin(Isolation::Serializable).unwrap();
    let first = transaction.create_store("first").unwrap();
    first.put(b"k", b"1").unwrap();
    transaction.create_store("second").unwrap();
    assert!(matches!(
        transaction.create_store("first"),
        Err(Error::Exists(_))
    ));
    transaction.commit().unwrap();

    let transaction = Transaction::begin(Isolation::Serializable).unwrap();
    let stores = transaction.list_stores().unwrap();
    let names: Vec<_> = stores.iter().map(|store| store.name.as_str()).collect();
    assert_eq!(names, ["first", "second"]);
    transaction.drop_store("first").unwrap();
    assert!(matches!(
        transaction.open_store("first"),
        Err(Error::NotFound(_))
    ));
    let again = transaction.create_store("first").unwrap();
    assert_eq!(again.get(b"k").unwrap(), None);
    transaction.commit().unwrap();

    let transaction = Transaction::begin(Isolation::Snapshot).unwrap();
    let renewed = transaction.list_stores().unwrap();
    assert!(renewed.len() == 2 && renewed[0].id != stores[0].id);
    assert_eq!(transaction.open_store("first").unwrap().count().unwrap(), 0);
}

pub(crate) fn errors() {
    let (transaction, store) = begin();
    for bad in ["", "a\0b"] {
        assert!(matches!(
            transaction.create_store(bad),
            Err(Error::Invalid(_))
        ));
    }
    let long = "n".repeat(256);
    assert!(matches!(
        transaction.create_store(&long),
        Err(Error::Limit(_))
    ));
    assert!(matches!(store.put(b"", b"v"), Err(Error::Invalid(_))));
    assert!(matches!(store.put(&[7; 1_025], b"v"), Err(Error::Limit(_))));
    store.put(&[7; 1_024], b"v").unwrap();
    assert!(matches!(
        transaction.open_store("none"),
        Err(Error::NotFound(_))
    ));
    transaction.commit().unwrap();

    let (transaction, store) = snapshot();
    assert!(matches!(store.put(b"k", b"v"), Err(Error::ReadOnly)));
    assert!(matches!(
        transaction.create_store("new"),
        Err(Error::ReadOnly)
    ));
    assert!(matches!(transaction.drop_store(NAME), Err(Error::ReadOnly)));
    transaction.commit().unwrap();
    let future = Transaction::begin_at(u64::MAX);
    assert!(matches!(future, Err(Error::Invalid(_))));
    let id = TransactionId { high: 1, low: 2 };
    assert!(matches!(outcome(id), Ok(TransactionOutcome::Unknown)));
}

pub(crate) fn wrong() {
    put(&[("a", "1")]);
    let (_transaction, store) = snapshot();
    assert_eq!(value(&store, "a").as_deref(), Some("2"));
}
