//! From bytes to a plugin that can run.

use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::types::{ComponentItem, Type};
use wasmtime::component::{Component, InstancePre};

use super::compose::compose;
use crate::capability::HostState;
use crate::engine_pool::{Metering, Wasm, compile_stranger};
use crate::error::{Error, Result};
use crate::limits;

/// Letters of its hash that name a plugin.
const NAME_LETTERS: usize = 12;

/// A program that was checked, composed with the engine and compiled. Cheap to clone; bound to no database.
///
/// ```no_run
/// # async fn example() -> sop_host::Result<()> {
/// use sop_host::{Database, Grant, Mode, Plugin, RunOptions};
///
/// let db = Database::open("dir:./data").await?;
/// let bytes = std::fs::read("indexer.wasm").map_err(sop_host::Error::other)?;
/// let indexer = Plugin::load(bytes).await?;
/// let grants = [Grant::exact("queue", Mode::Write), Grant::prefix("index/", Mode::Create)];
/// let options = RunOptions { grants: grants.into_iter().collect(), ..RunOptions::default() };
/// let report = indexer.run(&db, b"one document, please", &options).await?;
/// println!("{} bytes after {} retries", report.response.len(), report.retries);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Plugin {
    pub(super) component: InstancePre<HostState>,
    pub(super) name: Arc<str>,
    pub(super) metering: Metering,
}

impl Plugin {
    /// Checks that the bytes are a component that imports nothing but `sop:engine/types`, `sop:engine/transactions`,
    /// `wasi:keyvalue` (drafts 0.2.0-draft and 0.2.0-draft2; its buckets are stores) and WASI 0.2
    /// (which is inert: no files, no network, no environment, no time) and exports `run`, composes it with the engine and compiles it. What was compiled once is kept on disk, by content.
    ///
    /// # Errors
    /// [`Error::PluginInvalid`], [`Error::PluginImport`], which names the import, and [`Error::Limit`] for too many bytes.
    pub async fn load(bytes: impl Into<Vec<u8>>) -> Result<Self> {
        Self::load_metered(bytes, Metering::Time).await
    }

    /// The same with code that counts its instructions, if that is asked for: [`RunLimits::fuel`](super::RunLimits::fuel)
    /// bounds them.
    ///
    /// # Errors
    /// Those of [`Plugin::load`].
    pub async fn load_metered(bytes: impl Into<Vec<u8>>, metering: Metering) -> Result<Self> {
        let bytes = bytes.into();
        if bytes.len() > limits::PLUGIN_BYTES_MAX {
            return Err(Error::limit(
                "bytes of a plugin",
                limits::PLUGIN_BYTES_MAX as u64,
            ));
        }
        // Compiling takes a processor for seconds.
        let loaded = tokio::task::spawn_blocking(move || Self::compiled(&bytes, metering)).await;
        loaded.map_err(|error| Error::PluginInvalid(format!("it cannot be compiled: {error}")))?
    }

    fn compiled(bytes: &[u8], metering: Metering) -> Result<Self> {
        let composed = compose(bytes)?;
        let wasm = Wasm::of(metering)?;
        let invalid = |error: wasmtime::Error| Error::PluginInvalid(format!("{error:#}"));
        let component = compile_stranger(&wasm.engine, metering, &composed)?;
        exports_run(&component, &wasm.engine)?;
        let hash = blake3::hash(bytes).to_hex();
        Ok(Self {
            component: wasm.linker.instantiate_pre(&component).map_err(invalid)?,
            name: hash.get(..NAME_LETTERS).unwrap_or_default().into(),
            metering,
        })
    }

    /// The same plugin under another name than the start of its BLAKE3 hash: what log records call it.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        let name = name.into();
        Self { name, ..self }
    }

    /// What log records call it.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Plugin")
    }
}

/// Checks `run: func(request: list<u8>) -> result<list<u8>, run-error>`.
fn exports_run(component: &Component, engine: &Engine) -> Result<()> {
    let world = component.component_type();
    let Some(item) = world.get_export(engine, "run") else {
        return Err(Error::PluginInvalid(
            "it does not export `run`; see world `plugin` in wit/engine".to_owned(),
        ));
    };
    let ComponentItem::ComponentFunc(run) = item.ty else {
        return Err(Error::PluginInvalid(
            "its export `run` is no function".to_owned(),
        ));
    };
    let parameters: Vec<Type> = run.params().map(|(_, parameter)| parameter).collect();
    let results: Vec<Type> = run.results().collect();
    let fits = match (parameters.as_slice(), results.as_slice()) {
        ([request], [Type::Result(result)]) => {
            let response = result.ok();
            is_bytes(request)
                && response.is_some_and(|ok| is_bytes(&ok))
                && result.err().is_some_and(is_run_error)
        }
        _ => false,
    };
    if fits {
        Ok(())
    } else {
        let expected = "`run: func(request: list<u8>) -> result<list<u8>, run-error>`";
        Err(Error::PluginInvalid(format!(
            "its export `run` is not {expected}"
        )))
    }
}

fn is_bytes(ty: &Type) -> bool {
    matches!(ty, Type::List(list) if list.ty() == Type::U8)
}

fn is_run_error(ty: Type) -> bool {
    let Type::Variant(variant) = ty else {
        return false;
    };
    let cases: Vec<_> = variant
        .cases()
        .map(|case| (case.name.to_owned(), case.ty))
        .collect();
    cases
        == [
            ("conflict".to_owned(), None),
            ("failed".to_owned(), Some(Type::String)),
        ]
}
