//! Goal: no script does more because the database is larger. Method: the same calls on a registry of a thousand handles and one
//! of a hundred thousand; the server counts every command that the scripts carry out, and its processor time.

use std::collections::BTreeMap;
use std::time::Duration;

use sop_engine::types::{LogicalId, Observation, PhysicalId, TransactionId};
use sop_host::blob::SegmentKey;
use sop_host::recovery::entry::{Entry, EntryVersion, State};
use sop_host::registry::memory::epoch_version;
use sop_host::registry::redis::{RedisOptions, RedisServer};
use sop_host::registry::server::{Activation, RegistryServer};
use sop_host::registry::{Claim, Flip, FlipKind, Group, Publication, Registry, Request};
use sop_tests::servers::redis::RedisProcess;

/// Ids of a call.
const IDS: u64 = 20;
/// How often each call is made.
const ROUNDS: u64 = 50;
/// A script that looks at every handle takes a hundred times as long.
const TIMES_MAX: u64 = 8;

fn id(number: u64) -> LogicalId {
    LogicalId::new(7, 10 + number.wrapping_mul(0x9e37_79b9_7f4a_7c15) / 2)
}

fn place(number: u64) -> PhysicalId {
    PhysicalId {
        segment: (number, !number),
        offset: 80,
        length: 100,
    }
}

fn key(unique: u64) -> SegmentKey {
    SegmentKey {
        epoch: 1,
        period: 1,
        unique,
    }
}

async fn registry(process: &RedisProcess, handles: u64) -> std::sync::Arc<dyn Registry> {
    let url = process.url();
    let server = RedisServer::connect(&url, "bounds", RedisOptions::default());
    let server = server.await.unwrap();
    let standing = server.standing().await.unwrap();
    let entries: Vec<_> = (0..handles)
        .map(|number| Entry {
            id: id(number),
            ticket: 1,
            versions: vec![EntryVersion {
                version: 1,
                state: State::Chain(vec![place(number)]),
            }],
        })
        .collect();
    let mut batches = 0;
    for batch in entries.chunks(1_000) {
        server.stage(1, batches, batch).await.unwrap();
        batches += 1;
    }
    let activation = Activation {
        epoch: 1,
        identity: standing.identity,
        version: epoch_version(1),
        next_ticket: 1,
        batches,
        entries: handles,
    };
    server.activate(&activation).await.unwrap();
    server.registry(1)
}

/// One of every call that a host makes while it works.
async fn work(registry: &dyn Registry, round: u64) {
    let ids: Vec<_> = (0..IDS)
        .map(|number| id((round * IDS + number) % 1_000))
        .collect();
    let now = registry.now(None, epoch_version(1)).await.unwrap();
    let handles = registry.resolve(&ids, now.version).await.unwrap();
    let known: Vec<_> = ids.iter().copied().zip(handles.iter().cloned()).collect();
    registry.confirm(&known, now.version).await.unwrap();
    registry.counters(&ids, now.version).await.unwrap();
    let observed = ids.iter().zip(&handles).map(|(&id, handle)| Observation {
        id,
        version: handle.as_ref().unwrap().version,
    });
    let mut request = Request {
        id: TransactionId {
            high: 1,
            low: round,
        },
        observed: observed.collect(),
        claims: ids.iter().map(|&id| (id, Claim::Exclusive)).collect(),
        priority: false,
        spills_from: None,
    };
    let group = |unique: u64, request: &Request| Group {
        key: key(unique),
        lease: Duration::from_secs(3_600),
        requests: vec![request.clone()],
    };
    registry.reserve(group(2 * round, &request)).await.unwrap();
    registry.blocking(&ids).await.unwrap();
    registry.overdue().await.unwrap();
    registry.abandon(key(2 * round)).await.unwrap();
    let reserved = registry.reserve(group(2 * round + 1, &request)).await;
    let flips = ids.iter().map(|&id| Flip {
        id,
        kind: FlipKind::Put(place(round)),
    });
    let publication = Publication {
        id: request.id,
        flips: flips.collect(),
    };
    let ticket = reserved.unwrap().ticket.unwrap();
    registry.publish(ticket, vec![publication]).await.unwrap();
    registry.outcome(request.id).await.unwrap();
    request.claims.clear();
    registry.mark(&ids, Duration::ZERO).await.unwrap();
    registry.prune().await.unwrap();
    registry.release(now.version);
}

/// What the server did for so many rounds: commands, and microseconds.
async fn measure(handles: u64) -> (BTreeMap<String, u64>, u64) {
    let process = RedisProcess::start();
    let registry = registry(&process, handles).await;
    // The first time scripts are sent along.
    work(&*registry, 0).await;
    let (before, begun) = (process.commands(), process.processor_us());
    for round in 1..=ROUNDS {
        work(&*registry, round).await;
    }
    let (mut commands, ended) = (process.commands(), process.processor_us());
    for (name, count) in &mut commands {
        *count -= before.get(name).copied().unwrap_or(0);
    }
    // Asked by the test itself, or depends on the clock: a look who has which snapshot in use.
    for name in ["info", "client|setinfo", "hello", "hgetall", "ping"] {
        commands.remove(name);
    }
    (commands, ended - begun)
}

#[tokio::test]
async fn no_script_does_more_in_a_larger_database() {
    let (few, few_us) = measure(1_000).await;
    let (many, many_us) = measure(100_000).await;
    println!(
        "{ROUNDS} rounds of every call: {few_us} us with 10^3 handles, {many_us} us with 10^5"
    );
    println!("commands: {few:?}");
    assert!(
        few.get("evalsha")
            .is_some_and(|&count| count >= 12 * ROUNDS)
    );
    for name in ["scan", "keys", "hscan", "zscan", "sscan", "hvals"] {
        assert_eq!(many.get(name), None);
    }
    // What the clock decides (registrations are renewed, the lowest snapshot is looked up) differs by a few.
    let slack = |name: &str| {
        if matches!(name, "hget" | "hset") {
            ROUNDS
        } else {
            0
        }
    };
    for (name, &count) in &few {
        let other = many.get(name).copied().unwrap_or(0);
        assert!(
            count.abs_diff(other) <= slack(name),
            "{name}: {count}, {other}"
        );
    }
    assert!(
        many_us < TIMES_MAX * few_us,
        "{few_us} us with 10^3 handles, {many_us} us with 10^5"
    );
}
