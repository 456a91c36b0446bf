//! Hostile and broken plugins: stopped in time, rolled back, named; the host and its neighbours go on.

use std::time::{Duration, Instant};

use sop_host::engine_pool::Metering;
use sop_host::{Error, Grant, Mode, Plugin, RunLimits, RunOptions, TransactOptions};

use crate::memory;
use crate::wat_plugin::{alone, alone_with_memory, plugin, reader, writer};

fn options(limits: RunLimits) -> RunOptions {
    RunOptions {
        grants: [Grant::prefix("", Mode::Create)].into_iter().collect(),
        limits,
        ..RunOptions::default()
    }
}

fn limit_name(error: &Error) -> &str {
    match error {
        Error::Limit { name, .. } => name,
        // What had committed before stays; why the run was stopped is the same.
        Error::AfterCommit { cause } => limit_name(cause),
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_loop_is_stopped_and_its_neighbours_go_on() {
    let db = memory().await;
    let spinner = Plugin::load(alone(
        r#"(func (export "run") (param i32 i32) (result i32) (loop (br 0)) (unreachable))"#,
    ));
    let spinner = spinner.await.unwrap();
    let limits = RunLimits {
        wall: Duration::from_millis(300),
        ..RunLimits::default()
    };
    let begun = Instant::now();
    let spinners: Vec<_> = (0..4)
        .map(|_| {
            let (spinner, db, options) = (spinner.clone(), db.clone(), options(limits.clone()));
            tokio::spawn(async move { spinner.run(&db, b"", &options).await.unwrap_err() })
        })
        .collect();
    // More spinners than threads, and a transaction still gets through meanwhile.
    db.transact(async |tx| tx.open_or_create_store("s").await?.put("k", "v").await)
        .await
        .unwrap();
    for spinner in spinners {
        assert_eq!(
            limit_name(&spinner.await.unwrap()),
            "milliseconds of wall time"
        );
    }
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn warm_instances_are_used_again_unless_they_trapped_or_hold_something() {
    let db = memory().await;
    // Answers one byte: how often this instance was called before.
    let counting = alone(
        r#"(global $calls (mut i32) (i32.const 0))
        (func (export "run") (param i32 i32) (result i32)
        (if (i32.eq (local.get 1) (i32.const 4)) (then (unreachable)))
        (i32.store8 (i32.const 64) (global.get $calls))
        (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        (i32.store8 (i32.const 0) (i32.const 0)) (i32.store (i32.const 4) (i32.const 64))
        (i32.store (i32.const 8) (i32.const 1)) (i32.const 0))"#,
    );
    let plugin = Plugin::load(counting).await.unwrap();
    let options = options(RunLimits::default());
    let warm = plugin.warm(&db, &options);
    for calls in 0..3_u8 {
        assert_eq!(plugin.run(&db, b"", &options).await.unwrap().response, [0]);
        assert_eq!(warm.run(b"").await.unwrap().response, [calls]);
        assert_eq!(warm.instances_idle(), 1);
    }
    assert_eq!(warm.run(b"trap").await.unwrap_err().kind(), "plugin-trap");
    assert_eq!(warm.instances_idle(), 0);
    assert_eq!(warm.run(b"").await.unwrap().response, [0]);

    // One that leaves its transaction open is rolled back with its instance.
    let open = Plugin::load(writer(false, "(call $ok (i32.const 0) (i32.const 0))"))
        .await
        .unwrap();
    let warm = open.warm(&db, &options);
    warm.run(b"s").await.unwrap();
    assert_eq!(warm.instances_idle(), 0);
    let closed = Plugin::load(writer(
        true,
        "(call $drop-store (i32.load (i32.const 40)))
        (call $drop-transaction (i32.load (i32.const 8))) (call $ok (i32.const 0) (i32.const 0))",
    ))
    .await
    .unwrap();
    let warm = closed.warm(&db, &options);
    for _ in 0..3 {
        warm.run(b"s").await.unwrap();
        assert_eq!(warm.instances_idle(), 1);
    }
}

#[tokio::test]
async fn fuel_is_the_same_for_the_same_work_and_its_end_is_a_limit() {
    let db = memory().await;
    let loops = |times: u32| {
        alone(&format!(
            r#"(func (export "run") (param i32 i32) (result i32) (local $left i32)
                (local.set $left (i32.const {times}))
                (loop (local.set $left (i32.sub (local.get $left) (i32.const 1))) (br_if 0 (local.get $left)))
                (i32.store (i32.const 0) (i32.const 0)) (i32.store (i32.const 4) (i32.const 0))
                (i32.store (i32.const 8) (i32.const 0)) (i32.const 0))"#
        ))
    };
    let fuel = async |times, fuel| {
        let plugin = Plugin::load_metered(loops(times), Metering::Fuel)
            .await
            .unwrap();
        let limits = RunLimits {
            fuel,
            ..RunLimits::default()
        };
        plugin.run(&db, b"", &options(limits)).await
    };
    let used = fuel(1_000, None).await.unwrap().fuel.unwrap();
    assert_eq!(fuel(1_000, Some(used)).await.unwrap().fuel, Some(used));
    let more = fuel(2_000, None).await.unwrap().fuel.unwrap();
    assert!(more > used + 1_000, "{used}, {more}");
    let stopped = fuel(2_000, Some(used)).await.unwrap_err();
    assert_eq!(limit_name(&stopped), "units of fuel");

    let uncounted = Plugin::load(loops(1)).await.unwrap();
    let limits = RunLimits {
        fuel: Some(1),
        ..RunLimits::default()
    };
    let refused = uncounted.run(&db, b"", &options(limits)).await.unwrap_err();
    assert_eq!(refused.kind(), "invalid");
    assert_eq!(
        uncounted
            .run(&db, b"", &options(RunLimits::default()))
            .await
            .unwrap()
            .fuel,
        None
    );
}

#[tokio::test]
async fn a_loop_while_starting_or_allocating_is_stopped_too() {
    let db = memory().await;
    let limits = RunLimits {
        wall: Duration::from_millis(100),
        ..RunLimits::default()
    };
    let start = alone(
        r#"(func $spin (loop (br 0))) (start $spin)
           (func (export "run") (param i32 i32) (result i32) (unreachable))"#,
    );
    let realloc = wat::parse_str(include_str!("spinning_realloc.wat")).unwrap();
    for bytes in [start, realloc] {
        let spinner = Plugin::load(bytes).await.unwrap();
        let error = spinner
            .run(&db, b"request", &options(limits.clone()))
            .await
            .unwrap_err();
        assert_eq!(limit_name(&error), "milliseconds of wall time");
    }
}

#[tokio::test]
async fn memory_and_table_growth_is_stopped() {
    let db = memory().await;
    let grower = alone(
        r#"(func (export "run") (param i32 i32) (result i32)
             (loop (drop (memory.grow (i32.const 16))) (br 0)) (unreachable))"#,
    );
    let limits = RunLimits {
        memory_bytes: 16 << 20,
        ..RunLimits::default()
    };
    let error = Plugin::load(grower)
        .await
        .unwrap()
        .run(&db, b"", &options(limits))
        .await
        .unwrap_err();
    assert_eq!(limit_name(&error), "bytes of memory");

    let tables = alone(
        r#"(table $t 1 funcref)
           (func (export "run") (param i32 i32) (result i32)
             (loop (drop (table.grow $t (ref.null func) (i32.const 100))) (br 0)) (unreachable))"#,
    );
    let error = Plugin::load(tables)
        .await
        .unwrap()
        .run(&db, b"", &options(RunLimits::default()))
        .await
        .unwrap_err();
    assert_eq!(limit_name(&error), "table elements");

    let large = alone_with_memory(
        4_096,
        r#"(func (export "run") (param i32 i32) (result i32) (unreachable))"#,
    );
    let limits = RunLimits {
        memory_bytes: 16 << 20,
        ..RunLimits::default()
    };
    let error = Plugin::load(large)
        .await
        .unwrap()
        .run(&db, b"", &options(limits))
        .await
        .unwrap_err();
    assert_eq!(limit_name(&error), "bytes of memory");
}

#[tokio::test]
async fn deep_recursion_traps() {
    let db = memory().await;
    let deep = alone(
        r#"(func $deep (param i32) (result i32) (i32.add (call $deep (local.get 0)) (i32.const 1)))
           (func (export "run") (param i32 i32) (result i32) (call $deep (i32.const 0)))"#,
    );
    let error = Plugin::load(deep)
        .await
        .unwrap()
        .run(&db, b"", &options(RunLimits::default()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), "plugin-trap");
    assert!(error.to_string().contains("stack"), "{error}");
}

#[tokio::test]
async fn a_trap_in_the_middle_of_a_transaction_rolls_it_back() {
    let db = memory().await;
    let trapping = Plugin::load(writer(false, "(unreachable)")).await.unwrap();
    let error = trapping
        .run(&db, b"canary", &options(RunLimits::default()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), "plugin-trap");
    assert!(
        db.snapshot()
            .await
            .unwrap()
            .stores()
            .await
            .unwrap()
            .is_empty()
    );
    // The database is as good as before.
    let writing = Plugin::load(writer(true, "(call $ok (i32.const 4096) (i32.const 6))"))
        .await
        .unwrap();
    let report = writing
        .run(&db, b"canary", &options(RunLimits::default()))
        .await
        .unwrap();
    assert_eq!(report.response, b"canary");
    let read = Plugin::load(reader())
        .await
        .unwrap()
        .run(&db, b"canary", &options(RunLimits::default()))
        .await
        .unwrap();
    assert_eq!(read.response, b"value");
}

#[tokio::test]
async fn bytes_and_responses_are_bounded() {
    let db = memory().await;
    let writing = Plugin::load(writer(true, "(call $ok (i32.const 0) (i32.const 60000))"))
        .await
        .unwrap();
    let few = RunLimits {
        call_bytes: 64,
        ..RunLimits::default()
    };
    assert_eq!(
        limit_name(&writing.run(&db, b"s", &options(few)).await.unwrap_err()),
        "bytes of host calls"
    );
    let short = RunLimits {
        response_bytes: 1_000,
        ..RunLimits::default()
    };
    assert_eq!(
        limit_name(&writing.run(&db, b"s", &options(short)).await.unwrap_err()),
        "bytes of response"
    );
    let lying = alone(
        r#"(func (export "run") (param i32 i32) (result i32)
        (i32.store (i32.const 4) (i32.const 0)) (i32.store (i32.const 8) (i32.const -1)) (i32.const 0))"#,
    );
    let error = Plugin::load(lying)
        .await
        .unwrap()
        .run(&db, b"", &options(RunLimits::default()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), "plugin-trap");
}

#[tokio::test]
async fn a_conflict_is_run_again_only_if_nothing_took_effect() {
    let db = memory().await;
    let retry = TransactOptions {
        attempts_max: 4,
        ..TransactOptions::default()
    };
    let options = RunOptions {
        retry,
        ..options(RunLimits::default())
    };
    let never = Plugin::load(writer(false, "(call $conflict)"))
        .await
        .unwrap();
    let before = db.statistics().calls.now;
    assert_eq!(
        never.run(&db, b"s", &options).await.unwrap_err().kind(),
        "conflict"
    );
    assert_eq!(db.statistics().calls.now - before, 4);

    let committed = Plugin::load(writer(true, "(call $conflict)"))
        .await
        .unwrap();
    let before = db.statistics().calls.commit;
    assert_eq!(
        committed.run(&db, b"s", &options).await.unwrap_err().kind(),
        "plugin-failed"
    );
    assert_eq!(db.statistics().calls.commit - before, 1);
}

#[tokio::test]
async fn wrong_plugins_are_refused_by_name() {
    let load = async |text: &str| {
        Plugin::load(wat::parse_str(text).unwrap())
            .await
            .unwrap_err()
    };
    assert_eq!(
        Plugin::load(b"no wasm at all".to_vec())
            .await
            .unwrap_err()
            .kind(),
        "plugin-invalid"
    );
    assert_eq!(
        Plugin::load(Vec::new()).await.unwrap_err().kind(),
        "plugin-invalid"
    );
    let module = load("(module)").await;
    assert_eq!(module.kind(), "plugin-invalid");
    assert!(module.to_string().contains("core module"), "{module}");
    for name in [
        "sop:storage/registry@0.1.0",
        "sop:storage/blobs@0.1.0",
        "sop:engine/maintenance@0.1.0",
        "wasi:http/types@0.2.0",
    ] {
        let error = load(&format!(r#"(component (import "{name}" (instance)))"#)).await;
        assert_eq!(error.kind(), "plugin-import", "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    assert!(
        load("(component)")
            .await
            .to_string()
            .contains("does not export `run`")
    );
    let shape = r#"(component (core module $m (func (export "f"))) (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f"))) (export "run" (func $f)))"#;
    assert!(load(shape).await.to_string().contains("is not `run"));
    let foreign = r#"(component (import "sop:engine/transactions@0.1.0" (instance (export "begin" (func)))))"#;
    assert_eq!(load(foreign).await.kind(), "plugin-invalid");
}

#[tokio::test]
async fn damaged_plugins_never_panic_the_host() {
    let whole = plugin(r#"(func (export "run") (param i32 i32) (result i32) (call $conflict))"#);
    for cut in (0..whole.len()).step_by(97) {
        assert!(
            Plugin::load(whole[..cut].to_vec()).await.is_err(),
            "cut at {cut}"
        );
    }
    // A flipped byte may still be a valid plugin; it must only not harm the host.
    for position in (0..whole.len()).step_by(509) {
        let mut damaged = whole.clone();
        damaged[position] ^= 0x55;
        let _ = Plugin::load(damaged).await;
    }
}

/// Whoever is told of a limit must also be told that the work took effect, or it will be done twice.
#[tokio::test]
async fn a_plugin_stopped_after_its_commit_is_said_to_have_committed() {
    let db = memory().await;
    let limits = RunLimits {
        wall: Duration::from_millis(300),
        response_bytes: 8,
        ..RunLimits::default()
    };
    let ends = [
        ("(loop (br 0)) (unreachable)", "limit"),
        ("(unreachable)", "plugin-trap"),
        ("(call $conflict)", "plugin-failed"),
        (
            "(call $failed (i32.const 4096) (i32.const 6))",
            "plugin-failed",
        ),
        ("(call $ok (i32.const 4096) (i32.const 60))", "limit"),
    ];
    for (number, (end, kind)) in ends.into_iter().enumerate() {
        for commits in [true, false] {
            let store = format!("store-{number}-{commits}");
            let plugin = Plugin::load(writer(commits, end)).await.unwrap();
            let options = RunOptions {
                retry: TransactOptions {
                    attempts_max: 1,
                    ..TransactOptions::default()
                },
                ..options(limits.clone())
            };
            let run = plugin.run(&db, store.as_bytes(), &options).await;
            let error = run.unwrap_err();
            let said = matches!(error, Error::AfterCommit { .. });
            assert_eq!(said, commits, "{end}: {error}");
            if commits {
                assert_eq!(error.kind(), kind, "{error}");
            }
            let stores = db.transact(async |tx| tx.stores().await).await.unwrap();
            let there = stores.iter().any(|info| info.name == store);
            assert_eq!(there, commits, "{end}");
        }
    }
}
