//! Object stores: what each must do, what faults may not do to it, and which are refused.

mod conformance;
mod decisions;
mod disk;
mod faults;
mod probe;
mod proxies;
mod segments;

use std::sync::Arc;

use bytes::Bytes;
use sop_engine::types::{LogicalId, PhysicalId};
use sop_host::blob::SegmentKey;
use sop_host::blob::objects::remote::RemoteObjects;
use sop_host::blob::objects::store::ObjectBlobs;
use sop_host::commit::segment::{FIRST_BODY_OFFSET, FRAME_BYTES, SegmentBuilder, verify_body};
use sop_host::runtime::TokioRuntime;
use sop_tests::servers::proxy::Proxy;
use sop_tests::servers::s3::{self, S3Server};

/// Bytes of the body of a segment of these tests.
const BODY_BYTES: u32 = 8_000;

/// A prefix that no other test uses.
fn prefix() -> String {
    format!("test/{:016x}", rand::random::<u64>())
}

fn key(unique: u64) -> SegmentKey {
    SegmentKey {
        epoch: 1,
        period: 2,
        unique,
    }
}

/// A segment with so many bodies, told apart by their first byte.
fn segment(key: SegmentKey, bodies: u8) -> Bytes {
    let mut builder = SegmentBuilder::new(key, 0);
    for number in 0..bodies {
        let mut body = vec![7; BODY_BYTES as usize];
        body[0] = number;
        builder.body(LogicalId::new(1, u64::from(number)), &body);
    }
    builder.finish(1, Vec::new()).0
}

/// Where a body of such a segment lies.
fn body_id(key: SegmentKey, number: u32) -> PhysicalId {
    PhysicalId {
        segment: key.object(),
        offset: FIRST_BODY_OFFSET + number * (BODY_BYTES + FRAME_BYTES),
        length: BODY_BYTES,
    }
}

/// Checks a body that was read with its frame.
fn check_body(framed: &Bytes, number: u8) {
    let (id, body) = verify_body(framed).unwrap();
    assert_eq!(id, LogicalId::new(1, u64::from(number)));
    assert_eq!((body[0], body.len()), (number, BODY_BYTES as usize));
}

fn blobs(objects: RemoteObjects) -> ObjectBlobs {
    ObjectBlobs::new(Arc::new(objects), Arc::new(TokioRuntime::current()))
}

/// A server, a proxy before it, and the same prefix through either.
struct Setup {
    _server: Arc<S3Server>,
    proxy: Proxy,
    /// Through the proxy.
    faulty: RemoteObjects,
    /// Past it.
    direct: RemoteObjects,
    prefix: String,
}

impl Setup {
    async fn new() -> Self {
        let server = S3Server::shared();
        let proxy = Proxy::http(server.port()).await;
        let prefix = prefix();
        Self {
            faulty: s3::objects(proxy.port(), &prefix),
            direct: server.objects(&prefix),
            _server: server,
            proxy,
            prefix,
        }
    }

    /// Blobs through the proxy.
    fn blobs(&self) -> ObjectBlobs {
        blobs(s3::objects(self.proxy.port(), &self.prefix))
    }

    /// The beginning of the requests that put segments.
    fn put_line(&self) -> String {
        format!("PUT /{}/{}/segment/", s3::BUCKET, self.prefix)
    }
}
