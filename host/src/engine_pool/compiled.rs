//! Compiled components on disk, by content.
//!
//! ```text
//! ${XDG_CACHE_HOME:-~/.cache}/sop/compiled/<blake3 of component + compiler + configuration>.cwasm
//! file = wasmtime's artefact | blake3 of the artefact (32 bytes)
//! ```
//!
//! Loading an artefact runs its machine code, so the directory must belong to this user and be closed to all others; if it
//! cannot be made so, every process compiles for itself.

use std::fs::{DirBuilder, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use wasmtime::Engine;
use wasmtime::component::Component;

use super::compiler::artefact;
use super::wasm::Metering;
use crate::error::{Error, Result};

/// Length of the checksum at the end of a file.
const CHECKSUM_BYTES: usize = blake3::OUT_LEN;

/// The component of this library, ready to run: from the disk if this process or another one compiled it before.
pub(crate) fn compile(engine: &Engine, component: &[u8]) -> wasmtime::Result<Component> {
    kept(engine, component, |engine, component| {
        engine.precompile_component(component)
    })
}

/// The same for what strangers wrote.
pub(crate) fn compile_stranger(
    engine: &Engine,
    metering: Metering,
    component: &[u8],
) -> Result<Component> {
    let invalid = |error: wasmtime::Error| match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => Error::PluginInvalid(format!("{error:#}")),
    };
    kept(engine, component, |engine, component| {
        Ok(artefact(engine, metering, component)?)
    })
    .map_err(invalid)
}

fn kept(
    engine: &Engine,
    component: &[u8],
    make: impl FnOnce(&Engine, &[u8]) -> wasmtime::Result<Vec<u8>>,
) -> wasmtime::Result<Component> {
    let path =
        directory().map(|directory| directory.join(format!("{}.cwasm", key(engine, component))));
    if let Some(component) = path.as_ref().and_then(|path| load(engine, path)) {
        return Ok(component);
    }
    let artefact = make(engine, component)?;
    if let Some(path) = path
        && let Err(error) = save(&path, &artefact)
    {
        tracing::warn!("compiled component not kept in {}: {error}", path.display());
    }
    deserialize(engine, &artefact)
        .ok_or_else(|| wasmtime::Error::msg("the compiler is of another version than this program"))
}

/// Names what was compiled, by what and how.
fn key(engine: &Engine, component: &[u8]) -> blake3::Hash {
    let mut hasher = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let mut key = blake3::Hasher::new();
    key.update(&hasher.finish().to_le_bytes());
    key.update(component);
    key.finalize()
}

/// The directory of compiled components, if it is private to this user.
fn directory() -> Option<PathBuf> {
    let cache = match std::env::var_os("XDG_CACHE_HOME") {
        Some(path) if Path::new(&path).is_absolute() => PathBuf::from(path),
        _ => PathBuf::from(std::env::var_os("HOME").filter(|home| Path::new(home).is_absolute())?)
            .join(".cache"),
    };
    let directory = cache.join("sop").join("compiled");
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&directory)
        .ok()?;
    let metadata = std::fs::symlink_metadata(&directory).ok()?;
    let private = metadata.is_dir() && is_own(&metadata) && metadata.mode() & 0o077 == 0;
    if !private {
        tracing::warn!(
            "{} is not private to this user: components are compiled afresh",
            directory.display()
        );
    }
    private.then_some(directory)
}

fn is_own(metadata: &std::fs::Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw()
}

fn load(engine: &Engine, path: &Path) -> Option<Component> {
    let no_links = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).ok()?;
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(no_links)
        .open(path)
        .ok()?;
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || !is_own(&metadata) || metadata.mode() & 0o022 != 0 {
        return None;
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    let (artefact, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_BYTES)?)?;
    if blake3::hash(artefact).as_bytes() != checksum {
        tracing::warn!("{} is damaged: compiled afresh", path.display());
        return None;
    }
    deserialize(engine, artefact)
}

#[expect(
    unsafe_code,
    reason = "wasmtime cannot verify machine code; see the safety comment"
)]
fn deserialize(engine: &Engine, artefact: &[u8]) -> Option<Component> {
    // SAFETY: the bytes come from our own compiler, in this process or through a pipe, or they were written by `save` of this
    // user: the directory and the file belong to this user, nobody else can write them, and the checksum excludes damage. wasmtime itself refuses artefacts of another version or
    // configuration.
    unsafe { Component::deserialize(engine, artefact) }.ok()
}

/// Writes a file whole or not at all.
fn save(path: &Path, artefact: &[u8]) -> std::io::Result<()> {
    let temporary = path.with_extension(format!(
        "{}-{:016x}.tmp",
        std::process::id(),
        rand::random::<u64>()
    ));
    let written = write(&temporary, artefact).and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

fn write(path: &Path, artefact: &[u8]) -> std::io::Result<()> {
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(artefact)?;
    file.write_all(blake3::hash(artefact).as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
#[path = "compiled_tests.rs"]
mod tests;
