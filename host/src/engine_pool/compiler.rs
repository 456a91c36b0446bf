//! Compiling what strangers wrote, in a process of its own.
//!
//! ```text
//!   this process ── component ──stdin──> sop compile-component {memory, processor time} ──stdout── artefact ──> cache
//!         └──────── kills it when its time is over ────────┘
//! ```
//!
//! A component can make its compiler work for hours or take all memory, and nothing stops a compiler inside this process. The
//! other process can be stopped, and takes nobody along.
//!
//! Where no program was named with [`set_compiler`] (an embedding that has none), plugins are compiled in this process.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, setrlimit};
use wasmtime::Engine;

use super::wasm::{Metering, Wasm};
use crate::error::{Error, Result};
use crate::limits;

static COMPILER: OnceLock<PathBuf> = OnceLock::new();

/// The hidden command that [`compile_standard_input`] is.
pub const COMPILE_COMMAND: &str = "compile-component";
/// Its argument for code that counts its instructions.
const FUEL: &str = "fuel";

/// Names the program `sop`, or another one that answers [`COMPILE_COMMAND`] with [`compile_standard_input`]: from now on
/// plugins are compiled by it. The first name stays.
pub fn set_compiler(program: PathBuf) {
    let _ = COMPILER.set(program);
}

/// The artefact of a component, made by another process if there is a program for it.
pub(super) fn artefact(engine: &Engine, metering: Metering, component: &[u8]) -> Result<Vec<u8>> {
    match COMPILER.get() {
        Some(program) => by_child(program, metering, component, limits::COMPILE_TIME),
        None => engine
            .precompile_component(component)
            .map_err(|error| Error::PluginInvalid(format!("{error:#}"))),
    }
}

/// What the other process does: a component on stdin, its artefact on stdout. Takes the arguments that follow the command. Gives
/// itself up to so much memory and processor time first.
///
/// # Errors
/// [`Error::PluginInvalid`] says why the component cannot be compiled.
pub fn compile_standard_input(mut arguments: impl Iterator<Item = OsString>) -> Result<()> {
    let other = |error: &dyn std::fmt::Display| Error::Internal(error.to_string());
    let both = |value| Rlimit {
        current: Some(value),
        maximum: Some(value),
    };
    setrlimit(Resource::As, both(limits::COMPILE_MEMORY_BYTES)).map_err(|error| other(&error))?;
    setrlimit(Resource::Cpu, both(limits::COMPILE_TIME.as_secs()))
        .map_err(|error| other(&error))?;
    setrlimit(Resource::Core, both(0)).map_err(|error| other(&error))?;
    let metering = match arguments.next() {
        Some(argument) if argument == FUEL => Metering::Fuel,
        _ => Metering::Time,
    };
    let mut component = Vec::new();
    std::io::stdin()
        .read_to_end(&mut component)
        .map_err(|error| other(&error))?;
    let engine = Wasm::compiling(metering).map_err(|error| other(&error))?;
    let artefact = engine
        .precompile_component(&component)
        .map_err(|error| Error::PluginInvalid(format!("{error:#}")))?;
    std::io::stdout()
        .write_all(&artefact)
        .map_err(|error| other(&error))
}

fn by_child(
    program: &Path,
    metering: Metering,
    component: &[u8],
    time: Duration,
) -> Result<Vec<u8>> {
    let started = |error: std::io::Error| {
        Error::Unavailable(format!(
            "the compiler {} cannot be started: {error}",
            program.display()
        ))
    };
    let mut child = Command::new(program)
        .arg(COMPILE_COMMAND)
        .args((metering == Metering::Fuel).then_some(FUEL))
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(started)?;
    let (input, output, said) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    // Three pipes are served at once, so that nobody waits for somebody who waits for him.
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // A compiler that stopped early says why on stderr.
            let _ = input.map(|mut input| input.write_all(component));
        });
        let artefact = scope.spawn(move || read(output, limits::ARTEFACT_BYTES_MAX));
        let said = scope.spawn(move || read(said, limits::COMPILE_MESSAGE_BYTES_MAX));
        let status = wait(&mut child, time);
        let artefact = artefact.join().unwrap_or_default();
        let said = said.join().unwrap_or_default();
        match status {
            None => Err(Error::limit("seconds of compiling", time.as_secs())),
            Some(true) if artefact.len() as u64 >= limits::ARTEFACT_BYTES_MAX => Err(Error::limit(
                "bytes of a compiled plugin",
                limits::ARTEFACT_BYTES_MAX,
            )),
            Some(true) => Ok(artefact),
            Some(false) => Err(refused(&said)),
        }
    })
}

/// Why a compiler did not succeed. One that said nothing was stopped by its limits.
fn refused(said: &[u8]) -> Error {
    let said = String::from_utf8_lossy(said);
    match said.trim() {
        message if message.is_empty() || message.contains("memory allocation of") => Error::limit(
            "bytes of memory while compiling",
            limits::COMPILE_MEMORY_BYTES,
        ),
        message => Error::PluginInvalid(message.to_owned()),
    }
}

fn read(from: Option<impl Read>, bytes_max: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        // What breaks off is judged by the exit status.
        let _ = from.take(bytes_max).read_to_end(&mut bytes);
    }
    bytes
}

/// Whether it succeeded; none if it had to be killed.
fn wait(child: &mut Child, time: Duration) -> Option<bool> {
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) if begun.elapsed() < time => std::thread::sleep(limits::COMPILE_LOOK),
            Ok(None) | Err(_) => {
                // Gone already is as good as killed.
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop")]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A compiler that does what a line of shell says.
    fn compiler(line: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("compiler");
        std::fs::write(&path, format!("#!/bin/sh\n{line}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        (folder, path)
    }

    fn compiled(line: &str, component: &[u8], time: Duration) -> Result<Vec<u8>> {
        let (_folder, path) = compiler(line);
        by_child(&path, Metering::Time, component, time)
    }

    #[test]
    fn what_the_other_process_answers_is_the_artefact() {
        let component = vec![7; 1 << 20];
        let time = Duration::from_secs(60);
        assert_eq!(
            compiled("exec /bin/cat", &component, time).unwrap(),
            component
        );
        // One that reads nothing is no reason to wait.
        assert_eq!(compiled("echo done", &component, time).unwrap(), b"done\n");
    }

    #[test]
    fn a_compiler_that_goes_on_for_ever_or_dies_is_a_limit() {
        let stopped = compiled("exec /bin/sleep 100", b"", Duration::from_millis(100));
        assert!(
            matches!(&stopped, Err(Error::Limit { name, .. }) if name == "seconds of compiling"),
            "{stopped:?}"
        );
        let time = Duration::from_secs(60);
        for line in [
            "kill -9 $$",
            "echo memory allocation of 7 bytes failed >&2; exit 1",
        ] {
            let died = compiled(line, b"", time);
            assert!(
                matches!(&died, Err(Error::Limit { name, .. }) if name.contains("memory")),
                "{died:?}"
            );
        }
    }

    #[test]
    fn what_a_compiler_says_against_a_component_is_told() {
        let time = Duration::from_secs(60);
        let refused = compiled("echo a bad opcode >&2; exit 1", b"", time);
        assert!(
            matches!(&refused, Err(Error::PluginInvalid(reason)) if reason == "a bad opcode"),
            "{refused:?}"
        );
        let missing = by_child(Path::new("/nowhere/compiler"), Metering::Time, b"", time);
        assert!(matches!(missing, Err(Error::Unavailable(_))), "{missing:?}");
    }
}
