//! Goal: Sentinel, Cluster, TLS and users work, and a wrong address or password says so.

use std::process::Command;
use std::time::Duration;

use sop_engine::types::LogicalId;
use sop_host::registry::RegistryError;
use sop_host::registry::memory::epoch_version;
use sop_host::registry::redis::{RedisOptions, RedisServer};
use sop_host::registry::server::RegistryServer;
use sop_tests::servers::redis::{Cluster, RedisProcess, Watched, free_port, wait_for};

use super::{begin, connect, entry, key, put};

const A: LogicalId = LogicalId::new(7, 10);

#[tokio::test]
async fn sentinels_lead_to_the_master_and_after_a_failover_to_the_new_one() {
    let mut watched = Watched::start();
    let server = connect(&watched.url()).await;
    let registry = begin(&server, 1, &[entry(A, 1)]).await.unwrap();
    put(&*registry, key(1, 1), &[LogicalId::new(7, 11)])
        .await
        .unwrap();
    watched.master.kill();
    wait_for("the failover", || {
        watched.replica.info("replication", "role") == "master"
    });
    let mut answer = registry.now(None, 0).await;
    for _ in 0..200 {
        if !matches!(answer, Err(RegistryError::Unavailable(_))) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        answer = registry.now(None, 0).await;
    }
    assert!(
        matches!(answer, Err(RegistryError::Foreign(_))),
        "{answer:?}"
    );
    let next = begin(&server, 2, &[entry(A, 1)]).await.unwrap();
    put(&*next, key(2, 1), &[LogicalId::new(7, 11)])
        .await
        .unwrap();
}

#[tokio::test]
async fn a_cluster_spreads_databases_and_each_works() {
    let cluster = Cluster::start();
    for name in ["a", "b", "c", "d"] {
        let url = cluster.url();
        let server = RedisServer::connect(&url, name, RedisOptions::default());
        let server = server.await.unwrap();
        let registry = begin(&server, 1, &[entry(A, 1)]).await.unwrap();
        let newest = put(&*registry, key(1, 1), &[LogicalId::new(7, 11)])
            .await
            .unwrap();
        assert!(registry.resolve(&[A], newest).await.unwrap()[0].is_some());
        assert_eq!(server.standing().await.unwrap().epoch, Some(1));
    }
    let holding = cluster
        .nodes
        .iter()
        .filter(|node| node.query::<u64>(&["DBSIZE"]).unwrap() > 0);
    assert!(holding.count() > 1);
}

#[tokio::test]
async fn users_need_few_rights_and_a_wrong_password_says_so() {
    let rights = "user sop on >secret ~sop:{tests/database}:* -@all +evalsha +eval +info +time +hget +hmget +hset \
                  +hdel +hlen +hkeys +hgetall +hscan +hexists +hincrby +zadd +zscore +zmscore +zcard +zrem \
                  +zrangebylex +zrevrangebylex +zremrangebylex +zremrangebyscore +lindex +lrange +ltrim +lset +rpush +sadd +srem \
                  +srandmember +exists +unlink";
    let process = RedisProcess::start();
    let words: Vec<_> = rights.split_whitespace().collect();
    let mut command = vec!["ACL", "SETUSER"];
    command.extend(&words[1..]);
    process.command(&command);
    let url = format!("redis://sop:secret@{}", process.host());
    let server = connect(&url).await;
    let registry = begin(&server, 1, &[entry(A, 1)]).await.unwrap();
    let newest = put(&*registry, key(1, 1), &[LogicalId::new(7, 11)])
        .await
        .unwrap();
    registry.prune().await.unwrap();
    registry.mark(&[A], Duration::from_secs(1)).await.unwrap();
    assert!(registry.resolve(&[A], newest - 1).await.unwrap()[0].is_some());

    let wrong = format!("redis://sop:wrong@{}", process.host());
    let error = RedisServer::connect(&wrong, "tests/database", RedisOptions::default()).await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("wrong user or password") && !error.contains("sop:wrong"),
        "{error}"
    );
    let other = RedisServer::connect(&url, "other", RedisOptions::default()).await;
    let error = other.unwrap_err().to_string();
    assert!(error.contains("lacks a right"), "{error}");
}

#[tokio::test]
async fn a_wrong_address_says_so() {
    let options = RedisOptions::default;
    for url in [
        "localhost",
        "http://localhost",
        "redis+sentinel://a",
        "redis+other://a",
        "redis+cluster://",
    ] {
        let error = RedisServer::connect(url, "a", options()).await.unwrap_err();
        assert!(matches!(error, RegistryError::Invalid(_)), "{url}: {error}");
    }
    let url = format!("redis://127.0.0.1:{}", free_port());
    let error = RedisServer::connect(&url, "a", options())
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::Unavailable(_)), "{error}");
    let error = RedisServer::connect(&url, "{a}", options())
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::Invalid(_)), "{error}");
}

/// A certificate authority and a certificate for 127.0.0.1, or nothing without the openssl program.
fn certificates(folder: &std::path::Path) -> Option<()> {
    let run = |line: &str| {
        let done = Command::new("openssl")
            .args(line.split(' '))
            .current_dir(folder)
            .output();
        done.ok().filter(|output| output.status.success()).map(drop)
    };
    std::fs::write(
        folder.join("extensions"),
        "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n",
    )
    .ok()?;
    run(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=ca",
    )?;
    run(
        "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout server.key -out server.csr -subj /CN=server",
    )?;
    run(
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out server.crt",
    )
}

#[tokio::test]
async fn tls_works_with_a_private_authority() {
    let folder = tempfile::tempdir().unwrap();
    if certificates(folder.path()).is_none() {
        println!("skipped: no openssl program to make certificates with");
        return;
    }
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let port = free_port();
    let _process = RedisProcess::start_with(&[
        "--save",
        "",
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &file("server.crt"),
        "--tls-key-file",
        &file("server.key"),
        "--tls-ca-cert-file",
        &file("ca.crt"),
        "--tls-auth-clients",
        "no",
    ]);
    let url = format!("rediss://127.0.0.1:{port}");
    let options = RedisOptions {
        root_certificate: Some(std::fs::read(file("ca.crt")).unwrap()),
        ..RedisOptions::default()
    };
    let server = RedisServer::connect(&url, "a", options).await.unwrap();
    let registry = begin(&server, 1, &[entry(A, 1)]).await.unwrap();
    assert!(registry.resolve(&[A], epoch_version(1)).await.unwrap()[0].is_some());
    let error = RedisServer::connect(&url, "a", RedisOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::Unavailable(_)), "{error}");
}
