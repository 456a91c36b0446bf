//! Goal: a registry that lost anything, or is another one than it was, says so; it never answers
//! older or missing data. Method: break one thing behind the registry's back, then make every call.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use sop_engine::types::{LogicalId, Observation};
use sop_host::registry::memory::epoch_version;
use sop_host::registry::redis::{RedisOptions, RedisServer};
use sop_host::registry::server::{Activation, RegistryServer};
use sop_host::registry::{Claim, Registry, RegistryError};
use sop_tests::servers::redis::RedisProcess;

use super::{LEASE, begin, connect, entry, group, key, place, put, transaction};

const A: LogicalId = LogicalId::new(7, 10);
const B: LogicalId = LogicalId::new(7, 11);
const FRESH: LogicalId = LogicalId::new(7, 12);

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

fn name_of(part: &str) -> String {
    match part {
        "epoch" => "sop:{tests/database}:epoch".to_owned(),
        part => format!("sop:{{tests/database}}:1:{part}"),
    }
}

type Answer = Result<(), RegistryError>;

/// Every call of a registry.
async fn all_calls(registry: &Arc<dyn Registry>, newest: u64) -> Vec<(&'static str, Answer)> {
    let ids = [A, B, FRESH];
    let claims = [(A, Claim::Exclusive), (FRESH, Claim::Exclusive)];
    let observed = vec![Observation { id: B, version: 9 }];
    let calls: Vec<(&str, BoxFuture<'_, Answer>)> = vec![
        (
            "now",
            Box::pin(async { registry.now(None, newest - 1).await.map(drop) }),
        ),
        (
            "resolve",
            Box::pin(async { registry.resolve(&ids, newest).await.map(drop) }),
        ),
        (
            "resolve old",
            Box::pin(async { registry.resolve(&ids, newest - 1).await.map(drop) }),
        ),
        (
            "counters",
            Box::pin(async { registry.counters(&ids, newest).await.map(drop) }),
        ),
        (
            "confirm",
            Box::pin(async { registry.confirm(&[(A, None)], newest).await.map(drop) }),
        ),
        (
            "history",
            Box::pin(async { registry.history(&ids).await.map(drop) }),
        ),
        (
            "reserve",
            Box::pin(async {
                registry
                    .reserve(group(key(1, 99), observed, &claims))
                    .await
                    .map(drop)
            }),
        ),
        (
            "publish",
            Box::pin(async { registry.publish(77, Vec::new()).await.map(drop) }),
        ),
        (
            "abandon",
            Box::pin(async { registry.abandon(key(1, 98)).await }),
        ),
        (
            "blocking",
            Box::pin(async { registry.blocking(&ids).await.map(drop) }),
        ),
        (
            "overdue",
            Box::pin(async { registry.overdue().await.map(drop) }),
        ),
        (
            "mark",
            Box::pin(async { registry.mark(&ids, Duration::ZERO).await }),
        ),
        (
            "outcome",
            Box::pin(async { registry.outcome(transaction(5)).await.map(drop) }),
        ),
        ("prune", Box::pin(async { registry.prune().await })),
        (
            "entries",
            Box::pin(async { registry.entries(newest, b"", 10).await.map(drop) }),
        ),
        (
            "entries of the past",
            Box::pin(async { registry.entries(newest, b"p", 10).await.map(drop) }),
        ),
        (
            "begin_period",
            Box::pin(async {
                let period = registry.progress().map_or(0, |progress| progress.period);
                match registry.begin_period(period).await {
                    // An earlier round began it.
                    Err(RegistryError::PeriodEnded(_)) => Ok(()),
                    answer => answer.map(drop),
                }
            }),
        ),
    ];
    let mut answers = Vec::new();
    for (name, call) in calls {
        answers.push((name, call.await));
    }
    answers
}

fn foreign(answer: &Answer) -> bool {
    matches!(answer, Err(RegistryError::Foreign(_)))
}

async fn assert_all_foreign(registry: &Arc<dyn Registry>, newest: u64) {
    for (name, answer) in all_calls(registry, newest).await {
        assert!(foreign(&answer), "{name}: {answer:?}");
    }
    tokio::time::timeout(Duration::from_secs(1), registry.released(1_000_000))
        .await
        .expect("nothing is left to wait for");
}

/// A registry of epoch 1 with a published and an open transaction; answers its newest version.
async fn used(process: &RedisProcess) -> (Arc<dyn Registry>, u64) {
    let server = connect(&process.url()).await;
    let registry = begin(&server, 1, &[entry(A, 1)]).await.unwrap();
    let newest = put(&*registry, key(1, 5), &[B]).await.unwrap();
    let open = group(
        key(1, 6),
        Vec::new(),
        &[(LogicalId::new(7, 50), Claim::Exclusive)],
    );
    registry.reserve(open).await.unwrap();
    (registry, newest)
}

#[tokio::test]
async fn nothing_is_foreign_while_nothing_is_lost() {
    let process = RedisProcess::start();
    let (registry, newest) = used(&process).await;
    for (name, answer) in all_calls(&registry, newest).await {
        assert!(answer.is_ok(), "{name}: {answer:?}");
    }
}

#[tokio::test]
async fn after_a_flush_every_call_is_foreign() {
    let process = RedisProcess::start();
    let (registry, newest) = used(&process).await;
    process.command(&["FLUSHALL"]);
    assert_all_foreign(&registry, newest).await;
    let standing = connect(&process.url()).await.standing().await.unwrap();
    assert_eq!((standing.epoch, standing.remembered), (None, None));
}

#[tokio::test]
async fn without_its_root_every_call_is_foreign() {
    let process = RedisProcess::start();
    let (registry, newest) = used(&process).await;
    process.command(&["DEL", &name_of("epoch")]);
    assert_all_foreign(&registry, newest).await;
}

/// Who touches a key notices that it is gone; who does not answers as before. The epoch counts as
/// lost in any case.
#[tokio::test]
async fn a_deleted_key_is_noticed_by_every_call_that_touches_it() {
    let touched_by = |part: &str| -> &[&str] {
        match part {
            "handles" => &[
                "resolve",
                "resolve old",
                "counters",
                "confirm",
                "history",
                "reserve",
                "publish",
                "prune",
                "entries",
                "entries of the past",
                "begin_period",
            ],
            "past" => &[
                "resolve old",
                "history",
                "publish",
                "prune",
                "entries",
                "entries of the past",
            ],
            "queue" => &["publish", "prune"],
            "intents" => &["now", "reserve", "publish", "abandon", "blocking"],
            "reservations" => &[
                "reserve",
                "publish",
                "abandon",
                "blocking",
                "overdue",
                "begin_period",
            ],
            "claims" => &["reserve", "publish", "abandon"],
            "feed" => &["now", "publish"],
            "published" => &["publish", "outcome", "begin_period"],
            "snapshots" => &["now", "publish", "prune"],
            "marks" => &["reserve", "mark"],
            _ => unreachable!(),
        }
    };
    let process = RedisProcess::start();
    for part in PARTS {
        process.command(&["FLUSHALL"]);
        let (registry, newest) = used(&process).await;
        process.command(&["DEL", &name_of(part)]);
        for (name, answer) in all_calls(&registry, newest).await {
            let expected = touched_by(part).contains(&name);
            assert_eq!(foreign(&answer), expected, "{part}: {name}: {answer:?}");
        }
        // Nothing was written before the check, so nothing brings the key back.
        assert_eq!(
            process.query::<u64>(&["EXISTS", &name_of(part)]).unwrap(),
            0
        );
        let standing = connect(&process.url()).await.standing().await.unwrap();
        assert_eq!(
            (standing.epoch, standing.remembered),
            (None, Some(1)),
            "{part}"
        );
    }
}

#[tokio::test]
async fn a_key_of_another_kind_is_foreign() {
    let process = RedisProcess::start();
    for part in PARTS {
        process.command(&["FLUSHALL"]);
        let (registry, newest) = used(&process).await;
        process.command(&["SET", &name_of(part), "x"]);
        let answers = all_calls(&registry, newest).await;
        assert!(answers.iter().any(|(_, answer)| foreign(answer)), "{part}");
        let fine = answers
            .iter()
            .all(|(_, answer)| answer.is_ok() || foreign(answer));
        assert!(fine, "{part}: {answers:?}");
    }
}

#[tokio::test]
async fn an_evicted_key_is_noticed_and_such_a_server_is_refused() {
    let process = RedisProcess::start();
    let (registry, newest) = used(&process).await;
    process.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]);
    process.command(&["CONFIG", "SET", "maxmemory", "1"]);
    let evicted = || -> u64 { process.info("stats", "evicted_keys").parse().unwrap() };
    let mut tries = 0;
    while evicted() == 0 && tries < 100 {
        let _ = process.query::<redis::Value>(&["SET", "other", "value"]);
        tries += 1;
    }
    process.command(&["CONFIG", "SET", "maxmemory", "0"]);
    assert!(evicted() > 0);
    let answers = all_calls(&registry, newest).await;
    assert!(
        answers.iter().any(|(_, answer)| foreign(answer)),
        "{answers:?}"
    );
    process.command(&["CONFIG", "SET", "maxmemory", "1gb"]);
    let url = process.url();
    let refused = RedisServer::connect(&url, "x", RedisOptions::default());
    let refused = refused.await.unwrap_err().to_string();
    assert!(refused.contains("noeviction"), "{refused}");
}

#[tokio::test]
async fn after_a_restart_every_call_is_foreign_even_with_all_data_on_disk() {
    for arguments in [
        &["--save", ""][..],
        &["--appendonly", "yes", "--appendfsync", "always"],
    ] {
        let mut process = RedisProcess::start_with(arguments);
        let (registry, newest) = used(&process).await;
        process.kill();
        let down = registry.now(None, 0).await.unwrap_err();
        assert!(matches!(down, RegistryError::Unavailable(_)), "{down:?}");
        process.restart();
        tokio::time::sleep(Duration::from_millis(150)).await;
        // The first call may find the old connection broken.
        let _ = registry.now(None, 0).await;
        assert_all_foreign(&registry, newest).await;
        let server = connect(&process.url()).await;
        let standing = server.standing().await.unwrap();
        assert_eq!(standing.epoch, None);
        assert_eq!(standing.remembered.is_some(), arguments.contains(&"yes"));
        let next = begin(&server, 2, &[entry(A, 3)]).await.unwrap();
        let found = next.resolve(&[A, B], epoch_version(2)).await.unwrap();
        assert_eq!(found[0].as_ref().unwrap().chain, vec![place(3)]);
        assert_eq!(found[1], None);
        assert_all_foreign(&registry, newest).await;
    }
}

#[tokio::test]
async fn a_replica_is_unavailable_and_a_promoted_one_foreign() {
    let (first, second) = (RedisProcess::start(), RedisProcess::start());
    let (registry, newest) = used(&first).await;
    let server = connect(&second.url()).await;
    second.follow(&first);
    let replica = server.registry(1);
    let standing = server.standing().await;
    assert!(
        matches!(standing, Err(RegistryError::Unavailable(_))),
        "{standing:?}"
    );
    for (name, answer) in all_calls(&replica, newest).await {
        assert!(
            matches!(answer, Err(RegistryError::Unavailable(_))),
            "{name}: {answer:?}"
        );
    }
    second.promote();
    assert_all_foreign(&replica, newest).await;
    assert_eq!(server.standing().await.unwrap().epoch, None);

    // A -> B -> A: the old master follows the promoted one, then is master again, with the data of
    // both.
    first.follow(&second);
    let answer = registry.now(None, 0).await;
    assert!(
        matches!(answer, Err(RegistryError::Unavailable(_))),
        "{answer:?}"
    );
    first.promote();
    assert_all_foreign(&registry, newest).await;
}

/// The master comes back from an older copy of its own data under its own name.
#[tokio::test]
async fn an_older_state_is_foreign_to_whoever_saw_a_newer_one() {
    let process = RedisProcess::start();
    let (registry, newest) = used(&process).await;
    process.command(&["HSET", &name_of("epoch"), "version", "0"]);
    assert_all_foreign(&registry, newest).await;
}

#[tokio::test]
async fn activation_happens_once_on_the_registry_that_the_claim_names() {
    let process = RedisProcess::start();
    let server = connect(&process.url()).await;
    let identity = server.standing().await.unwrap().identity;
    let activation = Activation {
        epoch: 4,
        identity: identity.clone(),
        version: epoch_version(4),
        next_ticket: 9,
        batches: 1,
        entries: 2,
    };
    let batch = [entry(A, 1), entry(B, 2)];
    let refused = |answer: Answer| assert!(foreign(&answer), "{answer:?}");

    refused(server.activate(&activation).await);
    server.stage(4, 0, &batch).await.unwrap();
    server.stage(4, 0, &batch).await.unwrap();
    // Staged is not active.
    refused(server.registry(4).now(None, 0).await.map(drop));
    let other = Activation {
        identity: identity.replace(['0', '1', '2', '3'], "a"),
        ..activation.clone()
    };
    refused(server.activate(&other).await);
    for (batches, entries) in [(2, 2), (1, 3), (0, 0)] {
        let wrong = Activation {
            batches,
            entries,
            ..activation.clone()
        };
        refused(server.activate(&wrong).await);
    }
    server.activate(&activation).await.unwrap();
    assert_eq!(server.standing().await.unwrap().epoch, Some(4));
    let registry = server.registry(4);
    let found = registry.resolve(&[B], epoch_version(4)).await.unwrap();
    assert_eq!(found[0].as_ref().unwrap().chain, vec![place(2)]);
    let reserved = registry.reserve(group(key(4, 1), Vec::new(), &[(FRESH, Claim::Exclusive)]));
    assert_eq!(reserved.await.unwrap().ticket, Some(9));

    // Not a second time, not an older one, and late batches go nowhere.
    refused(server.activate(&activation).await);
    refused(server.stage(4, 1, &batch).await);
    refused(server.stage(3, 0, &batch).await);
    refused(begin(&server, 3, &[]).await.map(drop));
}

#[tokio::test]
async fn what_was_staged_and_lost_is_not_activated() {
    let process = RedisProcess::start();
    let server = connect(&process.url()).await;
    let identity = server.standing().await.unwrap().identity;
    let activation = |epoch, batches, entries| Activation {
        epoch,
        identity: identity.clone(),
        version: epoch_version(epoch),
        next_ticket: 1,
        batches,
        entries,
    };
    server.stage(1, 0, &[entry(A, 1)]).await.unwrap();
    process.command(&["FLUSHALL"]);
    server.stage(1, 1, &[entry(B, 1)]).await.unwrap();
    assert!(foreign(&server.activate(&activation(1, 2, 2)).await));
    server.stage(2, 0, &[entry(A, 1)]).await.unwrap();
    process.command(&["DEL", &name_of("handles").replace(":1:", ":2:")]);
    assert!(foreign(&server.stage(2, 1, &[entry(B, 1)]).await));
    assert!(foreign(&server.activate(&activation(2, 1, 1)).await));
    // An abandoned attempt leaves nothing behind.
    begin(&server, 3, &[entry(A, 1)]).await.unwrap();
    begin(&server, 5, &[entry(A, 1)]).await.unwrap();
    let keys: Vec<String> = process.query(&["KEYS", "*"]).unwrap();
    let current =
        |key: &String| key.contains(":5:") || key.ends_with(":epoch") || key.ends_with(":epochs");
    assert!(keys.iter().all(current), "{keys:?}");
}

#[tokio::test]
async fn two_databases_on_one_server_know_nothing_of_each_other() {
    let process = RedisProcess::start();
    let (registry, newest) = used(&process).await;
    let url = process.url();
    let other = RedisServer::connect(&url, "b", RedisOptions::default());
    let other = other.await.unwrap();
    assert_eq!(other.standing().await.unwrap().epoch, None);
    let theirs = begin(&other, 6, &[]).await.unwrap();
    assert_eq!(
        theirs.resolve(&[A], epoch_version(6)).await.unwrap(),
        vec![None]
    );
    assert!(registry.resolve(&[A], newest).await.unwrap()[0].is_some());
    registry.mark(&[A], LEASE).await.unwrap();
}
