//! Import and export: what comes out goes in again, and a bad line leaves nothing half-done.

use serde_json::json;

use super::{Sandbox, exists};

fn lines(keys: impl IntoIterator<Item = u32>) -> String {
    keys.into_iter()
        .map(|key| {
            format!(
                "{{\"key\":\"{key:06}\",\"value\":\"{}\"}}\n",
                "v".repeat(40)
            )
        })
        .collect()
}

#[test]
fn an_export_is_imported_again_byte_for_byte() {
    let sandbox = Sandbox::new();
    let text = String::from("{\"key\":{\"base64\":\"AP8=\"},\"value\":\"\"}\n")
        + "{\"key\":\"a\",\"value\":\"line\\nbreak \\\"quoted\\\" \u{1F41C}\"}\n"
        + "{\"key\":\"b\",\"value\":{\"base64\":\"//79\"}}\n";
    let done = sandbox.run_with(&["--json", "import", "s", "-"], text.as_bytes());
    assert_eq!(done.code, 0, "{done:?}");
    let exported = sandbox.ok(&["export", "s"]);
    assert_eq!(exported, text.replace("AP8=", "AP8="));
    assert_eq!(sandbox.json(&["export", "s", "out.jsonl"])["exported"], 3);
    assert_eq!(
        std::fs::read_to_string(sandbox.path("out.jsonl")).unwrap(),
        text
    );
    assert!(!exists(&sandbox.path("out.jsonl.partial")));
    sandbox.ok(&["--database", "dir:copy", "import", "s", "out.jsonl"]);
    assert_eq!(sandbox.ok(&["--database", "dir:copy", "export", "s"]), text);
}

#[test]
fn sorted_input_is_loaded_in_fewer_transactions() {
    let sandbox = Sandbox::new();
    let sorted = sandbox.file("sorted", lines(0..10_000));
    let shuffled = sandbox.file(
        "shuffled",
        lines((0..10_000).map(|key| key * 7_919 % 10_000)),
    );
    let sorted = sandbox.json(&["import", "sorted", &sorted]);
    let shuffled = sandbox.json(&["import", "shuffled", &shuffled]);
    assert_eq!(
        (&sorted["imported"], &sorted["sorted"]),
        (&json!(10_000), &json!(true))
    );
    assert_eq!(
        (&shuffled["imported"], &shuffled["sorted"]),
        (&json!(10_000), &json!(false))
    );
    assert!(
        sorted["transactions"].as_u64() < shuffled["transactions"].as_u64(),
        "{sorted} {shuffled}"
    );
    assert_eq!(
        sandbox.ok(&["export", "sorted"]),
        sandbox.ok(&["export", "shuffled"])
    );
    assert_eq!(sandbox.json(&["verify"])["sound"], true);
}

#[test]
fn a_bad_line_is_named_and_leaves_whole_batches() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("bad", lines(0..5) + "{\"key\":7}\n" + &lines(5..9));
    let message = sandbox.fails(2, &["import", "--batch", "2", "s", &file]);
    assert!(
        message.contains("bad: line 6: ") && message.contains("lines 1 to 4"),
        "{message}"
    );
    assert_eq!(sandbox.ok(&["count", "s"]), "4\n");
    let done = sandbox.run(&["--json", "import", "--skip-bad", "s", &file]);
    assert!(done.stderr.contains("skipped: bad: line 6: "), "{done:?}");
    let done: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(
        (&done["imported"], &done["skipped"]),
        (&json!(9), &json!(1))
    );
    assert_eq!(sandbox.ok(&["count", "s"]), "9\n");
}

#[test]
fn a_bad_line_of_the_first_batch_imports_nothing() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("bad", "{\"key\":\"a\",\"value\":\"1\"}\nnonsense\n");
    let message = sandbox.fails(2, &["import", "s", &file]);
    assert!(
        message.contains("line 2: ") && message.contains("nothing was imported"),
        "{message}"
    );
    assert_eq!(sandbox.run(&["count", "s"]).code, 3);
}

#[test]
fn imports_replace_what_is_there_and_an_empty_one_makes_the_store() {
    let sandbox = Sandbox::new();
    let empty = sandbox.file("empty", "");
    assert_eq!(sandbox.json(&["import", "s", &empty])["imported"], 0);
    sandbox.ok(&["put", "s", "000001", "old"]);
    let file = sandbox.file("items", lines([1]));
    sandbox.ok(&["import", "s", &file]);
    assert_eq!(sandbox.ok(&["get", "s", "000001"]), "v".repeat(40));
}

#[test]
fn an_export_that_fails_leaves_no_file() {
    let sandbox = Sandbox::with_store();
    sandbox.fails(3, &["export", "none", "out.jsonl"]);
    assert!(!exists(&sandbox.path("out.jsonl")) && !exists(&sandbox.path("out.jsonl.partial")));
    sandbox.fails(1, &["export", "s", "no/such/folder/out.jsonl"]);
}
