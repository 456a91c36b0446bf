//! WASI 0.2 for plugins whose language cannot do without it: every interface is there, and none of them reaches anything.
//!
//! | interface | what a plugin finds |
//! |---|---|
//! | `wasi:filesystem` | no directory |
//! | `wasi:sockets` | every address and name is denied |
//! | `wasi:cli` | no arguments, no environment, an empty stdin; stdout and stderr become [`Output`] |
//! | `wasi:clocks` | a wall clock that stands still in 1970, a monotonic one that counts how often it was asked |
//! | `wasi:random` | random numbers, at most 64 KiB at once |
//!
//! `wasmtime-wasi` implements the interfaces; here is only what it is configured to answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::clocks::{HostMonotonicClock, HostWallClock};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::output::{Output, Stream};
use super::state::HostState;
use crate::limits;

/// The packages that are given, each in version 0.2.
const GIVEN: [&str; 6] = [
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:io/",
    "wasi:random/",
    "wasi:sockets/",
];

/// Whether an import is one of those.
pub(crate) fn is_given(import: &str) -> bool {
    GIVEN.iter().any(|package| import.starts_with(package)) && import.contains("@0.2.")
}

/// What one run holds of WASI.
pub(super) struct InertWasi {
    context: WasiCtx,
    table: ResourceTable,
}

impl InertWasi {
    pub(super) fn new(output: &Arc<Output>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits::WASI_RESOURCES_MAX);
        let mut builder = WasiCtx::builder();
        builder
            .stdout(Pipe(Arc::clone(output), Stream::Stdout))
            .stderr(Pipe(Arc::clone(output), Stream::Stderr))
            .wall_clock(StoppedClock)
            .monotonic_clock(Steps(AtomicU64::new(0)))
            .max_random_size(limits::WASI_RANDOM_BYTES_MAX)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false);
        Self {
            context: builder.build(),
            table,
        }
    }
}

impl std::fmt::Debug for InertWasi {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("InertWasi")
    }
}

impl WasiView for HostState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let output = &self.output;
        let wasi = self
            .wasi
            .get_or_insert_with(|| Box::new(InertWasi::new(output)));
        WasiCtxView {
            ctx: &mut wasi.context,
            table: &mut wasi.table,
        }
    }
}

/// Time of day: always the same.
struct StoppedClock;

impl HostWallClock for StoppedClock {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

/// A clock that advances a millisecond each time it is read: it can order a plugin's own doings and measure nobody's.
struct Steps(AtomicU64);

impl HostMonotonicClock for Steps {
    fn resolution(&self) -> u64 {
        1_000_000
    }

    fn now(&self) -> u64 {
        self.0.fetch_add(1_000_000, Ordering::Relaxed)
    }
}

/// One of the two streams.
#[derive(Clone)]
struct Pipe(Arc<Output>, Stream);

impl IsTerminal for Pipe {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Pipe {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for this form, and that is not offered.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Pipe {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.write(self.1, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(limits::OUTPUT_WRITE_BYTES)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Pipe {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::is_given;

    #[test]
    fn only_the_second_version_of_what_is_inert_is_given() {
        assert!(is_given("wasi:cli/stdout@0.2.12") && is_given("wasi:io/poll@0.2.0"));
        for import in [
            "wasi:http/outgoing-handler@0.2.0",
            "wasi:cli/stdout@0.3.0",
            "wasi:cli/stdout",
            "wasi:keyvalue/store@0.2.0-draft",
            "evil:wasi:cli/stdout@0.2.0",
        ] {
            assert!(!is_given(import), "{import}");
        }
    }
}
