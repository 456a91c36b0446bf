//! Every command in its plain form: what it prints, in text and in JSON, and its exit code.

use serde_json::{Value, json};

use super::{Sandbox, exists};

#[test]
fn an_item_is_put_got_replaced_and_removed() {
    let sandbox = Sandbox::with_store();
    sandbox.ok(&["put", "s", "k", "v"]);
    assert_eq!(sandbox.ok(&["get", "s", "k"]), "v");
    assert_eq!(sandbox.json(&["get", "s", "k"]), json!({"value":"v"}));
    sandbox.fails(3, &["insert", "s", "k", "w"]);
    sandbox.ok(&["update", "s", "k", "w"]);
    sandbox.fails(3, &["update", "s", "other", "w"]);
    assert_eq!(sandbox.ok(&["get", "s", "k"]), "w");
    assert_eq!(sandbox.json(&["rm", "s", "k"]), json!({"removed":1}));
    sandbox.fails(3, &["rm", "s", "k"]);
    let message = sandbox.fails(3, &["get", "s", "k"]);
    assert!(message.contains("no key `k` in store `s`"), "{message}");
    sandbox.ok(&["insert", "s", "k", "x"]);
    assert_eq!(sandbox.ok(&["get", "s", "k"]), "x");
}

#[test]
fn a_write_answers_a_growing_version() {
    let sandbox = Sandbox::with_store();
    let version = |value: Value| value["version"].as_u64().unwrap();
    let first = version(sandbox.json(&["put", "s", "k", "v"]));
    let second = version(sandbox.json(&["put", "s", "k", "w"]));
    assert!(second > first);
}

#[test]
fn keys_and_values_have_every_form() {
    let sandbox = Sandbox::with_store();
    sandbox.ok(&["put", "--hex", "s", "00ff", "6869ff"]);
    assert_eq!(
        sandbox.run(&["get", "--hex", "s", "00ff"]).stdout,
        b"6869ff\n"
    );
    assert_eq!(sandbox.ok(&["get", "--base64", "s", "AP8="]), "aGn/\n");
    assert_eq!(
        sandbox.ok(&["get", "--escaped", "s", r"\0\xff"]),
        "hi\\xff\n"
    );
    assert_eq!(
        sandbox.json(&["get", "--hex", "s", "00ff"]),
        json!({"value":{"base64":"aGn/"}})
    );
    // Raw: exactly the bytes of the value.
    assert_eq!(
        sandbox
            .run_with(&["put", "s", "in", "-"], b"from\0stdin\n")
            .code,
        0
    );
    assert_eq!(sandbox.run(&["get", "s", "in"]).stdout, b"from\0stdin\n");
    let file = format!("@{}", sandbox.file("value", b"\xff"));
    sandbox.ok(&["put", "s", "file", &file]);
    assert_eq!(sandbox.run(&["get", "s", "file"]).stdout, b"\xff");
    sandbox.ok(&["put", "--literal", "s", "literal", &file]);
    assert_eq!(sandbox.ok(&["get", "s", "literal"]), file);
    assert_eq!(
        sandbox.ok(&["scan", "s", "--prefix", "in"]),
        "in\tfrom\\0stdin\\n\n"
    );
}

#[test]
fn several_keys_are_got_in_their_order() {
    let sandbox = Sandbox::with_store();
    sandbox.ok(&["put", "s", "a", "1"]);
    sandbox.ok(&["put", "s", "b", "2"]);
    assert_eq!(sandbox.ok(&["get", "s", "b", "a"]), "b\t2\na\t1\n");
    let ran = sandbox.run(&["--json", "get", "s", "a", "none"]);
    assert_eq!(ran.code, 3);
    assert_eq!(
        ran.stdout,
        b"{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"none\",\"value\":null}\n"
    );
}

fn fruit() -> Sandbox {
    let sandbox = Sandbox::with_store();
    let lines =
        ["a", "b", "c", "d"].map(|key| format!("{{\"key\":\"{key}\",\"value\":\"{key}{key}\"}}\n"));
    assert_eq!(
        sandbox
            .run_with(&["import", "s", "-"], lines.concat().as_bytes())
            .code,
        0
    );
    sandbox
}

#[test]
fn scan_takes_every_range_and_direction() {
    let sandbox = fruit();
    let keys = |arguments: &[&str]| {
        let text = sandbox.ok(&[&["scan", "s", "--keys-only"], arguments].concat());
        text.lines().collect::<Vec<_>>().concat()
    };
    assert_eq!(keys(&[]), "abcd");
    assert_eq!(keys(&["--from", "b", "--to", "d"]), "bc");
    assert_eq!(
        keys(&[
            "--from",
            "b",
            "--from-exclusive",
            "--to",
            "d",
            "--to-inclusive"
        ]),
        "cd"
    );
    assert_eq!(keys(&["--reverse"]), "dcba");
    assert_eq!(keys(&["--reverse", "--to", "d", "--limit", "2"]), "cb");
    assert_eq!(keys(&["--limit", "0"]), "");
    assert_eq!(keys(&["--prefix", "c"]), "c");
    assert_eq!(keys(&["--from", "d", "--to", "a"]), "");
    assert_eq!(sandbox.ok(&["scan", "s", "--limit", "1"]), "a\taa\n");
    assert_eq!(
        sandbox.json(&["scan", "s", "--limit", "1"]),
        json!({"key":"a","value":"aa"})
    );
    assert_eq!(sandbox.ok(&["scan", "s", "--count", "--from", "b"]), "3\n");
    assert_eq!(sandbox.json(&["scan", "s", "--count"]), json!({"count":4}));
    let table = sandbox.ok(&["scan", "s", "--table"]);
    assert!(table.contains("key") && table.contains("dd"), "{table}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let sandbox = Sandbox::with_store();
    let lines: String = (0..20_000)
        .map(|key| format!("{{\"key\":\"{key:08}\",\"value\":\"some value\"}}\n"))
        .collect();
    assert_eq!(sandbox.run_with(&["import", "s"], lines.as_bytes()).code, 0);
    let mut command = sandbox.command(&["scan", "s"]);
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 8];
    std::io::Read::read_exact(&mut child.stdout.take().unwrap(), &mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((&first, output.status.code()), (b"00000000", Some(0)));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn ranges_are_removed_and_counted() {
    let sandbox = fruit();
    sandbox.fails(2, &["rm", "s"]);
    assert_eq!(
        sandbox.json(&["rm", "s", "--from", "b", "--to", "d"]),
        json!({"removed":2})
    );
    assert_eq!(sandbox.ok(&["count", "s"]), "2\n");
    assert_eq!(sandbox.json(&["rm", "s", "--all"]), json!({"removed":2}));
    assert_eq!(sandbox.json(&["count", "s"]), json!({"count":0}));
}

#[test]
fn stores_are_created_listed_and_dropped() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["create", "b"]);
    sandbox.ok(&["put", "--create", "a", "k", "v"]);
    sandbox.fails(3, &["create", "a"]);
    sandbox.ok(&["create", "--if-missing", "a"]);
    assert_eq!(sandbox.ok(&["stores"]), "a\nb\n");
    let listed = sandbox.json(&["stores"]);
    assert_eq!(
        (&listed["stores"][0]["name"], &listed["stores"][0]["items"]),
        (&json!("a"), &json!(1))
    );
    sandbox.ok(&["drop", "a"]);
    sandbox.fails(3, &["drop", "a"]);
    assert_eq!(sandbox.ok(&["stores"]), "b\n");
}

#[test]
fn commands_that_read_create_nothing() {
    let sandbox = Sandbox::new();
    let commands: [&[&str]; 8] = [
        &["get", "s", "k"],
        &["scan", "s"],
        &["count", "s"],
        &["stores"],
        &["stat"],
        &["verify"],
        &["export", "s"],
        &["shell", "--read-only"],
    ];
    for arguments in commands {
        let message = sandbox.fails(8, arguments);
        assert!(
            message.contains("data") && message.contains("--database"),
            "{message}"
        );
        assert!(!exists(&sandbox.data()), "{arguments:?}");
    }
    for arguments in [
        &["update", "s", "k", "v"][..],
        &["rm", "s", "k"],
        &["drop", "s"],
        &["checkpoint"],
        &["compact"],
    ] {
        sandbox.fails(8, arguments);
        assert!(!exists(&sandbox.data()), "{arguments:?}");
    }
}

#[test]
fn a_sound_database_is_verified_compacted_and_described() {
    let sandbox = fruit();
    let report = sandbox.json(&["verify"]);
    assert_eq!(
        (&report["sound"], &report["damages"]),
        (&json!(true), &json!([]))
    );
    let store = report["stores"]
        .as_array()
        .unwrap()
        .iter()
        .find(|store| store["name"] == "s")
        .unwrap();
    assert_eq!((&store["items"], &store["counted"]), (&json!(4), &json!(4)));
    assert!(sandbox.ok(&["verify"]).contains("sound: "));
    assert_eq!(sandbox.ok(&["verify", "--quiet"]), "");
    for command in ["checkpoint", "compact"] {
        assert!(
            sandbox.json(&[command])["disk_bytes_after"]
                .as_u64()
                .unwrap()
                > 0
        );
        assert!(sandbox.ok(&[command]).contains("on disk"));
    }
    let figures = sandbox.json(&["stat"]);
    assert_eq!(
        (
            &figures["stores"][0]["name"],
            &figures["stores"][0]["items"]
        ),
        (&json!("s"), &json!(4))
    );
    assert!(figures["disk"]["bytes"].as_u64().unwrap() > 0);
    assert!(sandbox.ok(&["stat"]).contains("on disk"));
}

#[test]
fn help_shows_examples_and_exit_codes() {
    let sandbox = Sandbox::new();
    let help = sandbox.ok(&["--help"]);
    assert!(
        help.contains("Exit codes:") && help.contains("Quick start:"),
        "{help}"
    );
    assert!(sandbox.ok(&["import", "--help"]).contains("Examples:"));
    assert!(sandbox.ok(&["--version"]).starts_with("sop "));
}
