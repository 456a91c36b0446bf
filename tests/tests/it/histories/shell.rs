//! Sessions over one process: transactions by name in `sop shell --json`.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
fn binary() -> PathBuf {
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
        let mut child = Command::new(binary())
            .args(["--database", url, "shell", "--json"])
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
        Box::new(Self {
            process: Arc::new(Mutex::new(process)),
            sessions: AtomicU64::new(0),
        })
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
            Some("unavailable") => Err(Failed::Aborted),
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
