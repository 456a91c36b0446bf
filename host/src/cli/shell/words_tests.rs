//! Lines that people type: quoting, every command, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test may stop")]
use std::ops::Bound;

use super::*;

fn words(line: &str) -> Vec<Vec<u8>> {
    split(line).unwrap()
}

fn store_operation(line: &str) -> StoreOperation {
    match parse(line, None).unwrap() {
        Input::Request(Request {
            transaction: None,
            operation: Operation::Store(store, operation),
        }) => {
            assert_eq!(store, "s");
            operation
        }
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn words_take_quotes_and_escapes() {
    assert_eq!(words("  a  b\tc "), [b"a", b"b", b"c"]);
    assert_eq!(
        words(r#"put s "a key" 'it''s' "#),
        [&b"put"[..], b"s", b"a key", b"its"]
    );
    assert_eq!(
        words(r#"a\x00\xff "q\"q" b\ c '\n' """#),
        [&b"a\0\xff"[..], b"q\"q", b"b c", b"\\n", b""]
    );
    assert_eq!(words("grün 🐜"), ["grün".as_bytes(), "🐜".as_bytes()]);
    assert_eq!(words(r"a\\ b"), [&b"a\\"[..], b"b"]);
    for bad in ["\"open", "'open", "a\\q", "a\\"] {
        assert!(split(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_scan_prints_can_be_typed_again() {
    let key = b"a b\n\"\\\xff'c";
    let line = format!("get s \"{}\"", escape::encode(key).replace('"', "\\\""));
    assert_eq!(store_operation(&line), StoreOperation::Get(key.to_vec()));
}

#[test]
fn store_commands_become_operations() {
    let bytes = |text: &str| text.as_bytes().to_vec();
    assert_eq!(store_operation("get s k"), StoreOperation::Get(bytes("k")));
    assert_eq!(
        store_operation("get s k l"),
        StoreOperation::GetMany(vec![bytes("k"), bytes("l")])
    );
    assert_eq!(
        store_operation("put s k v"),
        StoreOperation::Put(bytes("k"), bytes("v"))
    );
    assert_eq!(
        store_operation("insert s k v"),
        StoreOperation::Insert(bytes("k"), bytes("v"))
    );
    assert_eq!(
        store_operation("update s k v"),
        StoreOperation::Update(bytes("k"), bytes("v"))
    );
    assert_eq!(
        store_operation("rm s k"),
        StoreOperation::Remove(bytes("k"))
    );
    assert_eq!(
        store_operation("contains s k"),
        StoreOperation::Contains(bytes("k"))
    );
    assert_eq!(
        store_operation("rm-range s all"),
        StoreOperation::RemoveRange(KeyRange::from(..))
    );
    let scan = StoreOperation::Scan(
        KeyRange::from(..),
        Direction::Ascending,
        Some(SCAN_ITEMS_DEFAULT),
    );
    assert_eq!(store_operation("scan s"), scan);
    let range = KeyRange {
        lower: Bound::Excluded(bytes("a")),
        upper: Bound::Included(bytes("b")),
    };
    let scan = StoreOperation::Scan(range, Direction::Descending, Some(5));
    assert_eq!(
        store_operation("scan s after a through b reverse limit 5"),
        scan
    );
}

#[test]
fn commands_belong_to_the_current_transaction_or_the_named_one() {
    let of = |line, current| match parse(line, current).unwrap() {
        Input::Request(request) => request.transaction,
        other => unreachable!("{other:?}"),
    };
    assert_eq!(of("get s k", None), None);
    assert_eq!(of("get s k", Some("t1")).as_deref(), Some("t1"));
    assert_eq!(of("@t2 get s k", Some("t1")).as_deref(), Some("t2"));
    assert_eq!(of("@t2 commit", None).as_deref(), Some("t2"));
}

#[test]
fn begin_takes_a_name_and_a_start_in_any_order() {
    let fresh = Start::Fresh(Isolation::Serializable);
    assert_eq!(parse("begin", None).unwrap(), Input::Begin(None, fresh));
    let snapshot = Input::Begin(Some("r".to_owned()), Start::Fresh(Isolation::Snapshot));
    assert_eq!(parse("begin r snapshot", None).unwrap(), snapshot);
    assert_eq!(
        parse("begin at 7", None).unwrap(),
        Input::Begin(None, Start::At(7))
    );
}

#[test]
fn every_listed_command_is_known() {
    for (name, ..) in COMMANDS {
        let line = match name {
            "outcome" => format!("{name} 0123456789abcdef0123456789abcdef"),
            "put" | "insert" | "update" => format!("{name} s k v"),
            "rm-range" => format!("{name} s all"),
            "get" | "rm" | "contains" => format!("{name} s k"),
            "begin" | "use" | "transactions" | "stores" | "commit" | "rollback" | "stat"
            | "verify" | "checkpoint" | "help" | "exit" | "quit" => name.to_owned(),
            _ => format!("{name} s"),
        };
        assert!(parse(&line, Some("t")).is_ok(), "{line}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_a_reason() {
    let cases = [
        ("fly", "no command `fly`"),
        ("get s", "a key is missing"),
        ("put s k", "a value is missing"),
        ("count", "a store is missing"),
        ("count s x", "one word too many"),
        ("commit", "no transaction"),
        ("scan s limit many", "`many`"),
        ("scan s sideways", "`sideways`"),
        ("rm-range s", "`all`"),
        ("begin at soon", "`soon`"),
        ("begin a b", "`b`"),
        ("@t", "a command is missing"),
    ];
    for (line, part) in cases {
        let why = parse(line, None).unwrap_err();
        assert!(why.contains(part), "{line}: {why}");
    }
    assert_eq!(parse("   ", None).unwrap(), Input::Blank);
}
