//! Goal: no fault of the network or the store gives wrong data, an endless wait or endless repetition, and each is told as
//! what it is. Method: SeaweedFS behind a proxy with faults.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sop_host::blob::BlobError;
use sop_host::blob::objects::{Objects, Stored};
use sop_host::limits;
use sop_tests::servers::proxy::Fault;
use sop_tests::servers::s3;

use super::Setup;

const NAME: &str = "segment/read";
const BYTES: usize = 40_000;

fn content() -> Bytes {
    (0..BYTES)
        .map(|at| at.to_le_bytes()[0] ^ at.to_le_bytes()[1])
        .collect::<Vec<_>>()
        .into()
}

async fn with_object() -> Setup {
    let setup = Setup::new().await;
    setup.direct.put(NAME, content()).await.unwrap();
    setup
}

fn is_unavailable<T: std::fmt::Debug>(answer: &Result<T, BlobError>) -> bool {
    matches!(answer, Err(BlobError::Unavailable(_)))
}

#[tokio::test]
async fn a_read_is_repeated_a_few_times() {
    let setup = with_object().await;
    for fault in [
        Fault::Answer(500),
        Fault::Answer(503),
        Fault::Answer(429),
        Fault::Refuse,
    ] {
        let before = setup.proxy.seen("GET ");
        setup.proxy.next(fault, "GET ", 2);
        assert_eq!(
            setup.faulty.get(NAME).await.unwrap(),
            Some(content()),
            "{fault:?}"
        );
        assert_eq!(setup.proxy.seen("GET ") - before, 3, "{fault:?}");
    }
    for fault in [
        Fault::Answer(500),
        Fault::Answer(503),
        Fault::Answer(429),
        Fault::Refuse,
    ] {
        let before = setup.proxy.seen("GET ");
        setup.proxy.set(fault);
        let start = Instant::now();
        let answer = setup.faulty.get(NAME).await;
        assert!(is_unavailable(&answer), "{fault:?}: {answer:?}");
        assert_eq!(
            setup.proxy.seen("GET ") - before,
            1 + limits::OBJECT_RETRIES,
            "{fault:?}"
        );
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "{:?}",
            start.elapsed()
        );
    }
}

#[tokio::test]
async fn every_call_tells_a_failing_store_from_a_missing_object() {
    let setup = with_object().await;
    let objects = &setup.faulty;
    setup.proxy.set(Fault::Answer(500));
    assert!(is_unavailable(&objects.exists(NAME).await));
    assert!(is_unavailable(
        &objects.get_ranges(NAME, &[0..10, 20..30]).await
    ));
    assert!(is_unavailable(&objects.list("segment/").await));
    assert!(is_unavailable(&objects.delete(NAME).await));
    assert!(is_unavailable(&objects.put(NAME, content()).await));
    // Nothing in a name or in a body that is not certain makes a failure certain.
    assert!(is_unavailable(
        &objects.put("segment/507/QuotaExceeded", content()).await
    ));
    setup.proxy.set(Fault::Answer(403));
    for denied in [
        objects.exists(NAME).await.map(drop),
        objects.get(NAME).await.map(drop),
        objects.get_ranges(NAME, &[0..10, 20..30]).await.map(drop),
        objects.list("segment/").await.map(drop),
        objects.delete(NAME).await,
        objects.put(NAME, content()).await,
        objects
            .put_if_absent("segment/new", content())
            .await
            .map(drop),
    ] {
        assert!(matches!(&denied, Err(BlobError::Denied(_))), "{denied:?}");
    }
    setup.proxy.set(Fault::Answer(507));
    let full = objects.put(NAME, content()).await;
    assert!(matches!(&full, Err(BlobError::Full(_))), "{full:?}");
    setup.proxy.set(Fault::None);
    assert_eq!(objects.get(NAME).await.unwrap(), Some(content()));
    assert_eq!(objects.get("segment/none").await.unwrap(), None);
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_not_an_empty_one() {
    let setup = Setup::new().await;
    let none = sop_host::blob::objects::remote::RemoteObjects::connect(
        "s3://nothing/here",
        &s3::settings(setup.proxy.port()),
    );
    let answer = none.unwrap().list("segment/").await;
    assert!(matches!(&answer, Err(BlobError::Denied(_))), "{answer:?}");
}

#[tokio::test]
async fn wrong_credentials_are_denied() {
    let setup = Setup::new().await;
    let mut settings = s3::settings(setup.proxy.port());
    settings.insert("aws_secret_access_key".to_owned(), "wrong".to_owned());
    let url = format!("s3://{}/{}", s3::BUCKET, setup.prefix);
    let objects = sop_host::blob::objects::remote::RemoteObjects::connect(&url, &settings).unwrap();
    let put = objects.put_if_absent(NAME, content()).await;
    assert!(matches!(&put, Err(BlobError::Denied(_))), "{put:?}");
    assert!(
        !put.unwrap_err().to_string().contains("wrong"),
        "no secret in a message"
    );
}

/// However an answer is cut, what comes out is right or an error.
#[tokio::test]
async fn a_cut_body_is_never_taken_for_a_whole_one() {
    let setup = with_object().await;
    for cut in [10, 200, 1_000, 20_000, 40_000] {
        setup.proxy.set(Fault::None);
        setup.proxy.next(Fault::CutAnswer(cut), "GET ", 1);
        let got = setup.faulty.get(NAME).await;
        assert!(
            matches!(&got, Ok(Some(bytes)) if *bytes == content()) || is_unavailable(&got),
            "{cut}"
        );
        setup.proxy.next(Fault::CutAnswer(cut), "GET ", 1);
        let ranges = setup
            .faulty
            .get_ranges(NAME, std::slice::from_ref(&(5..39_000)))
            .await;
        let right = matches!(&ranges, Ok(Some(parts)) if *parts[0] == content()[5..39_000]);
        assert!(right || is_unavailable(&ranges), "{cut}");
        setup.proxy.set(Fault::CutAnswer(cut));
        let before = setup.proxy.seen("GET ");
        let got = setup.faulty.get(NAME).await;
        let right = matches!(&got, Ok(Some(bytes)) if *bytes == content());
        assert!(
            right || is_unavailable(&got),
            "{cut}: {:?}",
            got.map(|_| ())
        );
        assert!(setup.proxy.seen("GET ") - before <= 1 + limits::OBJECT_RETRIES);
    }
}

#[tokio::test]
async fn a_slow_body_is_waited_for() {
    let setup = with_object().await;
    setup
        .proxy
        .set(Fault::Drip(4_000, Duration::from_millis(50)));
    assert_eq!(setup.faulty.get(NAME).await.unwrap(), Some(content()));
}

/// Nothing comes: the call ends, by the deadline of a call at the latest.
#[tokio::test]
async fn a_server_that_stops_is_not_waited_for_for_ever() {
    let setup = with_object().await;
    setup.proxy.set(Fault::Hold);
    let start = Instant::now();
    let (put, exists) = futures::join!(
        setup.faulty.put_if_absent("segment/new", content()),
        setup.faulty.exists(NAME)
    );
    assert!(
        is_unavailable(&put) && is_unavailable(&exists),
        "{put:?} {exists:?}"
    );
    assert!(
        start.elapsed() < limits::OBJECT_TIMEOUT * 4,
        "{:?}",
        start.elapsed()
    );
    setup.proxy.set(Fault::None);
    assert!(setup.faulty.exists(NAME).await.unwrap(), "it goes again");
}

#[tokio::test]
async fn nobody_listens_there() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let objects = s3::objects(port, "x");
    let start = Instant::now();
    assert!(is_unavailable(
        &objects.put_if_absent(NAME, content()).await
    ));
    let get = objects.get(NAME).await;
    assert!(is_unavailable(&get));
    let message = get.unwrap_err().to_string();
    assert!(
        message.contains(NAME) && message.contains("s3://sop/x"),
        "{message}"
    );
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

/// The client itself repeats no conditional put: what an answer means is found out above it.
#[tokio::test]
async fn a_conditional_put_is_sent_once() {
    let setup = Setup::new().await;
    for fault in [
        Fault::Answer(500),
        Fault::Answer(503),
        Fault::Refuse,
        Fault::LoseAnswer,
    ] {
        setup.proxy.set(fault);
        let before = setup.proxy.seen("PUT ");
        let put = setup.faulty.put_if_absent("segment/once", content()).await;
        assert!(is_unavailable(&put), "{fault:?}: {put:?}");
        assert_eq!(setup.proxy.seen("PUT ") - before, 1, "{fault:?}");
    }
    setup.proxy.set(Fault::None);
    let again = setup.faulty.put_if_absent("segment/once", content()).await;
    assert_eq!(
        again.unwrap(),
        Stored::Exists,
        "the last one was carried out"
    );
}
