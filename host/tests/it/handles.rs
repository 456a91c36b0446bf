//! Abuse of handles: what no software development kit would do ends in a trap or an error, and changes nothing.

use sop_host::{Database, Error, Grant, Mode, Plugin, RunOptions};

use crate::memory;
use crate::wat_plugin::plugin;

/// Begins a transaction (its handle is at 8), opens the store `s` in it (at 40), puts `key`, and does `then`.
fn component(then: &str) -> Vec<u8> {
    plugin(&format!(
        r#"(func (export "run") (param $request i32) (param $length i32) (result i32)
      (call $begin (i32.const 0) (i32.const 0))
      (if (i32.load8_u (i32.const 0)) (then (return (call $case (i32.const 0)))))
      (call $create (i32.load (i32.const 8)) (local.get $request) (local.get $length) (i32.const 32))
      (if (i32.load8_u (i32.const 32)) (then (return (call $case (i32.const 32)))))
      (call $put (i32.load (i32.const 40)) (i32.const 4112) (i32.const 3) (i32.const 4120) (i32.const 5) (i32.const 64))
      (if (i32.load8_u (i32.const 64)) (then (return (call $case (i32.const 64)))))
      {then}
      (call $ok (i32.const 4120) (i32.const 5)))"#
    ))
}

async fn run(db: &Database, then: &str) -> Error {
    let options = RunOptions {
        grants: [Grant::prefix("", Mode::Create)].into_iter().collect(),
        ..RunOptions::default()
    };
    let plugin = Plugin::load(component(then)).await.unwrap();
    plugin.run(db, b"s", &options).await.unwrap_err()
}

async fn is_empty(db: &Database) -> bool {
    let tx = db.snapshot().await.unwrap();
    tx.stores().await.unwrap().is_empty()
}

#[tokio::test]
async fn handles_that_are_not_there_trap_and_nothing_stays() {
    let db = memory().await;
    let get = "(i32.const 4112) (i32.const 3) (i32.const 96)";
    for (abuse, then) in [
        ("forged", format!("(call $get (i32.const 77) {get})")),
        ("negative", format!("(call $get (i32.const -1) {get})")),
        ("zero", format!("(call $get (i32.const 0) {get})")),
        ("another type", format!("(call $get (i32.load (i32.const 8)) {get})")),
        (
            "a store as a transaction",
            "(call $commit (i32.load (i32.const 40)) (i32.const 96))".to_owned(),
        ),
        (
            "used after its drop",
            format!("(call $drop-store (i32.load (i32.const 40))) (call $get (i32.load (i32.const 40)) {get})"),
        ),
        (
            "dropped twice",
            "(call $drop-store (i32.load (i32.const 40))) (call $drop-store (i32.load (i32.const 40)))".to_owned(),
        ),
        (
            "dropped as another type",
            "(call $drop-transaction (i32.load (i32.const 40)))".to_owned(),
        ),
        (
            "committed after its drop",
            "(call $drop-store (i32.load (i32.const 40))) (call $drop-transaction (i32.load (i32.const 8)))
             (call $commit (i32.load (i32.const 8)) (i32.const 96))"
                .to_owned(),
        ),
    ] {
        let error = run(&db, &then).await;
        assert_eq!(error.kind(), "plugin-trap", "{abuse}: {error}");
        assert!(is_empty(&db).await, "{abuse}: something stayed");
    }
}

#[tokio::test]
async fn what_has_ended_answers_that_it_has_ended() {
    let db = memory().await;
    // The case of an error as one letter: `ended` is the eighth from 0.
    let ended = |error: Error| match error {
        Error::PluginFailed(letter) => assert_eq!(letter, "8"),
        Error::AfterCommit { cause } => assert_eq!(cause.to_string(), "the plugin failed: 8"),
        other => panic!("{other}"),
    };
    let drop_transaction = "(call $drop-transaction (i32.load (i32.const 8)))
        (call $get (i32.load (i32.const 40)) (i32.const 4112) (i32.const 3) (i32.const 96))
        (if (i32.load8_u (i32.const 96)) (then (return (call $case (i32.const 96)))))";
    ended(run(&db, drop_transaction).await);
    assert!(is_empty(&db).await, "a store outlived its transaction");

    let commit = "(call $commit (i32.load (i32.const 8)) (i32.const 96))
        (if (i32.load8_u (i32.const 96)) (then (return (call $case (i32.const 96)))))";
    ended(run(&db, &format!("{commit}{commit}")).await);
    let put = "(call $put (i32.load (i32.const 40)) (i32.const 4112) (i32.const 2) (i32.const 4120) (i32.const 5) (i32.const 96))
        (if (i32.load8_u (i32.const 96)) (then (return (call $case (i32.const 96)))))";
    ended(run(&db, &format!("{commit}{put}")).await);
    let tx = db.snapshot().await.unwrap();
    assert_eq!(tx.open_store("s").await.unwrap().count().await.unwrap(), 1);
}
