//! Goal: the bounds of issue 3. A warm reader: at most one round trip to the registry, shared by those that begin together, and
//! no blob. A writer: two round trips beyond its read point, one PUT and one HEAD, shared by its group. Groups overlap.

use std::time::Duration;

use sop_host::{Database, Isolation};
use sop_tests::servers::proxy::Fault;

use super::{Asked, Place, fill, key};

const ITEMS: u32 = 2_000;
/// Keys this far apart lie in different leaves.
const APART: u32 = 100;
/// Transactions that begin or commit together.
const TOGETHER: u32 = 16;

async fn read(database: &Database, number: u32) {
    let tx = database.begin(Isolation::Serializable).await.unwrap();
    let store = tx.open_store("s").await.unwrap();
    assert!(store.get(key(number)).await.unwrap().is_some());
    tx.commit().await.unwrap();
}

/// Changes a few leaves that it read before.
async fn write(database: &Database, number: u32, value: &str) {
    let tx = database.begin(Isolation::Serializable).await.unwrap();
    let store = tx.open_store("s").await.unwrap();
    for leaf in 0..3 {
        let key = key(number + leaf * APART);
        assert!(store.get(key).await.unwrap().is_some());
        store.put(key, value).await.unwrap();
    }
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_warm_reader_asks_for_its_read_point_and_nothing_else() {
    let place = Place::new().await;
    let database = place.open(&place.redis.url()).await;
    fill(&database, ITEMS).await;
    read(&database, 1_234).await;
    for _ in 0..5 {
        let before = place.asked();
        read(&database, 1_234).await;
        let one = Asked {
            scripts: 1,
            ..Asked::default()
        };
        assert_eq!(place.asked() - before, one);
    }
    let before = place.asked();
    let readers = (0..TOGETHER).map(|_| read(&database, 1_234));
    futures::future::join_all(readers).await;
    let asked = place.asked() - before;
    println!("{TOGETHER} readers together: {asked:?}");
    assert!(
        asked.scripts <= u64::from(TOGETHER) / 2,
        "those that begin together share their read points: {asked:?}"
    );
    assert_eq!((asked.puts, asked.heads, asked.gets), (0, 0, 0));
    database.close().await.unwrap();
}

#[tokio::test]
async fn a_writer_alone_makes_two_round_trips_one_put_and_one_head() {
    let place = Place::new().await;
    let database = place.open(&place.redis.url()).await;
    fill(&database, ITEMS).await;
    write(&database, 0, "warm").await;
    for round in 0..6 {
        let before = place.asked();
        // What it wrote itself is not asked for again.
        write(&database, 0, &format!("round {round}")).await;
        let alone = Asked {
            // Its read point, reserve, publish.
            scripts: 3,
            puts: 1,
            heads: 1,
            gets: 0,
        };
        assert_eq!(place.asked() - before, alone, "round {round}");
    }
    // A reader after it is warm too, and so is one of what another host did not change.
    let before = place.asked();
    read(&database, APART).await;
    let one = Asked {
        scripts: 1,
        ..Asked::default()
    };
    assert_eq!(place.asked() - before, one);
    database.close().await.unwrap();
}

#[tokio::test]
async fn what_another_host_changed_is_asked_for_once_and_the_rest_stays_warm() {
    let place = Place::new().await;
    let (writer, reader) = (
        place.open(&place.redis.url()).await,
        place.open(&place.redis.url()).await,
    );
    fill(&writer, ITEMS).await;
    for number in [0, 5 * APART, 10 * APART] {
        read(&reader, number).await;
    }
    write(&writer, 0, "new").await;
    let before = place.asked();
    read(&reader, 10 * APART).await;
    assert_eq!((place.asked() - before).scripts, 1, "nobody changed it");
    let before = place.asked();
    read(&reader, 0).await;
    let changed = place.asked() - before;
    assert_eq!(
        (changed.scripts, changed.puts, changed.heads),
        (2, 0, 0),
        "the read point, and the handle of what changed: {changed:?}"
    );
    assert!(changed.gets <= 1, "its new delta: {changed:?}");
    let before = place.asked();
    read(&reader, 0).await;
    assert_eq!((place.asked() - before).scripts, 1);
    writer.close().await.unwrap();
    reader.close().await.unwrap();
}

#[tokio::test]
async fn writers_of_one_host_share_their_groups() {
    let place = Place::new().await;
    let database = place.open(&place.redis.url()).await;
    fill(&database, ITEMS).await;
    let mut ready = Vec::new();
    for number in 0..TOGETHER {
        let tx = database.begin(Isolation::Serializable).await.unwrap();
        let store = tx.open_store("s").await.unwrap();
        let key = key(number * APART);
        store.put(key, "together").await.unwrap();
        ready.push(tx);
    }
    let (before, groups) = (place.asked(), database.statistics().storage.groups);
    let commits = ready.into_iter().map(|tx| async move { tx.commit().await });
    for commit in futures::future::join_all(commits).await {
        commit.unwrap();
    }
    let asked = place.asked() - before;
    let groups = database.statistics().storage.groups - groups;
    println!("{TOGETHER} writers together: {groups} groups, {asked:?}");
    let count = usize::try_from(groups).unwrap();
    assert_eq!(
        asked,
        Asked {
            scripts: 2 * groups,
            puts: count,
            heads: count,
            gets: 0,
        },
        "each group costs what a writer alone costs"
    );
    assert!(groups <= u64::from(TOGETHER) / 2, "{groups} groups");
    database.close().await.unwrap();
}

#[tokio::test]
async fn a_group_does_not_wait_for_the_one_before() {
    let place = Place::new().await;
    let database = place.open(&place.redis.url()).await;
    fill(&database, ITEMS).await;
    let line = place.put_line();
    let before = place.objects.seen(&line);
    place.objects.next(Fault::Hold, &line, 1);
    let held = tokio::spawn({
        let database = database.clone();
        async move { write(&database, 0, "held").await }
    });
    place.objects.wait_seen(&line, before + 1).await;
    // Other leaves: they commit while that put is under way.
    let other = write(&database, 10 * APART, "meanwhile");
    tokio::time::timeout(Duration::from_secs(60), other)
        .await
        .expect("a group waits for the one before");
    assert!(!held.is_finished(), "its put is held back");
    place.objects.let_go();
    held.await.unwrap();
    let tx = database.snapshot().await.unwrap();
    let store = tx.open_store("s").await.unwrap();
    for number in [0, 10 * APART] {
        let value = store.get(key(number)).await.unwrap().unwrap();
        assert_ne!(value.as_slice(), [7; 100], "key {number}");
    }
    database.close().await.unwrap();
}
