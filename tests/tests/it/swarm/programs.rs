//! Several host processes over a real Redis and a real S3 server.
//!
//! Goal: what holds in one process holds over many, whatever is taken away from them: each acknowledged transaction once,
//! none torn, no stale read. Method: the programs of [`crate::histories`] through several `sop shell --json`, and the demo.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::Rng;
use sop_tests::servers::redis::RedisProcess;
use sop_tests::servers::s3::{BUCKET, S3Server};

use crate::histories::lists::Lists;
use crate::histories::shell::{Shells, binary};
use crate::histories::{append, bank, counter, ring, seed};

/// Host processes of a program.
const HOSTS: usize = 3;

/// The global options of a database under a prefix of its own.
fn options(s3: &S3Server, redis: &RedisProcess, prefix: &str) -> Vec<String> {
    let mut options = vec![
        format!("--database=s3://{BUCKET}/{prefix}"),
        format!("--registry={}", redis.url()),
    ];
    for (name, value) in s3.settings() {
        options.push(format!("--object-store={name}={value}"));
    }
    options
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

#[test]
fn appends_of_several_hosts_are_strictly_serializable() {
    let (s3, redis) = (S3Server::shared(), RedisProcess::start());
    let events = block_on(async {
        let backend = Shells::start(HOSTS, &options(&s3, &redis, "append"));
        let seed = seed("history-append over hosts");
        let events = append::run(&*backend, Lists::Values, seed, 400).await;
        backend.close().await;
        events
    });
    let figures = append::check(&events).unwrap();
    println!("{figures:?}");
    assert!(
        figures.committed * 100 >= figures.transactions * 30,
        "{figures:?}"
    );
}

/// Reads, too, agree with real time while the registry loses everything.
#[test]
fn appends_stay_strictly_serializable_while_the_registry_loses_everything() {
    let test = "programs::appends_stay_strictly_serializable_while_the_registry_loses_everything";
    let mut rng = super::seeded(test);
    let redis = RedisProcess::start();
    let folder = tempfile::tempdir().unwrap();
    let options = [
        format!("--database=dir:{}", folder.path().join("data").display()),
        format!("--registry={}", redis.url()),
    ];
    let events = block_on(async {
        let backend = Shells::start(HOSTS, &options);
        let seed = rng.random();
        let lose = async {
            loop {
                tokio::time::sleep(Duration::from_millis(rng.random_range(500..1_500))).await;
                redis.command(&["FLUSHALL"]);
            }
        };
        let events = tokio::select! {
            events = append::run(&*backend, Lists::Values, seed, 600) => events,
            () = lose => unreachable!("it does not end"),
        };
        backend.close().await;
        events
    });
    println!("{:?}", append::check(&events).unwrap());
}

#[test]
fn a_counter_of_several_hosts_is_exact() {
    let (s3, redis) = (S3Server::shared(), RedisProcess::start());
    block_on(async {
        let backend = Shells::start(HOSTS, &options(&s3, &redis, "counter"));
        let figures = counter::run(&*backend, seed("hot-counter over hosts"), 6, 10)
            .await
            .unwrap();
        println!("{figures:?}");
        assert_eq!(figures.total, 60);
        backend.close().await;
    });
}

/// The registry is emptied and restarted again and again while money moves.
#[test]
fn money_survives_a_registry_that_loses_everything() {
    let s3 = S3Server::shared();
    let redis = RedisProcess::start();
    let options = options(&s3, &redis, "bank");
    let done = Arc::new(AtomicBool::new(false));
    let thief = {
        let done = Arc::clone(&done);
        let mut redis = redis;
        std::thread::spawn(move || {
            let mut losses = 0;
            while !done.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1_500));
                if losses % 2 == 0 {
                    redis.command(&["FLUSHALL"]);
                } else {
                    redis.kill();
                    redis.restart();
                }
                losses += 1;
            }
            losses
        })
    };
    block_on(async {
        let backend = Shells::start(HOSTS, &options);
        println!(
            "{:?}",
            bank::run(&*backend, seed("bank over hosts"), 60)
                .await
                .unwrap()
        );
        done.store(true, Ordering::Relaxed);
        let losses = tokio::task::spawn_blocking(move || thief.join().unwrap());
        let losses = losses.await.unwrap();
        println!("{losses} losses");
        assert!(losses > 0);
    });
}

#[test]
fn the_ring_of_several_hosts_stays_whole() {
    let (s3, redis) = (S3Server::shared(), RedisProcess::start());
    block_on(async {
        let backend = Shells::start(HOSTS, &options(&s3, &redis, "ring"));
        println!(
            "{:?}",
            ring::run(&*backend, seed("ring over hosts"), 20)
                .await
                .unwrap()
        );
        backend.close().await;
    });
}

/// Kills a host and empties the registry, then proves the index.
#[test]
fn the_demo_over_hosts_is_verified() {
    let (s3, redis) = (S3Server::shared(), RedisProcess::start());
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(binary())
        .args(options(&s3, &redis, "demo"))
        .args(["--json", "demo", "--hosts=3", "--agents=6"])
        .args(["--documents-max=120", "--flush-registry"])
        .current_dir(root)
        .output()
        .unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{stdout}\n{stderr}");
    let report: serde_json::Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert_eq!(report["verified"], true, "{report}");
    assert_eq!(report["registry_flushed"], true, "{report}");
}
