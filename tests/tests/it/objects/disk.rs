//! Goal: a host with a disk cache that starts again reads bodies from it, believes nothing damaged there, and shares it with
//! nobody. Method: a proxy that counts what is fetched from the object store.

use std::path::{Path, PathBuf};

use sop_host::{Backends, Database};
use sop_tests::servers::proxy::Proxy;
use sop_tests::servers::s3::{BUCKET, Lie, LyingServer, settings};

const ITEMS: u32 = 1_000;

/// The value of an item.
fn body(number: u32) -> [u8; 50] {
    [number.to_le_bytes()[0]; 50]
}

struct Place {
    proxy: Proxy,
    _server: LyingServer,
    folder: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        let server = LyingServer::start(Lie::None).await;
        Self {
            proxy: Proxy::http(server.port()).await,
            _server: server,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    async fn open(&self, read_only: bool) -> Database {
        let backends = Backends {
            registry: None,
            object_store: settings(self.proxy.port()),
        };
        let builder = Database::builder()
            .url(format!("s3://{BUCKET}/disk"))
            .backends(backends)
            .read_only(read_only)
            .disk_cache(self.folder.path())
            .disk_cache_bytes(64 << 20);
        builder.open().await.unwrap()
    }

    /// Bodies that were fetched so far.
    fn fetched(&self) -> usize {
        self.proxy.seen(&format!("GET /{BUCKET}/disk/segment/"))
    }

    fn files(&self) -> Vec<PathBuf> {
        let folders = std::fs::read_dir(self.folder.path()).unwrap();
        let folders = folders.map(|entry| entry.unwrap().path());
        folders
            .filter(|path| path.is_dir())
            .flat_map(|path| list(&path))
            .collect()
    }

    /// Reads everything; answers how many bodies were fetched for it.
    async fn read(&self, database: &Database) -> usize {
        let before = self.fetched();
        let tx = database.snapshot().await.unwrap();
        let store = tx.open_store("s").await.unwrap();
        for number in 0..ITEMS {
            let value = store.get(number.to_be_bytes()).await.unwrap().unwrap();
            assert_eq!(value.as_slice(), body(number));
        }
        self.fetched() - before
    }
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn a_host_that_starts_again_is_warm_and_believes_nothing_damaged() {
    let place = Place::new().await;
    let database = place.open(false).await;
    let fill = database.transact(async |tx| {
        let store = tx.create_store("s").await?;
        for number in 0..ITEMS {
            store.put(number.to_be_bytes(), body(number)).await?;
        }
        Ok(())
    });
    fill.await.unwrap();
    database.close().await.unwrap();

    let cold = place.open(true).await;
    assert!(place.read(&cold).await > 0, "the folder is empty");
    let kept = place.files().len();
    assert!(kept > 5, "{kept} files");
    cold.close().await.unwrap();

    let warm = place.open(true).await;
    assert_eq!(place.read(&warm).await, 0, "all of it is in the folder");
    // The folder is in use: another host goes without.
    let other = place.open(true).await;
    assert!(place.read(&other).await > 0);
    for database in [warm, other] {
        database.close().await.unwrap();
    }

    for file in place.files() {
        let mut bytes = std::fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&file, bytes).unwrap();
    }
    let healed = place.open(true).await;
    assert!(place.read(&healed).await > 0, "what is damaged is fetched");
    healed.close().await.unwrap();
    let warm = place.open(true).await;
    assert_eq!(place.read(&warm).await, 0, "and kept again");
    warm.close().await.unwrap();
}
