//! The anomalies of Hermitage, as interleavings of transactions on separate engines. Where one must conflict, a twin shows
//! that a harmless neighbour does not.

use super::*;

/// Store `t` = {1:10, 2:20} and store `v` with keys value/id.
fn hermitage() -> World {
    let world = World::with(4096, "t", &[("1", "10"), ("2", "20")]);
    let mut tx = world.begin();
    let v = tx.create_store("v").unwrap();
    tx.put(v, b"010/1", b"").unwrap();
    tx.put(v, b"020/2", b"").unwrap();
    tx.commit().unwrap();
    world
}

fn state(world: &World) -> (String, String) {
    let items = world.dump("t");
    (items[0].1.clone(), items[1].1.clone())
}

#[test]
fn g0_writes_of_two_transactions_never_mix() {
    let world = hermitage();
    let (mut t1, mut t2) = (world.begin(), world.begin());
    put(&mut t1, "t", "1", "11");
    put(&mut t2, "t", "1", "12");
    put(&mut t1, "t", "2", "21");
    t1.commit().unwrap();
    put(&mut t2, "t", "2", "22");
    let second = t2.commit();
    let expected = if second.is_ok() {
        ("12", "22")
    } else {
        ("11", "21")
    };
    assert_eq!(state(&world), (expected.0.into(), expected.1.into()));
}

#[test]
fn g1a_g1b_what_was_rolled_back_or_overwritten_is_never_read() {
    let world = hermitage();
    let (mut t1, mut t2) = (world.begin(), world.begin());
    put(&mut t1, "t", "1", "101");
    assert_eq!(get(&mut t2, "t", "1").as_deref(), Some("10"));
    put(&mut t1, "t", "1", "11");
    t1.commit().unwrap();
    assert_eq!(get(&mut t2, "t", "1").as_deref(), Some("10"));
    t2.commit().unwrap();
}

#[test]
fn g1c_of_a_circle_of_reads_exactly_one_commits() {
    let world = hermitage();
    let (mut t1, mut t2) = (world.begin(), world.begin());
    put(&mut t1, "t", "1", "11");
    put(&mut t2, "t", "2", "22");
    assert_eq!(get(&mut t1, "t", "2").as_deref(), Some("20"));
    assert_eq!(get(&mut t2, "t", "1").as_deref(), Some("10"));
    t1.commit().unwrap();
    assert!(is_conflict(&t2.commit()));
}

#[test]
fn otv_a_reader_sees_one_snapshot() {
    let world = hermitage();
    let (mut t1, mut t2, mut t3) = (world.begin(), world.begin(), world.begin());
    put(&mut t1, "t", "1", "11");
    put(&mut t1, "t", "2", "19");
    put(&mut t2, "t", "1", "12");
    t1.commit().unwrap();
    assert_eq!(get(&mut t3, "t", "1").as_deref(), Some("10"));
    put(&mut t2, "t", "2", "18");
    assert_eq!(get(&mut t3, "t", "2").as_deref(), Some("20"));
    t2.commit().unwrap();
    assert_eq!(get(&mut t3, "t", "2").as_deref(), Some("20"));
    assert_eq!(get(&mut t3, "t", "1").as_deref(), Some("10"));
    t3.commit().unwrap();
}

#[test]
fn pmp_a_predicate_sees_no_phantom() {
    let world = hermitage();
    let (mut t1, mut t2) = (world.begin(), world.begin());
    assert!(scan(&mut t1, "v", "030", "031").is_empty());
    let v = t2.open_store("v").unwrap();
    t2.insert(v, b"030/3", b"").unwrap();
    t2.commit().unwrap();
    assert!(scan(&mut t1, "v", "030", "031").is_empty());
    t1.commit().unwrap();
}

#[test]
fn pmp_write_a_delete_by_predicate_conflicts_with_a_change_of_it() {
    let world = hermitage();
    let (mut t1, mut t2) = (world.begin(), world.begin());
    let v = t1.open_store("v").unwrap();
    t1.remove(v, b"010/1").unwrap();
    t1.remove(v, b"020/2").unwrap();
    t1.put(v, b"020/1", b"").unwrap();
    t1.put(v, b"030/2", b"").unwrap();
    let v2 = t2.open_store("v").unwrap();
    assert_eq!(t2.remove_range(v2, range("020", "021")).unwrap(), 1);
    t1.commit().unwrap();
    assert!(is_conflict(&t2.commit()));
}

#[test]
fn p4_of_two_read_modify_writes_one_is_lost_loudly() {
    let world = hermitage();
    let (mut t1, mut t2) = (world.begin(), world.begin());
    get(&mut t1, "t", "1");
    get(&mut t2, "t", "1");
    put(&mut t1, "t", "1", "11");
    put(&mut t2, "t", "1", "11");
    t1.commit().unwrap();
    assert!(is_conflict(&t2.commit()));
    // The twin: the same with different keys of the same leaf.
    let (mut t1, mut t2) = (world.begin(), world.begin());
    get(&mut t1, "t", "1");
    get(&mut t2, "t", "2");
    put(&mut t1, "t", "1", "12");
    put(&mut t2, "t", "2", "22");
    t1.commit().unwrap();
    assert_eq!(t2.commit().unwrap().revalidations, 1);
    assert_eq!(state(&world), ("12".into(), "22".into()));
}

#[test]
fn g_single_a_reader_never_sees_half_of_a_write() {
    let world = hermitage();
    let (mut t1, mut t2) = (world.begin(), world.begin());
    assert_eq!(get(&mut t1, "t", "1").as_deref(), Some("10"));
    get(&mut t2, "t", "1");
    get(&mut t2, "t", "2");
    put(&mut t2, "t", "1", "12");
    put(&mut t2, "t", "2", "18");
    t2.commit().unwrap();
    assert_eq!(get(&mut t1, "t", "2").as_deref(), Some("20"));
    t1.commit().unwrap();
}

#[test]
fn g_single_write_a_write_on_stale_reads_conflicts() {
    let world = hermitage();
    let (mut t1, mut t2) = (world.begin(), world.begin());
    get(&mut t1, "t", "1");
    put(&mut t2, "t", "1", "12");
    put(&mut t2, "t", "2", "18");
    t2.commit().unwrap();
    let t = t1.open_store("t").unwrap();
    t1.remove(t, b"2").unwrap();
    assert!(is_conflict(&t1.commit()));
}

#[test]
fn g2_item_write_skew_on_items_commits_once() {
    let world = hermitage();
    let (mut t1, mut t2) = (world.begin(), world.begin());
    for tx in [&mut t1, &mut t2] {
        get(tx, "t", "1");
        get(tx, "t", "2");
    }
    put(&mut t1, "t", "1", "11");
    put(&mut t2, "t", "2", "21");
    t1.commit().unwrap();
    assert!(is_conflict(&t2.commit()));
}

#[test]
fn g2_write_skew_on_a_predicate_commits_once() {
    let world = hermitage();
    let (mut t1, mut t2) = (world.begin(), world.begin());
    assert!(scan(&mut t1, "v", "030", "060").is_empty());
    assert!(scan(&mut t2, "v", "030", "060").is_empty());
    put(&mut t1, "v", "030/3", "");
    put(&mut t2, "v", "042/4", "");
    t1.commit().unwrap();
    assert!(is_conflict(&t2.commit()));
    // The twin: an insert outside of the range.
    let (mut t1, mut t2) = (world.begin(), world.begin());
    scan(&mut t2, "v", "050", "060");
    put(&mut t1, "v", "070/3", "");
    put(&mut t2, "v", "052/4", "");
    t1.commit().unwrap();
    t2.commit().unwrap();
}

#[test]
fn g2_two_edges_a_reader_between_two_writers() {
    let world = hermitage();
    let (mut t1, mut t2) = (world.begin(), world.begin());
    scan(&mut t1, "t", "0", "9");
    put(&mut t2, "t", "2", "25");
    t2.commit().unwrap();
    let mut t3 = world.begin();
    assert_eq!(scan(&mut t3, "t", "0", "9").len(), 2);
    t3.commit().unwrap();
    put(&mut t1, "t", "1", "0");
    assert!(is_conflict(&t1.commit()));
}

#[test]
fn absent_keys_that_appear_conflict() {
    let world = hermitage();
    let (mut t1, mut t2) = (world.begin(), world.begin());
    assert_eq!(get(&mut t1, "t", "a"), None);
    assert_eq!(get(&mut t2, "t", "b"), None);
    put(&mut t1, "t", "b", "1");
    put(&mut t2, "t", "a", "1");
    t1.commit().unwrap();
    assert!(is_conflict(&t2.commit()));
}

#[test]
fn an_insert_of_the_same_key_twice_conflicts() {
    let world = hermitage();
    let (mut t1, mut t2) = (world.begin(), world.begin());
    for tx in [&mut t1, &mut t2] {
        let t = tx.open_store("t").unwrap();
        tx.insert(t, b"3", b"30").unwrap();
    }
    t1.commit().unwrap();
    assert!(is_conflict(&t2.commit()));
}

#[test]
fn a_reader_of_what_is_being_published_validates() {
    let world = hermitage();
    let mut reader = world.begin();
    get(&mut reader, "t", "1");
    assert_eq!(world.calls("commit"), 2);
    reader.commit().unwrap();
    assert_eq!(
        world.calls("commit"),
        2,
        "nothing observed is being published"
    );
    let t = world.snapshot().open_store("t").unwrap();
    world.storage.0.borrow_mut().publishing = Some(vec![crate::types::LogicalId::root(t)]);
    let mut reader = world.begin();
    get(&mut reader, "t", "1");
    reader.commit().unwrap();
    assert_eq!(world.calls("commit"), 3, "the root of t is being published");
    let mut reader = world.begin();
    scan(&mut reader, "v", "0", "9");
    reader.commit().unwrap();
    assert_eq!(world.calls("commit"), 3, "the root of v is not");
}
