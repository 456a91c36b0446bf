//! What `sop doctor` finds on real servers: one that is as it must be, and several that are not.

use sop_host::doctor::{Finding, Grade, examine};
use sop_host::{Backends, Database, Url};
use sop_tests::servers::redis::{RedisProcess, wait_for};
use tempfile::TempDir;

async fn findings(folder: &TempDir, registry: String) -> Vec<Finding> {
    let url: Url = format!("dir:{}", folder.path().display()).parse().unwrap();
    let backends = Backends {
        registry: Some(registry),
        ..Backends::default()
    };
    examine(&url, &backends).await.unwrap()
}

fn finding<'a>(findings: &'a [Finding], subject: &str) -> &'a Finding {
    let mut registry = findings.iter().filter(|finding| finding.part == "registry");
    registry
        .find(|finding| finding.subject == subject)
        .unwrap_or_else(|| panic!("nothing on {subject} in {findings:#?}"))
}

/// A database in a folder, with this registry.
async fn database(folder: &TempDir, registry: String) {
    let database = Database::builder()
        .url(format!("dir:{}", folder.path().display()))
        .backends(Backends {
            registry: Some(registry),
            ..Backends::default()
        })
        .create(true);
    let database = database.open().await.unwrap();
    database
        .transact(async |tx| tx.create_store("s").await.map(|_| ()))
        .await
        .unwrap();
    database.close().await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_as_it_must_be_is_healthy() {
    let (folder, redis) = (tempfile::tempdir().unwrap(), RedisProcess::start());
    let before = findings(&folder, redis.url()).await;
    assert!(
        before.iter().all(|finding| finding.grade != Grade::Problem),
        "{before:#?}"
    );
    database(&folder, redis.url()).await;
    let found = findings(&folder, redis.url()).await;
    assert!(
        found.iter().all(|finding| finding.grade == Grade::Fine),
        "{found:#?}"
    );
    assert!(finding(&found, "epoch").message.contains("1 is active"));
    finding(&found, "round trip");
    // What looks leaves nothing behind.
    assert_eq!(
        redis.query::<Vec<String>>(&["KEYS", "*:doctor"]).unwrap(),
        [""; 0]
    );

    redis.command(&["FLUSHALL"]);
    let flushed = findings(&folder, redis.url()).await;
    assert_eq!(finding(&flushed, "epoch").grade, Grade::Warning);
}

#[tokio::test]
async fn a_server_that_throws_keys_away_is_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    let redis = RedisProcess::start_with(&[
        "--save",
        "",
        "--maxmemory",
        "100mb",
        "--maxmemory-policy",
        "allkeys-lru",
    ]);
    let found = findings(&folder, redis.url()).await;
    let eviction = finding(&found, "eviction");
    assert_eq!(eviction.grade, Grade::Problem);
    assert!(eviction.message.contains("noeviction"), "{eviction:?}");
}

#[tokio::test]
async fn a_replica_a_user_without_rights_and_nobody_are_problems() {
    let folder = tempfile::tempdir().unwrap();
    let (master, replica) = (RedisProcess::start(), RedisProcess::start());
    replica.follow(&master);
    wait_for("the replica", || {
        replica.info("replication", "role") == "slave"
    });
    let found = findings(&folder, replica.url()).await;
    let server = finding(&found, "server");
    assert_eq!(server.grade, Grade::Problem);
    assert!(server.message.contains("replica"), "{server:?}");

    master.command(&[
        "ACL", "SETUSER", "weak", "on", ">w", "~*", "-@all", "+evalsha", "+eval", "+info", "+time",
        "+hmget", "+hget",
    ]);
    let weak = format!("redis://weak:w@{}", master.host());
    let found = findings(&folder, weak).await;
    let rights = finding(&found, "rights");
    assert_eq!(rights.grade, Grade::Problem);
    assert!(rights.message.contains("lacks a right"), "{rights:?}");

    let found = findings(&folder, "redis://127.0.0.1:1".to_owned()).await;
    assert_eq!(finding(&found, "server").grade, Grade::Problem);
}
