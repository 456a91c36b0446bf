//! Goal: every call is one round trip; scripts are short; history goes away; waiting does not ask
//! too often.

use std::time::{Duration, Instant};

use sop_engine::types::{LogicalId, Observation};
use sop_host::registry::memory::{HistoryOptions, epoch_version};
use sop_host::registry::redis::{RedisOptions, RedisServer};
use sop_host::registry::{Claim, Flip, FlipKind, Publication, Registry, RegistryError};
use sop_tests::servers::redis::RedisProcess;

use super::{begin, connect, entry, group, key, place, put, transaction};

const A: LogicalId = LogicalId::new(7, 10);

#[tokio::test]
async fn every_call_is_one_round_trip() {
    let process = RedisProcess::start();
    let server = connect(&process.url()).await;
    let registry = begin(&server, 1, &[entry(A, 1)]).await.unwrap();
    let newest = put(&*registry, key(1, 1), &[LogicalId::new(7, 11)])
        .await
        .unwrap();
    for round in 0..2 {
        let mut before = (server.round_trips(), process.scripts_run());
        // The first time each script has to be sent along once.
        let mut one = |name: &str| {
            let after = (server.round_trips(), process.scripts_run());
            assert_eq!(after.1 - before.1, 1, "{name}");
            if round == 1 {
                assert_eq!(after.0 - before.0, 1, "{name}");
            }
            before = after;
        };
        let now = registry.now(None, newest).await.unwrap();
        one("now");
        registry.release(now.version);
        one_is_none(&server, &process);
        registry.resolve(&[A], newest).await.unwrap();
        one("resolve");
        registry.counters(&[A], newest).await.unwrap();
        one("counters");
        registry.confirm(&[(A, None)], newest).await.unwrap();
        one("confirm");
        registry.history(&[A]).await.unwrap();
        one("history");
        let observed = vec![Observation {
            id: A,
            version: newest - 1,
        }];
        let claims = [(A, Claim::Exclusive)];
        let reserved = registry
            .reserve(group(key(1, 10), observed, &claims))
            .await
            .unwrap();
        one("reserve");
        registry.abandon(key(1, 10)).await.unwrap();
        one("abandon");
        registry
            .publish(reserved.ticket.unwrap_or(1), Vec::new())
            .await
            .unwrap();
        one("publish");
        registry.blocking(&[A]).await.unwrap();
        one("blocking");
        registry.overdue().await.unwrap();
        one("overdue");
        registry
            .mark(&[LogicalId::new(8, 8)], Duration::ZERO)
            .await
            .unwrap();
        one("mark");
        registry.outcome(transaction(1)).await.unwrap();
        one("outcome");
        registry.prune().await.unwrap();
        one("prune");
        registry.entries(newest, b"", 10).await.unwrap();
        one("entries");
        registry.begin_period(round).await.unwrap();
        one("begin_period");
        registry.released(0).await;
        let _ = (registry.floor(), registry.progress());
    }
}

/// `release` sends nothing.
fn one_is_none(server: &RedisServer, process: &RedisProcess) {
    let before = (server.round_trips(), process.scripts_run());
    assert_eq!((server.round_trips(), process.scripts_run()), before);
}

#[tokio::test]
async fn waiting_asks_seldom_and_ends_when_an_intent_goes() {
    let process = RedisProcess::start();
    let server = connect(&process.url()).await;
    let registry = begin(&server, 1, &[]).await.unwrap();
    let reserved = registry.reserve(group(key(1, 1), Vec::new(), &[(A, Claim::Exclusive)]));
    let releases = reserved.await.unwrap().releases;
    let before = server.round_trips();
    let waiting = (0..50).map(|_| registry.released(releases));
    let waiting = tokio::time::timeout(
        Duration::from_millis(300),
        futures::future::join_all(waiting),
    );
    assert!(waiting.await.is_err());
    let asked = server.round_trips() - before;
    assert!((3..=70).contains(&asked), "{asked}");
    // Another host ends it.
    let other = connect(&process.url()).await;
    use sop_host::registry::server::RegistryServer;
    let start = Instant::now();
    let (_, ended) = tokio::join!(registry.released(releases), async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        other.registry(1).abandon(key(1, 1)).await
    });
    ended.unwrap();
    assert!(start.elapsed() < Duration::from_secs(2));
    registry.released(releases).await;
}

async fn with_history(process: &RedisProcess, retention: Duration, bytes_max: u64) -> RedisServer {
    let history = HistoryOptions {
        retention,
        bytes_max,
    };
    let options = RedisOptions {
        history,
        ..RedisOptions::default()
    };
    RedisServer::connect(&process.url(), "tests/database", options)
        .await
        .unwrap()
}

async fn overwrite(registry: &dyn Registry, unique: u64, version: u64, kind: FlipKind) -> u64 {
    let observed = vec![Observation { id: A, version }];
    let reserved = registry.reserve(group(key(1, unique), observed, &[(A, Claim::Exclusive)]));
    let ticket = reserved.await.unwrap().ticket.expect("granted");
    let publication = Publication {
        id: transaction(unique),
        flips: vec![Flip { id: A, kind }],
    };
    registry
        .publish(ticket, vec![publication])
        .await
        .unwrap()
        .unwrap()[0]
        .version
}

#[tokio::test]
async fn history_goes_after_its_time_but_not_below_a_snapshot_in_use() {
    let process = RedisProcess::start();
    let server = with_history(&process, Duration::from_millis(200), 1 << 30).await;
    let registry = begin(&server, 1, &[entry(A, 1)]).await.unwrap();
    let first = epoch_version(1);
    let second = overwrite(&*registry, 1, first, FlipKind::Put(place(2))).await;
    let third = overwrite(&*registry, 2, second, FlipKind::Delta(place(3))).await;
    let snapshot = registry.now(Some(second), 0).await.unwrap().version;
    let fourth = overwrite(&*registry, 3, third, FlipKind::Remove).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    registry.prune().await.unwrap();
    assert_eq!(registry.floor(), second);
    let expired = registry.resolve(&[A], first).await;
    assert_eq!(expired, Err(RegistryError::SnapshotExpired(second)));
    let kept = registry.resolve(&[A], snapshot).await.unwrap();
    assert_eq!(kept[0].as_ref().unwrap().chain, vec![place(2)]);

    registry.release(snapshot);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let again = registry.now(None, 0).await.unwrap().version;
    tokio::time::sleep(Duration::from_millis(100)).await;
    registry.prune().await.unwrap();
    assert_eq!(registry.floor(), fourth);
    assert_eq!(again, fourth);
    assert_eq!(registry.resolve(&[A], fourth).await.unwrap(), vec![None]);
    let expired = registry.now(Some(second), 0).await;
    assert_eq!(expired, Err(RegistryError::SnapshotExpired(fourth)));
    // The end that every read sees is forgotten too.
    let size = |part: &str, count: &str| -> u64 {
        process
            .query(&[count, &format!("sop:{{tests/database}}:1:{part}")])
            .unwrap()
    };
    assert_eq!(
        (
            size("handles", "HLEN"),
            size("past", "ZCARD"),
            size("queue", "LLEN")
        ),
        (1, 1, 1)
    );
    let bytes: u64 = process
        .query(&["HGET", "sop:{tests/database}:epoch", "bytes"])
        .unwrap();
    assert_eq!(bytes, 0);
}

#[tokio::test]
async fn history_is_bounded_in_bytes() {
    let process = RedisProcess::start();
    let server = with_history(&process, Duration::from_secs(60), 1_000).await;
    let registry = begin(&server, 1, &[entry(A, 1)]).await.unwrap();
    let mut version = epoch_version(1);
    for number in 1..40 {
        version = overwrite(&*registry, number, version, FlipKind::Put(place(number))).await;
    }
    tokio::time::sleep(Duration::from_millis(600)).await;
    version = overwrite(&*registry, 99, version, FlipKind::Put(place(99))).await;
    let bytes: u64 = process
        .query(&["HGET", "sop:{tests/database}:epoch", "bytes"])
        .unwrap();
    assert!(bytes <= 1_000, "{bytes}");
    let expired = registry.resolve(&[A], epoch_version(1)).await;
    assert!(matches!(expired, Err(RegistryError::SnapshotExpired(_))));
    let before = registry.resolve(&[A], version - 1).await.unwrap();
    assert_eq!(before[0].as_ref().unwrap().chain, vec![place(39)]);
}

#[tokio::test]
async fn a_large_transaction_is_carried_in_one_script_each() {
    const IDS: u64 = 20_000;
    let process = RedisProcess::start();
    let server = connect(&process.url()).await;
    let registry = begin(&server, 1, &[]).await.unwrap();
    let ids: Vec<_> = (0..IDS).map(|node| LogicalId::new(7, node + 10)).collect();
    let mut before = process.processor_us();
    let mut step = |name: &str, start: Instant| {
        let (elapsed, after) = (start.elapsed(), process.processor_us());
        println!(
            "{name} of {IDS} ids: {} us of the server, {elapsed:?} in all",
            after - before
        );
        before = process.processor_us();
    };
    let start = Instant::now();
    let version = put(&*registry, key(1, 1), &ids).await.unwrap();
    step("reserve and publish, all fresh", start);
    let start = Instant::now();
    let handles = registry.resolve(&ids, version).await.unwrap();
    step("resolve", start);
    assert!(handles.iter().all(Option::is_some));

    let observed: Vec<_> = ids.iter().map(|&id| Observation { id, version }).collect();
    let claims: Vec<_> = ids.iter().map(|&id| (id, Claim::Exclusive)).collect();
    let start = Instant::now();
    let reserved = registry
        .reserve(group(key(1, 2), observed, &claims))
        .await
        .unwrap();
    step("reserve, all observed", start);
    let flips = ids.iter().map(|&id| Flip {
        id,
        kind: FlipKind::Delta(place(2)),
    });
    let publication = Publication {
        id: transaction(2),
        flips: flips.collect(),
    };
    let start = Instant::now();
    let published = registry
        .publish(reserved.ticket.unwrap(), vec![publication])
        .await
        .unwrap();
    step("publish, all superseded", start);
    assert_eq!(
        published.unwrap()[0].handles[0]
            .as_ref()
            .unwrap()
            .chain
            .len(),
        2
    );
    let start = Instant::now();
    let old = registry.resolve(&ids, version).await.unwrap();
    step("resolve of old versions", start);
    assert_eq!(old, handles);
    let known: Vec<_> = ids.iter().copied().zip(handles).collect();
    let start = Instant::now();
    let same = registry.confirm(&known, version).await.unwrap();
    step("confirm of old versions", start);
    assert!(same.iter().all(Option::is_none));
    let now = registry.now(None, version).await.unwrap();
    assert_eq!(now.changed, None);
    let handles = registry.resolve(&ids, now.version).await.unwrap();
    let known: Vec<_> = ids.iter().copied().zip(handles).collect();
    step("(resolve)", start);
    let start = Instant::now();
    let same = registry.confirm(&known, now.version).await.unwrap();
    step("confirm of the newest", start);
    assert!(same.iter().all(Option::is_none));
}

#[tokio::test]
#[ignore = "a measurement"]
async fn memory_per_handle() {
    const IDS: u64 = 500_000;
    let process = RedisProcess::start();
    let server = connect(&process.url()).await;
    let used = || -> u64 { process.info("memory", "used_memory").parse().unwrap() };
    let before = used();
    let entries: Vec<_> = (0..IDS)
        .map(|node| {
            entry(
                LogicalId::new(7, node.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
                node,
            )
        })
        .collect();
    let start = Instant::now();
    begin(&server, 1, &entries).await.unwrap();
    println!(
        "{} bytes for each of {IDS} handles; loaded in {:?}",
        (used() - before) / IDS,
        start.elapsed()
    );
}
