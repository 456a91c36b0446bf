//! Goal: every implementation of `Objects` does the same. Method: one suite over all of them.

use bytes::Bytes;
use futures::StreamExt;
use sop_host::blob::objects::memory::MemoryObjects;
use sop_host::blob::objects::remote::RemoteObjects;
use sop_host::blob::objects::store::{period_start, segment_key, segment_name};
use sop_host::blob::objects::{Objects, Stored};
use sop_host::blob::{BlobError, SegmentKey};
use sop_tests::servers::s3::S3Server;

use super::prefix;

fn bytes(text: &str) -> Bytes {
    Bytes::from(text.to_owned())
}

async fn conform(objects: &dyn Objects) {
    absent(objects).await;
    first_put_wins(objects).await;
    ranges(objects).await;
    overwrite_and_delete(objects).await;
    long_object(objects).await;
    listing(objects).await;
    periods(objects).await;
    race(objects).await;
}

async fn absent(objects: &dyn Objects) {
    assert_eq!(objects.get("epoch/1/claim").await.unwrap(), None);
    let ranges = objects.get_ranges("epoch/1/claim", &[0..3, 5..9]).await;
    assert_eq!(ranges.unwrap(), None);
    assert!(!objects.exists("epoch/1/claim").await.unwrap());
    objects.delete("epoch/1/claim").await.unwrap();
    assert_eq!(objects.list("epoch/").await.unwrap(), []);
    assert_eq!(objects.list("").await.unwrap(), []);
}

async fn first_put_wins(objects: &dyn Objects) {
    let name = "epoch/00000001/claim";
    let put = |text| objects.put_if_absent(name, bytes(text));
    assert_eq!(put("one").await.unwrap(), Stored::New);
    assert_eq!(put("other").await.unwrap(), Stored::Exists);
    assert_eq!(put("one").await.unwrap(), Stored::Exists);
    assert_eq!(objects.get(name).await.unwrap(), Some(bytes("one")));
    assert!(objects.exists(name).await.unwrap());
    assert!(!objects.exists("epoch/00000001").await.unwrap());
    assert!(!objects.exists("epoch/00000001/claimed").await.unwrap());
}

async fn ranges(objects: &dyn Objects) {
    let name = "segment/ranges";
    let content: Vec<u8> = (0..200_000_u32)
        .map(|number| number.to_le_bytes()[0])
        .collect();
    objects
        .put_if_absent(name, content.clone().into())
        .await
        .unwrap();
    // Neighbours, far ones, out of order, overlapping, and one twice.
    let asked = [
        150_000..150_100,
        0..10,
        10..300,
        5..20,
        199_000..200_000,
        0..10,
    ];
    let parts = objects.get_ranges(name, &asked).await.unwrap().unwrap();
    assert_eq!(parts.len(), asked.len());
    for (range, part) in asked.iter().zip(&parts) {
        let expected =
            &content[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
        assert_eq!(part, expected, "{range:?}");
    }
    let beyond = std::slice::from_ref(&(199_990..200_010));
    match objects.get_ranges(name, beyond).await {
        Ok(Some(parts)) => assert_eq!(parts[0], content[199_990..]),
        Err(BlobError::Damaged(_)) => {}
        other => panic!("{other:?}"),
    }
    let outside = objects
        .get_ranges(name, std::slice::from_ref(&(200_000..200_010)))
        .await;
    assert!(matches!(outside, Err(BlobError::Damaged(_))), "{outside:?}");
}

async fn overwrite_and_delete(objects: &dyn Objects) {
    let name = "segment/overwritten";
    objects.put(name, bytes("one")).await.unwrap();
    objects.put(name, bytes("another")).await.unwrap();
    assert_eq!(objects.get(name).await.unwrap(), Some(bytes("another")));
    objects.delete(name).await.unwrap();
    assert_eq!(objects.get(name).await.unwrap(), None);
    let again = objects.put_if_absent(name, bytes("new")).await;
    assert_eq!(again.unwrap(), Stored::New);
    objects.delete(name).await.unwrap();
    objects.delete("segment/ranges").await.unwrap();
}

/// Longer than what is put at once.
async fn long_object(objects: &dyn Objects) {
    let name = "checkpoint/00000001/long";
    let length = 19 << 20;
    let content: Bytes = (0..length)
        .map(|at: u32| (at >> 8).to_le_bytes()[0])
        .collect::<Vec<_>>()
        .into();
    objects.put(name, content.clone()).await.unwrap();
    assert_eq!(objects.get(name).await.unwrap(), Some(content.clone()));
    let middle = (9 << 20)..(9 << 20) + 70_000;
    let part = objects
        .get_ranges(name, std::slice::from_ref(&middle))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(part[0], content.slice(9 << 20..(9 << 20) + 70_000));
    objects.delete(name).await.unwrap();
}

async fn listing(objects: &dyn Objects) {
    let names = [
        "segment/0/b",
        "segment/0/a",
        "segment/1/a",
        "segments",
        "segment/0/a0",
    ];
    for (length, name) in names.iter().enumerate() {
        objects.put(name, vec![1; length + 1].into()).await.unwrap();
    }
    let listed = |found: Vec<sop_host::blob::objects::Listed>| -> Vec<(String, u64)> {
        found
            .into_iter()
            .map(|listed| (listed.name, listed.bytes))
            .collect()
    };
    let expected = [("segment/0/a", 2), ("segment/0/a0", 5), ("segment/0/b", 1)];
    let expected = expected.map(|(name, length)| (name.to_owned(), length));
    assert_eq!(listed(objects.list("segment/0/").await.unwrap()), expected);
    assert_eq!(objects.list("segment/").await.unwrap().len(), 4);
    assert_eq!(objects.list("segment/00/").await.unwrap().len(), 0);
    let all = listed(objects.list("").await.unwrap());
    assert_eq!(all.len(), 6, "the claim, and these: {all:?}");
    for name in names {
        objects.delete(name).await.unwrap();
    }
}

/// The segments from a period on, whatever a server takes the names for: keys or paths.
async fn periods(objects: &dyn Objects) {
    let keys: Vec<SegmentKey> = (0..4)
        .flat_map(|period| {
            (1..3).map(move |unique| SegmentKey {
                epoch: 7,
                period,
                unique,
            })
        })
        .collect();
    for key in &keys {
        objects.put(&segment_name(*key), bytes("x")).await.unwrap();
    }
    assert_eq!(period_start(7, 0), None);
    for period in 1..5 {
        let from = period_start(7, period).unwrap();
        let listed = objects.list_from("segment/00000007/", &from).await.unwrap();
        let listed: Vec<_> = listed
            .iter()
            .filter_map(|listed| segment_key(&listed.name))
            .collect();
        let expected: Vec<_> = keys
            .iter()
            .copied()
            .filter(|key| key.period >= period)
            .collect();
        assert_eq!(listed, expected, "from period {period}");
    }
    for key in keys {
        objects.delete(&segment_name(key)).await.unwrap();
    }
}

async fn race(objects: &dyn Objects) {
    let puts =
        (0..4).map(|racer| objects.put_if_absent("segment/race", bytes(&format!("racer {racer}"))));
    let answers = futures::future::join_all(puts).await;
    let winners: Vec<usize> = (0..4)
        .filter(|racer| matches!(answers[*racer], Ok(Stored::New)))
        .collect();
    assert_eq!(winners.len(), 1, "{answers:?}");
    let found = objects.get("segment/race").await.unwrap().unwrap();
    assert_eq!(found, bytes(&format!("racer {}", winners[0])));
}

#[tokio::test]
async fn memory_conforms() {
    conform(&MemoryObjects::default()).await;
}

#[tokio::test]
async fn a_directory_conforms() {
    let folder = tempfile::tempdir().unwrap();
    conform(&RemoteObjects::directory(folder.path()).unwrap()).await;
}

#[tokio::test]
async fn a_directory_without_a_folder_for_it_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let objects = RemoteObjects::directory(&folder.path().join("new/one")).unwrap();
    assert_eq!(objects.list("").await.unwrap(), []);
    objects.put("a/b", bytes("x")).await.unwrap();
    let other = RemoteObjects::directory(&folder.path().join("new/one")).unwrap();
    assert_eq!(
        other.get("a/b").await.unwrap(),
        Some(bytes("x")),
        "another host sees it"
    );
}

#[tokio::test]
async fn seaweedfs_conforms() {
    let server = S3Server::shared();
    conform(&server.objects(&prefix())).await;
}

/// A listing comes in pages of a thousand.
#[tokio::test]
async fn a_long_listing_is_whole() {
    let server = S3Server::shared();
    let objects = server.objects(&prefix());
    let puts = (0..1_050).map(|number| {
        let objects = &objects;
        async move {
            objects
                .put(&format!("segment/1/{number:08x}"), Bytes::from_static(b"x"))
                .await
                .unwrap()
        }
    });
    futures::stream::iter(puts)
        .buffer_unordered(32)
        .collect::<Vec<()>>()
        .await;
    let listed = objects.list("segment/1/").await.unwrap();
    assert_eq!(listed.len(), 1_050);
    assert!(listed.is_sorted_by_key(|listed| &listed.name));
}

#[test]
fn a_wrong_place_is_named() {
    let none = std::collections::BTreeMap::new();
    for url in ["s3:/x", "s3://", "ftp://bucket/x", "bucket"] {
        let error = RemoteObjects::connect(url, &none).unwrap_err().to_string();
        assert!(!error.is_empty(), "{url}");
    }
    let settings = [("aws_colour".to_owned(), "red".to_owned())].into();
    let error = RemoteObjects::connect("s3://bucket/x", &settings).unwrap_err();
    assert!(error.to_string().contains("`aws_colour`"), "{error}");
}
