//! One transaction at a time.

use super::*;

#[test]
fn an_empty_database_has_no_stores() {
    let world = World::new();
    let mut tx = world.begin();
    assert!(tx.list_stores().unwrap().is_empty());
    assert_eq!(
        tx.open_store("s"),
        Err(Error::NotFound("there is no store \"s\"".into()))
    );
    assert_eq!(tx.commit().unwrap().revalidations, 0);
    assert_eq!(
        world.calls("commit"),
        0,
        "reading nothing that is being published needs no validation call"
    );
}

#[test]
fn a_transaction_sees_its_own_writes_in_gets_scans_and_counts() {
    let world = World::with(256, "s", &[("a", "1"), ("c", "3"), ("e", "5")]);
    let mut tx = world.begin();
    let s = tx.open_store("s").unwrap();
    tx.put(s, b"b", b"2").unwrap();
    tx.put(s, b"c", b"33").unwrap();
    assert!(tx.remove(s, b"e").unwrap());
    assert!(!tx.remove(s, b"e").unwrap());
    tx.put(s, b"f", b"6").unwrap();
    let expected: Vec<(String, String)> = [("a", "1"), ("b", "2"), ("c", "33"), ("f", "6")]
        .map(|(k, v)| (k.into(), v.into()))
        .to_vec();
    assert_eq!(all(&mut tx, s), expected);
    let mut down = pairs(
        tx.scan(s, Tx::everything(), Direction::Descending, 100)
            .unwrap(),
    );
    down.reverse();
    assert_eq!(down, expected);
    assert_eq!(
        pairs(
            tx.scan(s, Tx::everything(), Direction::Descending, 2)
                .unwrap()
        )[1]
        .0,
        "c"
    );
    assert_eq!(tx.count(s).unwrap(), 4);
    assert!(!tx.contains(s, b"e").unwrap() && tx.contains(s, b"f").unwrap());
    tx.commit().unwrap();
    assert_eq!(world.dump("s"), expected);
    let mut tx = world.snapshot();
    let s = tx.open_store("s").unwrap();
    assert_eq!(tx.count(s).unwrap(), 4);
}

#[test]
fn insert_update_and_remove_say_what_was_there() {
    let world = World::with(4096, "s", &[("a", "1")]);
    let mut tx = world.begin();
    let s = tx.open_store("s").unwrap();
    assert!(matches!(tx.insert(s, b"a", b"2"), Err(Error::Exists(_))));
    assert!(matches!(tx.update(s, b"b", b"2"), Err(Error::NotFound(_))));
    tx.insert(s, b"b", b"2").unwrap();
    assert!(matches!(tx.insert(s, b"b", b"2"), Err(Error::Exists(_))));
    tx.update(s, b"b", b"3").unwrap();
    assert!(tx.remove(s, b"b").unwrap());
    tx.insert(s, b"b", b"4").unwrap();
    tx.commit().unwrap();
    assert_eq!(world.dump("s")[1].1, "4");
}

#[test]
fn everything_answers_ended_after_the_end() {
    let world = World::with(4096, "s", &[("a", "1")]);
    let mut tx = world.begin();
    let s = tx.open_store("s").unwrap();
    tx.rollback().unwrap();
    assert_eq!(tx.get(s, b"a").unwrap_err(), Error::Ended);
    assert_eq!(tx.put(s, b"a", b"1"), Err(Error::Ended));
    assert_eq!(tx.open_store("s"), Err(Error::Ended));
    assert_eq!(tx.create_store("t"), Err(Error::Ended));
    assert_eq!(tx.savepoint("p"), Err(Error::Ended));
    assert_eq!(tx.commit(), Err(Error::Ended));
    assert_eq!(tx.rollback(), Err(Error::Ended));
    assert_eq!(tx.version(), Err(Error::Ended));
}

#[test]
fn a_snapshot_transaction_cannot_write_and_reads_the_past() {
    let world = World::with(4096, "s", &[("a", "1")]);
    let past = world.storage.0.borrow().version;
    let mut tx = world.begin();
    put(&mut tx, "s", "a", "2");
    tx.commit().unwrap();
    let mut tx = Transaction::begin_at(world.engine(), past).unwrap();
    assert_eq!(get(&mut tx, "s", "a").as_deref(), Some("1"));
    let s = tx.open_store("s").unwrap();
    assert_eq!(tx.put(s, b"a", b"3"), Err(Error::ReadOnly));
    assert_eq!(tx.create_store("t"), Err(Error::ReadOnly));
    assert_eq!(tx.commit().unwrap().version, past);
}

#[test]
fn bad_keys_names_and_values_are_refused() {
    let world = World::with(4096, "s", &[]);
    let mut tx = world.begin();
    let s = tx.open_store("s").unwrap();
    assert!(matches!(tx.put(s, b"", b"1"), Err(Error::Invalid(_))));
    assert!(matches!(tx.get(s, &[0; 1025]), Err(Error::Limit { .. })));
    tx.put(s, &[7; 1024], b"1").unwrap();
    assert!(matches!(
        tx.put(s, b"a", &vec![0; (64 << 20) + 1]),
        Err(Error::Limit { .. })
    ));
    assert!(matches!(tx.create_store(""), Err(Error::Invalid(_))));
    assert!(matches!(tx.create_store("a\0b"), Err(Error::Invalid(_))));
    assert!(matches!(
        tx.create_store(&"x".repeat(256)),
        Err(Error::Limit { .. })
    ));
    tx.create_store(&"x".repeat(255)).unwrap();
    assert!(matches!(tx.create_store("s"), Err(Error::Exists(_))));
    tx.commit().unwrap();
}

#[test]
fn rolling_back_to_a_savepoint_drops_writes_and_created_stores() {
    let world = World::with(4096, "s", &[("a", "1"), ("b", "2")]);
    let mut tx = world.begin();
    let s = tx.open_store("s").unwrap();
    tx.put(s, b"a", b"x").unwrap();
    tx.savepoint("one").unwrap();
    tx.put(s, b"a", b"y").unwrap();
    tx.put(s, b"c", b"y").unwrap();
    let t = tx.create_store("t").unwrap();
    tx.put(t, b"k", b"v").unwrap();
    tx.savepoint("two").unwrap();
    tx.drop_store("s").unwrap();
    assert!(matches!(tx.get(s, b"a"), Err(Error::NotFound(_))));
    tx.rollback_to("two").unwrap();
    assert_eq!(get(&mut tx, "s", "a").as_deref(), Some("y"));
    tx.rollback_to("one").unwrap();
    assert!(matches!(tx.rollback_to("two"), Err(Error::NotFound(_))));
    assert_eq!(get(&mut tx, "s", "a").as_deref(), Some("x"));
    assert_eq!(get(&mut tx, "s", "c"), None);
    assert!(matches!(tx.put(t, b"k", b"v"), Err(Error::NotFound(_))));
    assert!(matches!(tx.open_store("t"), Err(Error::NotFound(_))));
    tx.rollback_to("one").unwrap();
    tx.commit().unwrap();
    assert_eq!(
        world.dump("s"),
        [("a", "x"), ("b", "2")].map(|(k, v)| (k.to_owned(), v.to_owned()))
    );
}

#[test]
fn dropped_stores_are_gone_at_once_and_their_nodes_after_reclaiming() {
    let world = World::new();
    let mut tx = world.begin();
    let s = tx.create_store_with("s", 256).unwrap();
    for number in 0..500 {
        let value = if number % 50 == 0 {
            vec![7; 5000]
        } else {
            vec![7; 30]
        };
        tx.put(s, format!("key {number:05}").as_bytes(), &value)
            .unwrap();
    }
    tx.commit().unwrap();
    let mut tx = world.begin();
    tx.drop_store("s").unwrap();
    let again = tx.create_store("s").unwrap();
    assert_ne!(again, s);
    tx.put(again, b"a", b"new").unwrap();
    tx.commit().unwrap();
    assert!(world.storage.0.borrow().live().len() > 100);
    let mut rounds = 0;
    while crate::maintenance::reclaim(world.engine(), 50).unwrap() {
        rounds += 1;
        assert!(rounds < 1000);
    }
    assert!(rounds > 2);
    let left = world.storage.0.borrow().live();
    assert_eq!(
        left.len(),
        2,
        "the root of the catalog and that of the new store: {left:?}"
    );
    assert_eq!(world.dump("s"), [("a".to_owned(), "new".to_owned())]);
}

#[test]
fn large_values_are_written_ahead_and_read_back_before_and_after_the_commit() {
    let world = World::with(8192, "s", &[("a", "1")]);
    let value = vec![3; 3 << 20];
    let mut tx = world.begin();
    let s = tx.open_store("s").unwrap();
    tx.put(s, b"big", &value).unwrap();
    assert_eq!(world.calls("spill"), 1);
    assert_eq!(tx.get(s, b"big").unwrap().unwrap().as_slice(), value);
    assert_eq!(
        tx.scan(s, Tx::everything(), Direction::Ascending, 10)
            .unwrap()
            .len(),
        2
    );
    tx.commit().unwrap();
    let mut tx = world.begin();
    let s = tx.open_store("s").unwrap();
    assert_eq!(tx.get(s, b"big").unwrap().unwrap().into_vec(), value);
    tx.put(s, b"big", b"small again").unwrap();
    tx.commit().unwrap();
    assert_eq!(world.dump("s")[1].1, "small again");
    assert_eq!(
        world.storage.0.borrow().live().len(),
        2,
        "the value blob is removed with its cell"
    );
}

#[test]
fn a_cursor_batch_ends_at_its_byte_budget_but_has_one_item() {
    let world = World::new();
    let mut tx = world.begin();
    let s = tx.create_store("s").unwrap();
    for number in 0..6 {
        tx.put(s, &[b'a' + number], &vec![number; 600 << 10])
            .unwrap();
    }
    tx.put(s, b"z", &vec![9; 5 << 20]).unwrap();
    tx.commit().unwrap();
    let mut tx = world.begin();
    let s = tx.open_store("s").unwrap();
    let mut range = Tx::everything();
    let mut seen = Vec::new();
    loop {
        let items = tx.scan_batch(s, range, Direction::Ascending, 100).unwrap();
        let Some(last) = items.last_key().map(<[u8]>::to_vec) else {
            break;
        };
        assert!(items.len() <= 2);
        seen.extend(items.into_pairs().map(|(key, value)| (key, value.len())));
        let last: &'static [u8] = last.leak();
        range.lower = Bound::Excluded(last);
    }
    assert_eq!(seen.len(), 7);
    assert_eq!(seen[6], (b"z".to_vec(), 5 << 20));
}

#[test]
fn a_warm_read_makes_no_blob_read() {
    let items: Vec<_> = (0..300).map(|number| format!("key {number:04}")).collect();
    let items: Vec<_> = items.iter().map(|key| (key.as_str(), "value")).collect();
    let world = World::with(512, "s", &items);
    let engine = &world.engines[0];
    let read = || {
        let mut tx = Transaction::begin(engine, Isolation::Serializable).unwrap();
        assert_eq!(get(&mut tx, "s", "key 0123").as_deref(), Some("value"));
        tx.commit().unwrap();
    };
    read();
    let before = (world.calls("get"), world.calls("commit"));
    read();
    assert_eq!((world.calls("get"), world.calls("commit")), before);
}

#[test]
fn a_commit_that_fails_before_anything_was_written_can_be_repeated() {
    use crate::storage::StorageError;
    let world = World::with(4096, "s", &[("a", "1")]);
    let mut tx = world.begin();
    put(&mut tx, "s", "a", "2");
    world
        .storage
        .0
        .borrow_mut()
        .failures
        .push(StorageError::Unavailable("gone fishing".into()));
    assert!(matches!(tx.commit(), Err(Error::Unavailable(_))));
    tx.commit().unwrap();
    assert_eq!(world.dump("s")[0].1, "2");
    let mut tx = world.begin();
    put(&mut tx, "s", "a", "3");
    let id = crate::types::TransactionId { high: 1, low: 2 };
    world
        .storage
        .0
        .borrow_mut()
        .failures
        .push(StorageError::UnknownOutcome(id));
    assert_eq!(tx.commit(), Err(Error::UnknownOutcome(id)));
    assert_eq!(tx.commit(), Err(Error::Ended));
}

#[test]
fn what_is_not_granted_is_denied_and_not_listed() {
    let world = World::with(4096, "secret", &[("a", "1")]);
    let mut tx = world.begin();
    tx.create_store("open").unwrap();
    tx.commit().unwrap();
    world
        .storage
        .0
        .borrow_mut()
        .denied
        .insert(b"secret".to_vec());
    let mut tx = world.begin();
    assert!(matches!(tx.open_store("secret"), Err(Error::Denied(_))));
    assert!(matches!(tx.drop_store("secret"), Err(Error::Denied(_))));
    let names: Vec<_> = tx
        .list_stores()
        .unwrap()
        .into_iter()
        .map(|store| store.name)
        .collect();
    assert_eq!(names, ["open"]);
}
