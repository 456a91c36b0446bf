//! `s3-faults`: an object store that refuses, lies about what it did, hangs, or breaks off, while hosts move money.
//!
//! Goal: no wrong data, nothing acknowledged lost or doubled, a bounded number of requests, and the right kind of error.

use std::process::Command;
use std::time::{Duration, Instant};

use rand::Rng;
use rand::seq::SliceRandom;
use serde_json::Value;
use sop_tests::servers::proxy::{Fault, Proxy};
use sop_tests::servers::redis::RedisProcess;
use sop_tests::servers::s3::{BUCKET, Lie, LyingServer, S3Server, settings};

use super::hosts::{Hosts, Load, Place};
use super::ledger::{audit, prepare};
use super::{runtime, seeded};
use crate::histories::shell::binary;

const LOAD: Load = Load {
    clients: 2,
    accounts: 24,
    seed: 0,
};
/// How long a fault lasts.
const FAULT: Duration = Duration::from_millis(1_500);
/// Faults of one test of the gate.
const FAULTS: usize = 8;
/// Requests that one command may make while all of them fail: each of its calls is repeated a few times.
const REQUESTS_MAX: usize = 60;
/// How long such a command may take.
const COMMAND: Duration = Duration::from_secs(120);

fn faults() -> Vec<Fault> {
    let mut faults: Vec<Fault> = [500, 503, 429, 403, 412].map(Fault::Answer).to_vec();
    faults.extend([500, 503, 429, 403, 412].map(Fault::AnswerInstead));
    faults.extend([
        Fault::Refuse,
        Fault::LoseAnswer,
        Fault::CutRequest(60),
        Fault::CutAnswer(30),
        Fault::Drip(64, Duration::from_millis(40)),
        Fault::Delay(Duration::from_millis(700)),
        Fault::Hold,
    ]);
    faults
}

fn place(registry: &RedisProcess, objects: u16) -> Place {
    let random: u64 = rand::random();
    let mut place = Place {
        url: format!("s3://{BUCKET}/faults-{random:x}"),
        ..Place::default()
    };
    place.backends.registry = Some(registry.url());
    place.backends.object_store = settings(objects);
    place
}

fn survive(test: &str, port: u16, faults_max: usize) {
    let mut rng = seeded(test);
    let (runtime, redis) = (runtime(), RedisProcess::start());
    let straight = place(&redis, port);
    runtime.block_on(prepare(&straight));
    // One host suffers alone, two share what happens to them.
    let proxies = [port, port].map(|port| runtime.block_on(Proxy::http(port)));
    let by = |proxy: &Proxy| {
        let mut place = straight.clone();
        place.backends.object_store = settings(proxy.port());
        place
    };
    let places = [by(&proxies[0]), by(&proxies[1]), by(&proxies[1])];
    let seed = rng.random();
    let hosts = Hosts::start(&places, Load { seed, ..LOAD });
    let mut faults = faults();
    faults.shuffle(&mut rng);
    for fault in faults.into_iter().take(faults_max) {
        let proxy = &proxies[usize::from(rng.random::<bool>())];
        // Everything, or only some of the puts, or only some of the rest.
        match rng.random_range(0..3) {
            0 => proxy.set(fault),
            1 => proxy.next(fault, "PUT /", rng.random_range(1..10)),
            _ => proxy.next(fault, "GET /", rng.random_range(1..10)),
        }
        std::thread::sleep(FAULT);
        proxy.set(Fault::None);
        hosts.go_on(&format!("{fault:?}"));
    }
    let record = hosts.end();
    audit(&runtime, &straight, &record, || {
        redis.command(&["FLUSHALL"])
    });
    for kind in record.kinds.keys() {
        let honest = ["conflict", "unavailable", "denied", "snapshot-expired"];
        assert!(honest.contains(&kind.as_str()), "{kind}: {record}");
    }
}

#[test]
fn money_survives_an_object_store_with_faults() {
    let runtime = runtime();
    let server = runtime.block_on(LyingServer::start(Lie::None));
    survive(
        "objects::money_survives_an_object_store_with_faults",
        server.port(),
        FAULTS,
    );
}

/// Some three minutes: `cargo test --workspace --locked --test it -- --ignored swarm::objects --nocapture`.
#[test]
#[ignore = "long: all faults, on SeaweedFS"]
fn money_survives_all_faults() {
    survive(
        "objects::money_survives_all_faults",
        S3Server::shared().port(),
        usize::MAX,
    );
}

/// Runs a command; answers its exit code and the kind of its error.
fn command(place: &Place, words: &[&str]) -> (Option<i32>, String) {
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
    let output = command.arg("--json").args(words).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let answer: Value = serde_json::from_str(text.lines().last().unwrap_or("{}")).unwrap();
    let kind = answer["error"]["kind"]
        .as_str()
        .unwrap_or("none")
        .to_owned();
    (output.status.code(), kind)
}

/// What a command says and how often it asks when all requests of a kind fail.
#[test]
fn commands_tell_what_is_wrong_with_the_object_store() {
    let runtime = runtime();
    let redis = RedisProcess::start();
    let server = runtime.block_on(LyingServer::start(Lie::None));
    let straight = place(&redis, server.port());
    assert_eq!(command(&straight, &["create", "s"]).0, Some(0));
    assert_eq!(command(&straight, &["put", "s", "k", "v"]).0, Some(0));
    let cases = [
        (Fault::Answer(500), "unavailable", 5),
        (Fault::Answer(503), "unavailable", 5),
        (Fault::Answer(429), "unavailable", 5),
        (Fault::Answer(403), "denied", 7),
        (Fault::Refuse, "unavailable", 5),
        (Fault::CutAnswer(30), "unavailable", 5),
    ];
    std::thread::scope(|scope| {
        for (fault, kind, exit) in cases {
            let (runtime, straight, server) = (&runtime, &straight, &server);
            scope.spawn(move || {
                let proxy = runtime.block_on(Proxy::http(server.port()));
                proxy.set(fault);
                let mut place = straight.clone();
                place.backends.object_store = settings(proxy.port());
                for words in [&["get", "s", "k"][..], &["put", "s", "k", "w"]] {
                    let (begun, before) = (Instant::now(), proxy.seen(""));
                    assert_eq!(
                        command(&place, words),
                        (Some(exit), kind.to_owned()),
                        "{fault:?} {words:?}"
                    );
                    let requests = proxy.seen("") - before;
                    println!(
                        "{fault:?} {words:?}: {requests} requests, {:?}",
                        begun.elapsed()
                    );
                    assert!(
                        requests <= REQUESTS_MAX,
                        "{fault:?} {words:?}: {requests} requests"
                    );
                    assert!(begun.elapsed() < COMMAND, "{fault:?} {words:?}");
                }
            });
        }
    });
    assert_eq!(
        command(&straight, &["get", "s", "k"]),
        (Some(0), "none".to_owned())
    );
}
