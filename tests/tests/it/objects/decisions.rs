//! Goal: what became of a put is told rightly whatever the network did. Method: SeaweedFS behind a proxy with faults.

use std::time::{Duration, Instant};

use sop_host::blob::objects::Objects;
use sop_host::blob::objects::store::segment_name;
use sop_host::blob::{BlobError, BlobStore, Put, Taken};
use sop_host::commit::segment::{FRAME_BYTES, SegmentHeader, SegmentKind};
use sop_host::limits;
use sop_tests::servers::proxy::Fault;

use super::{Setup, blobs, body_id, check_body, key, segment};

/// Puts a segment under a fault of its first put, and answers how many puts it took.
async fn put_under(setup: &Setup, unique: u64, fault: Fault) -> (Result<Put, BlobError>, usize) {
    let name = segment_name(key(unique));
    let before = setup.proxy.seen(&name);
    setup.proxy.next(fault, &setup.put_line(), 1);
    let put = setup
        .blobs()
        .put(key(unique), segment(key(unique), 3))
        .await;
    assert!(setup.proxy.seen(&name) > before);
    let puts = format!(
        "{}{}",
        setup.put_line(),
        name.trim_start_matches("segment/")
    );
    (put, setup.proxy.seen(&puts))
}

async fn assert_durable(setup: &Setup, unique: u64) {
    let framed = blobs_read(setup, unique).await.unwrap();
    check_body(&framed, 2);
}

async fn blobs_read(setup: &Setup, unique: u64) -> Result<bytes::Bytes, BlobError> {
    let id = body_id(key(unique), 2);
    let start = u64::from(id.offset - FRAME_BYTES);
    let range = start..u64::from(id.offset + id.length);
    let found = setup
        .direct
        .get_ranges(&segment_name(key(unique)), std::slice::from_ref(&range))
        .await?;
    found
        .and_then(|mut parts| parts.pop())
        .ok_or(BlobError::Missing(id))
}

#[tokio::test]
async fn a_put_that_was_carried_out_is_won_whatever_was_answered() {
    let setup = Setup::new().await;
    let faults = [
        Fault::LoseAnswer,
        Fault::CutAnswer(20),
        Fault::AnswerInstead(500),
        Fault::AnswerInstead(503),
        Fault::AnswerInstead(429),
        Fault::AnswerInstead(409),
        Fault::AnswerInstead(412),
        Fault::AnswerInstead(404),
        Fault::AnswerInstead(403),
        Fault::AnswerInstead(507),
    ];
    for (unique, fault) in (1..).zip(faults) {
        let (put, puts) = put_under(&setup, unique, fault).await;
        assert!(matches!(put, Ok(Put::Won(_))), "{fault:?}: {put:?}");
        assert_eq!(puts, 1, "{fault:?}: nothing is put a second time");
        assert_durable(&setup, unique).await;
    }
}

#[tokio::test]
async fn a_put_that_was_not_carried_out_is_tried_again() {
    let setup = Setup::new().await;
    let faults = [
        Fault::Refuse,
        Fault::CutRequest(600),
        Fault::Answer(500),
        Fault::Answer(503),
        Fault::Answer(429),
        Fault::Answer(409),
        Fault::Answer(412),
    ];
    for (unique, fault) in (1..).zip(faults) {
        let (put, puts) = put_under(&setup, unique, fault).await;
        assert!(matches!(put, Ok(Put::Won(_))), "{fault:?}: {put:?}");
        assert_eq!(puts, 2, "{fault:?}");
        assert_durable(&setup, unique).await;
    }
}

#[tokio::test]
async fn a_put_is_given_up_after_a_few_attempts_and_its_outcome_is_unknown() {
    let setup = Setup::new().await;
    for (unique, fault) in (1..).zip([
        Fault::Answer(500),
        Fault::Answer(503),
        Fault::Refuse,
        Fault::Answer(409),
    ]) {
        setup.proxy.next(fault, &setup.put_line(), usize::MAX);
        let before = setup.proxy.seen(&setup.put_line());
        let start = Instant::now();
        let put = setup
            .blobs()
            .put(key(unique), segment(key(unique), 3))
            .await;
        assert!(
            matches!(put, Err(BlobError::Unavailable(_))),
            "{fault:?}: {put:?}"
        );
        let puts = setup.proxy.seen(&setup.put_line()) - before;
        assert_eq!(puts, limits::OBJECT_PUT_ATTEMPTS_MAX as usize, "{fault:?}");
        assert!(
            start.elapsed() < Duration::from_secs(4),
            "{:?}",
            start.elapsed()
        );
        setup.proxy.set(Fault::None);
        assert!(
            !setup
                .direct
                .exists(&segment_name(key(unique)))
                .await
                .unwrap()
        );
    }
}

#[tokio::test]
async fn a_store_that_refuses_is_believed_and_asked_once() {
    let setup = Setup::new().await;
    for (unique, status) in [(1, 403), (2, 401), (3, 507)] {
        setup
            .proxy
            .next(Fault::Answer(status), &setup.put_line(), usize::MAX);
        let before = setup.proxy.seen(&setup.put_line());
        let put = setup
            .blobs()
            .put(key(unique), segment(key(unique), 3))
            .await;
        setup.proxy.set(Fault::None);
        match (status, &put) {
            (507, Err(BlobError::Full(message))) | (401 | 403, Err(BlobError::Denied(message))) => {
                let name = segment_name(key(unique));
                assert!(
                    message.contains(&name) && message.contains(&setup.prefix),
                    "{message}"
                );
            }
            _ => panic!("{status}: {put:?}"),
        }
        assert_eq!(setup.proxy.seen(&setup.put_line()) - before, 1);
    }
}

/// First its answer is lost and nothing can be read, then the store refuses: it may have been carried out.
#[tokio::test]
async fn a_refusal_after_a_lost_answer_is_unknown() {
    let setup = Setup::new().await;
    let get = format!("GET /sop/{}/segment/", setup.prefix);
    setup.proxy.next(Fault::LoseAnswer, &setup.put_line(), 1);
    setup
        .proxy
        .next(Fault::Answer(403), &setup.put_line(), usize::MAX);
    setup.proxy.next(Fault::Answer(403), &get, usize::MAX);
    let put = setup.blobs().put(key(1), segment(key(1), 3)).await;
    assert!(matches!(put, Err(BlobError::Unavailable(_))), "{put:?}");
    setup.proxy.set(Fault::None);
    assert_durable(&setup, 1).await;
}

#[tokio::test]
async fn a_tombstone_wins_over_a_put_that_is_under_way() {
    let setup = Setup::new().await;
    let slow = setup.blobs();
    setup.proxy.next(Fault::Hold, &setup.put_line(), 1);
    let put = slow.put(key(1), segment(key(1), 3));
    let tombstone = async {
        setup.proxy.wait_seen(&setup.put_line(), 1).await;
        let prefix = sop_tests::servers::s3::S3Server::shared().objects(&setup.prefix);
        let tombstone = blobs(prefix).put_tombstone(key(1)).await;
        setup.proxy.let_go();
        tombstone
    };
    let (put, tombstone) = futures::join!(put, tombstone);
    assert!(matches!(tombstone, Ok(Put::Won(_))), "{tombstone:?}");
    assert!(matches!(put, Ok(Put::Taken(Taken::Tombstone))), "{put:?}");
}

/// The request hangs until the client gives up, is put again, and arrives when all is decided.
#[tokio::test]
async fn a_put_that_arrives_late_changes_nothing() {
    let setup = Setup::new().await;
    setup.proxy.next(Fault::Hold, &setup.put_line(), 1);
    let start = Instant::now();
    let put = setup.blobs().put(key(1), segment(key(1), 3)).await;
    assert!(matches!(put, Ok(Put::Won(_))), "{put:?}");
    assert!(
        start.elapsed() >= limits::OBJECT_TIMEOUT,
        "{:?}",
        start.elapsed()
    );
    // And one that a tombstone overtakes.
    setup.proxy.next(Fault::Hold, &setup.put_line(), 1);
    let blobs = setup.blobs();
    let put = tokio::time::timeout(
        Duration::from_millis(300),
        blobs.put(key(2), segment(key(2), 3)),
    );
    assert!(put.await.is_err(), "it hangs");
    assert!(matches!(blobs.put_tombstone(key(2)).await, Ok(Put::Won(_))));
    setup.proxy.let_go();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_durable(&setup, 1).await;
    let found = setup
        .direct
        .get(&segment_name(key(2)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        SegmentHeader::decode(&found).unwrap().kind,
        SegmentKind::Tombstone
    );
}

#[tokio::test]
async fn a_put_and_tombstones_that_race_have_one_winner() {
    let setup = Setup::new().await;
    let mut wins = [0; 2];
    for unique in 0..12 {
        let blobs = setup.blobs();
        // Sometimes the one is a little ahead, sometimes the other.
        let ahead = Duration::from_micros((unique % 4) * 1_500);
        let late = tokio::time::sleep(ahead);
        let put = blobs.put(key(unique), segment(key(unique), 3));
        let tombstone = async {
            late.await;
            blobs.put_tombstone(key(unique)).await
        };
        let (put, tombstone) = futures::join!(put, tombstone);
        let found = setup
            .direct
            .get(&segment_name(key(unique)))
            .await
            .unwrap()
            .unwrap();
        let kind = SegmentHeader::decode(&found).unwrap().kind;
        match (&put, &tombstone, kind) {
            (Ok(Put::Won(_)), Ok(Put::Taken(Taken::Segment(_))), SegmentKind::Segment) => {
                wins[0] += 1
            }
            (Ok(Put::Taken(Taken::Tombstone)), Ok(Put::Won(_)), SegmentKind::Tombstone) => {
                wins[1] += 1
            }
            other => panic!("{other:?}"),
        }
    }
    println!("segments won {}, tombstones {}", wins[0], wins[1]);
}
