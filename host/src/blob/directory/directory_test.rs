//! Goal: an opening that stops between any two of its steps leaves a database that opens. Method: fail step k, for every k.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::fixture::{look, open, put, small_files};
use super::*;

/// Steps that fail from the k-th on.
fn stop_at(stop: usize) -> (Steps, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let hook = Arc::clone(&count);
    let steps = Steps::new(move |_| {
        if hook.fetch_add(1, Ordering::SeqCst) < stop {
            Ok(())
        } else {
            Err(io::Error::other("stopped"))
        }
    });
    (steps, count)
}

#[tokio::test]
async fn creation_can_stop_at_any_step() {
    for stop in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("database");
        let (steps, _) = stop_at(stop);
        let stopped = open(
            &path,
            DirectoryOptions {
                steps,
                ..small_files()
            },
        );
        let done = stopped.is_ok();
        drop(stopped);
        let (directory, _) = open(&path, small_files()).unwrap();
        put(&directory, 1, 10).await;
        drop(directory);
        assert_eq!(look(&path).unwrap().len(), 1);
        if done {
            assert!(stop > 10, "the hook sees every step");
            break;
        }
    }
}

#[tokio::test]
async fn reopening_can_stop_at_any_step_and_loses_nothing() {
    for stop in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let (directory, _) = open(folder.path(), small_files()).unwrap();
        let epoch = directory.epoch();
        put(&directory, 1, 10).await;
        drop(directory);
        let (steps, _) = stop_at(stop);
        let stopped = open(
            folder.path(),
            DirectoryOptions {
                steps,
                ..small_files()
            },
        );
        if stopped.is_ok() {
            break;
        }
        drop(stopped);
        // The manifest decides which epoch is replayed: before it the old one, with its segment.
        let opening = Opening::for_reading(folder.path()).unwrap();
        let old = opening.real() == Some(epoch);
        drop(opening);
        assert_eq!(
            look(folder.path()).unwrap().len(),
            usize::from(old),
            "stopped at {stop}"
        );
        let (directory, replayed) = open(folder.path(), small_files()).unwrap();
        assert_eq!(replayed.len(), usize::from(old));
        put(&directory, 2, 10).await;
    }
}

#[tokio::test]
async fn a_claim_fences_the_writer_of_the_older_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let (old, _) = open(folder.path(), small_files()).unwrap();
    put(&old, 1, 10).await;
    assert!(!old.claimed_after(old.epoch()).await.unwrap());
    // The lock file is lost: a second writer gets in.
    std::fs::remove_file(folder.path().join("lock")).unwrap();
    let (new, replayed) = open(folder.path(), small_files()).unwrap();
    assert_eq!(replayed.len(), 1);
    assert!(old.claimed_after(old.epoch()).await.unwrap());
    assert!(!new.claimed_after(new.epoch()).await.unwrap());
    assert!(matches!(
        old.remove_logs(&[]),
        Err(DirectoryError::Fenced(_))
    ));
    assert!(new.epoch() > old.epoch());
}

#[tokio::test]
async fn a_reader_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, _) = open(folder.path(), small_files()).unwrap();
    put(&directory, 1, 10).await;
    drop(directory);
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
    assert_eq!(look(folder.path()).unwrap().len(), 1);
    let reader = Opening::for_reading(folder.path())
        .unwrap()
        .finish(None)
        .unwrap();
    let key = SegmentKey {
        epoch: 1,
        period: 0,
        unique: 9,
    };
    assert!(matches!(
        reader.put(key, Bytes::new()).await,
        Err(BlobError::Closed(_))
    ));
    reader.close().unwrap();
    assert_eq!(before, names());
}

#[tokio::test]
async fn a_forged_physical_id_reads_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, _) = open(folder.path(), small_files()).unwrap();
    let place = put(&directory, 1, 10).await;
    let id = PhysicalId {
        segment: place.segment,
        offset: place.base,
        length: 10,
    };
    let forged = [
        (
            PhysicalId {
                segment: (0, 0),
                ..id
            },
            0,
        ),
        (
            PhysicalId {
                segment: (id.segment.0, 1),
                ..id
            },
            0,
        ),
        (
            PhysicalId {
                segment: (id.segment.0 + 7, 0),
                ..id
            },
            0,
        ),
        (
            PhysicalId {
                offset: u32::MAX,
                ..id
            },
            0,
        ),
        (
            PhysicalId {
                length: u32::MAX - id.offset,
                ..id
            },
            0,
        ),
        (id, id.offset + 1),
    ];
    for (forged, before) in forged {
        let read = directory.read(forged, before).await;
        assert!(
            matches!(read, Err(BlobError::Missing(_) | BlobError::Damaged(_))),
            "{forged} {before}: {read:?}"
        );
    }
    assert_eq!(directory.read(id, 64).await.unwrap().len(), 74);
}
