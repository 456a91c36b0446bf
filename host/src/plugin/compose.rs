//! One component out of a plugin and the engine, so that a transaction call is a call between components.

use std::panic::{AssertUnwindSafe, catch_unwind};

use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions, plug};

use super::inspect;
use crate::capability::is_wasi;
use crate::engine_pool::ENGINE_COMPONENT;
use crate::error::{Error, Result};

/// What the engine is given by the host.
const ENGINE_IMPORTS: [&str; 3] = [
    "sop:storage/types",
    "sop:storage/registry",
    "sop:storage/blobs",
];

/// The plugin with the engine inside: one component that imports `sop:storage` and, at most, WASI 0.2. For embeddings that
/// compile and link by themselves; [`Plugin::load`](super::Plugin::load) does it for everybody else. A plugin that does not ask
/// for the engine stays as it is.
///
/// # Errors
/// [`Error::PluginInvalid`] and [`Error::PluginImport`], which names the import.
pub fn compose(plugin: &[u8]) -> Result<Vec<u8>> {
    let imports = inspect::check(plugin)?;
    if imports.iter().all(|name| is_wasi(name)) {
        return Ok(plugin.to_vec());
    }
    // The composer is not made for hostile components: whatever it runs into is an answer about these bytes.
    let composed = catch_unwind(AssertUnwindSafe(|| plugged(plugin)))
        .map_err(|_| Error::PluginInvalid("it cannot be composed with the engine".to_owned()))?
        .map_err(|error| {
            Error::PluginInvalid(format!("it cannot be composed with the engine: {error}"))
        })?;
    let open = inspect::imports(&composed)?;
    match open
        .iter()
        .find(|name| !ENGINE_IMPORTS.contains(&inspect::interface(name)) && !is_wasi(name))
    {
        Some(name) => Err(Error::PluginInvalid(format!(
            "it imports `{name}` in a form that this engine does not offer; build it against this release's wit/engine"
        ))),
        None => Ok(composed),
    }
}

fn plugged(plugin: &[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut graph = CompositionGraph::new();
    let engine = Package::from_bytes(
        "sop:engine-component",
        None,
        ENGINE_COMPONENT,
        graph.types_mut(),
    )?;
    let engine = graph.register_package(engine)?;
    let plugin = Package::from_bytes("sop:plugin-component", None, plugin, graph.types_mut())?;
    let plugin = graph.register_package(plugin)?;
    plug(&mut graph, vec![engine], plugin)?;
    // wasmtime validates what it compiles.
    let options = EncodeOptions {
        validate: false,
        ..EncodeOptions::default()
    };
    Ok(graph.encode(options)?)
}
