//! `sop run`: input, grants, limits, repetition, and what is no plugin.

use serde_json::json;

use super::{Sandbox, exists};
use crate::wat_plugin::{plugin, reader, writer};

const DONE: &str = "(call $ok (i32.const 4120) (i32.const 5))";

#[test]
fn a_plugin_works_on_the_stores_it_is_granted() {
    let sandbox = Sandbox::new();
    sandbox.file("write.wasm", writer(true, DONE));
    sandbox.file("read.wasm", reader());
    // To write is not to create; what a grant to write opens is there all the same.
    sandbox.fails(9, &["run", "write.wasm", "--grant", "a:rw", "--input", "a"]);
    assert_eq!(
        sandbox.ok(&["run", "write.wasm", "--grant", "a:create", "--input", "a"]),
        "value"
    );
    assert_eq!(sandbox.ok(&["get", "a", "key"]), "value");
    assert_eq!(
        sandbox.ok(&["run", "read.wasm", "--grant", "a", "--input", "a"]),
        "value"
    );
    let file = format!("@{}", sandbox.file("input", "a"));
    let report = sandbox.json(&["run", "read.wasm", "--grant", "*:ro", "--input", &file]);
    assert_eq!(
        (&report["response"], &report["retries"]),
        (&json!("value"), &json!(0))
    );
    let message = sandbox.fails(9, &["run", "read.wasm", "--grant", "b", "--input", "a"]);
    assert!(message.contains("the plugin failed"), "{message}");
    sandbox.fails(2, &["run", "read.wasm", "--grant", "a:all"]);
}

#[test]
fn a_plugin_without_grants_touches_no_database() {
    let sandbox = Sandbox::new();
    sandbox.file(
        "hello.wasm",
        plugin(&format!(
            "(func (export \"run\") (param $request i32) (param $length i32) (result i32) {DONE})"
        )),
    );
    assert_eq!(sandbox.ok(&["run", "hello.wasm"]), "value");
    assert!(!exists(&sandbox.data()));
}

#[test]
fn runs_are_repeated_beside_each_other() {
    let sandbox = Sandbox::new();
    // The plugin does not retry, and of two that create one store only one commits.
    sandbox.ok(&["create", "a"]);
    sandbox.file("write.wasm", writer(true, DONE));
    let arguments = [
        "run",
        "write.wasm",
        "--grant",
        "a:rw",
        "--input",
        "a",
        "--repeat",
        "20",
        "--parallel",
        "4",
    ];
    let ran = sandbox.run(&arguments);
    assert_eq!(
        (ran.code, ran.stdout),
        (0, "value\n".repeat(20).into_bytes())
    );
    assert!(
        ran.stderr.contains("20 runs succeeded, 0 failed"),
        "{}",
        ran.stderr
    );
    assert_eq!(sandbox.ok(&["count", "a"]), "1\n");
}

#[test]
fn a_run_over_its_limits_is_stopped_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    sandbox.file(
        "spin.wasm",
        writer(false, "(loop $again (br $again)) unreachable"),
    );
    let message = sandbox.fails(
        7,
        &[
            "run",
            "spin.wasm",
            "--grant",
            "a:create",
            "--input",
            "a",
            "--timeout",
            "200ms",
        ],
    );
    assert!(message.contains("200 milliseconds"), "{message}");
    assert_eq!(sandbox.ok(&["stores"]), "");
    sandbox.file("trap.wasm", writer(false, "unreachable"));
    sandbox.fails(
        9,
        &["run", "trap.wasm", "--grant", "a:create", "--input", "a"],
    );
    let memory = [
        "run",
        "trap.wasm",
        "--grant",
        "a:create",
        "--memory-bytes",
        "64KiB",
    ];
    assert!(sandbox.fails(7, &memory).contains("memory"));
    sandbox.fails(2, &["run", "trap.wasm", "--timeout", "soon"]);
}

#[test]
fn what_is_no_plugin_is_refused_by_name() {
    let sandbox = Sandbox::new();
    sandbox.file("text.wasm", "hello");
    let message = sandbox.fails(9, &["run", "text.wasm"]);
    assert!(message.contains("text.wasm"), "{message}");
    sandbox.file("module.wasm", wat::parse_str("(module)").unwrap());
    assert!(
        sandbox
            .fails(9, &["run", "module.wasm"])
            .contains("component")
    );
    let component =
        wat::parse_str("(component (import \"sop:storage/blobs@0.1.0\" (instance)))").unwrap();
    sandbox.file("greedy.wasm", component);
    assert!(
        sandbox
            .fails(9, &["run", "greedy.wasm"])
            .contains("sop:storage/blobs")
    );
    sandbox.fails(1, &["run", "none.wasm"]);
    assert!(!exists(&sandbox.data()));
}

#[test]
fn a_manifest_beside_the_component_says_what_flags_say() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["create", "a"]);
    sandbox.file("write.wasm", writer(true, DONE));
    sandbox.file(
        "plugin.toml",
        "[grants]\na = \"rw\"\n[limits]\ntimeout = \"20s\"\n[input]\ntext = \"a\"\n",
    );
    assert_eq!(sandbox.ok(&["run", "write.wasm"]), "value");
    assert_eq!(sandbox.ok(&["get", "a", "key"]), "value");
    // A flag takes the place of the grants, and none are left without the file.
    sandbox.fails(9, &["run", "write.wasm", "--grant", "b:rw"]);
    let message = sandbox.fails(9, &["run", "write.wasm", "--no-manifest", "--input", "a"]);
    assert!(message.contains("failed"), "{message}");
    sandbox.file("plugin.toml", "[grants]\na = \"rwx\"\n");
    let message = sandbox.fails(2, &["run", "write.wasm"]);
    assert!(message.contains("plugin.toml"), "{message}");
}

#[test]
fn checking_tells_what_a_plugin_wants_and_gets() {
    let sandbox = Sandbox::new();
    sandbox.file("write.wasm", writer(true, DONE));
    sandbox.file("plugin.toml", "[grants]\n\"log/*\" = \"create\"\n");
    let report = sandbox.json(&["plugin", "check", "write.wasm"]);
    assert_eq!(report["fit"], true, "{report}");
    assert_eq!(report["grants"], json!(["log/*:create"]));
    let imports = report["imports"].as_array().unwrap();
    assert_eq!(imports.len(), 2, "{report}");
    assert!(
        sandbox
            .ok(&["plugin", "check", "write.wasm"])
            .contains("it can run")
    );
    assert!(!exists(&sandbox.data()));

    sandbox.file(
        "http.wat",
        r#"(component (import "wasi:http/types@0.2.0" (instance)))"#,
    );
    let ran = sandbox.run(&["plugin", "check", "http.wat"]);
    assert_eq!(ran.code, 9);
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(
        told.contains("it cannot run") && told.contains("refused"),
        "{told}"
    );
}

#[test]
fn what_a_plugin_says_and_is_denied_is_logged_with_its_name() {
    let sandbox = Sandbox::new();
    let flood = include_str!("../../../../guest-examples/hostile/output-flood/attack.wat");
    sandbox.file("loud.wat", flood);
    let ran = sandbox.run(&["run", "loud.wat", "--output-bytes", "1KiB"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("look here\\u{1b}[2J"), "{}", ran.stderr);
    assert!(ran.stderr.contains("plugin=\"loud\""), "{}", ran.stderr);
    assert!(ran.stderr.len() < 64 << 10, "{} bytes", ran.stderr.len());

    sandbox.file("read.wasm", reader());
    sandbox.ok(&["create", "secret"]);
    let ran = sandbox.run(&["run", "read.wasm", "--grant", "a:ro", "--input", "secret"]);
    assert_eq!(ran.code, 9);
    assert!(ran.stderr.contains("sop_host::audit"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("no grant for store `secret`"),
        "{}",
        ran.stderr
    );
}
