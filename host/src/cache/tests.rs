//! Goal: one fetch per blob however many ask, and no damaged byte is ever answered.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop"
)]

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sop_engine::storage::StorageError;
use sop_engine::types::{LogicalId, PhysicalId};

use super::Cache;
use crate::blob::{BlobStore, Put, SegmentKey};
use crate::commit::faults::{Call, Fault, FaultyBlobs};
use crate::commit::segment::{FIRST_BODY_OFFSET, SegmentBuilder};
use crate::statistics::Counts;

async fn fixture(bytes_max: u64, bodies: u64) -> (Arc<FaultyBlobs>, Cache, Vec<PhysicalId>) {
    let blobs = FaultyBlobs::with(&[]);
    let mut ids = Vec::new();
    for unique in 0..bodies {
        let key = SegmentKey {
            epoch: 1,
            period: 1,
            unique,
        };
        let mut builder = SegmentBuilder::new(key, 0);
        builder.body(LogicalId::new(1, unique), &[7; 1000]);
        let Put::Won(place) = blobs.put(key, builder.finish(0, vec![]).0).await.unwrap() else {
            panic!("a free key")
        };
        ids.push(PhysicalId {
            segment: place.segment,
            offset: FIRST_BODY_OFFSET,
            length: 1000,
        });
    }
    let cache = Cache::new(blobs.clone(), bytes_max, Arc::new(Counts::default()));
    (blobs, cache, ids)
}

fn reads(blobs: &FaultyBlobs) -> u64 {
    blobs.reads.load(Ordering::SeqCst)
}

#[tokio::test]
async fn concurrent_misses_of_one_blob_fetch_it_once() {
    let (blobs, cache, ids) = fixture(1 << 20, 1).await;
    blobs.fail(Call::Read, Fault::Held);
    let all = futures::future::join_all((0..20).map(|_| cache.get(&ids)));
    let (bodies, ()) = futures::join!(all, async {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        blobs.let_go();
    });
    assert!(
        bodies
            .iter()
            .all(|body| body.as_ref().unwrap()[0] == vec![7; 1000])
    );
    assert_eq!(reads(&blobs), 1);
    cache.get(&ids).await.unwrap();
    assert_eq!(reads(&blobs), 1, "a hit reads nothing");
}

#[tokio::test]
async fn a_damaged_blob_is_fetched_once_more_and_then_named() {
    let (blobs, cache, ids) = fixture(1 << 20, 1).await;
    blobs.fail(Call::Damage, Fault::Before);
    assert_eq!(cache.get(&ids).await.unwrap()[0].len(), 1000);
    assert_eq!(reads(&blobs), 2);
    let (blobs, cache, ids) = fixture(1 << 20, 1).await;
    blobs.fail(Call::Damage, Fault::Before);
    blobs.fail(Call::Damage, Fault::Before);
    let corrupt = cache.get(&ids).await;
    let named =
        matches!(&corrupt, Err(StorageError::Corrupt(what)) if what.contains(&ids[0].to_string()));
    assert!(named, "{corrupt:?}");
    assert_eq!(
        cache.get(&ids).await.unwrap()[0].len(),
        1000,
        "a failure is not remembered"
    );
}

#[tokio::test]
async fn a_missing_blob_is_named_and_a_wrong_length_is_damage() {
    let (_, cache, ids) = fixture(1 << 20, 1).await;
    let missing = PhysicalId {
        segment: (9, 9),
        ..ids[0]
    };
    assert_eq!(
        cache.get(&[missing]).await,
        Err(StorageError::Missing(missing))
    );
    let shorter = PhysicalId {
        length: 999,
        ..ids[0]
    };
    assert!(matches!(
        cache.get(&[shorter]).await,
        Err(StorageError::Corrupt(_))
    ));
}

#[tokio::test]
async fn it_keeps_no_more_than_its_bytes() {
    let (blobs, cache, ids) = fixture(20_000, 100).await;
    assert_eq!(cache.get(&ids).await.unwrap().len(), 100);
    cache.bodies.run_pending_tasks().await;
    assert!(cache.bodies.weighted_size() <= 20_000);
    assert!(cache.bodies.entry_count() >= 10, "it does keep some");
    let before = reads(&blobs);
    cache.get(&ids).await.unwrap();
    assert!(reads(&blobs) > before + 50);
}
