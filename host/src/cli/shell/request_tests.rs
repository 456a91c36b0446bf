//! Requests as programs write them: every operation, the defaults of every member, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test may stop")]
use std::ops::Bound;

use serde_json::json;

use super::*;

fn operation(line: serde_json::Value) -> Operation {
    parse(line).unwrap().operation
}

fn refused(line: serde_json::Value) -> String {
    parse(line).unwrap_err()
}

#[test]
fn begin_is_serializable_unless_it_says_otherwise() {
    let start = |line| match operation(line) {
        Operation::Begin(start) => start,
        other => unreachable!("{other:?}"),
    };
    let fresh = Start::Fresh(Isolation::Serializable);
    assert_eq!(start(json!({"op":"begin","txn":"t"})), fresh);
    assert_eq!(
        start(json!({"op":"begin","txn":"t","isolation":"serializable"})),
        fresh
    );
    let snapshot = Start::Fresh(Isolation::Snapshot);
    assert_eq!(
        start(json!({"op":"begin","txn":"t","isolation":"snapshot"})),
        snapshot
    );
    assert_eq!(start(json!({"op":"begin","txn":"t","at":7})), Start::At(7));
    assert_eq!(
        start(json!({"op":"begin","txn":"t","at":u64::MAX})),
        Start::At(u64::MAX)
    );
    assert_eq!(
        start(json!({"op":"begin","txn":"t","at":"7","isolation":"snapshot"})),
        Start::At(7)
    );
}

#[test]
fn a_scan_includes_its_start_and_excludes_its_end() {
    let range = |members: serde_json::Value| {
        let mut line = json!({"op":"scan","store":"s"});
        line.as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        match operation(line) {
            Operation::Store(_, StoreOperation::Scan(range, direction, limit)) => {
                (range, direction, limit)
            }
            other => unreachable!("{other:?}"),
        }
    };
    let (all, direction, limit) = range(json!({"from":null}));
    assert_eq!(
        (all, direction, limit),
        (KeyRange::from(..), Direction::Ascending, None)
    );
    let (bounded, ..) = range(json!({"from":"a","to":"b"}));
    assert_eq!(bounded, KeyRange::from("a".."b"));
    let (turned, direction, limit) = range(
        json!({"from":"a","to":"b","from_inclusive":false,"to_inclusive":true,"reverse":true,"limit":0}),
    );
    assert_eq!(turned.lower, Bound::Excluded(b"a".to_vec()));
    assert_eq!(turned.upper, Bound::Included(b"b".to_vec()));
    assert_eq!((direction, limit), (Direction::Descending, Some(0)));
    assert_eq!(range(json!({"prefix":"a"})).0, KeyRange::from("a".."b"));
}

#[test]
fn keys_and_values_are_text_or_base64() {
    let put = operation(json!({"op":"put","store":"s","key":{"base64":"/w=="},"value":""}));
    assert_eq!(
        put,
        Operation::Store("s".to_owned(), StoreOperation::Put(vec![0xff], Vec::new()))
    );
    let many = operation(json!({"op":"get_many","store":"s","keys":["a",{"base64":"/w=="}]}));
    assert_eq!(
        many,
        Operation::Store(
            "s".to_owned(),
            StoreOperation::GetMany(vec![b"a".to_vec(), vec![0xff]])
        )
    );
}

#[test]
fn every_operation_is_known_by_its_name() {
    let names = [
        "begin",
        "commit",
        "rollback",
        "savepoint",
        "rollback_to",
        "create_store",
        "drop_store",
        "stores",
        "get",
        "get_many",
        "contains",
        "put",
        "insert",
        "update",
        "remove",
        "remove_range",
        "count",
        "first",
        "last",
        "scan",
        "outcome",
        "stat",
        "verify",
        "checkpoint",
    ];
    for name in names {
        let commit = "0123456789abcdef0123456789abcdef";
        let line = json!({"op":name,"txn":"t","store":"s","name":"n","key":"k","keys":[],"value":"v","commit":commit});
        assert!(parse(line).is_ok(), "{name}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_a_reason() {
    let cases = [
        (json!([1]), "object"),
        (json!({}), "missing field `op`"),
        (json!({"op":"fly"}), "unknown variant `fly`"),
        (json!({"op":7}), "invalid type"),
        (json!({"op":"commit"}), "`txn`"),
        (json!({"op":"begin"}), "`txn`"),
        (json!({"op":"get","store":"s"}), "`key`"),
        (json!({"op":"get","key":"k"}), "`store`"),
        (json!({"op":"put","store":"s","key":"k"}), "`value`"),
        (
            json!({"op":"put","store":"s","key":"k","value":1}),
            "a string or",
        ),
        (
            json!({"op":"get","store":"s","key":"k","kye":1}),
            "unknown field `kye`",
        ),
        (json!({"op":"scan","store":"s","limit":-1}), "-1"),
        (
            json!({"op":"scan","store":"s","prefix":"a","to":"b"}),
            "`prefix`",
        ),
        (json!({"op":"begin","txn":"t","at":-1}), "version"),
        (
            json!({"op":"begin","txn":"t","at":1,"isolation":"serializable"}),
            "`at`",
        ),
        (json!({"op":"begin","txn":"t","isolation":"chaos"}), "chaos"),
        (json!({"op":"outcome","commit":"1"}), "32"),
    ];
    for (line, part) in cases {
        let why = refused(line.clone());
        assert!(why.contains(part), "{line}: {why}");
    }
}

#[test]
fn commits_are_named_by_32_digits() {
    let id = parse_commit("000000000000000a00000000000000ff").unwrap();
    assert_eq!((id.high, id.low), (10, 255));
    assert!(parse_commit("+00000000000000a00000000000000ff").is_err());
}
