//! Goal: over a real Redis, a recovery after everything was lost reads the newest checkpoint and the segments that came
//! after it, and nothing else; entries are read in bounded steps while commits go on. Method: storages over objects in
//! memory that count what is asked of them, and FLUSHALL.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use sop_engine::types::{CommitOutcome, LogicalId, Observation, TransactionOutcome};
use sop_host::blob::BlobError;
use sop_host::blob::objects::memory::MemoryObjects;
use sop_host::blob::objects::{Listed, Objects, Stored};
use sop_host::recovery::epoch::EpochStore;
use sop_host::registry::redis::{RedisOptions, RedisServer};
use sop_host::runtime::{Runtime, TokioRuntime};
use sop_host::storage::{
    Change, ChangeKind, CheckpointOptions, HistoryOptions, ObjectOptions, RegistryPlace, Storage,
    StorageOptions,
};
use sop_tests::servers::redis::RedisProcess;

const STORE: u64 = 7;
const COUNT: LogicalId = LogicalId::counter(STORE);
/// Ids of one transaction: half of what it may have.
const BATCH: u64 = 10_000;

/// Objects that remember which names were read and listed.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) below: MemoryObjects,
    read: Mutex<Vec<String>>,
    listed: Mutex<Vec<String>>,
}

impl Counted {
    fn forget(&self) {
        self.read.lock().clear();
        self.listed.lock().clear();
    }

    /// How many reads and listed names of this prefix there were.
    fn count(&self, prefix: &str) -> (usize, usize) {
        let of = |names: &Mutex<Vec<String>>| {
            let names = names.lock();
            names.iter().filter(|name| name.starts_with(prefix)).count()
        };
        (of(&self.read), of(&self.listed))
    }
}

#[async_trait]
impl Objects for Counted {
    async fn put_if_absent(&self, name: &str, bytes: Bytes) -> Result<Stored, BlobError> {
        self.below.put_if_absent(name, bytes).await
    }
    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), BlobError> {
        self.below.put(name, bytes).await
    }
    async fn get(&self, name: &str) -> Result<Option<Bytes>, BlobError> {
        self.read.lock().push(name.to_owned());
        self.below.get(name).await
    }
    async fn get_ranges(
        &self,
        name: &str,
        ranges: &[Range<u64>],
    ) -> Result<Option<Vec<Bytes>>, BlobError> {
        self.read.lock().push(name.to_owned());
        self.below.get_ranges(name, ranges).await
    }
    async fn exists(&self, name: &str) -> Result<bool, BlobError> {
        self.below.exists(name).await
    }
    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, BlobError> {
        let listed = self.below.list(prefix).await?;
        let names = listed.iter().map(|listed| listed.name.clone());
        self.listed.lock().extend(names);
        Ok(listed)
    }
    async fn list_from(&self, prefix: &str, from: &str) -> Result<Vec<Listed>, BlobError> {
        let listed = self.below.list_from(prefix, from).await?;
        let names = listed.iter().map(|listed| listed.name.clone());
        self.listed.lock().extend(names);
        Ok(listed)
    }
    async fn delete(&self, name: &str) -> Result<(), BlobError> {
        self.below.delete(name).await
    }
}

pub(super) async fn open(objects: &Arc<Counted>, redis: &RedisProcess) -> Storage {
    open_keeping(objects, redis, HistoryOptions::default()).await
}

/// A host that keeps so much history.
pub(super) async fn open_keeping(
    objects: &Arc<Counted>,
    redis: &RedisProcess,
    history: HistoryOptions,
) -> Storage {
    let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::current());
    let objects = Arc::clone(objects) as Arc<dyn Objects>;
    let epochs = EpochStore::open(objects, Arc::clone(&runtime), true);
    let url = redis.url();
    let redis = RedisOptions {
        history,
        ..RedisOptions::default()
    };
    let server = RedisServer::connect(&url, "checkpoint", redis);
    let options = ObjectOptions {
        storage: StorageOptions {
            history,
            ..StorageOptions::default()
        },
        registry: RegistryPlace::Shared(Arc::new(server.await.unwrap())),
        recover: false,
        disk: None,
        checkpoint: CheckpointOptions {
            automatic: false,
            ..CheckpointOptions::default()
        },
    };
    let opened = Storage::open_objects(epochs.await.unwrap(), options, runtime);
    opened.await.unwrap()
}

/// Ids that look random, as those of nodes do.
pub(super) fn id(number: u64) -> LogicalId {
    LogicalId::new(STORE, (number + 10).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

pub(super) fn put(id: LogicalId, text: &str) -> Change {
    Change {
        id,
        kind: ChangeKind::Put(Bytes::copy_from_slice(text.as_bytes())),
    }
}

fn add(amount: i64) -> Change {
    Change {
        id: COUNT,
        kind: ChangeKind::Add(amount),
    }
}

pub(super) async fn commit(storage: &Storage, observed: Vec<Observation>, changes: Vec<Change>) {
    let id = storage.transaction_id();
    let outcome = storage.commit(id, observed, changes, 0).await.unwrap();
    assert!(
        matches!(outcome, CommitOutcome::Committed(..)),
        "{outcome:?}"
    );
}

/// Changes what is there, and counts it.
pub(super) async fn change(storage: &Storage, id: LogicalId, text: &str) {
    let at = storage.now(None).await.unwrap().version;
    let handle = storage.resolve(&[id], at).await.unwrap().remove(0).unwrap();
    storage.release(at);
    let version = handle.version;
    commit(
        storage,
        vec![Observation { id, version }],
        vec![put(id, text), add(1)],
    )
    .await;
}

/// Puts so many fresh ids from a number on, and counts them.
pub(super) async fn load(storage: &Storage, first: u64, count: u64) {
    let mut from = first;
    while from < first + count {
        let to = (from + BATCH).min(first + count);
        let mut changes: Vec<_> = (from..to).map(|number| put(id(number), "first")).collect();
        changes.push(add((to - from) as i64));
        commit(storage, Vec::new(), changes).await;
        from = to;
    }
}

pub(super) async fn text(storage: &Storage, number: u64) -> Option<String> {
    let at = storage.now(None).await.unwrap().version;
    let handle = storage.resolve(&[id(number)], at).await.unwrap().remove(0);
    storage.release(at);
    let body = storage.get(&handle?.chain).await.unwrap().remove(0);
    Some(String::from_utf8(body.to_vec()).unwrap())
}

pub(super) async fn counted(storage: &Storage) -> i64 {
    let at = storage.now(None).await.unwrap().version;
    let value = storage.counters(&[COUNT], at).await.unwrap()[0].value;
    storage.release(at);
    value
}

/// Some two seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_reads_only_what_came_after_the_checkpoint() {
    let redis = RedisProcess::start();
    let objects = Arc::new(Counted::default());
    let storage = open(&objects, &redis).await;
    load(&storage, 0, 25_000).await;
    for number in 0..40 {
        change(&storage, id(number), "second").await;
    }
    // Commits go on while the entries are read.
    let (other, changed) = (storage.clone(), async |storage: Storage| {
        for number in 40..80 {
            change(&storage, id(number), "meanwhile").await;
        }
    });
    let (checkpoint, ()) = tokio::join!(storage.checkpoint(), changed(other));
    checkpoint.unwrap();
    storage.checkpoint().await.unwrap();
    for number in 80..90 {
        change(&storage, id(number), "after").await;
    }
    let early = storage.transaction_id();
    storage
        .commit(early, vec![], vec![add(1)], 0)
        .await
        .unwrap();
    objects.forget();
    redis.command(&["FLUSHALL"]);
    // 25,000 items, 90 changes of them, and one more addition.
    assert_eq!(counted(&storage).await, 25_091);
    let (read, listed) = objects.count("segment/");
    assert_eq!(
        listed, 11,
        "only the segments after the checkpoint are listed"
    );
    assert_eq!(read, 11, "and read once each: {:?}", objects.read.lock());
    for (number, expected) in [
        (0, "second"),
        (39, "second"),
        (40, "meanwhile"),
        (79, "meanwhile"),
        (80, "after"),
        (89, "after"),
        (90, "first"),
        (24_999, "first"),
    ] {
        assert_eq!(
            text(&storage, number).await.as_deref(),
            Some(expected),
            "{number}"
        );
    }
    assert_eq!(text(&storage, 25_000).await, None);
    let newcomer = open(&objects, &redis).await;
    let outcome = newcomer.outcome(early).await.unwrap();
    assert!(
        matches!(outcome, TransactionOutcome::Committed(_)),
        "{outcome:?}"
    );
    // What the recovery put in the registry is whole: a checkpoint of it has all of it.
    newcomer.checkpoint().await.unwrap();
    redis.command(&["FLUSHALL"]);
    assert_eq!(counted(&newcomer).await, 25_091);
    assert_eq!(text(&newcomer, 12_345).await.as_deref(), Some("first"));
}

/// The most memory that this process had since it was last asked, in MiB.
fn memory_peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    kib.trim().parse::<u64>().unwrap() / 1024
}

/// Seconds of processor time that this process and the server used so far: what other programs do is not in them.
fn busy(redis: &RedisProcess) -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // After the name: user and system time are the 12th and 13th field, in hundredths.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks: f64 = fields[11..13]
        .iter()
        .map(|text| text.parse::<f64>().unwrap())
        .sum();
    let of = |name| redis.info("cpu", name).parse::<f64>().unwrap();
    (ticks / 100.0, of("used_cpu_user") + of("used_cpu_sys"))
}

fn since(before: (f64, f64), after: (f64, f64)) -> String {
    let (host, server) = (after.0 - before.0, after.1 - before.1);
    format!("processor {host:.1} s here, {server:.1} s in Redis")
}

/// A line of the slow log: number, moment, microseconds, words, client, name of the client.
type Slow = (u64, u64, u64, Vec<Vec<u8>>, String, String);

/// Prints what a checkpoint and a recovery take for many handles:
/// `cargo test --workspace --locked --test it -- --ignored redis::checkpoint --nocapture`, with `SOP_HANDLES=1000000` for as
/// many handles.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn what_a_checkpoint_and_a_recovery_take() {
    let handles = std::env::var("SOP_HANDLES").map_or(100_000, |text| text.parse().unwrap());
    let redis = RedisProcess::start();
    let objects = Arc::new(Counted::default());
    let storage = open(&objects, &redis).await;
    let start = Instant::now();
    load(&storage, 0, handles).await;
    let loading = start.elapsed();
    redis.command(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]);
    redis.command(&["CONFIG", "SET", "slowlog-max-len", "100000"]);
    redis.command(&["SLOWLOG", "RESET"]);
    let before = memory_peak_mib();
    let (start, busy_before) = (Instant::now(), busy(&redis));
    storage.checkpoint().await.unwrap();
    let (writing, busy_writing) = (start.elapsed(), since(busy_before, busy(&redis)));
    let writing_mib = memory_peak_mib();
    let slow: Vec<Slow> = redis.query(&["SLOWLOG", "GET", "100000"]).unwrap();
    let longest = slow.iter().map(|entry| entry.2).max().unwrap_or(0);
    let listed = objects.below.list("checkpoint/00000001/").await.unwrap();
    let bytes: u64 = listed.iter().map(|listed| listed.bytes).sum();
    for number in 0..100 {
        change(&storage, id(number), "after").await;
    }
    objects.forget();
    memory_peak_mib();
    redis.command(&["FLUSHALL"]);
    let (start, busy_before) = (Instant::now(), busy(&redis));
    let found = counted(&storage).await;
    let (recovering, busy_recovering) = (start.elapsed(), since(busy_before, busy(&redis)));
    let recovering_mib = memory_peak_mib();
    assert_eq!(found, (handles + 100) as i64);
    let (read, _) = objects.count("segment/");
    println!(
        "{handles} handles: loaded in {loading:.1?}; checkpoint {writing:.2?} ({busy_writing}), {bytes} bytes in {} objects, \
         longest of {} commands {longest} us; recovery {recovering:.2?} ({busy_recovering}) with {read} segments; memory \
         peaks {before}, {writing_mib}, {recovering_mib} MiB (the objects themselves are in it)",
        listed.len(),
        slow.len(),
    );
    tokio::time::sleep(Duration::from_millis(10)).await;
}
