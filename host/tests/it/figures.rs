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
