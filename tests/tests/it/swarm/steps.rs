//! `kill-every-step`: a host is killed at each of its calls of registry and object store, before the call is passed on and
//! after it was carried out.
//!
//! Goal: the transaction happened as a whole or not at all, and it did if and only if its segment was put; what was
//! acknowledged did; and the next writer of the same keys goes on in time. Method: `sop shell --json` behind proxies that
//! count its calls and kill it at one of them; the next writer is a host in this process.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use parking_lot::Mutex;
use rand::seq::SliceRandom;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sop_host::{Database, Isolation};
use sop_tests::servers::proxy::Proxy;
use sop_tests::servers::redis::RedisProcess;
use sop_tests::servers::s3::{BUCKET, Lie, LyingServer, settings};
use sop_tests::servers::steps::{Moment, Steps};
use tokio::runtime::Runtime;

use super::hosts::Place;
use super::{GOES_ON, runtime, seeded};
use crate::histories::shell::binary;

const STORES: [&str; 2] = ["a", "b"];
/// Items of a store before and in the transaction that is killed: enough to split a leaf.
const ITEMS: usize = 10;
const VALUE_BYTES: usize = 600;
/// Trials at a time: they mostly wait for leases.
const AT_ONCE: usize = 6;

/// What is under way when the host is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// A commit over two stores with a split in each.
    Commit,
    /// Opening a database that is not there, and its first commit.
    Beginning,
    /// Opening a database whose registry lost everything, and a commit.
    Recovery,
}

/// A call, counted from 1, and whether it is carried out.
type Step = (usize, Moment);

/// Servers, and a host's way to them.
struct Stage {
    redis: RedisProcess,
    server_port: u16,
    steps: Arc<Steps>,
    registry: Proxy,
    objects: Proxy,
}

/// What a trial came to.
struct Trial {
    /// The calls that the host made.
    seen: Vec<String>,
    /// Whether the segment of the transaction got through.
    put: bool,
}

fn value(store: &str, key: &str) -> String {
    format!("{store}/{key}/").repeat(VALUE_BYTES / (store.len() + key.len() + 2))
}

/// Keys of both generations lie between each other.
fn keys(generation: &str) -> Vec<String> {
    (0..ITEMS)
        .map(|number| format!("{number:02}-{generation}"))
        .collect()
}

impl Stage {
    fn start(runtime: &Runtime, work: Work) -> Self {
        let redis = RedisProcess::start();
        let server = runtime.block_on(LyingServer::start(Lie::None));
        let stage = Self {
            server_port: server.port(),
            steps: Arc::default(),
            registry: runtime.block_on(Proxy::raw(redis.port())),
            objects: runtime.block_on(Proxy::http(server.port())),
            redis,
        };
        stage.registry.count(&stage.steps);
        stage.objects.count(&stage.steps);
        if work != Work::Beginning {
            runtime.block_on(async {
                let database = stage.straight().open().await.unwrap();
                write(&database, "old").await;
                database.close().await.unwrap();
            });
        }
        if work == Work::Recovery {
            stage.redis.command(&["FLUSHALL"]);
        }
        stage
    }

    fn place(registry: u16, objects: u16) -> Place {
        let mut place = Place {
            url: format!("s3://{BUCKET}/steps"),
            ..Place::default()
        };
        place.backends.registry = Some(format!("redis://127.0.0.1:{registry}"));
        place.backends.object_store = settings(objects);
        place
    }

    fn straight(&self) -> Place {
        Self::place(self.redis.port(), self.server_port)
    }

    fn by_proxies(&self) -> Place {
        Self::place(self.registry.port(), self.objects.port())
    }
}

/// Writes a generation of items into both stores in one transaction; makes the stores if they are not there.
async fn write(database: &Database, generation: &str) {
    database
        .transact(async |transaction| {
            for name in STORES {
                let store = transaction.open_or_create_store(name).await?;
                for key in keys(generation) {
                    store.put(&key, value(name, &key)).await?;
                }
            }
            Ok(())
        })
        .await
        .unwrap();
}

/// Whether all items of a generation are there; panics if only some are.
async fn is_there(database: &Database, generation: &str) -> bool {
    let snapshot = database.begin(Isolation::Snapshot).await.unwrap();
    let known = snapshot.stores().await.unwrap();
    let mut found = Vec::new();
    for name in STORES {
        if !known.iter().any(|store| store.name == name) {
            found.extend(vec![false; ITEMS]);
            continue;
        }
        let store = snapshot.open_store(name).await.unwrap();
        for key in keys(generation) {
            let right = value(name, &key).into_bytes();
            let item = store.get(&key).await.unwrap();
            assert!(
                item.is_none() || item.as_ref() == Some(&right),
                "{name}/{key}: {item:?}"
            );
            found.push(item.is_some());
        }
        let count = store.count().await.unwrap();
        assert_eq!(
            count % ITEMS as u64,
            0,
            "a count is of one generation or of both"
        );
    }
    let all = found.iter().all(|found| *found);
    assert!(
        all || !found.iter().any(|found| *found),
        "between old and new: {found:?}"
    );
    all
}

/// The host that is killed.
struct Victim {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Victim {
    fn start(place: &Place) -> Self {
        let mut command = Command::new(binary());
        command.arg(format!("--database={}", place.url));
        command.args(
            place
                .backends
                .registry
                .iter()
                .map(|url| format!("--registry={url}")),
        );
        for (name, value) in &place.backends.object_store {
            command.arg(format!("--object-store={name}={value}"));
        }
        command.args(["shell", "--json"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        Self {
            stdin: child.stdin.take().unwrap(),
            stdout: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed()).unwrap()
    }

    /// The answer, if it lives to give one.
    fn ask(&mut self, request: &Value) -> Option<Value> {
        writeln!(self.stdin, "{request}")
            .and_then(|()| self.stdin.flush())
            .ok()?;
        let mut line = String::new();
        self.stdout.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }

    /// The same; it must be carried out.
    fn carry_out(&mut self, request: &Value) -> Option<()> {
        let answer = self.ask(request)?;
        assert!(answer["ok"].is_object(), "{request}: {answer}");
        Some(())
    }

    /// Everything before the commit.
    fn prepare(&mut self, work: Work) -> Option<()> {
        self.carry_out(&json!({"op": "begin", "txn": "t"}))?;
        for store in STORES {
            if work == Work::Beginning {
                self.carry_out(&json!({"op": "create_store", "txn": "t", "store": store}))?;
            }
            for key in keys("new") {
                let value = value(store, &key);
                self.carry_out(
                    &json!({"op": "put", "txn": "t", "store": store, "key": key, "value": value}),
                )?;
            }
        }
        Some(())
    }

    fn commit(&mut self) -> Option<()> {
        self.carry_out(&json!({"op": "commit", "txn": "t"}))
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the work up to this step, or to its end, kills the host, and lets the next writer go on.
fn attempt(runtime: &Runtime, work: Work, step: Option<Step>) -> Trial {
    let stage = Stage::start(runtime, work);
    let pid: Arc<OnceLock<Pid>> = Arc::default();
    let doomed = Arc::clone(&pid);
    let kill = move || {
        while doomed.get().is_none() {
            std::thread::yield_now();
        }
        let _ = doomed.get().map(|pid| kill_process(*pid, Signal::KILL));
    };
    let (at, moment) = step.unwrap_or((usize::MAX, Moment::Request));
    if work != Work::Commit {
        stage.steps.arm(at, moment, kill.clone());
    }
    let mut victim = Victim::start(&stage.by_proxies());
    let _ = pid.set(victim.pid());
    let mut acknowledged = None;
    if victim.prepare(work).is_some() {
        if work == Work::Commit {
            stage.steps.arm(at, moment, kill);
        }
        acknowledged = victim.commit();
    }
    let seen = stage.steps.seen();
    drop(victim);
    assert!(step.is_none() || stage.steps.sprung() || acknowledged.is_some());
    let passed = |(index, line): (usize, &String)| {
        line.starts_with("PUT")
            && line.contains("/segment/")
            && (index + 1 < at || moment == Moment::Answer)
    };
    let put = seen.iter().enumerate().take(at).any(passed);
    let begun = Instant::now();
    runtime.block_on(async {
        let database = stage.straight().open().await.unwrap();
        let new = is_there(&database, "new").await;
        let context = format!("{work:?}, {step:?}: {seen:?}");
        assert!(
            new || acknowledged.is_none(),
            "acknowledged and lost; {context}"
        );
        write(&database, "next").await;
        // Now it is decided.
        let decided = is_there(&database, "new").await;
        assert!(decided || !new, "it was there and is gone; {context}");
        assert_eq!(decided, put, "decided by its segment; {context}");
        assert!(
            work == Work::Beginning || is_there(&database, "old").await,
            "{context}"
        );
        assert!(is_there(&database, "next").await, "{context}");
        stage.redis.command(&["FLUSHALL"]);
        write(&database, "last").await;
        assert_eq!(
            is_there(&database, "new").await,
            decided,
            "recovered; {context}"
        );
        assert!(is_there(&database, "next").await, "recovered; {context}");
        let report = database.verify(|_| ()).await.unwrap();
        assert!(report.is_sound(), "{report:?}");
        database.close().await.unwrap();
        let took = begun.elapsed();
        assert!(took < GOES_ON, "the next writer took {took:?}; {context}");
        println!("{work:?} {step:?} new: {decided}; the next writer went on after {took:?}");
    });
    Trial { seen, put }
}

/// Kills at these steps of a work, or at so many of them, chosen at random.
fn sweep(work: Work, test: &str, trials_max: usize) {
    let mut rng = seeded(test);
    let runtime = runtime();
    let whole = attempt(&runtime, work, None);
    assert!(whole.put, "a commit puts a segment: {:?}", whole.seen);
    println!("{work:?}: {} calls: {:?}", whole.seen.len(), whole.seen);
    let moments = [Moment::Request, Moment::Answer];
    let mut first = 1;
    if trials_max < usize::MAX {
        // Trying the store out decides nothing.
        let probes = whole.seen.iter().rposition(|line| line.contains("/probe/"));
        first += probes.map_or(0, |last| last + 1);
    }
    let each = (first..=whole.seen.len()).flat_map(|at| moments.map(|moment| (at, moment)));
    let mut steps: Vec<Step> = each.collect();
    steps.shuffle(&mut rng);
    steps.truncate(trials_max);
    let left = Mutex::new(steps);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(step) = left.lock().pop() else {
                        return;
                    };
                    attempt(&runtime, work, Some(step));
                }
            });
        }
    });
}

#[test]
fn a_host_killed_in_a_commit_leaves_old_or_new() {
    sweep(
        Work::Commit,
        "steps::a_host_killed_in_a_commit_leaves_old_or_new",
        12,
    );
}

#[test]
fn a_host_killed_while_it_begins_a_database_leaves_old_or_new() {
    let test = "steps::a_host_killed_while_it_begins_a_database_leaves_old_or_new";
    sweep(Work::Beginning, test, AT_ONCE);
}

#[test]
fn a_host_killed_in_a_recovery_leaves_old_or_new() {
    sweep(
        Work::Recovery,
        "steps::a_host_killed_in_a_recovery_leaves_old_or_new",
        AT_ONCE,
    );
}

/// Some ten minutes: `cargo test --workspace --locked --test it -- --ignored swarm::steps --nocapture`.
#[test]
#[ignore = "long: every step"]
fn every_step() {
    for work in [Work::Commit, Work::Beginning, Work::Recovery] {
        sweep(work, "steps::every_step", usize::MAX);
    }
}
