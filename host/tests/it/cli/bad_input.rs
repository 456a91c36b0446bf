//! What users get wrong: one clear sentence, the documented exit code, JSON where it was asked for,
//! nothing changed.

use serde_json::{Value, json};

use super::{Sandbox, exists};

fn json_error(sandbox: &Sandbox, code: i32, arguments: &[&str]) -> String {
    let ran = sandbox.run(&[&["--json"], arguments].concat());
    assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
    let answer: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert!(answer["error"]["message"].is_string(), "{answer}");
    answer["error"]["kind"].as_str().unwrap().to_owned()
}

#[test]
fn a_bad_command_line_is_usage() {
    let sandbox = Sandbox::with_store();
    for arguments in [
        &["fly"][..],
        &["get"],
        &["get", "s"],
        &["scan", "s", "--limit", "x"],
        &["put", "s", "k"],
    ] {
        sandbox.fails(2, arguments);
        assert_eq!(json_error(&sandbox, 2, arguments), "usage");
    }
    assert_eq!(
        json_error(&sandbox, 2, &["put", "--hex", "s", "zz", "00"]),
        "invalid"
    );
    assert_eq!(
        json_error(&sandbox, 2, &["--database", "ftp://x", "stores"]),
        "invalid"
    );
}

#[test]
fn what_is_not_there_is_named() {
    let sandbox = Sandbox::with_store();
    let message = sandbox.fails(3, &["put", "none", "k", "v"]);
    assert!(
        message.contains("none") && message.contains("sop create none"),
        "{message}"
    );
    for arguments in [
        &["get", "none", "k"][..],
        &["scan", "none"],
        &["count", "none"],
        &["drop", "none"],
        &["get", "s", "k"],
    ] {
        assert_eq!(json_error(&sandbox, 3, arguments), "not-found");
    }
    sandbox.fails(1, &["put", "s", "k", "@no-such-file"]);
    sandbox.fails(1, &["import", "s", "no-such-file"]);
}

#[test]
fn places_that_are_no_database_are_refused() {
    let sandbox = Sandbox::new();
    let message = sandbox.fails(8, &["--database", "dir:no/such/parent", "create", "s"]);
    assert!(message.contains("no/such"), "{message}");
    assert!(!exists(&sandbox.path("no")));
    std::fs::create_dir(sandbox.path("foreign")).unwrap();
    std::fs::write(sandbox.path("foreign/letter.txt"), "dear").unwrap();
    let message = sandbox.fails(8, &["--database", "dir:foreign", "create", "s"]);
    assert!(message.contains("foreign"), "{message}");
    assert_eq!(
        std::fs::read_dir(sandbox.path("foreign")).unwrap().count(),
        1
    );
    sandbox.file("file", "text");
    assert_eq!(
        json_error(&sandbox, 8, &["--database", "dir:file", "stores"]),
        "foreign-database"
    );
}

#[test]
fn a_second_writer_is_told_who_is_in_the_way() {
    let sandbox = Sandbox::with_store();
    let mut session = sandbox.session();
    session.ok(json!({"op":"stores"}));
    let message = sandbox.fails(8, &["put", "s", "k", "v"]);
    assert!(message.contains("in use by process"), "{message}");
    assert_eq!(json_error(&sandbox, 8, &["put", "s", "k", "v"]), "locked");
    assert_eq!(session.end(), 0);
    sandbox.ok(&["put", "s", "k", "v"]);
}

#[test]
fn oversized_keys_and_values_are_refused_and_change_nothing() {
    let sandbox = Sandbox::with_store();
    sandbox.ok(&["put", "s", &"k".repeat(1_024), "v"]);
    assert_eq!(
        json_error(&sandbox, 7, &["put", "s", &"k".repeat(1_025), "v"]),
        "limit"
    );
    sandbox.fails(2, &["put", "s", "", "v"]);
    let big = std::fs::File::create(sandbox.path("big")).unwrap();
    big.set_len((64 << 20) + 1).unwrap();
    assert_eq!(json_error(&sandbox, 7, &["put", "s", "k", "@big"]), "limit");
    assert_eq!(sandbox.ok(&["count", "s"]), "1\n");
}
