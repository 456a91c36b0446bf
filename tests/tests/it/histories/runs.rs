//! The programs over the databases there are, and over one that must not pass.

use std::future::Future;

use serde_json::json;

use super::embedded::Embedded;
use super::lists::Lists;
use super::session::Backend;
use super::shell::Shell;
use super::unchecked::Unchecked;
use super::{append, bank, counter, ring, seed};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

fn directory() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("dir:{}", folder.path().join("data").display());
    (folder, url)
}

async fn history_append(backend: Box<dyn Backend>, lists: Lists, transactions: u64) {
    let seed = seed("history-append");
    let events = append::run(&*backend, lists, seed, transactions).await;
    backend.close().await;
    let figures = append::check(&events).unwrap();
    println!("{figures:?}");
    assert!(
        figures.committed * 100 >= figures.transactions * 30,
        "{figures:?}"
    );
}

async fn hot_counter(backend: Box<dyn Backend>, writers: u64, increments: u64) {
    let seed = seed("hot-counter");
    let figures = counter::run(&*backend, seed, writers, increments)
        .await
        .unwrap();
    backend.close().await;
    println!("{figures:?}");
    assert_eq!(figures.total, writers * increments);
    // An increment that went through is the end of at most one attempt of each other writer.
    assert!(
        figures.aborted <= figures.total * (writers - 1),
        "{figures:?}"
    );
    assert!(figures.attempts_max <= figures.total / 2, "{figures:?}");
}

#[test]
fn appends_of_many_tasks_are_strictly_serializable() {
    block_on(async { history_append(Embedded::open("memory:").await, Lists::Values, 5_000).await });
}

#[test]
fn appends_to_a_directory_are_strictly_serializable() {
    let (_folder, url) = directory();
    block_on(async { history_append(Embedded::open(&url).await, Lists::Values, 2_000).await });
}

#[test]
fn appends_through_a_shell_are_strictly_serializable() {
    let (_folder, url) = directory();
    block_on(async { history_append(Shell::start(&url), Lists::Values, 1_000).await });
}

#[test]
fn appends_that_meet_as_phantoms_are_strictly_serializable() {
    block_on(async {
        history_append(Embedded::open("memory:").await, Lists::Items, 1_500).await;
    });
}

#[test]
fn money_is_neither_made_nor_lost() {
    let (_folder, url) = directory();
    block_on(async {
        let backend = Embedded::open(&url).await;
        println!(
            "{:?}",
            bank::run(&*backend, seed("bank"), 150).await.unwrap()
        );
        backend.close().await;
        let backend = Shell::start("memory:");
        println!(
            "{:?}",
            bank::run(&*backend, seed("bank"), 60).await.unwrap()
        );
        backend.close().await;
    });
}

#[test]
fn the_ring_stays_whole() {
    let (_folder, url) = directory();
    block_on(async {
        let backend = Embedded::open(&url).await;
        println!(
            "{:?}",
            ring::run(&*backend, seed("ring"), 100).await.unwrap()
        );
        backend.close().await;
        let backend = Shell::start("memory:");
        println!(
            "{:?}",
            ring::run(&*backend, seed("ring"), 40).await.unwrap()
        );
        backend.close().await;
    });
}

#[test]
fn a_hot_counter_is_exact_and_nobody_starves() {
    let (_folder, url) = directory();
    block_on(async {
        hot_counter(Embedded::open(&url).await, 8, 40).await;
        hot_counter(Embedded::open("memory:").await, 16, 40).await;
        hot_counter(Shell::start("memory:"), 8, 30).await;
    });
}

#[test]
fn no_program_passes_without_isolation() {
    // On one thread the clients take turns at every step, always in the same way.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let backend = || Box::<Unchecked>::default();
        for lists in [Lists::Values, Lists::Items] {
            let events = append::run(&*backend(), lists, 1, 500).await;
            append::check(&events).unwrap_err();
        }
        bank::run(&*backend(), 1, 100).await.unwrap_err();
        ring::run(&*backend(), 1, 100).await.unwrap_err();
        counter::run(&*backend(), 1, 8, 40).await.unwrap_err();
    });
}

#[test]
fn a_history_that_was_tampered_with_is_found() {
    let mut events = block_on(append::run(&Unchecked::default(), Lists::Values, 1, 0));
    let mut happened = |process: u64, kind: &str, steps: serde_json::Value| {
        for kind in ["invoke", kind] {
            events.push(json!({"type": kind, "process": process, "value": steps}));
        }
    };
    happened(0, "ok", json!([["append", 1, 1], ["append", 2, 1]]));
    happened(0, "ok", json!([["append", 1, 2]]));
    happened(1, "ok", json!([["r", 1, [1, 2]], ["r", 2, [1]]]));
    append::check(&events).unwrap();
    // Each of these fits everything but one rule.
    let bad = [
        (
            "an acknowledged append is not there any more",
            "ok",
            json!([["r", 1, [1]]]),
        ),
        (
            "half of a transaction",
            "ok",
            json!([["r", 1, [1, 2]], ["r", 2, []]]),
        ),
        (
            "another order than was seen before",
            "ok",
            json!([["r", 1, [2, 1]]]),
        ),
        ("nobody appended that", "ok", json!([["r", 1, [1, 2, 3]]])),
    ];
    for (what, kind, steps) in bad {
        let mut events = events.clone();
        for kind in ["invoke", kind] {
            events.push(json!({"type": kind, "process": 2, "value": steps}));
        }
        append::check(&events).expect_err(what);
    }
}

#[test]
fn judges_know_bad_sums_and_broken_rings() {
    let mut balances = [100; 32];
    bank::judge(&balances).unwrap();
    balances[5] += 1;
    bank::judge(&balances).unwrap_err();
    bank::judge(&[100; 31]).unwrap_err();

    let name = |key: usize| format!("{:04}", key % ring::KEYS);
    let whole: Vec<_> = (0..ring::KEYS)
        .map(|key| (name(key), name(key + 1)))
        .collect();
    ring::judge(&whole).unwrap();
    let mut two_cycles = whole.clone();
    (two_cycles[10].1, two_cycles[20].1) = (name(21), name(11));
    ring::judge(&two_cycles).unwrap_err();
    let mut named_twice = whole.clone();
    named_twice[10].1 = name(12);
    ring::judge(&named_twice).unwrap_err();
    ring::judge(&whole[1..]).unwrap_err();
}
