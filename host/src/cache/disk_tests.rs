//! Goal: the disk tier answers only what was written, however its folder is treated, and stays within its bytes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop"
)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use sop_engine::types::{LogicalId, PhysicalId};

use super::disk::DiskTier;
use crate::blob::{BlobError, BlobStore, Put, SegmentKey};
use crate::commit::faults::FaultyBlobs;
use crate::commit::segment::{FIRST_BODY_OFFSET, FRAME_BYTES, SegmentBuilder, verify_body};

const BODY_BYTES: u32 = 3_000;

async fn blobs(count: u64) -> (Arc<FaultyBlobs>, Vec<(PhysicalId, u32)>) {
    let blobs = FaultyBlobs::with(&[]);
    let mut reads = Vec::new();
    for unique in 0..count {
        let key = SegmentKey {
            epoch: 1,
            period: 1,
            unique,
        };
        let mut builder = SegmentBuilder::new(key, 0);
        builder.body(LogicalId::new(1, unique), &[7; BODY_BYTES as usize]);
        let put = blobs.put(key, builder.finish(0, vec![]).0).await.unwrap();
        let Put::Won(place) = put else {
            panic!("a free key")
        };
        let id = PhysicalId {
            segment: place.segment,
            offset: FIRST_BODY_OFFSET,
            length: BODY_BYTES,
        };
        reads.push((id, FRAME_BYTES));
    }
    (blobs, reads)
}

fn check(answers: &[Result<Bytes, BlobError>]) {
    for (unique, answer) in (0..).zip(answers) {
        let (id, body) = verify_body(answer.as_ref().unwrap()).unwrap();
        assert_eq!((id.node, body.len()), (unique, BODY_BYTES as usize));
    }
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn what_was_read_once_is_read_from_the_disk_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (below, reads) = blobs(10).await;
    for expected in [10, 10] {
        let tier = DiskTier::open(below.clone(), folder.path(), 1 << 20)
            .await
            .unwrap();
        check(&tier.read_many(&reads).await);
        check(&tier.read_many(&reads).await);
        assert_eq!(below.reads.load(Ordering::SeqCst), expected);
    }
    assert_eq!(files(folder.path()).len(), 10);
}

#[tokio::test]
async fn damaged_exchanged_and_deleted_files_are_fetched_again() {
    let folder = tempfile::tempdir().unwrap();
    let (below, reads) = blobs(10).await;
    let tier = DiskTier::open(below.clone(), folder.path(), 1 << 20)
        .await
        .unwrap();
    check(&tier.read_many(&reads).await);
    let paths = files(folder.path());
    let mut bytes = std::fs::read(&paths[0]).unwrap();
    bytes[1_000] ^= 1;
    std::fs::write(&paths[0], bytes).unwrap();
    std::fs::write(&paths[1], b"short").unwrap();
    std::fs::write(&paths[2], b"").unwrap();
    std::fs::copy(&paths[3], &paths[4]).unwrap();
    std::fs::remove_file(&paths[5]).unwrap();
    check(&tier.read_many(&reads).await);
    assert_eq!(below.reads.load(Ordering::SeqCst), 15);
    check(&tier.read_many(&reads).await);
    assert_eq!(
        below.reads.load(Ordering::SeqCst),
        15,
        "they are whole again"
    );
    std::fs::remove_dir_all(folder.path()).unwrap();
    check(&tier.read_many(&reads).await);
    let missing = PhysicalId {
        segment: (9, 9),
        ..reads[0].0
    };
    let answer = tier.read(missing, FRAME_BYTES).await;
    assert!(matches!(answer, Err(BlobError::Missing(_))), "{answer:?}");
}

#[tokio::test]
async fn it_keeps_no_more_than_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("something else"), b"x").unwrap();
    let (below, reads) = blobs(100).await;
    let tier = DiskTier::open(below.clone(), folder.path(), 40 << 10)
        .await
        .unwrap();
    for read in &reads {
        assert!(tier.read(read.0, read.1).await.is_ok());
    }
    tier.settle().await;
    let kept = files(folder.path()).len();
    assert!((5..=11).contains(&kept), "{kept} files of 4 KiB in 40 KiB");
    check(&tier.read_many(&reads).await);
}
