//! Goal: what was acknowledged comes back in order, syncs are shared, and a log that failed stays silent.
//! Method: a directory without a registry; faults at the named steps.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::super::fixture::{body, key, look, open, put, small_files};
use super::super::{DirectoryOptions, Durability, Steps};
use super::*;
use crate::blob::BlobStore;

#[tokio::test]
async fn acknowledged_segments_come_back_in_order_across_files() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, _) = open(folder.path(), small_files()).unwrap();
    let lengths = [0, 1, 7, 8, 900, 4000, 20_000, 1, 600_000, 64];
    let mut places = Vec::new();
    for (unique, length) in lengths.iter().enumerate() {
        places.push(put(&directory, unique as u64, *length).await);
    }
    for (unique, place) in places.iter().enumerate() {
        let length = u32::try_from(lengths[unique]).unwrap();
        let id = sop_engine::types::PhysicalId {
            segment: place.segment,
            offset: place.base,
            length,
        };
        assert_eq!(
            directory.read(id, 0).await.unwrap(),
            body(unique as u64, lengths[unique])
        );
    }
    let epoch = directory.epoch();
    drop(directory);
    let segments = look(folder.path()).unwrap();
    assert_eq!(segments.len(), lengths.len());
    for (unique, (found, place, bytes)) in segments.iter().enumerate() {
        assert_eq!(
            *found,
            SegmentKey {
                epoch,
                period: 0,
                unique: unique as u64
            }
        );
        assert_eq!(*place, places[unique]);
        assert_eq!(*bytes, body(unique as u64, lengths[unique]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_appends_share_syncs() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, _) = open(folder.path(), DirectoryOptions::default()).unwrap();
    let directory = Arc::new(directory);
    let tasks: Vec<_> = (0..64_u64)
        .map(|task| {
            let directory = Arc::clone(&directory);
            tokio::spawn(async move {
                for turn in 0..20 {
                    put(&directory, task << 32 | turn, 500).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let counts = directory.counts();
    assert_eq!(counts.appends, 64 * 20);
    assert!(
        counts.syncs < counts.appends / 4,
        "64 waiters shared too little: {counts:?}"
    );
    drop(directory);
    assert_eq!(look(folder.path()).unwrap().len(), 64 * 20);
}

#[tokio::test]
async fn a_key_decides_once() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, _) = open(folder.path(), small_files()).unwrap();
    let place = put(&directory, 1, 10).await;
    assert_eq!(
        directory
            .put(key(&directory, 1), body(1, 10))
            .await
            .unwrap(),
        Put::Won(place)
    );
    let taken = directory.put_tombstone(key(&directory, 1)).await.unwrap();
    assert_eq!(taken, Put::Taken(Taken::Segment(place)));
    assert!(matches!(
        directory.put_tombstone(key(&directory, 2)).await.unwrap(),
        Put::Won(_)
    ));
    let late = directory
        .put(key(&directory, 2), body(2, 10))
        .await
        .unwrap();
    assert_eq!(late, Put::Taken(Taken::Tombstone));
    drop(directory);
    assert_eq!(look(folder.path()).unwrap().len(), 1);
}

#[tokio::test]
async fn a_key_that_is_too_old_to_be_known_is_not_decided() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, _) = open(folder.path(), small_files()).unwrap();
    for period in 0..4 {
        let key = SegmentKey {
            period,
            ..key(&directory, 1)
        };
        directory.put(key, body(1, 10)).await.unwrap();
    }
    let old = directory.put_tombstone(key(&directory, 1)).await;
    assert!(matches!(old, Err(BlobError::Unavailable(_))), "{old:?}");
    let recent = directory
        .put_tombstone(SegmentKey {
            period: 2,
            ..key(&directory, 1)
        })
        .await
        .unwrap();
    assert!(matches!(recent, Put::Taken(Taken::Segment(_))));
}

#[tokio::test]
async fn a_failed_sync_poisons_the_log_until_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let broken = Arc::new(AtomicBool::new(false));
    let hook = Arc::clone(&broken);
    let steps = Steps::new(move |step| {
        let fails = step == "sync the log" && hook.swap(false, Ordering::SeqCst);
        if fails {
            Err(io::Error::other("the disk is gone"))
        } else {
            Ok(())
        }
    });
    let (directory, _) = open(
        folder.path(),
        DirectoryOptions {
            steps,
            ..small_files()
        },
    )
    .unwrap();
    let place = put(&directory, 1, 10).await;
    broken.store(true, Ordering::SeqCst);
    let failed = directory.put(key(&directory, 2), body(2, 10)).await;
    assert!(matches!(failed, Err(BlobError::Closed(_))), "{failed:?}");
    // The disk works again, but nobody may believe it.
    let closed = directory.put(key(&directory, 3), body(3, 10)).await;
    assert!(matches!(closed, Err(BlobError::Closed(_))), "{closed:?}");
    assert!(matches!(
        directory.put_tombstone(key(&directory, 2)).await,
        Err(BlobError::Closed(_))
    ));
    assert!(matches!(
        directory.claimed_after(directory.epoch()).await,
        Err(BlobError::Closed(_))
    ));
    let id = sop_engine::types::PhysicalId {
        segment: place.segment,
        offset: place.base,
        length: 10,
    };
    assert!(matches!(
        directory.read(id, 0).await,
        Err(BlobError::Closed(_))
    ));
    assert!(directory.close().is_err());
    drop(directory);
    let (directory, segments) = open(folder.path(), small_files()).unwrap();
    assert_eq!(segments[0].2, body(1, 10), "what was acknowledged is there");
    put(&directory, 4, 10).await;
}

#[tokio::test]
async fn a_full_disk_refuses_one_put_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let full = Arc::new(AtomicBool::new(false));
    let hook = Arc::clone(&full);
    let steps = Steps::new(move |step| {
        let fails = step == "allocate" && hook.load(Ordering::SeqCst);
        if fails {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    });
    let options = DirectoryOptions {
        steps,
        ..DirectoryOptions::default()
    };
    let (directory, _) = open(folder.path(), options).unwrap();
    put(&directory, 1, 10).await;
    full.store(true, Ordering::SeqCst);
    let refused = directory.put(key(&directory, 2), body(2, 5 << 20)).await;
    assert!(matches!(refused, Err(BlobError::Full(_))), "{refused:?}");
    put(&directory, 3, 10).await;
    // The next file has no room either: this file stays the last one.
    let refused = directory.put(key(&directory, 4), body(4, 17 << 20)).await;
    assert!(matches!(refused, Err(BlobError::Full(_))), "{refused:?}");
    put(&directory, 5, 10).await;
    full.store(false, Ordering::SeqCst);
    put(&directory, 2, 5 << 20).await;
    put(&directory, 4, 17 << 20).await;
    drop(directory);
    let order: Vec<u64> = look(folder.path())
        .unwrap()
        .iter()
        .map(|(key, _, _)| key.unique)
        .collect();
    assert_eq!(order, [1, 3, 5, 2, 4]);
}

#[tokio::test]
async fn relaxed_appends_are_flushed_within_the_interval_and_by_a_sync() {
    let folder = tempfile::tempdir().unwrap();
    let durability = Durability::Relaxed {
        interval: Duration::from_millis(20),
    };
    let (directory, _) = open(
        folder.path(),
        DirectoryOptions {
            durability,
            ..small_files()
        },
    )
    .unwrap();
    for unique in 0..20 {
        put(&directory, unique, 10).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let flushed = directory.counts().syncs;
    assert!((1..10).contains(&flushed), "{flushed} syncs");
    put(&directory, 20, 10).await;
    directory.sync().await.unwrap();
    assert_eq!(directory.counts().syncs, flushed + 1);
    directory.sync().await.unwrap();
    assert_eq!(
        directory.counts().syncs,
        flushed + 1,
        "nothing was left to sync"
    );
    directory.close().unwrap();
    assert!(matches!(
        directory.put(key(&directory, 30), body(30, 1)).await,
        Err(BlobError::Closed(_))
    ));
    drop(directory);
    assert_eq!(look(folder.path()).unwrap().len(), 21);
}

#[tokio::test]
async fn closing_gives_spare_room_back() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, _) = open(folder.path(), DirectoryOptions::default()).unwrap();
    put(&directory, 1, 100).await;
    assert!(directory.log_files().unwrap()[0].1 >= u64::from(limits::LOG_ZEROS_BYTES));
    directory.close().unwrap();
    assert!(directory.log_files().unwrap()[0].1 <= 4096);
}

/// Prints figures: run with `--ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn measure_appends() {
    use std::os::unix::fs::FileExt;
    let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let median = |mut times: Vec<Duration>| {
        times.sort_unstable();
        (
            times[times.len() / 2],
            times.iter().sum::<Duration>() / u32::try_from(times.len()).unwrap(),
        )
    };
    for length in [500_usize, 8500] {
        let bare = std::fs::File::create(folder.path().join("bare")).unwrap();
        bare.write_all_at(&vec![0; 32 << 20], 0).unwrap();
        bare.sync_all().unwrap();
        let path = folder.path().join(format!("database-{length}"));
        let (directory, _) = open(&path, DirectoryOptions::default()).unwrap();
        let directory = Arc::new(directory);
        let (mut bare_times, mut times) = (Vec::new(), Vec::new());
        // Turn by turn, so that whatever else the machine does hits both alike.
        for turn in 0..2000 {
            let start = std::time::Instant::now();
            bare.write_all_at(&body(turn, length), turn * length as u64)
                .unwrap();
            bare.sync_data().unwrap();
            bare_times.push(start.elapsed());
            let start = std::time::Instant::now();
            put(&directory, turn, length).await;
            times.push(start.elapsed());
        }
        eprintln!(
            "{length} bytes, bare (median, mean): {:?}",
            median(bare_times)
        );
        eprintln!(
            "{length} bytes, one appender (median, mean): {:?}",
            median(times)
        );
        let before = directory.counts();
        let start = std::time::Instant::now();
        let tasks: Vec<_> = (1..9_u64)
            .map(|task| {
                let directory = Arc::clone(&directory);
                tokio::spawn(async move {
                    for turn in 0..500 {
                        put(&directory, task << 32 | turn, length).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let syncs = directory.counts().syncs - before.syncs;
        eprintln!(
            "{length} bytes, 8 appenders: {:?} per append, {syncs} syncs for 4000",
            start.elapsed() / 4000
        );
    }
}
