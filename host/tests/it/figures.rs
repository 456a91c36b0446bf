//! Figures, not verdicts: `cargo test -p sop-host --test it figures -- --ignored --nocapture`.

use std::time::Instant;

use sop_host::{Grant, Isolation, Mode, Plugin, RunOptions};

use crate::memory;
use crate::wat_plugin::{alone, reader};

fn microseconds_each(begun: Instant, times: u32) -> f64 {
    begun.elapsed().as_secs_f64() * 1e6 / f64::from(times)
}

#[tokio::test]
#[ignore = "prints figures"]
async fn what_calls_and_instances_cost() {
    let db = memory().await;
    db.transact(async |tx| {
        let store = tx.create_store("s").await?;
        for n in 0..1_000_u32 {
            store.put(n.to_be_bytes(), [7; 100]).await?;
        }
        Ok(())
    })
    .await
    .unwrap();

    let tx = db.snapshot().await.unwrap();
    let store = tx.open_store("s").await.unwrap();
    let times = 20_000_u32;
    let begun = Instant::now();
    for n in 0..times {
        assert!(
            store
                .get((n % 1_000).to_be_bytes())
                .await
                .unwrap()
                .is_some()
        );
    }
    println!(
        "warm get, in a transaction:        {:8.2} us",
        microseconds_each(begun, times)
    );
    drop((store, tx));

    let before = db.statistics().calls;
    let begun = Instant::now();
    for n in 0..times {
        let key = (n % 1_000).to_be_bytes();
        db.transact(async |tx| tx.open_store("s").await?.get(key).await)
            .await
            .unwrap();
    }
    println!(
        "whole read transaction, warm:      {:8.2} us",
        microseconds_each(begun, times)
    );
    let after = db.statistics().calls;
    let each = |after: u64, before: u64| (after - before) as f64 / f64::from(times);
    println!(
        "calls of it: now {:.2}, release {:.2}, resolve {:.2}, counters {:.2}, get {:.2}, commit {:.2}",
        each(after.now, before.now),
        each(after.release, before.release),
        each(after.resolve, before.resolve),
        each(after.counters, before.counters),
        each(after.get, before.get),
        each(after.commit, before.commit),
    );

    let begun = Instant::now();
    for n in 0..2_000_u32 {
        db.transact(async |tx| tx.open_store("s").await?.put(n.to_be_bytes(), "x").await)
            .await
            .unwrap();
    }
    println!(
        "whole write transaction, in memory:{:8.2} us",
        microseconds_each(begun, 2_000)
    );

    let begun = Instant::now();
    let mut open = Vec::new();
    for _ in 0..500 {
        open.push(db.begin(Isolation::Snapshot).await.unwrap());
    }
    println!(
        "begin in a fresh instance:         {:8.2} us",
        microseconds_each(begun, 500)
    );
    drop(open);

    let options = RunOptions {
        grants: [Grant::exact("s", Mode::Read)].into_iter().collect(),
        ..RunOptions::default()
    };
    let empty = alone(
        r#"(func (export "run") (param i32 i32) (result i32)
        (i32.store8 (i32.const 0) (i32.const 0)) (i32.store (i32.const 8) (i32.const 0)) (i32.const 0))"#,
    );
    for (name, bytes) in [
        ("empty run, no engine:", empty),
        ("run with engine, one failing get:", reader()),
    ] {
        let begun = Instant::now();
        let plugin = Plugin::load(bytes).await.unwrap();
        println!(
            "load of plugin:                    {:8.2} us",
            microseconds_each(begun, 1)
        );
        let begun = Instant::now();
        for _ in 0..1_000 {
            drop(plugin.run(&db, b"s", &options).await);
        }
        println!("{name:34} {:8.2} us", microseconds_each(begun, 1_000));
    }
}

/// Ends of transactions of neighbours, in microseconds, sorted.
async fn neighbours(db: &sop_host::Database, clients: u32, each: u32) -> Vec<u128> {
    let client = |number: u32| {
        let db = db.clone();
        tokio::spawn(async move {
            let mut times = Vec::new();
            for n in 0..each {
                let begun = Instant::now();
                let key = (number * each + n).to_be_bytes();
                db.transact(async |tx| tx.open_store("s").await?.put(key, "x").await)
                    .await
                    .unwrap();
                times.push(begun.elapsed().as_micros());
            }
            times
        })
    };
    let clients: Vec<_> = (0..clients).map(client).collect();
    let mut times = Vec::new();
    for client in clients {
        times.extend(client.await.unwrap());
    }
    times.sort_unstable();
    times
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures"]
async fn what_neighbours_of_a_runaway_notice() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("dir:{}", folder.path().join("data").display());
    let db = sop_host::Database::open(&url).await.unwrap();
    db.transact(async |tx| tx.create_store("s").await.map(drop))
        .await
        .unwrap();
    let endless =
        alone(r#"(func (export "run") (param i32 i32) (result i32) (loop (br 0)) (unreachable))"#);
    let endless = Plugin::load(endless).await.unwrap();
    drop(neighbours(&db, 4, 500).await);
    for runaways in [0_u32, 1, 2, 4] {
        let mut options = RunOptions::default();
        options.limits.wall = std::time::Duration::from_millis(1_000);
        let run = |_| {
            let (db, endless, options) = (db.clone(), endless.clone(), options.clone());
            tokio::spawn(async move {
                let begun = Instant::now();
                let stopped = endless.run(&db, b"", &options).await;
                assert!(stopped.is_err());
                begun.elapsed() - options.limits.wall
            })
        };
        let runs: Vec<_> = (0..runaways).map(run).collect();
        let (times, begun) = (neighbours(&db, 4, 300).await, Instant::now());
        let mut late = std::time::Duration::ZERO;
        for run in runs {
            late = late.max(run.await.unwrap());
        }
        let at = |share: usize| times[times.len() * share / 100];
        println!(
            "{runaways} runaways: transactions p50 {} us, p99 {} us; stopped at most {late:?} after the deadline, {:?} after the last",
            at(50),
            at(99),
            begun.elapsed(),
        );
    }
}
