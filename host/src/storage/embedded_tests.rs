//! Goal: a database in a directory keeps what was acknowledged through any end of the program, and its disk follows what
//! is live. Method: commits of bodies by id against a map, reopening after every kind of end.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use sop_engine::storage::StorageError;
use sop_engine::types::{CommitOutcome, LogicalId, Observation};

use super::embedded::DiskStatistics;
use super::{
    Change, ChangeKind, CheckpointOptions, HistoryOptions, OpenError, OpenOptions, Storage,
    StorageOptions,
};
use crate::blob::directory::{DirectoryError, DirectoryOptions, Steps};
use crate::runtime::{Runtime, TokioRuntime};

/// No history, small files, no automatic checkpoints: the test decides.
fn options() -> OpenOptions {
    let history = HistoryOptions {
        retention: Duration::ZERO,
        ..HistoryOptions::default()
    };
    OpenOptions {
        storage: StorageOptions {
            history,
            cache_bytes: 1 << 20,
            ..StorageOptions::default()
        },
        directory: DirectoryOptions {
            log_file_bytes: 64 << 10,
            ..DirectoryOptions::default()
        },
        checkpoint: CheckpointOptions {
            automatic: false,
            ..CheckpointOptions::default()
        },
    }
}

fn read_only() -> OpenOptions {
    let options = options();
    OpenOptions {
        storage: StorageOptions {
            read_only: true,
            ..options.storage
        },
        ..options
    }
}

async fn open_once(path: &Path, options: OpenOptions) -> Result<Storage, OpenError> {
    Storage::open_directory(path, options, Arc::new(TokioRuntime::current())).await
}

/// Opens; the last task of a dropped storage may hold the lock for another moment.
async fn open(path: &Path, options: OpenOptions) -> Result<Storage, OpenError> {
    for _ in 0..400 {
        match open_once(path, options.clone()).await {
            Err(OpenError::Directory(DirectoryError::Locked { .. })) => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            other => return other,
        }
    }
    open_once(path, options).await
}

fn disk(storage: &Storage) -> DiskStatistics {
    storage.disk().unwrap().unwrap()
}

fn node(number: u64) -> LogicalId {
    LogicalId::new(1, 100 + number)
}

/// What the database must hold: the seed and length of each body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Model(BTreeMap<u64, (u64, usize)>);

fn body(seed: u64, length: usize) -> Bytes {
    let word = (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1).to_le_bytes();
    word.iter().copied().cycle().take(length).collect()
}

/// One transaction that writes these bodies; an empty one removes the id.
async fn write(storage: &Storage, writes: &[(u64, u64, usize)]) -> Result<(), StorageError> {
    let at = storage.now(None).await?.version;
    let ids: Vec<LogicalId> = writes.iter().map(|(number, ..)| node(*number)).collect();
    let handles = storage.resolve(&ids, at).await?;
    storage.release(at);
    let observe = |(id, handle): (&LogicalId, &Option<_>)| Observation {
        id: *id,
        version: handle
            .as_ref()
            .map_or(0, |handle: &sop_engine::types::Handle| handle.version),
    };
    let observed = ids.iter().zip(&handles).map(observe).collect();
    let change = |(number, seed, length): &(u64, u64, usize)| Change {
        id: node(*number),
        kind: if *length == 0 {
            ChangeKind::Remove
        } else {
            ChangeKind::Put(body(*seed, *length))
        },
    };
    let changes = writes.iter().map(change).collect();
    match storage
        .commit(storage.transaction_id(), observed, changes, 0)
        .await?
    {
        CommitOutcome::Committed(..) => Ok(()),
        CommitOutcome::Conflict(ids) => unreachable!("the only writer met {ids:?}"),
    }
}

impl Model {
    fn apply(&mut self, writes: &[(u64, u64, usize)]) {
        for (number, seed, length) in writes {
            if *length == 0 {
                self.0.remove(number);
            } else {
                self.0.insert(*number, (*seed, *length));
            }
        }
    }

    async fn put(&mut self, storage: &Storage, writes: &[(u64, u64, usize)]) {
        write(storage, writes).await.unwrap();
        self.apply(writes);
    }

    /// Random writes of a few ids each.
    async fn churn(
        &mut self,
        storage: &Storage,
        runtime: &TokioRuntime,
        turns: usize,
        ids: u64,
        length: usize,
    ) {
        for _ in 0..turns {
            let number = runtime.random() % ids;
            self.put(storage, &[(number, runtime.random(), length)])
                .await;
        }
    }

    async fn matches(&self, storage: &Storage, ids: u64) -> bool {
        let at = storage.now(None).await.unwrap().version;
        for number in 0..ids {
            let handle = storage
                .resolve(&[node(number)], at)
                .await
                .unwrap()
                .remove(0);
            let found = match handle {
                Some(handle) => Some(storage.get(&handle.chain).await.unwrap().remove(0)),
                None => None,
            };
            if found
                != self
                    .0
                    .get(&number)
                    .map(|(seed, length)| body(*seed, *length))
            {
                return false;
            }
        }
        storage.release(at);
        true
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_commits_survive_every_end_of_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = TokioRuntime::current();
    let mut model = Model::default();
    for round in 0..12 {
        let storage = open(folder.path(), options()).await.unwrap();
        assert!(model.matches(&storage, 40).await, "round {round}");
        model.churn(&storage, &runtime, 60, 40, 700).await;
        model
            .put(
                &storage,
                &[(round, 0, 0), (round + 20, 1, 9000), (round + 21, 2, 100)],
            )
            .await;
        match round % 4 {
            0 => drop(storage),
            1 => storage.close().await.unwrap(),
            2 => {
                storage.checkpoint().await.unwrap();
                model.churn(&storage, &runtime, 10, 40, 700).await;
            }
            _ => {
                storage.compact(|_| ()).await.unwrap();
                assert!(model.matches(&storage, 40).await, "compacted");
            }
        }
    }
    let storage = open(folder.path(), options()).await.unwrap();
    assert!(model.matches(&storage, 40).await);
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cleanly_closed_database_replays_nothing_and_a_reader_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = Model::default();
    let storage = open(folder.path(), options()).await.unwrap();
    model.put(&storage, &[(1, 1, 500), (2, 2, 500)]).await;
    storage.close().await.unwrap();
    assert!(matches!(
        write(&storage, &[(3, 3, 3)]).await,
        Err(StorageError::Unavailable(_) | StorageError::UnknownOutcome(_))
    ));
    let names = || {
        let entries = walkdir::WalkDir::new(folder.path())
            .sort_by_file_name()
            .into_iter();
        let state = |entry: walkdir::DirEntry| {
            (
                entry.path().to_owned(),
                entry.metadata().unwrap().modified().unwrap(),
            )
        };
        entries
            .map(|entry| state(entry.unwrap()))
            .collect::<Vec<_>>()
    };
    let before = names();
    // The closed storage is still there; another may open the directory.
    let reader = open(folder.path(), read_only()).await.unwrap();
    assert_eq!(disk(&reader).replayed_segments, 0);
    assert!(model.matches(&reader, 5).await);
    assert!(matches!(
        write(&reader, &[(3, 3, 3)]).await,
        Err(StorageError::Denied(_))
    ));
    assert!(reader.checkpoint().await.is_err());
    let second = open(folder.path(), read_only()).await.unwrap();
    let locked = open_once(folder.path(), options()).await;
    assert!(matches!(
        locked,
        Err(OpenError::Directory(DirectoryError::Locked { .. }))
    ));
    reader.close().await.unwrap();
    drop(second);
    assert_eq!(before, names());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_replays_what_a_killed_writer_left() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = Model::default();
    let storage = open(folder.path(), options()).await.unwrap();
    model.put(&storage, &[(1, 1, 500)]).await;
    storage.checkpoint().await.unwrap();
    model.put(&storage, &[(1, 3, 600), (2, 2, 500)]).await;
    drop(storage);
    let reader = open(folder.path(), read_only()).await.unwrap();
    assert_eq!(disk(&reader).replayed_segments, 1);
    assert!(model.matches(&reader, 5).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_without_live_blobs_are_freed_after_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = TokioRuntime::current();
    let storage = open(folder.path(), options()).await.unwrap();
    let mut model = Model::default();
    model.churn(&storage, &runtime, 400, 5, 4000).await;
    let before = disk(&storage);
    assert!(before.log_files > 20, "{before:?}");
    // A snapshot in use keeps what it reaches.
    let at = storage.now(None).await.unwrap().version;
    let seen = storage.resolve(&[node(0)], at).await.unwrap();
    model.churn(&storage, &runtime, 100, 5, 4000).await;
    storage.checkpoint().await.unwrap();
    let kept = storage.resolve(&[node(0)], at).await.unwrap();
    assert_eq!(
        kept[0].as_ref().map(|handle| handle.version),
        seen[0].as_ref().map(|handle| handle.version)
    );
    storage.get(&kept[0].as_ref().unwrap().chain).await.unwrap();
    storage.release(at);
    model.churn(&storage, &runtime, 20, 5, 4000).await;
    storage.checkpoint().await.unwrap();
    let after = disk(&storage);
    assert!(
        after.log_files <= 4 && after.log_files_freed > 20,
        "{after:?}"
    );
    assert!(model.matches(&storage, 5).await);
    drop(storage);
    let storage = open(folder.path(), options()).await.unwrap();
    assert!(model.matches(&storage, 5).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_written_ahead_outlive_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path(), options()).await.unwrap();
    let spilled = storage.spill(node(1), body(5, 3000)).await.unwrap();
    let mut model = Model::default();
    model.put(&storage, &[(2, 2, 100)]).await;
    storage.checkpoint().await.unwrap();
    storage.checkpoint().await.unwrap();
    let change = Change {
        id: node(1),
        kind: ChangeKind::PutSpilled(Arc::new(spilled)),
    };
    storage
        .commit(storage.transaction_id(), Vec::new(), vec![change], 0)
        .await
        .unwrap();
    model.apply(&[(1, 5, 3000)]);
    drop(storage);
    let storage = open(folder.path(), options()).await.unwrap();
    assert!(model.matches(&storage, 3).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_updates_do_not_grow_the_disk_and_compaction_shrinks_it() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = TokioRuntime::current();
    let options = OpenOptions {
        checkpoint: CheckpointOptions::default(),
        ..options()
    };
    let storage = open(folder.path(), options.clone()).await.unwrap();
    let mut model = Model::default();
    for first in (0..1000).step_by(50) {
        let writes: Vec<_> = (first..first + 50)
            .map(|number| (number, number, 6000))
            .collect();
        model.put(&storage, &writes).await;
    }
    let live = 1000 * 6000;
    let mut worst = 0;
    for _ in 0..16 {
        for _ in 0..50 {
            let first = runtime.random() % 1000;
            let writes: Vec<_> = (0..5)
                .map(|step| ((first + step * 197) % 1000, runtime.random(), 6000))
                .collect();
            model.put(&storage, &writes).await;
        }
        worst = worst.max(disk(&storage).disk_bytes);
    }
    let figures = disk(&storage);
    assert!(figures.checkpoints > 3, "{figures:?}");
    assert!(
        worst < live * 3,
        "at most {worst} bytes for {live}: {figures:?}"
    );
    let compacted = storage.compact(|_| ()).await.unwrap();
    assert!(model.matches(&storage, 1000).await);
    storage.close().await.unwrap();
    let closed: u64 = walkdir::WalkDir::new(folder.path())
        .into_iter()
        .map(|entry| entry.unwrap().metadata().unwrap())
        .map(|metadata| std::os::unix::fs::MetadataExt::blocks(&metadata) * 512)
        .sum();
    eprintln!("live {live}, at most {worst}, compacted {compacted:?}, closed {closed}");
    assert!(
        closed * 10 < live * 13,
        "{closed} bytes for {live} after {compacted:?}"
    );
    let storage = open(folder.path(), options).await.unwrap();
    assert_eq!(disk(&storage).replayed_segments, 0);
    assert!(model.matches(&storage, 1000).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_can_be_the_last_one() {
    let mut stop = 0;
    loop {
        let folder = tempfile::tempdir().unwrap();
        let mut model = Model::default();
        let storage = open(folder.path(), options()).await.unwrap();
        model.put(&storage, &[(0, 7, 500), (1, 8, 5000)]).await;
        drop(storage);
        let count = Arc::new(AtomicUsize::new(0));
        let hook = Arc::clone(&count);
        let steps = Steps::new(move |_| {
            let stopped = hook.fetch_add(1, Ordering::SeqCst) >= stop;
            if stopped {
                Err(io::Error::other("stopped"))
            } else {
                Ok(())
            }
        });
        let stopping = DirectoryOptions {
            steps,
            ..options().directory
        };
        let mut attempted = None;
        // Reopening, a commit, a checkpoint, an update, compaction and closing, until the program "ends".
        if let Ok(storage) = open(
            folder.path(),
            OpenOptions {
                directory: stopping,
                ..options()
            },
        )
        .await
        {
            for writes in [
                [(0, 10, 600), (2, 11, 700)],
                [(1, 12, 40_000), (2, 13, 50_000)],
            ] {
                // The disk is gone from here on, so the commit does not come to an end.
                let commit =
                    tokio::time::timeout(Duration::from_millis(300), write(&storage, &writes));
                match commit.await {
                    Ok(Ok(())) => model.apply(&writes),
                    _ => {
                        attempted = Some(writes);
                        break;
                    }
                }
                if storage.checkpoint().await.is_err() {
                    break;
                }
            }
            let rest = async {
                let _ = storage.compact(|_| ()).await;
                let _ = storage.close().await;
            };
            let _ = tokio::time::timeout(Duration::from_millis(300), rest).await;
        }
        let after = tempfile::tempdir().unwrap();
        copy(folder.path(), after.path());
        let storage = open(after.path(), options()).await.unwrap();
        let mut other = model.clone();
        other.apply(attempted.as_ref().map_or(&[], |writes| writes.as_slice()));
        let either = model.matches(&storage, 4).await || other.matches(&storage, 4).await;
        assert!(either, "stopped at step {stop}");
        storage.close().await.unwrap();
        if count.load(Ordering::SeqCst) < stop {
            break;
        }
        stop += 1;
    }
    assert!(stop > 40, "the hook saw {stop} steps only");
}

/// Copies a database as an ended program leaves it: its tasks may still hold the lock.
fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.unwrap();
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_checkpoint_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = Model::default();
    let storage = open(folder.path(), options()).await.unwrap();
    model.put(&storage, &[(1, 1, 500)]).await;
    storage.close().await.unwrap();
    let path = std::fs::read_dir(folder.path().join("checkpoint"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.len() - 10;
    bytes[end] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let refused = open(folder.path(), options()).await;
    assert!(
        matches!(refused, Err(OpenError::Directory(DirectoryError::Damaged { path: named, .. })) if named == path)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_commits_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let full = Arc::new(AtomicUsize::new(0));
    let hook = Arc::clone(&full);
    let steps = Steps::new(move |step| {
        let fails = step == "allocate" && hook.load(Ordering::SeqCst) == 1;
        if fails {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    });
    let directory = DirectoryOptions {
        steps,
        ..options().directory
    };
    let storage = open(
        folder.path(),
        OpenOptions {
            directory,
            ..options()
        },
    )
    .await
    .unwrap();
    let mut model = Model::default();
    model.put(&storage, &[(0, 1, 500)]).await;
    full.store(1, Ordering::SeqCst);
    let refused = write(&storage, &[(0, 2, 2 << 20)]).await;
    assert!(
        matches!(&refused, Err(StorageError::Unavailable(reason)) if reason.contains("full")),
        "{refused:?}"
    );
    assert!(model.matches(&storage, 2).await);
    full.store(0, Ordering::SeqCst);
    model.put(&storage, &[(0, 3, 2 << 20)]).await;
    storage.close().await.unwrap();
    drop(storage);
    let storage = open(folder.path(), options()).await.unwrap();
    assert!(model.matches(&storage, 2).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisoned_log_closes_and_opens_again() {
    let folder = tempfile::tempdir().unwrap();
    let broken = Arc::new(AtomicUsize::new(0));
    let hook = Arc::clone(&broken);
    let steps = Steps::new(move |step| {
        let fails = step == "sync the log" && hook.load(Ordering::SeqCst) == 1;
        if fails {
            Err(io::Error::other("the disk is gone"))
        } else {
            Ok(())
        }
    });
    let directory = DirectoryOptions {
        steps,
        ..options().directory
    };
    let storage = open(
        folder.path(),
        OpenOptions {
            directory,
            ..options()
        },
    )
    .await
    .unwrap();
    let mut model = Model::default();
    model.put(&storage, &[(0, 1, 500)]).await;
    broken.store(1, Ordering::SeqCst);
    let failed = write(&storage, &[(1, 2, 500)]).await;
    assert!(
        matches!(failed, Err(StorageError::UnknownOutcome(_))),
        "{failed:?}"
    );
    broken.store(0, Ordering::SeqCst);
    assert!(
        write(&storage, &[(2, 2, 500)]).await.is_err(),
        "nobody believes the disk again"
    );
    let closed = tokio::time::timeout(Duration::from_secs(20), storage.close()).await;
    assert!(
        closed.unwrap().is_err(),
        "closing comes to an end, and says what happened"
    );
    let storage = open(folder.path(), options()).await.unwrap();
    let mut happened = model.clone();
    happened.apply(&[(1, 2, 500)]);
    assert!(model.matches(&storage, 3).await || happened.matches(&storage, 3).await);
    write(&storage, &[(2, 2, 500)]).await.unwrap();
}

const CHILD_PATH: &str = "SOP_TEST_CHILD_PATH";

/// The program that is killed: commits n = 1, 2, 3 … to ids n % 50 and says so after each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by a_killed_process_loses_nothing_acknowledged"]
async fn child_commits_until_it_is_killed() {
    let Ok(path) = std::env::var(CHILD_PATH) else {
        return;
    };
    let options = OpenOptions {
        checkpoint: CheckpointOptions {
            log_bytes: 100_000,
            automatic: true,
            ..CheckpointOptions::default()
        },
        ..options()
    };
    let storage = open(Path::new(&path), options).await.unwrap();
    for turn in 1_u64.. {
        write(
            &storage,
            &[(turn % 50, turn, 900), ((turn + 1) % 50, turn, 900)],
        )
        .await
        .unwrap();
        println!("acknowledged {turn}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_nothing_acknowledged() {
    use std::io::BufRead;
    let folder = tempfile::tempdir().unwrap();
    for round in 1..6_u64 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "storage::embedded_tests::child_commits_until_it_is_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(CHILD_PATH, folder.path())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged = 0;
        let killed_at = 60 + rand::random::<u64>() % 300;
        for line in lines {
            let line = line.unwrap_or_default();
            if let Some(turn) = line.strip_prefix("acknowledged ") {
                acknowledged = turn.parse().unwrap();
            }
            // What was written to the pipe before the kill is read after it.
            if acknowledged == killed_at {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(
            acknowledged >= killed_at,
            "round {round}: {acknowledged} of {killed_at}"
        );
        let storage = open(folder.path(), options()).await.unwrap();
        let (mut model, mut one_more) = (Model::default(), Model::default());
        for turn in 1..=acknowledged + 1 {
            let writes = [(turn % 50, turn, 900), ((turn + 1) % 50, turn, 900)];
            one_more.apply(&writes);
            if turn <= acknowledged {
                model.apply(&writes);
            }
        }
        assert!(
            model.matches(&storage, 50).await || one_more.matches(&storage, 50).await,
            "round {round}"
        );
        // The next round begins with nothing, whatever the order of the ids was.
        for number in 0..50 {
            write(&storage, &[(number, 0, 0)]).await.unwrap();
        }
    }
}

/// Prints figures: run with `--ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn measure_opening_a_million_entries() {
    let folder = tempfile::tempdir().unwrap();
    let options = OpenOptions {
        directory: DirectoryOptions::default(),
        ..options()
    };
    let storage = open(folder.path(), options.clone()).await.unwrap();
    for first in (0..1_000_000).step_by(10_000) {
        let writes: Vec<_> = (first..first + 10_000)
            .map(|number| (number, number, 100))
            .collect();
        write(&storage, &writes).await.unwrap();
    }
    let start = std::time::Instant::now();
    storage.close().await.unwrap();
    eprintln!("closed in {:?}", start.elapsed());
    drop(storage);
    for (name, options) in [
        (
            "reading",
            OpenOptions {
                storage: read_only().storage,
                ..options.clone()
            },
        ),
        ("writing", options.clone()),
    ] {
        let start = std::time::Instant::now();
        let storage = open(folder.path(), options).await.unwrap();
        eprintln!("opened for {name} in {:?}", start.elapsed());
        let start = std::time::Instant::now();
        let at = storage.now(None).await.unwrap().version;
        assert!(storage.resolve(&[node(777_777)], at).await.unwrap()[0].is_some());
        eprintln!(
            "first resolve in {:?}, {:?}",
            start.elapsed(),
            disk(&storage)
        );
        let start = std::time::Instant::now();
        storage.close().await.unwrap();
        eprintln!("closed in {:?}", start.elapsed());
    }
}
