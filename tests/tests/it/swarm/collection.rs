//! `collection safety`: segments are collected and compacted all the time, by several processes, which are killed in the
//! middle of it, while hosts move money, a reader holds a snapshot, and the registry loses everything.
//!
//! Goal: nothing acknowledged is lost or doubled, a snapshot reads one state or has expired, and in the end the object store
//! holds little more than what lives.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rand::Rng;
use sop_host::{Database, Direction, Error, KeyRange};
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
/// Room per live byte after a compaction, in percent.
const ROOM_PERCENT_MAX: u64 = 130;

/// The sum and the number of all items of the ledger, as a snapshot reads them again and again; expired is fair.
async fn reader(database: Database, until: Instant) -> (u64, u64) {
    let (mut reads, mut expired) = (0, 0);
    while Instant::now() < until {
        let snapshot = database.snapshot().await.unwrap();
        let store = snapshot.open_store("ledger").await.unwrap();
        let mut first: Option<(usize, usize)> = None;
        for _ in 0..4 {
            let all = store.stream(KeyRange::from(..), Direction::Ascending).await;
            let mut seen = (0, 0);
            let mut all = match all {
                Ok(all) => all,
                Err(error) => {
                    assert!(is_fair(&error), "{error}");
                    expired += 1;
                    break;
                }
            };
            let read = loop {
                match all.next().await {
                    Ok(Some(item)) => {
                        seen = (seen.0 + 1, seen.1 + item.key.len() + item.value.len())
                    }
                    Ok(None) => break true,
                    Err(error) => {
                        assert!(is_fair(&error), "{error}");
                        break false;
                    }
                }
            };
            if !read {
                expired += 1;
                break;
            }
            assert_eq!(*first.get_or_insert(seen), seen, "one snapshot, two states");
            reads += 1;
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
    }
    (reads, expired)
}

fn is_fair(error: &Error) -> bool {
    matches!(
        error.kind(),
        "snapshot-expired" | "conflict" | "unavailable"
    )
}

/// A process that compacts, killed after a while.
fn compact_and_die(place: &Place, after: Duration) {
    let mut command = Command::new(binary());
    command.args(["--database", &place.url, "compact", "--quiet"]);
    let registry = place.backends.registry.as_deref().unwrap();
    command.args(["--registry", registry]);
    for (name, value) in &place.backends.object_store {
        command.args(["--object-store", &format!("{name}={value}")]);
    }
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(after);
    let _ = child.kill();
    let _ = child.wait();
}

fn collect(test: &str, port: u16, time: Duration) {
    let mut rng = seeded(test);
    let (runtime, redis) = (runtime(), RedisProcess::start());
    let random: u64 = rng.random();
    let mut place = Place {
        url: format!("s3://{BUCKET}/collection-{random:x}"),
        ..Place::default()
    };
    place.backends.registry = Some(redis.url());
    place.backends.object_store = settings(port);
    runtime.block_on(prepare(&place));
    let seed = rng.random();
    let places = [place.clone(), place.clone(), place.clone()];
    let mut hosts = Hosts::start(&places, Load { seed, ..LOAD });
    let until = Instant::now() + time;
    let database = runtime.block_on(place.open_patiently());
    let reading = runtime.spawn(reader(database.clone(), until));
    let mut flushed = false;
    let (mut collected, mut names) = (0, places.len());
    while Instant::now() < until {
        match rng.random_range(0..8) {
            0 => compact_and_die(&place, Duration::from_millis(rng.random_range(50..1_500))),
            1 => {
                let seed = rng.random();
                let host = rng.random_range(0..places.len());
                hosts.replace(host, names, &place, Load { seed, ..LOAD });
                names += 1;
            }
            2 => {
                // What another process does at the same time may keep this one from it.
                let _ = runtime.block_on(database.compact(|_| ()));
            }
            _ => {
                if let Err(error) = runtime.block_on(database.checkpoint()) {
                    println!("checkpoint: {error}");
                } else {
                    collected += 1;
                }
                std::thread::sleep(Duration::from_millis(rng.random_range(0..500)));
            }
        }
        if !flushed && Instant::now() + time / 2 > until {
            redis.command(&["FLUSHALL"]);
            flushed = true;
        }
    }
    assert!(collected > 3, "{collected} collections");
    hosts.go_on("collections");
    let (reads, expired) = runtime.block_on(reading).unwrap();
    println!("{collected} collections, {reads} reads of snapshots, {expired} expired");
    assert!(
        reads > 0,
        "a snapshot can be read while segments are collected"
    );
    let record = hosts.end();
    audit(&runtime, &place, &record, || redis.command(&["FLUSHALL"]));
    let compacted = runtime.block_on(async {
        drop(database);
        let builder = Database::builder().url(&place.url);
        let builder = builder.backends(place.backends.clone());
        let database = builder.retention(Duration::ZERO).open().await.unwrap();
        // Of the epochs before, the last segments stay for some periods.
        for _ in 0..6 {
            database.checkpoint().await.unwrap();
        }
        let compacted = database.compact(|_| ()).await.unwrap();
        database.close().await.unwrap();
        compacted
    });
    println!("{compacted:?}");
    let (room, live) = (compacted.after_bytes, compacted.live_bytes);
    assert!(
        room * 100 <= live * ROOM_PERCENT_MAX,
        "{room} bytes for {live} that live"
    );
}

#[test]
fn collecting_all_the_time_loses_nothing() {
    let runtime = runtime();
    let objects = runtime.block_on(LyingServer::start(Lie::None));
    let test = "collection::collecting_all_the_time_loses_nothing";
    collect(test, objects.port(), Duration::from_secs(12));
}

/// `SOP_SECONDS=1800 cargo test --workspace --locked --test it -- --ignored swarm::collection --nocapture`.
#[test]
#[ignore = "long: a soak"]
fn a_soak_stays_flat() {
    let seconds = std::env::var("SOP_SECONDS").ok();
    let seconds = seconds.map_or(300, |text| text.parse().expect("seconds"));
    let objects = S3Server::start();
    let test = "collection::a_soak_stays_flat";
    collect(test, objects.port(), Duration::from_secs(seconds));
}
