//! The session of a program, `sop shell --json`: every operation, bad lines, many transactions, its
//! end. And the same shell fed with the commands that people type.

use serde_json::{Value, json};

use super::{Sandbox, Session};

#[test]
fn every_operation_answers_its_documented_form() {
    let mut s = Session::memory(&[]);
    s.begin("t");
    assert_eq!(
        s.ok(json!({"op":"create_store","txn":"t","store":"s"})),
        json!({})
    );
    assert_eq!(
        s.error(json!({"op":"create_store","txn":"t","store":"s"})),
        "exists"
    );
    assert_eq!(
        s.ok(json!({"op":"stores","txn":"t"})),
        json!({"stores":["s"]})
    );
    assert_eq!(
        s.ok(json!({"op":"first","txn":"t","store":"s"})),
        json!({"entry":null})
    );
    for (key, value) in [("a", "1"), ("b", "2"), ("c", "3")] {
        assert_eq!(
            s.ok(json!({"op":"put","txn":"t","store":"s","key":key,"value":value})),
            json!({})
        );
    }
    assert_eq!(
        s.ok(json!({"op":"get","txn":"t","store":"s","key":"a"})),
        json!({"value":"1"})
    );
    assert_eq!(
        s.ok(json!({"op":"get","txn":"t","store":"s","key":"x"})),
        json!({"value":null})
    );
    let many = json!({"op":"get_many","txn":"t","store":"s","keys":["c","x","a"]});
    assert_eq!(s.ok(many), json!({"values":["3",null,"1"]}));
    assert_eq!(
        s.error(json!({"op":"insert","txn":"t","store":"s","key":"a","value":""})),
        "exists"
    );
    assert_eq!(
        s.error(json!({"op":"update","txn":"t","store":"s","key":"x","value":""})),
        "not-found"
    );
    assert_eq!(
        s.ok(json!({"op":"update","txn":"t","store":"s","key":"a","value":"9"})),
        json!({})
    );
    assert_eq!(
        s.ok(json!({"op":"insert","txn":"t","store":"s","key":"d","value":"4"})),
        json!({})
    );
    assert_eq!(
        s.ok(json!({"op":"contains","txn":"t","store":"s","key":"d"})),
        json!({"contains":true})
    );
    assert_eq!(
        s.ok(json!({"op":"count","txn":"t","store":"s"})),
        json!({"count":4})
    );
    assert_eq!(
        s.ok(json!({"op":"first","txn":"t","store":"s"})),
        json!({"entry":["a","9"]})
    );
    assert_eq!(
        s.ok(json!({"op":"last","txn":"t","store":"s"})),
        json!({"entry":["d","4"]})
    );
    assert_eq!(
        s.ok(json!({"op":"remove","txn":"t","store":"s","key":"d"})),
        json!({"removed":true})
    );
    assert_eq!(
        s.ok(json!({"op":"remove","txn":"t","store":"s","key":"d"})),
        json!({"removed":false})
    );
    assert_eq!(
        s.ok(json!({"op":"savepoint","txn":"t","name":"p"})),
        json!({})
    );
    let range =
        json!({"op":"remove_range","txn":"t","store":"s","from":"a","to":"b","to_inclusive":true});
    assert_eq!(s.ok(range), json!({"removed":2}));
    assert_eq!(
        s.ok(json!({"op":"rollback_to","txn":"t","name":"p"})),
        json!({})
    );
    assert_eq!(
        s.error(json!({"op":"rollback_to","txn":"t","name":"q"})),
        "not-found"
    );
    let info = s.ok(json!({"op":"commit","txn":"t"}));
    assert!(
        info["version"].is_u64() && info["revalidations"].is_u64(),
        "{info}"
    );
    assert_eq!(s.ok(json!({"op":"verify"}))["sound"], true);
    assert_eq!(s.ok(json!({"op":"checkpoint"})), json!({}));
    assert!(s.ok(json!({"op":"stat"}))["commits"].as_u64().unwrap() >= 1);
    let lost = json!({"op":"outcome","commit":"00000000000000000000000000000001"});
    assert_eq!(s.ok(lost), json!({"outcome":"unknown"}));
    assert_eq!(s.end(), 0);
}

#[test]
fn scans_take_every_bound_direction_and_limit() {
    let mut s = Session::memory(&["s"]);
    for key in ["a", "b", "c", "d"] {
        s.ok(json!({"op":"put","store":"s","key":key,"value":""}));
    }
    let mut keys = |members: Value| {
        let mut request = json!({"op":"scan","store":"s"});
        request
            .as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        let entries = s.ok(request)["entries"].take();
        entries
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry[0].as_str().unwrap().to_owned())
            .collect::<String>()
    };
    assert_eq!(keys(json!({})), "abcd");
    assert_eq!(keys(json!({"from":"b","to":"d"})), "bc");
    assert_eq!(
        keys(json!({"from":"b","to":"d","to_inclusive":true})),
        "bcd"
    );
    assert_eq!(keys(json!({"from":"b","from_inclusive":false})), "cd");
    assert_eq!(keys(json!({"reverse":true,"limit":2})), "dc");
    assert_eq!(
        keys(json!({"reverse":true,"from":"b","to":"c","to_inclusive":true})),
        "cb"
    );
    assert_eq!(keys(json!({"limit":0})), "");
    assert_eq!(keys(json!({"from":"c","to":"a"})), "");
    assert_eq!(keys(json!({"prefix":"b"})), "b");
}

#[test]
fn bytes_that_are_no_text_are_base64_both_ways() {
    let mut s = Session::memory(&["s"]);
    let key = json!({"base64":"AP8="});
    s.ok(json!({"op":"put","store":"s","key":key,"value":{"base64":"//4="}}));
    assert_eq!(
        s.ok(json!({"op":"get","store":"s","key":key})),
        json!({"value":{"base64":"//4="}})
    );
    assert_eq!(
        s.ok(json!({"op":"first","store":"s"})),
        json!({"entry":[key,{"base64":"//4="}]})
    );
    s.ok(json!({"op":"put","store":"s","key":"\u{0}","value":"\u{1F41C}\n"}));
    assert_eq!(
        s.ok(json!({"op":"get","store":"s","key":"\u{0}"})),
        json!({"value":"\u{1F41C}\n"})
    );
}

#[test]
fn bad_lines_get_an_answer_and_the_session_goes_on() {
    let mut s = Session::memory(&["s"]);
    s.begin("t");
    s.put("t", "s", "k", "v");
    let bad: [&[u8]; 12] = [
        b"",
        b"nonsense",
        b"{",
        b"[]",
        b"7",
        b"\"op\"",
        b"{}",
        b"{\"op\":\"fly\"}",
        b"{\"op\":\"get\",\"store\":\"s\"}",
        b"{\"op\":\"get\",\"store\":\"s\",\"key\":7}",
        b"{\"op\":\"get\",\"store\":\"s\",\"key\":\"k\",\"unknown\":1}",
        b"\xff\xfe",
    ];
    for line in bad {
        let answer = s.line(line);
        assert_eq!(answer["error"]["kind"], "invalid", "{answer}");
    }
    assert_eq!(s.ask(json!({"op":"fly","id":"x"}))["id"], "x");
    assert_eq!(
        s.ask(json!({"op":"stores","id":{"n":1}})),
        json!({"ok":{"stores":["s"]},"id":{"n":1}})
    );
    assert_eq!(s.get("t", "s", "k"), "v");
    assert!(s.commit("t"));
}

#[test]
fn an_over_long_line_is_refused_and_the_next_one_is_read() {
    let mut s = Session::memory(&["s"]);
    let line = vec![b'x'; (128 << 20) + 1];
    let answer = s.line(&line);
    assert_eq!(answer["error"]["kind"], "invalid", "{answer}");
    assert_eq!(s.ok(json!({"op":"stores"})), json!({"stores":["s"]}));
}

#[test]
fn names_are_taken_until_their_transaction_ends() {
    let mut s = Session::memory(&["s"]);
    let begin = json!({"op":"begin","txn":"t"});
    s.begin("t");
    assert_eq!(s.error(begin.clone()), "exists");
    assert!(s.commit("t"));
    s.begin("t");
    s.ok(json!({"op":"rollback","txn":"t"}));
    s.begin("t");
    s.get("t", "s", "k");
    s.put("t", "s", "k", "1");
    s.ok(json!({"op":"put","store":"s","key":"k","value":"2"}));
    assert!(!s.commit("t"));
    s.begin("t");
    for op in ["commit", "rollback"] {
        assert_eq!(s.error(json!({"op":op,"txn":"other"})), "not-found");
    }
    assert_eq!(
        s.error(json!({"op":"get","txn":"other","store":"s","key":"k"})),
        "not-found"
    );
    assert_eq!(
        s.error(json!({"op":"get","txn":"t","store":"none","key":"k"})),
        "not-found"
    );
    assert_eq!(
        s.error(json!({"op":"get","store":"none","key":"k"})),
        "not-found"
    );
}

#[test]
fn a_hundred_transactions_are_open_at_once() {
    let mut s = Session::memory(&["s"]);
    let names: Vec<String> = (0..100).map(|number| format!("t{number}")).collect();
    names.iter().for_each(|name| s.begin(name));
    for name in &names {
        s.put(name, "s", name, "v");
        assert_eq!(s.get(name, "s", name), "v");
    }
    for (name, other) in names.iter().zip(names.iter().skip(1)) {
        assert_eq!(s.get(name, "s", other), Value::Null);
    }
    // Each but the last looked for the key that the next one puts. From the last to the first,
    // every one of them finds that it appeared; so exactly every second one commits.
    let committed: Vec<bool> = names.iter().rev().map(|name| s.commit(name)).collect();
    let expected: Vec<bool> = (0..100).map(|place| place % 2 == 0).collect();
    assert_eq!(committed, expected);
    assert_eq!(s.ok(json!({"op":"count","store":"s"})), json!({"count":50}));
    assert_eq!(s.end(), 0);
}

#[test]
fn a_request_without_a_transaction_is_one_of_its_own() {
    let mut s = Session::memory(&["s"]);
    let version = s.ok(json!({"op":"put","store":"s","key":"k","value":"v"}))["version"].clone();
    assert!(version.is_u64());
    assert_eq!(
        s.ok(json!({"op":"get","store":"s","key":"k"})),
        json!({"value":"v"})
    );
    let removed = s.ok(json!({"op":"remove","store":"s","key":"k"}));
    assert_eq!(removed["removed"], true);
    assert!(removed["version"].as_u64() > version.as_u64());
    for op in ["begin", "commit", "rollback", "savepoint"] {
        assert_eq!(s.error(json!({"op":op,"name":"p"})), "invalid");
    }
}

#[test]
fn the_end_of_input_rolls_back_and_closes() {
    let sandbox = Sandbox::with_store();
    let mut s = sandbox.session();
    s.begin("t");
    s.put("t", "s", "lost", "v");
    s.ok(json!({"op":"put","store":"s","key":"kept","value":"v"}));
    assert_eq!(s.end(), 0);
    assert_eq!(sandbox.ok(&["scan", "s", "--keys-only"]), "kept\n");
    assert_eq!(sandbox.json(&["verify"])["sound"], true);
}

#[test]
fn an_interrupt_rolls_back_and_closes() {
    let sandbox = Sandbox::with_store();
    let mut s = sandbox.session();
    s.begin("t");
    s.put("t", "s", "lost", "v");
    let process = s.child.id().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-INT", &process])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(s.child.wait().unwrap().code(), Some(130));
    assert_eq!(sandbox.ok(&["count", "s"]), "0\n");
}

#[test]
fn a_read_only_session_cannot_write_and_takes_no_lock() {
    let sandbox = Sandbox::with_store();
    let mut s = Session::start(sandbox.command(&["shell", "--json", "--read-only"]));
    assert_eq!(s.ok(json!({"op":"stores"})), json!({"stores":["s"]}));
    assert_eq!(
        s.error(json!({"op":"put","store":"s","key":"k","value":"v"})),
        "read-only"
    );
    assert_eq!(s.end(), 0);
}

#[test]
fn people_type_commands() {
    let sandbox = Sandbox::with_store();
    let script = "put s 'a key' \"a \\x41\"\nget s 'a key'\nbegin\nput s k 1\n@t1 get s k\nget s none\nrollback\nget s k\n\
        begin r snapshot\ntransactions\nuse\nscan s\ncount s\nhelp\nexit\nput s never reached\n";
    let ran = sandbox.run_with(&["shell"], script.as_bytes());
    assert_eq!(ran.code, 0, "{ran:?}");
    let text = String::from_utf8(ran.stdout).unwrap();
    for part in [
        "a A\n",
        "begun at version",
        "(absent)\n",
        "\nr\n",
        "a key",
        "\n1\n",
        "rollback-to NAME",
    ] {
        assert!(text.contains(part), "{part:?}: {text}");
    }
    assert_eq!(sandbox.ok(&["count", "s"]), "1\n");
    let ran = sandbox.run_with(&["shell"], b"fly\nget s\nget none k\nstores\n");
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("no command `fly`") && ran.stderr.contains("a key is missing"),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("not-found: "), "{ran:?}");
    assert_eq!(ran.stdout, b"s\n");
}
