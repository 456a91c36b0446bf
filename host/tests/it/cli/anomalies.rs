//! The anomalies of the verification catalogue, driven line by line through one `sop shell --json`.
//!
//! Store `t` is {1:10, 2:20}; store `v` holds value/id keys {010/1, 020/2}. Every verdict "must
//! conflict" has a twin that must not.

use serde_json::{Value, json};

use super::Session;

fn start() -> Session {
    let mut session = Session::memory(&["t", "v"]);
    session.begin("setup");
    session.put("setup", "t", "1", "10");
    session.put("setup", "t", "2", "20");
    session.put("setup", "v", "010/1", "");
    session.put("setup", "v", "020/2", "");
    assert!(session.commit("setup"));
    session
}

fn with(transactions: &[&str]) -> Session {
    let mut session = start();
    for transaction in transactions {
        session.begin(transaction);
    }
    session
}

/// What `t` holds in the end.
fn both(session: &mut Session) -> [Value; 2] {
    session.begin("check");
    let values = [
        session.get("check", "t", "1"),
        session.get("check", "t", "2"),
    ];
    assert!(session.commit("check"));
    values
}

fn insert(session: &mut Session, transaction: &str, key: &str) {
    session.ok(json!({"op":"insert","txn":transaction,"store":"v","key":key,"value":""}));
}

#[test]
fn g0_writes_are_never_mixed() {
    let mut s = with(&["t1", "t2"]);
    s.put("t1", "t", "1", "11");
    s.put("t2", "t", "1", "12");
    s.put("t1", "t", "2", "21");
    let first = s.commit("t1");
    s.put("t2", "t", "2", "22");
    let second = s.commit("t2");
    assert!(first || second);
    let values = both(&mut s);
    assert!(
        values == ["11", "21"] || values == ["12", "22"],
        "{values:?}"
    );
}

#[test]
fn g1a_what_was_rolled_back_is_never_read() {
    let mut s = with(&["t1", "t2"]);
    s.put("t1", "t", "1", "101");
    assert_eq!(s.get("t2", "t", "1"), "10");
    s.ok(json!({"op":"rollback","txn":"t1"}));
    assert_eq!(s.get("t2", "t", "1"), "10");
    assert!(s.commit("t2"));
}

#[test]
fn g1b_an_intermediate_value_is_never_read() {
    let mut s = with(&["t1", "t2"]);
    s.put("t1", "t", "1", "101");
    assert_eq!(s.get("t2", "t", "1"), "10");
    s.put("t1", "t", "1", "11");
    assert!(s.commit("t1"));
    assert_eq!(s.get("t2", "t", "1"), "10");
}

#[test]
fn g1c_circular_information_flow_is_broken() {
    let mut s = with(&["t1", "t2"]);
    s.put("t1", "t", "1", "11");
    s.put("t2", "t", "2", "22");
    assert_eq!(s.get("t1", "t", "2"), "20");
    assert_eq!(s.get("t2", "t", "1"), "10");
    assert!(s.commit("t1"));
    assert!(!s.commit("t2"));
}

#[test]
fn otv_a_reader_sees_one_snapshot() {
    let mut s = with(&["t1", "t2", "t3"]);
    s.put("t1", "t", "1", "11");
    s.put("t1", "t", "2", "19");
    s.put("t2", "t", "1", "12");
    assert!(s.commit("t1"));
    let one = s.get("t3", "t", "1");
    s.put("t2", "t", "2", "18");
    let two = s.get("t3", "t", "2");
    assert!(s.commit("t2"));
    assert_eq!(
        [s.get("t3", "t", "2"), s.get("t3", "t", "1")],
        [two.clone(), one.clone()]
    );
    assert_eq!([one, two], ["10", "20"]);
}

#[test]
fn pmp_a_phantom_is_not_seen_and_a_reader_commits() {
    let mut s = with(&["t1", "t2"]);
    assert_eq!(s.scan("t1", "v", "030", "031"), json!([]));
    insert(&mut s, "t2", "030/3");
    assert!(s.commit("t2"));
    assert_eq!(
        s.scan("t1", "v", "0", "1"),
        json!([["010/1", ""], ["020/2", ""]])
    );
    assert!(s.commit("t1"));
}

#[test]
fn pmp_write_a_delete_by_predicate_conflicts_with_what_left_it() {
    let mut s = with(&["t1", "t2"]);
    for (from, to) in [("010/1", "020/1"), ("020/2", "030/2")] {
        s.ok(json!({"op":"remove","txn":"t1","store":"v","key":from}));
        insert(&mut s, "t1", to);
    }
    assert_eq!(s.scan("t2", "v", "020", "021"), json!([["020/2", ""]]));
    assert_eq!(
        s.ok(json!({"op":"remove","txn":"t2","store":"v","key":"020/2"})),
        json!({"removed":true})
    );
    assert!(s.commit("t1"));
    assert!(!s.commit("t2"));
}

#[test]
fn p4_no_update_is_lost() {
    let mut s = with(&["t1", "t2"]);
    for transaction in ["t1", "t2"] {
        assert_eq!(s.get(transaction, "t", "1"), "10");
        s.put(transaction, "t", "1", "11");
    }
    assert!(s.commit("t1"));
    let answer = s.ask(json!({"op":"commit","txn":"t2"}));
    assert_eq!(answer["error"]["kind"], "conflict");
    assert_eq!(answer["error"]["keys"], json!([{"store":"t","key":"1"}]));
}

#[test]
fn p4_twin_other_keys_of_the_leaf_do_not_conflict() {
    let mut s = with(&["t1", "t2"]);
    for (transaction, key) in [("t1", "1"), ("t2", "2")] {
        s.get(transaction, "t", key);
        s.put(transaction, "t", key, "0");
    }
    assert!(s.commit("t1"));
    let info = s.ok(json!({"op":"commit","txn":"t2"}));
    assert!(info["revalidations"].as_u64().unwrap() >= 1, "{info}");
    assert_eq!(both(&mut s), ["0", "0"]);
}

#[test]
fn g_single_read_skew_is_never_seen() {
    let mut s = with(&["t1", "t2"]);
    assert_eq!(s.get("t1", "t", "1"), "10");
    s.put("t2", "t", "1", "12");
    s.put("t2", "t", "2", "18");
    assert!(s.commit("t2"));
    assert_eq!(s.get("t1", "t", "2"), "20");
}

#[test]
fn g_single_predicate_sees_one_snapshot() {
    let mut s = with(&["t1", "t2"]);
    s.scan("t1", "v", "0", "1");
    s.ok(json!({"op":"remove","txn":"t2","store":"v","key":"010/1"}));
    insert(&mut s, "t2", "012/1");
    assert!(s.commit("t2"));
    assert_eq!(s.scan("t1", "v", "012", "013"), json!([]));
}

#[test]
fn g_single_write_a_stale_reader_must_not_write() {
    let mut s = with(&["t1", "t2"]);
    assert_eq!(s.get("t1", "t", "1"), "10");
    s.put("t2", "t", "1", "12");
    s.put("t2", "t", "2", "18");
    assert!(s.commit("t2"));
    assert_eq!(s.get("t1", "t", "2"), "20");
    s.ok(json!({"op":"remove","txn":"t1","store":"t","key":"2"}));
    assert!(!s.commit("t1"));
    assert_eq!(both(&mut s), ["12", "18"]);
}

#[test]
fn g2_item_write_skew_is_broken() {
    let mut s = with(&["t1", "t2"]);
    for transaction in ["t1", "t2"] {
        s.get(transaction, "t", "1");
        s.get(transaction, "t", "2");
    }
    s.put("t1", "t", "1", "11");
    s.put("t2", "t", "2", "21");
    assert!(s.commit("t1"));
    assert!(!s.commit("t2"));
    assert_eq!(both(&mut s), ["11", "20"]);
}

#[test]
fn g2_both_sides_of_a_phantom_pair_never_commit() {
    let mut s = with(&["t1", "t2"]);
    for transaction in ["t1", "t2"] {
        assert_eq!(s.scan(transaction, "v", "030", "060"), json!([]));
    }
    insert(&mut s, "t1", "030/3");
    insert(&mut s, "t2", "042/4");
    assert!(s.commit("t1"));
    assert!(!s.commit("t2"));
}

#[test]
fn g2_twin_inserts_outside_of_the_scanned_ranges_both_commit() {
    let mut s = with(&["t1", "t2"]);
    assert_eq!(s.scan("t1", "v", "030", "040"), json!([]));
    assert_eq!(s.scan("t2", "v", "040", "050"), json!([]));
    insert(&mut s, "t1", "030/3");
    insert(&mut s, "t2", "042/4");
    assert!(s.commit("t1"));
    assert!(s.commit("t2"));
}

#[test]
fn g2_two_edges_the_cycle_through_a_reader_is_broken() {
    let mut s = with(&["t1", "t2"]);
    s.scan("t1", "t", "0", "9");
    s.put("t2", "t", "2", "25");
    assert!(s.commit("t2"));
    s.begin("t3");
    assert_eq!(
        s.scan("t3", "t", "0", "9"),
        json!([["1", "10"], ["2", "25"]])
    );
    assert!(s.commit("t3"));
    s.put("t1", "t", "1", "0");
    assert!(!s.commit("t1"));
}

#[test]
fn an_absent_key_that_appears_conflicts() {
    let mut s = with(&["t1", "t2"]);
    assert_eq!(s.get("t1", "t", "a"), Value::Null);
    assert_eq!(s.get("t2", "t", "b"), Value::Null);
    s.put("t1", "t", "b", "");
    s.put("t2", "t", "a", "");
    assert!(s.commit("t1"));
    assert!(!s.commit("t2"));
}

#[test]
fn of_two_inserts_of_one_key_one_commits() {
    let mut s = with(&["t1", "t2"]);
    insert(&mut s, "t1", "050/5");
    insert(&mut s, "t2", "050/5");
    assert!(s.commit("t1"));
    assert!(!s.commit("t2"));
}

#[test]
fn counting_conflicts_with_an_insert_and_inserting_does_not() {
    let mut s = with(&["t1", "t2", "t3"]);
    assert_eq!(
        s.ok(json!({"op":"count","txn":"t1","store":"v"})),
        json!({"count":2})
    );
    s.put("t1", "t", "n", "2");
    insert(&mut s, "t2", "050/5");
    insert(&mut s, "t3", "060/6");
    assert!(s.commit("t2"));
    assert!(s.commit("t3"));
    assert!(!s.commit("t1"));
    assert_eq!(s.ok(json!({"op":"count","store":"v"})), json!({"count":4}));
}

#[test]
fn snapshots_never_conflict_and_read_the_past() {
    let mut s = start();
    s.ok(json!({"op":"begin","txn":"r","isolation":"snapshot"}));
    let version = s.ok(json!({"op":"begin","txn":"now","isolation":"snapshot"}))["version"].clone();
    assert_eq!(s.get("r", "t", "1"), "10");
    s.ok(json!({"op":"put","store":"t","key":"1","value":"11"}));
    assert_eq!(s.get("r", "t", "1"), "10");
    assert!(s.commit("r"));
    s.ok(json!({"op":"begin","txn":"past","at":version}));
    assert_eq!(s.get("past", "t", "1"), "10");
    assert_eq!(
        s.error(json!({"op":"put","txn":"past","store":"t","key":"1","value":""})),
        "read-only"
    );
}
