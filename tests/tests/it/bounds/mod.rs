//! What a transaction may cost over a shared registry and an object store, in exact counts.
//!
//! ```text
//!   database ──scripts──► Redis, which counts what it carried out; a proxy before it counts bytes
//!            ──requests─► proxy that counts them ──► an object store in this process
//! ```

mod bytes;
mod figure;
mod scripts;
mod transactions;

use sop_host::{Backends, Database};
use sop_tests::servers::proxy::Proxy;
use sop_tests::servers::redis::RedisProcess;
use sop_tests::servers::s3::{BUCKET, Lie, LyingServer, settings};

/// A database over servers that count.
struct Place {
    redis: RedisProcess,
    /// Before the object store.
    objects: Proxy,
    _shelf: LyingServer,
    prefix: String,
}

/// What was asked of the servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Asked {
    scripts: u64,
    puts: usize,
    heads: usize,
    gets: usize,
}

impl std::ops::Sub for Asked {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            scripts: self.scripts - before.scripts,
            puts: self.puts - before.puts,
            heads: self.heads - before.heads,
            gets: self.gets - before.gets,
        }
    }
}

impl Place {
    async fn new() -> Self {
        let shelf = LyingServer::start(Lie::None).await;
        Self {
            redis: RedisProcess::start(),
            objects: Proxy::http(shelf.port()).await,
            _shelf: shelf,
            prefix: format!("bounds-{:x}", rand::random::<u64>()),
        }
    }

    /// Another host.
    async fn open(&self, registry: &str) -> Database {
        let backends = Backends {
            registry: Some(registry.to_owned()),
            object_store: settings(self.objects.port()),
        };
        let builder = Database::builder().url(format!("s3://{BUCKET}/{}", self.prefix));
        builder.backends(backends).open().await.unwrap()
    }

    fn asked(&self) -> Asked {
        Asked {
            scripts: self.redis.scripts_run(),
            puts: self.objects.seen("PUT "),
            heads: self.objects.seen("HEAD "),
            gets: self.objects.seen("GET "),
        }
    }

    /// The beginning of the requests that put segments.
    fn put_line(&self) -> String {
        format!("PUT /{BUCKET}/{}/segment/", self.prefix)
    }
}

fn key(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}

/// A store with so many items of 100 bytes: some 70 to a leaf.
async fn fill(database: &Database, items: u32) {
    let fill = database.transact(async |tx| {
        let store = tx.create_store("s").await?;
        for number in 0..items {
            store.put(key(number), [7; 100]).await?;
        }
        Ok(())
    });
    fill.await.unwrap();
}
