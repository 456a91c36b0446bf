//! `registry-loss`: the registry loses everything, or one key, or the last second, while hosts move money.
//!
//! Goal: each time the hosts notice, recover, and go on; nothing that was acknowledged is lost or doubled.

use rand::Rng;
use rand::seq::SliceRandom;
use sop_tests::servers::redis::{RedisProcess, wait_for};
use tempfile::TempDir;

use super::hosts::{Hosts, Load, Place};
use super::ledger::{audit, prepare};
use super::{runtime, seeded};

const HOSTS: usize = 3;
const LOAD: Load = Load {
    clients: 3,
    accounts: 24,
    seed: 0,
};
/// The keys of an epoch; the root is `epoch`.
const PARTS: [&str; 10] = [
    "handles",
    "past",
    "queue",
    "intents",
    "reservations",
    "claims",
    "feed",
    "published",
    "snapshots",
    "marks",
];

struct Scene {
    runtime: tokio::runtime::Runtime,
    _folder: TempDir,
    place: Place,
    hosts: Hosts,
}

impl Scene {
    fn start(redis: &RedisProcess, seed: u64) -> Self {
        let (runtime, folder) = (runtime(), tempfile::tempdir().unwrap());
        let place = Place::directory(&folder.path().join("data"), &redis.url());
        runtime.block_on(prepare(&place));
        let places = vec![place.clone(); HOSTS];
        let hosts = Hosts::start(&places, Load { seed, ..LOAD });
        Self {
            runtime,
            _folder: folder,
            place,
            hosts,
        }
    }

    /// Ends the load and judges what is there.
    fn end(self, redis: &RedisProcess) {
        let record = self.hosts.end();
        audit(&self.runtime, &self.place, &record, || {
            redis.command(&["FLUSHALL"]);
        });
    }
}

/// The key of a part, in the newest epoch.
fn key(redis: &RedisProcess, part: &str) -> Option<String> {
    let keys: Vec<String> = redis.query(&["KEYS", "sop:*"]).unwrap();
    let of_epoch = |key: &String| {
        let epoch = key.split(':').nth(2)?.parse::<u64>().ok();
        key.ends_with(&format!(":{part}"))
            .then_some((epoch, key.clone()))
    };
    keys.iter().filter_map(of_epoch).max().map(|(_, key)| key)
}

#[test]
fn keys_that_vanish_under_load_are_recovered() {
    let mut rng = seeded("loss::keys_that_vanish_under_load_are_recovered");
    let redis = RedisProcess::start();
    let scene = Scene::start(&redis, rng.random());
    let mut parts = PARTS.to_vec();
    parts.push("epoch");
    parts.shuffle(&mut rng);
    for part in parts {
        let Some(key) = key(&redis, part) else {
            panic!("there is no key {part}");
        };
        scene.hosts.wait_for("load", rng.random_range(1..30));
        redis.command(&["DEL", &key]);
        scene.hosts.go_on(&format!("DEL {key}"));
    }
    scene.end(&redis);
}

#[test]
fn a_registry_that_loses_everything_under_load_is_recovered() {
    let mut rng = seeded("loss::a_registry_that_loses_everything_under_load_is_recovered");
    let mut redis = RedisProcess::start();
    let mut scene = Scene::start(&redis, rng.random());
    for round in 0..2 {
        scene.hosts.wait_for("load", rng.random_range(1..60));
        redis.command(&["FLUSHALL"]);
        if rng.random() {
            // Again, while they recover.
            std::thread::sleep(std::time::Duration::from_millis(rng.random_range(0..500)));
            redis.command(&["FLUSHALL"]);
        }
        scene.hosts.go_on("FLUSHALL");
        redis.restart();
        scene.hosts.go_on("a restart without persistence");
        if round == 0 {
            // A host dies in the recovery, or just before or after it.
            redis.command(&["FLUSHALL"]);
            std::thread::sleep(std::time::Duration::from_millis(rng.random_range(0..400)));
            scene.hosts.kill(rng.random_range(0..HOSTS));
            scene.hosts.go_on("FLUSHALL and a host that was killed");
        }
    }
    scene.end(&redis);
}

#[test]
fn evicted_keys_are_recovered_and_a_full_registry_loses_nothing() {
    let mut rng = seeded("loss::evicted_keys_are_recovered_and_a_full_registry_loses_nothing");
    let redis = RedisProcess::start();
    let scene = Scene::start(&redis, rng.random());
    let evicted = || -> u64 { redis.info("stats", "evicted_keys").parse().unwrap() };
    let set = |name: &str, value: &str| redis.command(&["CONFIG", "SET", name, value]);
    for policy in ["allkeys-random", "allkeys-lru", "allkeys-random"] {
        let before = evicted();
        set("maxmemory-policy", policy);
        // Just below what is used, so that one key goes rather than all.
        wait_for("an eviction", || {
            let used: u64 = redis.info("memory", "used_memory").parse().unwrap();
            set(
                "maxmemory",
                &(used - rng.random_range(1..2_000)).to_string(),
            );
            evicted() > before
        });
        set("maxmemory", "0");
        println!("{} keys evicted", evicted() - before);
        scene.hosts.go_on(policy);
    }
    // With the policy that is asked for, a full server refuses, and nothing is lost.
    set("maxmemory-policy", "noeviction");
    let number: u64 = rng.random_range(1..3);
    for _ in 0..number {
        set("maxmemory", "1");
        std::thread::sleep(std::time::Duration::from_millis(
            rng.random_range(100..2_000),
        ));
        set("maxmemory", "0");
        scene.hosts.go_on("a full server");
    }
    scene.end(&redis);
}

#[test]
fn a_restart_that_loses_the_last_second_is_recovered() {
    let mut rng = seeded("loss::a_restart_that_loses_the_last_second_is_recovered");
    let arguments = [
        "--save",
        "",
        "--appendonly",
        "yes",
        "--appendfsync",
        "everysec",
    ];
    let mut redis = RedisProcess::start_with(&arguments);
    let scene = Scene::start(&redis, rng.random());
    for _ in 0..3 {
        scene.hosts.wait_for("load", rng.random_range(10..60));
        redis.kill();
        // What the system had not written to the disk when the machine stopped.
        cut_log(redis.directory(), rng.random_range(0..20_000));
        redis.restart();
        scene.hosts.go_on("a restart with AOF everysec");
    }
    scene.end(&redis);
}

/// Takes some bytes off the end of the append-only file.
fn cut_log(folder: &std::path::Path, bytes: u64) {
    let files = std::fs::read_dir(folder.join("appendonlydir")).unwrap();
    for file in files.map(|file| file.unwrap().path()) {
        if file.to_string_lossy().ends_with(".incr.aof") {
            let file = std::fs::File::options().write(true).open(file).unwrap();
            let length = file.metadata().unwrap().len();
            file.set_len(length.saturating_sub(bytes)).unwrap();
        }
    }
}
