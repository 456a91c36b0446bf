//! Components that know `wasi:keyvalue` and nothing of sop run unchanged, on buckets that are transactional
//! stores.
//!
//! Goal: a compare-and-swap has one winner and a sum counts each increment once, whatever number of processes
//! race; pages of keys, batches and errors are what the drafts say. Method: the components `claims`
//! (0.2.0-draft2) and `visits` (0.2.0-draft) of `guest-examples/keyvalue` under `sop run`, over a directory,
//! and over a directory and a real Redis for several processes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use sop_tests::servers::redis::RedisProcess;
use tempfile::TempDir;

use crate::histories::shell::binary;

/// Host processes of a race.
const PROCESSES: usize = 3;
/// Runs at once in each of them.
const RUNS: usize = 2;

/// A plugin that `make rust-plugins` has built.
fn plugin(name: &str) -> PathBuf {
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-examples/target"),
    };
    let path = target
        .join("wasm32-unknown-unknown/release")
        .join(name)
        .with_extension("wasm");
    assert!(
        path.is_file(),
        "{}: run `make rust-plugins`",
        path.display()
    );
    path
}

/// A database in a folder that goes with it.
struct Place {
    folder: TempDir,
    registry: Option<RedisProcess>,
}

impl Place {
    fn embedded() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            registry: None,
        }
    }

    /// For several processes.
    fn shared() -> Self {
        Self {
            registry: Some(RedisProcess::start()),
            ..Self::embedded()
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        let folder = self.folder.path().join("data");
        command.arg(format!("--database=dir:{}", folder.display()));
        if let Some(redis) = &self.registry {
            command.arg(format!("--registry={}", redis.url()));
        }
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs a plugin once.
    fn run(&self, plugin_name: &str, grant: &str, input: &Value) -> Output {
        let (plugin, input) = (plugin(plugin_name), input.to_string());
        let arguments = [
            "run",
            plugin.to_str().unwrap(),
            "--grant",
            grant,
            "--input",
            &input,
        ];
        self.command(&arguments).output().unwrap()
    }

    fn answer(&self, plugin_name: &str, grant: &str, input: &Value) -> Value {
        let output = self.run(plugin_name, grant, input);
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{input}: {message}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn refusal(&self, plugin_name: &str, grant: &str, input: &Value) -> String {
        let output = self.run(plugin_name, grant, input);
        assert!(!output.status.success(), "{input}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Runs a plugin several times at once in several processes; the answers by process.
    fn race(
        &self,
        name: &str,
        grant: &str,
        processes: usize,
        input: impl Fn(usize) -> Value,
    ) -> Vec<Vec<Value>> {
        let (plugin, runs) = (plugin(name), RUNS.to_string());
        let start = |process| {
            let input = input(process).to_string();
            let arguments = [
                "run",
                plugin.to_str().unwrap(),
                "--grant",
                grant,
                "--input",
                &input,
            ];
            let often = ["--repeat", &runs, "--parallel", &runs, "--timeout", "60s"];
            self.command(&arguments)
                .args(often)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let children: Vec<_> = (0..processes).map(start).collect();
        let finish = |child: std::process::Child| {
            let output = child.wait_with_output().unwrap();
            let message = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{message}");
            let text = String::from_utf8(output.stdout).unwrap();
            let answers = text.lines().map(|line| serde_json::from_str(line).unwrap());
            answers.collect()
        };
        children.into_iter().map(finish).collect()
    }
}

/// Lets processes claim slots; each is named by its number. Answers how many races were lost, and by how many
/// processes slots were won.
fn claim(place: &Place, processes: usize, slots: u64) -> (u64, usize) {
    let input = |process| json!({ "claim": { "claimer": format!("{process}"), "slots": slots } });
    let answers = place.race("claims", "claims:create", processes, input);
    let mut winners: BTreeMap<u64, usize> = BTreeMap::new();
    let mut races = 0;
    for (process, answers) in answers.iter().enumerate() {
        assert_eq!(answers.len(), RUNS);
        for answer in answers {
            let won = answer["won"].as_array().unwrap();
            races += answer["races"].as_u64().unwrap();
            assert_eq!(won.len() as u64 + answer["lost"].as_u64().unwrap(), slots);
            for slot in won {
                let before = winners.insert(slot.as_u64().unwrap(), process);
                assert_eq!(before, None, "slot {slot} was won twice");
            }
        }
    }
    assert_eq!(winners.len() as u64, slots, "a slot was won by nobody");
    let report = place.answer("claims", "claims:ro", &json!({ "report": null }));
    assert_eq!(report["count"], slots, "counted by swaps");
    assert_eq!(report["sum"], slots, "counted by increments");
    for (slot, winner) in &winners {
        assert_eq!(report["slots"][slot.to_string()], winner.to_string());
    }
    let mut successful: Vec<_> = winners.into_values().collect();
    successful.sort_unstable();
    successful.dedup();
    (races, successful.len())
}

#[test]
fn swaps_of_several_processes_have_one_winner_each() {
    let place = Place::shared();
    // Compiles the plugin, so that the processes begin together.
    let report = place.answer("claims", "claims:create", &json!({ "report": null }));
    assert_eq!(report["count"], 0);
    let (races, winners) = claim(&place, PROCESSES, 100);
    println!("100 slots, {winners} of {PROCESSES} processes won some, {races} races lost");
    assert!(winners > 1 && races > 0, "the processes never met");
}

#[test]
fn swaps_of_runs_in_one_process_have_one_winner_each() {
    let (races, _) = claim(&Place::embedded(), 1, 200);
    println!("200 slots, {races} races lost");
}

#[test]
fn increments_of_several_processes_count_once_each() {
    let place = Place::shared();
    let visit = |page: &str, times: u32| json!({ "visit": { "page": page, "times": times } });
    assert_eq!(
        place.answer("visits", "visits:create", &visit("home", 1)),
        1
    );
    place.race("visits", "visits:rw", PROCESSES, |_| visit("home", 40));
    let all = 1 + PROCESSES * RUNS * 40;
    let look = json!({ "look": ["home", "none"] });
    let found = place.answer("visits", "visits:ro", &look);
    assert_eq!(found, json!({ "home": all }));
    // The number is text to everybody else too.
    let output = place.command(&["get", "visits", "home"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), all.to_string());
}

#[test]
fn keys_come_in_pages_in_one_run_and_over_runs() {
    let place = Place::embedded();
    let pages: BTreeMap<String, u64> = (0..2_345)
        .map(|page| (format!("{page:05}"), page))
        .collect();
    let visits = |grant: &str, input: Value| place.answer("visits", grant, &input);
    assert_eq!(visits("visits:create", json!({ "add": pages })), 2_345);
    // Another program's keys that are no text have no form in a list of strings.
    let put = place
        .command(&["put", "--hex", "visits", "ff00", "31"])
        .output()
        .unwrap();
    assert!(
        put.status.success(),
        "{}",
        String::from_utf8_lossy(&put.stderr)
    );

    assert_eq!(visits("visits:ro", json!({ "all": null })), 2_345);
    let (mut keys, mut from) = (Vec::new(), 0);
    loop {
        // A fresh run knows nothing of the page before but the number.
        let answer = visits("visits:ro", json!({ "pages": from }));
        keys.extend(answer[0].as_array().unwrap().iter().cloned());
        match answer[1].as_u64() {
            Some(next) => from = next,
            None => break,
        }
    }
    let expected: Vec<_> = pages.keys().map(|key| json!(key)).collect();
    assert!(keys == expected, "{} keys", keys.len());
    assert_eq!(
        visits("visits:ro", json!({ "pages": 9_999 })),
        json!([[], null])
    );

    let forget: Vec<_> = pages.keys().take(2_000).collect();
    assert_eq!(visits("visits:rw", json!({ "forget": forget })), 2_000);
    assert_eq!(visits("visits:ro", json!({ "all": null })), 345);
}

#[test]
fn a_bucket_is_what_is_granted() {
    let place = Place::embedded();
    let visit = json!({ "visit": { "page": "home", "times": 1 } });
    let refused = |grant: &str, words: &str| {
        let message = place.refusal("visits", grant, &visit);
        assert!(message.contains(words), "{grant}: {message}");
    };
    refused("other:create", "access denied");
    refused("visits:rw", "no such store");
    assert_eq!(place.answer("visits", "visits:create", &visit), 1);
    refused("visits:ro", "access denied");
    assert_eq!(place.answer("visits", "visits:rw", &visit), 2);

    let put = place
        .command(&["put", "visits", "home", "many"])
        .output()
        .unwrap();
    assert!(put.status.success());
    refused("visits:rw", "no decimal number");
    let most = json!({ "add": { "home": u64::MAX } });
    assert_eq!(place.answer("visits", "visits:rw", &most), 1);
    refused("visits:rw", "outside of its range");
    let unnamed = json!({ "bucket": "", "visit": { "page": "home", "times": 3 } });
    assert_eq!(place.answer("visits", "default:create", &unnamed), 3);
}

/// The second draft had another answer of `get-many` before Spin's.
#[test]
fn another_shape_of_a_draft_is_refused_in_words() {
    let place = Place::embedded();
    let component = r#"(component
        (import "wasi:keyvalue/batch@0.2.0-draft2" (instance
            (export "get-many" (func (param "keys" (list string)) (result (list u8)))))))"#;
    let path = place.folder.path().join("other.wat");
    std::fs::write(&path, component).unwrap();
    let output = place
        .command(&["run", path.to_str().unwrap()])
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        message.contains("wit-draft2") && message.contains("wasi:keyvalue/batch"),
        "{message}"
    );
}
