//! `sop doctor` as its users run it, on servers that are fit and on servers that are not.
//!
//! Goal: what is unusable is named and ends with 1, what works ends with 0, and nothing is left behind.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use sop_tests::servers::redis::{RedisProcess, free_port};
use sop_tests::servers::s3::{BUCKET, Lie, LyingServer, settings};

use crate::histories::shell::binary;

/// The global options that name a database.
struct Options(Vec<String>);

impl Options {
    fn directory(path: &Path, registry: &str) -> Self {
        let database = format!("dir:{}", path.display());
        Self(
            ["--database", &database, "--registry", registry]
                .map(str::to_owned)
                .to_vec(),
        )
    }

    fn objects(settings: &BTreeMap<String, String>) -> Self {
        let mut options = vec!["--database".to_owned(), format!("s3://{BUCKET}/doctor")];
        for (name, value) in settings {
            options.extend(["--object-store".to_owned(), format!("{name}={value}")]);
        }
        Self(options)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command.args(&self.0).args(arguments);
        let folder = tempfile::tempdir().unwrap();
        command.current_dir(folder.path()).output().unwrap()
    }

    /// Answers whether the doctor ended well, and its findings by part and subject.
    fn examine(&self) -> (bool, BTreeMap<String, Value>) {
        let output = self.run(&["--json", "doctor"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{output:?}"));
        let healthy = answer["healthy"].as_bool().unwrap();
        assert_eq!(
            output.status.code(),
            Some(i32::from(!healthy)),
            "{output:?}"
        );
        let findings = answer["findings"].as_array().unwrap().iter();
        let named = findings.map(|finding| {
            let text = |name: &str| finding[name].as_str().unwrap().to_owned();
            (
                format!("{}: {}", text("part"), text("subject")),
                finding.clone(),
            )
        });
        (healthy, named.collect())
    }

    /// Stops unless the findings have this grade, and this in their message.
    #[track_caller]
    fn expect(&self, healthy: bool, subject: &str, grade: &str, message: &str) -> Value {
        let (found, findings) = self.examine();
        let finding = findings
            .get(subject)
            .unwrap_or_else(|| panic!("{subject}: {findings:#?}"));
        let text = finding["message"].as_str().unwrap();
        assert!(text.contains(message), "{text}");
        assert_eq!(finding["grade"], grade, "{findings:#?}");
        assert_eq!(found, healthy, "{findings:#?}");
        finding.clone()
    }
}

/// A directory with a database over this registry.
fn database(registry: &RedisProcess) -> (tempfile::TempDir, Options) {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::directory(folder.path(), &registry.url());
    let output = options.run(&["create", "s"]);
    assert!(output.status.success(), "{output:?}");
    (folder, options)
}

#[test]
fn fit_servers_are_measured_and_nothing_is_left() {
    let redis = RedisProcess::start();
    let (folder, options) = database(&redis);
    let keys: u64 = redis.query(&["DBSIZE"]).unwrap();
    let (healthy, findings) = options.examine();
    assert!(healthy, "{findings:#?}");
    for (subject, finding) in &findings {
        assert_eq!(finding["grade"], "fine", "{subject}: {finding}");
    }
    for subject in [
        "object store: conditional put",
        "object store: claims",
        "object store: expected commit",
        "database: identity",
        "database: epochs",
        "registry: reachability",
        "registry: version",
        "registry: role",
        "registry: eviction",
        "registry: memory",
        "registry: persistence",
        "registry: rights",
        "registry: epoch",
    ] {
        assert!(findings.contains_key(subject), "{subject}: {findings:#?}");
    }
    for subject in [
        "object store: put of 8 KiB",
        "object store: get of 8 KiB",
        "object store: look-up",
        "registry: round trip",
    ] {
        let latency = &findings[subject]["latency"];
        let (least, median) = (latency["least_us"].as_u64(), latency["median_us"].as_u64());
        assert!(
            least.unwrap() <= median.unwrap() && median > Some(0),
            "{latency}"
        );
    }
    assert!(!folder.path().join("probe").exists());
    assert_eq!(redis.query::<u64>(&["DBSIZE"]).unwrap(), keys);

    let text = options.run(&["doctor"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(
        text.contains("round trip") && text.contains("\nhealthy"),
        "{text}"
    );

    redis.command(&["FLUSHALL"]);
    options.expect(true, "registry: epoch", "warning", "recovers it");
    redis.command(&["CONFIG", "SET", "maxmemory", "100mb"]);
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    options.expect(true, "registry: eviction", "fine", "refuses commits");
}

#[test]
fn a_place_without_a_database_says_so() {
    let (redis, folder) = (RedisProcess::start(), tempfile::tempdir().unwrap());
    let options = Options::directory(folder.path(), &redis.url());
    options.expect(true, "database: identity", "warning", "creates it");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_registry_that_throws_keys_away_is_a_problem() {
    let redis = RedisProcess::start();
    let (_folder, options) = database(&redis);
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    options.expect(true, "registry: eviction", "warning", "allkeys-lru");
    redis.command(&["CONFIG", "SET", "maxmemory", "100mb"]);
    options.expect(
        false,
        "registry: eviction",
        "problem",
        "maxmemory-policy noeviction",
    );
    let refused = options.run(&["stores"]);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && text.contains("noeviction"),
        "{text}"
    );
}

#[test]
fn a_replica_says_so_to_the_doctor_and_to_whoever_opens() {
    let (master, replica) = (RedisProcess::start(), RedisProcess::start());
    let (folder, _) = database(&master);
    replica.follow(&master);
    let options = Options::directory(folder.path(), &replica.url());
    let of = format!("replica of 127.0.0.1:{}", master.port());
    options.expect(false, "registry: role", "problem", &of);
    for arguments in [["stores", "--quiet"], ["create", "t"]] {
        let refused = options.run(&arguments);
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && text.contains(&of), "{text}");
    }
}

#[test]
fn a_user_without_a_right_and_a_server_out_of_reach_are_problems() {
    let redis = RedisProcess::start();
    let (folder, _) = database(&redis);
    let rights = "ACL SETUSER limited on >secret ~* +@all -hincrby -lset";
    redis.command(&rights.split(' ').collect::<Vec<_>>());
    let url = format!("redis://limited:secret@{}", redis.host());
    let options = Options::directory(folder.path(), &url);
    let finding = options.expect(false, "registry: rights", "problem", "HINCRBY");
    let message = finding["message"].as_str().unwrap();
    assert!(
        message.contains("LSET") && !message.contains("ZADD"),
        "{message}"
    );

    let wrong = format!("redis://limited:wrong@{}", redis.host());
    let options = Options::directory(folder.path(), &wrong);
    let finding = options.expect(false, "registry: reachability", "problem", "password");
    assert!(!finding.to_string().contains("limited:wrong"));

    let nobody = format!("redis://127.0.0.1:{}", free_port());
    let options = Options::directory(folder.path(), &nobody);
    options.expect(false, "registry: reachability", "problem", "127.0.0.1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_store_that_ignores_conditions_is_a_problem() {
    let honest = LyingServer::start(Lie::None).await;
    let lying = LyingServer::start(Lie::IgnoresCondition).await;
    let examined = tokio::task::spawn_blocking(move || {
        let subject = "object store: conditional put";
        let options = Options::objects(&settings(honest.port()));
        options.expect(true, subject, "fine", "exactly one");
        let options = Options::objects(&settings(lying.port()));
        options.expect(false, subject, "problem", "let through");
    });
    examined.await.unwrap();
}
