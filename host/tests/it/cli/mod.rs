//! The command `sop` as its users run it: the real binary, real processes, a directory of its own
//! for each test.

mod anomalies;
mod bad_input;
mod commands;
mod damage;
mod full_disk;
mod places;
mod plugins;
mod shell;
mod transfer;
mod wrong_plugins;

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A directory with a database that the commands of a test share.
struct Sandbox {
    directory: TempDir,
}

/// How a command ended.
#[derive(Debug)]
struct Ran {
    code: i32,
    stdout: Vec<u8>,
    stderr: String,
}

impl Sandbox {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// A database with a store `s`.
    fn with_store() -> Self {
        let sandbox = Self::new();
        sandbox.ok(&["create", "s"]);
        sandbox
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Where the database lies.
    fn data(&self) -> PathBuf {
        self.path("data")
    }

    fn command(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sop"));
        command.args(arguments).current_dir(self.directory.path());
        command
            .env("SOP_DATABASE", "dir:data")
            .env_remove("SOP_LOG");
        command
    }

    fn run(&self, arguments: &[impl AsRef<OsStr>]) -> Ran {
        self.run_with(arguments, b"")
    }

    fn run_with(&self, arguments: &[impl AsRef<OsStr>], input: &[u8]) -> Ran {
        let mut command = self.command(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || {
            // A command that ends before it has read everything is no fault of the test.
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs a command that must succeed; answers its stdout.
    fn ok(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        String::from_utf8(ran.stdout).unwrap()
    }

    /// Runs a command with `--json` that must succeed; answers the only line.
    fn json(&self, arguments: &[&str]) -> Value {
        let text = self.ok(&[&["--json"], arguments].concat());
        serde_json::from_str(&text).unwrap()
    }

    /// Runs a command that must fail with this code; answers stderr.
    fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
        assert!(
            !ran.stderr.is_empty() && !ran.stderr.contains("panicked"),
            "{arguments:?}: {ran:?}"
        );
        ran.stderr
    }

    /// A file of the test.
    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), bytes).unwrap();
        name.to_owned()
    }

    fn session(&self) -> Session {
        Session::start(self.command(&["shell", "--json"]))
    }
}

/// A running `sop shell --json`.
struct Session {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Session {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            stdin,
            stdout,
        }
    }

    /// A session on a database in memory, with empty stores of these names.
    fn memory(stores: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sop"));
        command.args(["--database", "memory:", "shell", "--json"]);
        let mut session = Self::start(command);
        for store in stores {
            session.ok(json!({"op":"create_store","store":store}));
        }
        session
    }

    /// Sends a line as it is; answers the line that comes back.
    fn line(&mut self, line: &[u8]) -> Value {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(line).unwrap();
        stdin.write_all(b"\n").unwrap();
        stdin.flush().unwrap();
        let mut answer = String::new();
        self.stdout.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    fn ask(&mut self, request: Value) -> Value {
        self.line(request.to_string().as_bytes())
    }

    /// What follows `ok`.
    fn ok(&mut self, request: Value) -> Value {
        let mut answer = self.ask(request.clone());
        assert!(answer.get("ok").is_some(), "{request}: {answer}");
        answer["ok"].take()
    }

    /// The kind of an error.
    fn error(&mut self, request: Value) -> String {
        let answer = self.ask(request.clone());
        assert!(
            answer["error"]["message"].is_string(),
            "{request}: {answer}"
        );
        answer["error"]["kind"].as_str().unwrap().to_owned()
    }

    fn begin(&mut self, transaction: &str) {
        self.ok(json!({"op":"begin","txn":transaction}));
    }

    fn put(&mut self, transaction: &str, store: &str, key: &str, value: &str) {
        self.ok(json!({"op":"put","txn":transaction,"store":store,"key":key,"value":value}));
    }

    fn get(&mut self, transaction: &str, store: &str, key: &str) -> Value {
        self.ok(json!({"op":"get","txn":transaction,"store":store,"key":key}))["value"].take()
    }

    /// The entries from `from` to before `to`.
    fn scan(&mut self, transaction: &str, store: &str, from: &str, to: &str) -> Value {
        let request = json!({"op":"scan","txn":transaction,"store":store,"from":from,"to":to});
        self.ok(request)["entries"].take()
    }

    /// Whether the transaction committed; otherwise it must be a conflict.
    fn commit(&mut self, transaction: &str) -> bool {
        let answer = self.ask(json!({"op":"commit","txn":transaction}));
        if answer["ok"]["version"].is_u64() {
            return true;
        }
        assert_eq!(answer["error"]["kind"], "conflict", "{answer}");
        false
    }

    /// Closes stdin and waits for the end; answers the exit code.
    fn end(mut self) -> i32 {
        drop(self.stdin.take());
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.stdout, &mut rest).unwrap();
        assert_eq!(rest, "");
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Only one that a failed test left behind is still there.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn exists(path: &Path) -> bool {
    path.try_exists().unwrap()
}
