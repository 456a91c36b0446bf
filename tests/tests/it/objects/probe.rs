//! Goal: only a store that keeps transactions apart is written to, and it is told what is wrong with another.

use std::time::Instant;

use sop_host::blob::BlobError;
use sop_host::blob::objects::Objects;
use sop_host::blob::objects::memory::MemoryObjects;
use sop_host::blob::objects::probe::probe;
use sop_host::blob::objects::remote::RemoteObjects;
use sop_host::runtime::TokioRuntime;
use sop_tests::servers::proxy::Fault;
use sop_tests::servers::s3::{Lie, LyingServer, S3Server};

use super::{Setup, prefix};

async fn asked(objects: &dyn Objects) -> Result<(), BlobError> {
    probe(objects, &TokioRuntime::current()).await
}

async fn accepted(objects: &dyn Objects) {
    let start = Instant::now();
    asked(objects).await.unwrap();
    println!("probed in {:?}", start.elapsed());
    assert_eq!(
        objects.list("").await.unwrap(),
        [],
        "nothing is left behind"
    );
}

#[tokio::test]
async fn honest_stores_are_accepted() {
    accepted(&MemoryObjects::default()).await;
    let folder = tempfile::tempdir().unwrap();
    accepted(&RemoteObjects::directory(folder.path()).unwrap()).await;
    accepted(&LyingServer::start(Lie::None).await.objects("x")).await;
    accepted(&S3Server::shared().objects(&prefix())).await;
}

#[tokio::test]
async fn lying_stores_are_refused_and_told_why() {
    for (lie, reason) in [
        (
            Lie::IgnoresCondition,
            "a second conditional put of one name was let through",
        ),
        (
            Lie::ChecksThenStores,
            "8 of 8 racing puts of one name were told that they had won",
        ),
        (
            Lie::RefusesAndStores,
            "a put that was refused overwrote the object",
        ),
        (
            Lie::ListsNothing,
            "an object that was just put is not listed",
        ),
    ] {
        let objects = LyingServer::start(lie).await.objects("x");
        let refusal = asked(&objects).await;
        let told = matches!(&refusal, Err(BlobError::Denied(message)) if message.contains(reason));
        assert!(told, "{lie:?}: {refusal:?}");
        if lie != Lie::ListsNothing {
            assert_eq!(
                objects.list("").await.unwrap(),
                [],
                "{lie:?}: nothing is left behind"
            );
        }
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_asked_now_is_not_refused() {
    let setup = Setup::new().await;
    for fault in [Fault::Answer(503), Fault::Refuse] {
        setup.proxy.set(fault);
        let answer = asked(&setup.faulty).await;
        assert!(
            matches!(&answer, Err(BlobError::Unavailable(_))),
            "{fault:?}: {answer:?}"
        );
    }
    setup.proxy.set(Fault::Answer(403));
    let answer = asked(&setup.faulty).await;
    assert!(matches!(&answer, Err(BlobError::Denied(_))), "{answer:?}");
}
