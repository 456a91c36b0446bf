//! Goal: segments over any objects: decided once, read in batches, gone or stubbed where they were collected.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use sop_engine::types::PhysicalId;
use sop_host::blob::objects::memory::MemoryObjects;
use sop_host::blob::objects::remote::RemoteObjects;
use sop_host::blob::objects::store::{ObjectBlobs, claim_name, segment_key, segment_name};
use sop_host::blob::objects::{Listed, Objects, Stored};
use sop_host::blob::{BlobError, BlobStore, Put, SegmentKey, SegmentPlace, Taken};
use sop_host::commit::segment::{FRAME_BYTES, SegmentKind, mark};
use sop_host::runtime::TokioRuntime;
use sop_tests::servers::s3::S3Server;

use super::{body_id, check_body, key, prefix, segment};

/// Counts the calls that read.
#[derive(Debug)]
struct Counted {
    below: Arc<dyn Objects>,
    reads: AtomicUsize,
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
        self.below.get(name).await
    }
    async fn get_ranges(
        &self,
        name: &str,
        ranges: &[std::ops::Range<u64>],
    ) -> Result<Option<Vec<Bytes>>, BlobError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.below.get_ranges(name, ranges).await
    }
    async fn exists(&self, name: &str) -> Result<bool, BlobError> {
        self.below.exists(name).await
    }
    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, BlobError> {
        self.below.list(prefix).await
    }
    async fn delete(&self, name: &str) -> Result<(), BlobError> {
        self.below.delete(name).await
    }
}

async fn over(below: Arc<dyn Objects>) {
    let counted = Arc::new(Counted {
        below,
        reads: AtomicUsize::new(0),
    });
    let objects: Arc<dyn Objects> = counted.clone();
    let blobs = ObjectBlobs::new(Arc::clone(&objects), Arc::new(TokioRuntime::current()));
    decided(&blobs).await;
    read(&blobs, &counted).await;
    collected(&blobs, objects.as_ref()).await;
    claims(&blobs, objects.as_ref()).await;
}

fn place(key: SegmentKey) -> SegmentPlace {
    SegmentPlace {
        segment: key.object(),
        base: 0,
    }
}

async fn decided(blobs: &ObjectBlobs) {
    let won = Put::Won(place(key(1)));
    assert_eq!(blobs.put(key(1), segment(key(1), 2)).await.unwrap(), won);
    assert_eq!(
        blobs.put(key(1), segment(key(1), 2)).await.unwrap(),
        won,
        "it is our own"
    );
    let taken = Put::Taken(Taken::Segment(place(key(1))));
    assert_eq!(blobs.put_tombstone(key(1)).await.unwrap(), taken);
    let other = blobs.put(key(1), segment(key(1), 3)).await;
    assert!(matches!(other, Err(BlobError::Damaged(_))), "{other:?}");
    assert_eq!(
        blobs.put_tombstone(key(2)).await.unwrap(),
        Put::Won(place(key(2)))
    );
    let tombstone = Put::Taken(Taken::Tombstone);
    assert_eq!(
        blobs.put(key(2), segment(key(2), 1)).await.unwrap(),
        tombstone
    );
    let again = blobs.put_tombstone(key(2)).await.unwrap();
    assert!(
        again == tombstone || again == Put::Won(place(key(2))),
        "{again:?}"
    );
}

async fn read(blobs: &ObjectBlobs, counted: &Counted) {
    for unique in 10..13 {
        blobs
            .put(key(unique), segment(key(unique), 20))
            .await
            .unwrap();
    }
    let framed = blobs.read(body_id(key(10), 3), FRAME_BYTES).await.unwrap();
    check_body(&framed, 3);
    let before = counted.reads.load(Ordering::SeqCst);
    let order = [(10, 4), (12, 19), (10, 5), (11, 0), (10, 3), (10, 4)];
    let reads: Vec<_> = order
        .iter()
        .map(|(unique, number)| (body_id(key(*unique), *number), FRAME_BYTES))
        .collect();
    let answers = blobs.read_many(&reads).await;
    for ((_, number), answer) in order.iter().zip(answers) {
        check_body(&answer.unwrap(), u8::try_from(*number).unwrap());
    }
    assert_eq!(
        counted.reads.load(Ordering::SeqCst) - before,
        3,
        "one call per segment"
    );
    // What cannot be read harms nobody else.
    let bad = [
        (body_id(key(10), 4), FRAME_BYTES),
        (body_id(key(99), 4), FRAME_BYTES),
        (body_id(key(10), 400), FRAME_BYTES),
        (
            PhysicalId {
                offset: 3,
                ..body_id(key(10), 0)
            },
            FRAME_BYTES,
        ),
        (
            PhysicalId {
                offset: u32::MAX,
                ..body_id(key(10), 0)
            },
            FRAME_BYTES,
        ),
        (body_id(key(11), 5), FRAME_BYTES),
    ];
    let answers = blobs.read_many(&bad).await;
    check_body(answers[0].as_ref().unwrap(), 4);
    assert!(
        matches!(answers[1], Err(BlobError::Missing(id)) if id == bad[1].0),
        "{answers:?}"
    );
    assert!(
        matches!(answers[2], Err(BlobError::Damaged(_))),
        "{:?}",
        answers[2]
    );
    assert!(
        matches!(answers[3], Err(BlobError::Missing(_))),
        "{:?}",
        answers[3]
    );
    assert!(
        matches!(answers[4], Err(BlobError::Missing(_))),
        "{:?}",
        answers[4]
    );
    check_body(answers[5].as_ref().unwrap(), 5);
}

async fn collected(blobs: &ObjectBlobs, objects: &dyn Objects) {
    let stub = mark(SegmentKind::Stub, key(10));
    objects.put(&segment_name(key(10)), stub).await.unwrap();
    for number in [0, 5] {
        let id = body_id(key(10), number);
        let answer = blobs.read(id, FRAME_BYTES).await;
        assert!(
            matches!(answer, Err(BlobError::Missing(missing)) if missing == id),
            "{answer:?}"
        );
    }
    let taken = Put::Taken(Taken::Segment(place(key(10))));
    assert_eq!(
        blobs.put_tombstone(key(10)).await.unwrap(),
        taken,
        "a stub says: committed"
    );
    assert_eq!(
        blobs.put(key(10), segment(key(10), 20)).await.unwrap(),
        taken
    );
    // Bytes that are no segment, and one that lies under another's name.
    for (unique, bytes) in [(20, Bytes::from(vec![9; 100])), (21, segment(key(1), 1))] {
        objects
            .put(&segment_name(key(unique)), bytes)
            .await
            .unwrap();
        let answer = blobs.put_tombstone(key(unique)).await;
        assert!(matches!(answer, Err(BlobError::Damaged(_))), "{answer:?}");
    }
}

async fn claims(blobs: &ObjectBlobs, objects: &dyn Objects) {
    assert!(!blobs.claimed_after(6).await.unwrap());
    objects
        .put_if_absent(&claim_name(7), Bytes::from_static(b"me"))
        .await
        .unwrap();
    assert!(blobs.claimed_after(6).await.unwrap());
    assert!(!blobs.claimed_after(7).await.unwrap());
    assert!(!blobs.claimed_after(u32::MAX).await.unwrap());
}

#[tokio::test]
async fn segments_in_memory() {
    over(Arc::new(MemoryObjects::default())).await;
}

#[tokio::test]
async fn segments_in_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    over(Arc::new(RemoteObjects::directory(folder.path()).unwrap())).await;
}

#[tokio::test]
async fn segments_in_seaweedfs() {
    let server = S3Server::shared();
    over(Arc::new(server.objects(&prefix()))).await;
}

#[test]
fn a_segment_is_named_by_its_key() {
    let key = SegmentKey {
        epoch: 0x1f,
        period: 2,
        unique: 0xabc,
    };
    assert_eq!(
        segment_name(key),
        "segment/0000001f/00000002/0000000000000abc"
    );
    assert_eq!(segment_key(&segment_name(key)), Some(key));
    for other in [
        "segment/1f/2/abc",
        "epoch/0000001f/claim",
        "segment/0000001f/00000002/0000000000000abc/x",
    ] {
        assert_eq!(segment_key(other), None, "{other}");
    }
}
