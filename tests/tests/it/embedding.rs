//! The example of an embedding with a wasmtime of its own, from outside: a server that runs plugins over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Stopped at the end.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have stopped by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The example, which cargo builds beside the tests.
fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples/http")
}

fn post(address: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all((head + body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    (status, body.to_owned())
}

fn folder_of_plugins() -> TempDir {
    let built = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../guest-examples/target/wasm32-unknown-unknown/release/counter.wasm");
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(&built, folder.path().join("counter.wasm"))
        .unwrap_or_else(|error| panic!("{}: {error}; run `make plugins`", built.display()));
    let trap = include_str!("../../../guest-examples/hostile/deep-recursion/attack.wat");
    std::fs::write(
        folder.path().join("trap.wasm"),
        wat::parse_str(trap).unwrap(),
    )
    .unwrap();
    folder
}

#[test]
fn an_embedding_serves_plugins_with_a_wasmtime_of_its_own() {
    let folder = folder_of_plugins();
    let mut child = Command::new(example())
        .arg(folder.path())
        .args(["memory:", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    let _server = Server(child);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let address = line.trim().rsplit("http://").next().unwrap();
    assert!(line.starts_with("2 plugins"), "{line}");

    let request = r#"{"key": "visits", "times": 3}"#;
    let (status, body) = post(address, "/counter", request);
    assert_eq!(
        (status, body.contains(r#""value":3"#)),
        (200, true),
        "{body}"
    );
    // What traps is stopped, and the next request is served.
    let (status, body) = post(address, "/trap", "");
    assert_eq!(status, 502, "{body}");
    let (_, body) = post(address, "/counter", request);
    assert!(body.contains(r#""value":6"#), "{body}");
    assert_eq!(post(address, "/none", "").0, 404);
    assert_eq!(post(address, "/counter", "no json").0, 422);
    assert_eq!(post(address, "/counter", &" ".repeat(2 << 20)).0, 413);
}
