//! Plugins that were built for WASI: what they find there, what becomes of what they say, and who compiles them.

use sop_host::{Error, Plugin, RunOptions};

use crate::memory;

fn attack(name: &str) -> Vec<u8> {
    let path = format!(
        "{}/../guest-examples/hostile/{name}/attack.wat",
        env!("CARGO_MANIFEST_DIR")
    );
    wat::parse_file(path).unwrap()
}

#[tokio::test]
async fn wasi_is_there_and_reaches_nothing() {
    let plugin = Plugin::load(attack("inert-wasi")).await.unwrap();
    let options = RunOptions::default();
    let report = plugin.run(&memory().await, b"", &options).await.unwrap();
    assert_eq!(report.response, [0, 0, 0, 0]);
}

#[tokio::test]
async fn what_is_said_beyond_the_limit_is_dropped() {
    let plugin = Plugin::load(attack("output-flood")).await.unwrap();
    let mut options = RunOptions::default();
    options.limits.output_bytes = 1_000;
    let report = plugin.run(&memory().await, b"", &options).await.unwrap();
    assert_eq!(report.output_bytes_dropped, 14_000_000 - 1_000);
}

#[tokio::test]
async fn interfaces_that_could_reach_something_are_refused() {
    for import in [
        "wasi:http/outgoing-handler@0.2.0",
        "wasi:sockets/tcp@0.3.0",
        "wasi:nn/graph@0.2.0-rc-2024",
        "sop:storage/registry@0.1.0",
    ] {
        let text = format!(r#"(component (import "{import}" (instance)))"#);
        let refused = Plugin::load(wat::parse_str(text).unwrap()).await;
        assert!(
            matches!(&refused, Err(Error::PluginImport(name)) if name == import),
            "{import}: {refused:?}"
        );
    }
}
