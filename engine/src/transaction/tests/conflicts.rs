//! What happens at conflicts on nodes: validation again, application again, and the traps of both.

use super::*;

fn filled(items: usize, page_bytes: usize) -> World {
    let items: Vec<_> = (0..items)
        .map(|number| (format!("key {number:04}"), format!("value {number}")))
        .collect();
    let items: Vec<_> = items
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    World::with(page_bytes, "s", &items)
}

/// Inserts enough around a key to split its leaf.
fn split_around(world: &World, key: &str) {
    let mut tx = world.begin();
    for number in 0..40 {
        put(
            &mut tx,
            "s",
            &format!("{key} + {number:03}"),
            "splits the leaf",
        );
    }
    tx.commit().unwrap();
}

#[test]
fn blind_puts_of_one_key_both_commit() {
    let world = filled(10, 512);
    let (mut t1, mut t2) = (world.begin(), world.begin());
    put(&mut t1, "s", "key 0003", "one");
    put(&mut t2, "s", "key 0003", "two");
    t1.commit().unwrap();
    t2.commit().unwrap();
    assert_eq!(
        get(&mut world.snapshot(), "s", "key 0003").as_deref(),
        Some("two")
    );
}

#[test]
fn a_blind_put_whose_key_appears_meanwhile_keeps_the_count_exact() {
    let world = filled(3, 512);
    let (mut t1, mut t2) = (world.begin(), world.begin());
    put(&mut t1, "s", "new", "1");
    put(&mut t2, "s", "new", "2");
    t1.commit().unwrap();
    t2.commit().unwrap();
    let mut tx = world.snapshot();
    let s = tx.open_store("s").unwrap();
    assert_eq!(tx.count(s).unwrap(), 4);
}

#[test]
fn a_point_read_survives_the_split_of_its_leaf() {
    let world = filled(20, 512);
    let mut tx = world.begin();
    assert_eq!(get(&mut tx, "s", "key 0007").as_deref(), Some("value 7"));
    split_around(&world, "key 0007");
    put(&mut tx, "s", "key 0007", "read and written");
    let info = tx.commit().unwrap();
    assert!(info.revalidations > 0);
    assert_eq!(
        get(&mut world.snapshot(), "s", "key 0007").as_deref(),
        Some("read and written")
    );
    assert_eq!(world.dump("s").len(), 60);
}

#[test]
fn a_gap_at_the_edge_of_a_leaf_stays_guarded_while_the_leaf_splits() {
    for gap in 0..20 {
        let world = filled(20, 512);
        let mut tx = world.begin();
        let absent = format!("key {gap:04} + 020x");
        assert_eq!(get(&mut tx, "s", &absent), None);
        split_around(&world, &format!("key {gap:04}"));
        let mut other = world.begin();
        put(&mut other, "s", &absent, "appeared");
        other.commit().unwrap();
        put(&mut tx, "s", "elsewhere", "x");
        assert!(is_conflict(&tx.commit()), "gap {gap}");
    }
}

#[test]
fn a_second_conflict_on_a_leaf_that_first_appeared_in_the_rerun_is_seen() {
    let world = filled(20, 512);
    let mut tx = world.begin();
    scan(&mut tx, "s", "key 0005", "key 0010");
    put(&mut tx, "s", "zzz", "x");
    split_around(&world, "key 0006");
    // The scan covered the leaves before the split, so those inserts are phantoms.
    assert!(is_conflict(&tx.commit()));

    let world = filled(20, 512);
    let mut tx = world.begin();
    assert_eq!(get(&mut tx, "s", "key 0006").as_deref(), Some("value 6"));
    put(&mut tx, "s", "zzz", "x");
    split_around(&world, "key 0005");
    // First conflict: key 0006 moved to a leaf that the transaction has never seen. It still holds, but then it changes.
    let storage = world.storage.clone();
    let mut other = world.begin();
    put(&mut other, "s", "key 0006", "changed");
    storage
        .0
        .borrow_mut()
        .failures
        .push(crate::storage::StorageError::Unavailable("once".into()));
    assert!(tx.commit().is_err());
    other.commit().unwrap();
    assert!(is_conflict(&tx.commit()));
}

#[test]
fn an_own_write_that_hides_the_end_of_a_scan_hides_nothing_from_validation() {
    let world = filled(10, 4096);
    let mut tx = world.begin();
    let s = tx.open_store("s").unwrap();
    tx.put(s, b"key 0001a", b"own").unwrap();
    // The third merged item is the own write; the committed key 0002 lies behind it and was not read.
    let seen = pairs(
        tx.scan(s, Tx::everything(), Direction::Ascending, 3)
            .unwrap(),
    );
    assert_eq!(seen.last().unwrap().0, "key 0001a");
    let mut other = world.begin();
    put(&mut other, "s", "key 0002", "changed behind the end");
    other.commit().unwrap();
    tx.commit().unwrap();

    let mut tx = world.begin();
    let s = tx.open_store("s").unwrap();
    tx.put(s, b"key 0001a", b"own again").unwrap();
    tx.scan(s, Tx::everything(), Direction::Ascending, 3)
        .unwrap();
    let mut other = world.begin();
    put(&mut other, "s", "key 0000x", "phantom before the end");
    other.commit().unwrap();
    assert!(is_conflict(&tx.commit()));
}

#[test]
fn a_committed_cell_hidden_by_an_own_write_still_counts_as_read() {
    let world = filled(10, 4096);
    let mut tx = world.begin();
    let s = tx.open_store("s").unwrap();
    tx.put(s, b"key 0003", b"own").unwrap();
    tx.scan(s, Tx::everything(), Direction::Ascending, 100)
        .unwrap();
    let mut other = world.begin();
    let o = other.open_store("s").unwrap();
    other.remove(o, b"key 0003").unwrap();
    other.commit().unwrap();
    assert!(is_conflict(&tx.commit()));
}

#[test]
fn a_remove_range_conflicts_with_an_insert_into_it_and_only_with_that() {
    let world = filled(20, 512);
    for (key, conflicts) in [("key 0007x", true), ("key 0015x", false)] {
        let mut tx = world.begin();
        let s = tx.open_store("s").unwrap();
        tx.remove_range(s, range("key 0005", "key 0010")).unwrap();
        let mut other = world.begin();
        put(&mut other, "s", key, "x");
        other.commit().unwrap();
        assert_eq!(is_conflict(&tx.commit()), conflicts, "{key}");
    }
    assert_eq!(world.dump("s").len(), 16, "20 and 1, less 6, and 1 more");
}

#[test]
fn reads_before_a_savepoint_are_not_forgotten_by_going_back() {
    let world = filled(10, 4096);
    let mut tx = world.begin();
    tx.savepoint("p").unwrap();
    get(&mut tx, "s", "key 0004");
    tx.rollback_to("p").unwrap();
    put(&mut tx, "s", "zzz", "x");
    let mut other = world.begin();
    put(&mut other, "s", "key 0004", "changed");
    other.commit().unwrap();
    let error = tx.commit().unwrap_err();
    let Error::Conflict(keys) = error else {
        panic!("{error}")
    };
    assert_eq!(
        (keys[0].store.as_str(), keys[0].key.as_slice()),
        ("s", b"key 0004".as_slice())
    );
}

#[test]
fn a_count_reader_conflicts_with_inserts_and_not_with_updates() {
    let world = filled(10, 4096);
    for (key, conflicts) in [("key 0003", false), ("new", true)] {
        let mut tx = world.begin();
        let s = tx.open_store("s").unwrap();
        tx.count(s).unwrap();
        // Not what is there already: a transaction that changes nothing is valid at its read point.
        tx.put(s, b"zzz", key.as_bytes()).unwrap();
        let mut other = world.begin();
        put(&mut other, "s", key, "changed");
        other.commit().unwrap();
        assert_eq!(is_conflict(&tx.commit()), conflicts, "{key}");
    }
}

#[test]
fn concurrent_inserts_add_up_without_conflict() {
    let world = filled(0, 512);
    let mut open: Vec<_> = (0..20).map(|_| world.begin()).collect();
    for (number, tx) in open.iter_mut().enumerate() {
        put(tx, "s", &format!("{number:03}"), &"x".repeat(50));
    }
    for tx in &mut open {
        tx.commit().unwrap();
    }
    let mut tx = world.snapshot();
    let s = tx.open_store("s").unwrap();
    assert_eq!(tx.count(s).unwrap(), 20);
    assert_eq!(world.dump("s").len(), 20);
}

#[test]
fn dropping_a_store_conflicts_with_those_who_use_it() {
    let world = filled(10, 4096);
    let mut user = world.begin();
    put(&mut user, "s", "key 0001", "x");
    let mut dropper = world.begin();
    dropper.drop_store("s").unwrap();
    dropper.commit().unwrap();
    assert!(is_conflict(&user.commit()));
    // The twin: creating another store changes the same leaf of the catalog and harms nobody.
    let world = filled(10, 4096);
    let mut user = world.begin();
    put(&mut user, "s", "key 0001", "x");
    let mut creator = world.begin();
    creator.create_store("other").unwrap();
    creator.commit().unwrap();
    user.commit().unwrap();
}

#[test]
fn two_creators_of_one_store_cannot_both_commit() {
    let world = World::new();
    let (mut t1, mut t2) = (world.begin(), world.begin());
    t1.create_store("s").unwrap();
    t2.create_store("s").unwrap();
    t1.commit().unwrap();
    assert!(is_conflict(&t2.commit()));
}

#[test]
fn a_large_value_that_is_rewritten_conflicts_with_its_reader_and_with_its_removal() {
    let large = "x".repeat(3000);
    for reader in [true, false] {
        let world = World::with(4096, "s", &[("a", "1"), ("big", &large)]);
        let mut tx = world.begin();
        let s = tx.open_store("s").unwrap();
        if reader {
            assert_eq!(
                tx.get(s, b"big").unwrap().unwrap().as_slice(),
                large.as_bytes()
            );
            tx.put(s, b"a", b"2").unwrap();
        } else {
            tx.put(s, b"big", "y".repeat(3000).as_bytes()).unwrap();
        }
        let mut other = world.begin();
        let o = other.open_store("s").unwrap();
        if reader {
            other.put(o, b"big", "z".repeat(3000).as_bytes()).unwrap();
        } else {
            other.remove(o, b"big").unwrap();
        }
        other.commit().unwrap();
        let result = tx.commit();
        assert_eq!(
            is_conflict(&result),
            reader,
            "a blind put over a removal is a fresh item"
        );
        if !reader {
            let mut check = world.snapshot();
            let s = check.open_store("s").unwrap();
            assert_eq!(check.count(s).unwrap(), 2);
            assert_eq!(
                check.get(s, b"big").unwrap().unwrap().as_slice(),
                "y".repeat(3000).as_bytes()
            );
        }
    }
}

#[test]
fn attempts_are_counted_for_the_host() {
    let world = filled(10, 4096);
    let mut tx = world.begin();
    put(&mut tx, "s", "key 0001", "x");
    let mut other = world.begin();
    put(&mut other, "s", "key 0002", "x");
    other.commit().unwrap();
    tx.commit().unwrap();
    assert!(world.storage.0.borrow().attempts.ends_with(&[0, 0, 1]));
}

#[test]
fn a_rebase_that_fails_half_way_forgets_no_conflict() {
    let world = filled(10, 4096);
    let mut other = world.begin();
    let later = other.create_store("later").unwrap();
    other.put(later, b"k", b"1").unwrap();
    other.put(later, b"l", b"1").unwrap();
    other.commit().unwrap();
    let mut tx = world.begin();
    let s = tx.open_store("s").unwrap();
    tx.count(s).unwrap();
    assert_eq!(get(&mut tx, "later", "k").as_deref(), Some("1"));
    put(&mut tx, "later", "new", "x");
    let mut other = world.begin();
    put(&mut other, "s", "appears", "x");
    put(&mut other, "later", "l", "2");
    other.commit().unwrap();
    // The second read of a page in the rebase fails once: the counter was compared before it.
    world.storage.0.borrow_mut().failing_gets = 1;
    let first = tx.commit();
    assert!(
        matches!(first, Err(Error::Unavailable(_))) || is_conflict(&first),
        "{first:?}"
    );
    if !tx.is_ended() {
        assert!(is_conflict(&tx.commit()), "the count has changed");
    }
}

#[test]
fn a_savepoint_that_moves_hands_on_the_stores_dropped_since() {
    let world = filled(3, 4096);
    let mut tx = world.begin();
    put(&mut tx, "s", "key 0001", "own");
    tx.savepoint("a").unwrap();
    tx.savepoint("b").unwrap();
    tx.drop_store("s").unwrap();
    tx.savepoint("b").unwrap();
    tx.rollback_to("a").unwrap();
    tx.commit().unwrap();
    assert_eq!(
        get(&mut world.snapshot(), "s", "key 0001").as_deref(),
        Some("own")
    );
}
