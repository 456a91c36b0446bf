//! One component out of a plugin and the engine, so that a transaction call is a call between components.
//!
//! ```text
//! plugin ── wasi:keyvalue ──> adapter ─┐
//!    └───────── sop:engine ────────────┴──> engine ── sop:storage ──> host
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};

use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions, PlugError, plug};

use super::{inspect, keyvalue};
use crate::capability::is_wasi;
use crate::engine_pool::ENGINE_COMPONENT;
use crate::error::{Error, Result};

/// What the engine is given by the host.
const ENGINE_IMPORTS: [&str; 3] = [
    "sop:storage/types",
    "sop:storage/registry",
    "sop:storage/blobs",
];

/// The plugin with the engine inside, and between them the adapters that it asks for: one component that imports `sop:storage`
/// and, at most, WASI 0.2. For embeddings that compile and link by themselves; [`Plugin::load`](super::Plugin::load) does it for
/// everybody else. A plugin that asks for neither stays as it is.
///
/// # Errors
/// [`Error::PluginInvalid`] and [`Error::PluginImport`], which names the import.
pub fn compose(plugin: &[u8]) -> Result<Vec<u8>> {
    let imports = inspect::check(plugin)?;
    if imports.iter().all(|name| is_wasi(name)) {
        return Ok(plugin.to_vec());
    }
    // The composer is not made for hostile components: whatever it runs into is an answer about these bytes.
    let composed = catch_unwind(AssertUnwindSafe(|| with_engine(plugin, &imports)))
        .map_err(|_| Error::PluginInvalid("it cannot be composed with the engine".to_owned()))?
        .map_err(|error| {
            Error::PluginInvalid(format!("it cannot be composed with the engine: {error}"))
        })?;
    let open = inspect::imports(&composed)?;
    match open
        .iter()
        .find(|name| !ENGINE_IMPORTS.contains(&inspect::interface(name)) && !is_wasi(name))
    {
        Some(name) => {
            let wit = keyvalue::wit(name).unwrap_or("wit/engine");
            Err(Error::PluginInvalid(format!(
                "it imports `{name}` in a form that this engine does not offer; build it against this release's {wit}"
            )))
        }
        None => Ok(composed),
    }
}

fn with_engine(plugin: &[u8], imports: &[String]) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let adapters = keyvalue::adapters(imports);
    if adapters.is_empty() {
        return plugged(&[ENGINE_COMPONENT], plugin);
    }
    // What plugs themselves import becomes an import of the whole, so the engine goes to both.
    plugged(&[ENGINE_COMPONENT], &plugged(&adapters, plugin)?)
}

/// A component whose imports are what the plugs export.
fn plugged(plugs: &[&[u8]], original: &[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut graph = CompositionGraph::new();
    let mut packages = Vec::with_capacity(plugs.len());
    for (number, bytes) in plugs.iter().enumerate() {
        let name = format!("sop:plug-{number}");
        let package = Package::from_bytes(&name, None, *bytes, graph.types_mut())?;
        packages.push(graph.register_package(package)?);
    }
    let socket = Package::from_bytes("sop:socket", None, original, graph.types_mut())?;
    let socket = graph.register_package(socket)?;
    match plug(&mut graph, packages, socket) {
        // What stays open is told by name.
        Err(PlugError::NoPlugHappened) => return Ok(original.to_vec()),
        result => result?,
    }
    // wasmtime validates what it compiles.
    let options = EncodeOptions {
        validate: false,
        ..EncodeOptions::default()
    };
    Ok(graph.encode(options)?)
}
