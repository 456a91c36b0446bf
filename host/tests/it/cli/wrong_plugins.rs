//! What is no plugin, and plugins that do harm: refused or stopped by name, with nothing changed.

use super::{Sandbox, exists};
use crate::wat_plugin::{plugin, writer};

fn assembled(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

#[test]
fn what_is_no_plugin_is_refused_before_a_database_is_touched() {
    let sandbox = Sandbox::new();
    let whole = writer(true, "unreachable");
    let importing = |name: &str| assembled(&format!("(component (import \"{name}\" (instance)))"));
    let cases: [(&str, Vec<u8>, &str); 13] = [
        ("empty.wasm", Vec::new(), "empty"),
        ("text.wasm", b"hello".to_vec(), "no WebAssembly"),
        ("zeros.wasm", vec![0; 1 << 20], "no WebAssembly"),
        ("magic.wasm", b"\0asm".to_vec(), "damaged"),
        ("cut.wasm", whole[..whole.len() / 2].to_vec(), "damaged"),
        ("module.wasm", assembled("(module)"), "core module"),
        (
            "bare.wasm",
            assembled("(component)"),
            "does not export `run`",
        ),
        (
            "registry.wasm",
            importing("sop:storage/registry@0.1.0"),
            "sop:storage/registry",
        ),
        (
            "blobs.wasm",
            importing("sop:storage/blobs@0.1.0"),
            "sop:storage/blobs",
        ),
        (
            "http.wasm",
            importing("wasi:http/outgoing-handler@0.2.0"),
            "wasi:http",
        ),
        (
            "clock.wasm",
            assembled("(component (import \"now\" (func)))"),
            "now",
        ),
        (
            "broken.wat",
            b"(component\n  (import)".to_vec(),
            "broken.wat",
        ),
        ("binary.wat", vec![0xff, 0xfe], "utf-8"),
    ];
    for (name, bytes, says) in cases {
        sandbox.file(name, bytes);
        let message = sandbox.fails(9, &["run", name, "--grant", "a:create", "--input", "a"]);
        assert!(
            message.contains(name) && message.contains(says),
            "{name}: {message}"
        );
        assert_eq!(message.lines().count(), 1, "{name}: {message}");
        assert!(!exists(&sandbox.data()), "{name}");
    }
    sandbox.fails(1, &["run", "none.wasm"]);
    sandbox.fails(1, &["run", "."]);
}

#[test]
fn the_text_of_a_component_is_run_too() {
    let sandbox = Sandbox::new();
    let text = include_str!("../spinning_realloc.wat");
    sandbox.file("spinning.wat", text);
    let run = ["run", "spinning.wat", "--input", "x", "--timeout", "200ms"];
    let message = sandbox.fails(7, &run);
    assert!(message.contains("wall time"), "{message}");
}

#[test]
fn harm_is_stopped_and_rolled_back() {
    let sandbox = Sandbox::with_store();
    sandbox.ok(&["put", "s", "k", "v"]);
    let loops = "(loop $again (br $again)) unreachable";
    let floods = plugin(
        "(func (export \"run\") (param $request i32) (param $length i32) (result i32) \
         (call $ok (i32.const 0) (i32.const 65536)))",
    );
    sandbox.file("trap.wasm", writer(false, "unreachable"));
    sandbox.file("loop.wasm", writer(false, loops));
    sandbox.file("flood.wasm", floods);
    let run = |name: &'static str| ["run", name, "--grant", "s:rw", "--input", "s"];
    let message = sandbox.fails(9, &run("trap.wasm"));
    assert!(message.contains("trapped"), "{message}");
    let message = sandbox.fails(
        7,
        &[&run("loop.wasm")[..], &["--timeout", "200ms"]].concat(),
    );
    assert!(message.contains("wall time"), "{message}");
    let message = sandbox.fails(
        7,
        &[&run("flood.wasm")[..], &["--response-bytes", "1KiB"]].concat(),
    );
    assert!(message.contains("response"), "{message}");
    assert_eq!(sandbox.ok(&["scan", "s"]), "k\tv\n");
    sandbox.ok(&["verify"]);
}

#[test]
fn grants_that_make_no_sense_are_usage() {
    let sandbox = Sandbox::new();
    sandbox.file("trap.wasm", writer(false, "unreachable"));
    for grant in ["", ":", ":rw", "a:", "a:all"] {
        let message = sandbox.fails(2, &["run", "trap.wasm", "--grant", grant]);
        assert!(message.contains("grant"), "{message}");
    }
    // To read what is not there creates nothing.
    sandbox.fails(8, &["run", "trap.wasm", "--grant", "a:ro", "--input", "a"]);
    assert!(!exists(&sandbox.data()));
}
