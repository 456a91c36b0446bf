//! Sessions over one process: transactions by name in `sop shell --json`.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};
use sop_host::Isolation;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;

use super::session::{Attempt, Backend, Failed, Session};

/// A running shell. Requests of all sessions go through its one pair of pipes, in turn.
pub struct Shell {
    process: Arc<Mutex<Process>>,
    sessions: AtomicU64,
}

struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

struct ShellSession {
    process: Arc<Mutex<Process>>,
    name: String,
    open: bool,
}

/// The binary of this workspace. Cargo names it to the tests of its own package only; it lies above those of this one.
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test.parent().unwrap().with_file_name("sop");
    assert!(
        binary.is_file(),
        "{} is not built: run `cargo test --workspace`",
        binary.display()
    );
    binary
}

impl Shell {
    /// Starts it.
    pub fn start(url: &str) -> Box<dyn Backend> {
        Box::new(Self::start_with(&["--database".to_owned(), url.to_owned()]))
    }

    /// Starts it with these global options.
    pub fn start_with(options: &[String]) -> Self {
        let mut child = Command::new(binary())
            .args(options)
            .args(["shell", "--json"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let process = Process {
            stdin: child.stdin.take(),
            stdout: BufReader::new(child.stdout.take().unwrap()),
            child,
        };
        Self {
            process: Arc::new(Mutex::new(process)),
            sessions: AtomicU64::new(0),
        }
    }
}

/// Several shells on one database: the sessions are spread over them.
pub struct Shells {
    shells: Vec<Shell>,
    sessions: AtomicUsize,
}

impl Shells {
    /// Starts so many with these global options.
    pub fn start(count: usize, options: &[String]) -> Box<dyn Backend> {
        Box::new(Self {
            shells: (0..count).map(|_| Shell::start_with(options)).collect(),
            sessions: AtomicUsize::new(0),
        })
    }
}

#[async_trait]
impl Backend for Shells {
    async fn session(&self) -> Box<dyn Session> {
        let number = self.sessions.fetch_add(1, Ordering::Relaxed);
        self.shells[number % self.shells.len()].session().await
    }

    async fn close(self: Box<Self>) {
        for shell in self.shells {
            Box::new(shell).close().await;
        }
    }
}

impl Process {
    async fn ask(&mut self, request: &Value) -> Value {
        let line = format!("{request}\n");
        let stdin = self.stdin.as_mut().expect("the input is open");
        stdin.write_all(line.as_bytes()).await.unwrap();
        stdin.flush().await.unwrap();
        let mut answer = String::new();
        self.stdout.read_line(&mut answer).await.unwrap();
        serde_json::from_str(&answer).expect("an answer is a line of JSON")
    }
}

#[async_trait]
impl Backend for Shell {
    async fn session(&self) -> Box<dyn Session> {
        Box::new(ShellSession {
            process: Arc::clone(&self.process),
            name: format!("t{}", self.sessions.fetch_add(1, Ordering::Relaxed)),
            open: false,
        })
    }

    async fn close(self: Box<Self>) {
        let mut process = self.process.lock().await;
        let report = process.ask(&json!({"op": "verify"})).await;
        assert_eq!(report["ok"]["sound"], true, "{report}");
        drop(process.stdin.take());
        assert!(process.child.wait().await.unwrap().success());
    }
}

impl ShellSession {
    /// Asks in the transaction of this session; answers what follows `ok`.
    async fn ask(&mut self, mut request: Value) -> Attempt<Value> {
        request["txn"] = json!(self.name);
        let mut answer = self.process.lock().await.ask(&request).await;
        if answer["ok"].is_object() {
            return Ok(answer["ok"].take());
        }
        match answer["error"]["kind"].as_str() {
            Some("conflict") => {
                self.open = false;
                Err(Failed::Aborted)
            }
            // A registry that lost its state has no older versions.
            Some("unavailable" | "snapshot-expired" | "ended") => Err(Failed::Away),
            Some("unknown-outcome") => Err(Failed::Unknown),
            _ => panic!("{request}: {answer}"),
        }
    }
}

#[async_trait]
impl Session for ShellSession {
    async fn begin(&mut self, isolation: Isolation) -> Attempt<()> {
        let isolation = match isolation {
            Isolation::Serializable => "serializable",
            Isolation::Snapshot => "snapshot",
        };
        self.ask(json!({"op": "begin", "isolation": isolation}))
            .await?;
        self.open = true;
        Ok(())
    }

    async fn create(&mut self, store: &str) -> Attempt<()> {
        self.ask(json!({"op": "create_store", "store": store}))
            .await?;
        Ok(())
    }

    async fn get(&mut self, store: &str, key: &str) -> Attempt<Option<String>> {
        let answer = self
            .ask(json!({"op": "get", "store": store, "key": key}))
            .await?;
        Ok(answer["value"].as_str().map(str::to_owned))
    }

    async fn put(&mut self, store: &str, key: &str, value: &str) -> Attempt<()> {
        self.ask(json!({"op": "put", "store": store, "key": key, "value": value}))
            .await?;
        Ok(())
    }

    async fn scan(&mut self, store: &str) -> Attempt<Vec<(String, String)>> {
        let mut answer = self.ask(json!({"op": "scan", "store": store})).await?;
        Ok(serde_json::from_value(answer["entries"].take()).expect("entries are pairs of text"))
    }

    async fn commit(&mut self) -> Attempt<()> {
        self.ask(json!({"op": "commit"})).await?;
        self.open = false;
        Ok(())
    }

    async fn rollback(&mut self) {
        if std::mem::take(&mut self.open) {
            // After an unknown outcome there is nothing to roll back: a failure says no more than that.
            let request = json!({"op": "rollback", "txn": self.name});
            self.process.lock().await.ask(&request).await;
        }
    }
}
