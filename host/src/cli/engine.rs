//! `sop engine`: what the engine component can reach, read from its binary.

use std::path::PathBuf;

use serde::Serialize;
use sop_host::component_imports;
use sop_host::engine_pool::ENGINE_COMPONENT;

use super::Global;
use super::console::Console;
use super::exit::Exit;
use super::failure::{Failure, Outcome};
use super::quantity;

/// Print what a component imports: the engine that this program carries, or a file
///
/// A component can reach what it imports and nothing else. The engine imports the storage interfaces and their types; a
/// plugin may import the engine's interfaces only.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  sop engine\n  sop engine --of plugin.wasm\n  sop engine --output sop-engine.wasm"
)]
pub(crate) struct Arguments {
    /// Look at this component instead
    #[arg(long, value_name = "FILE")]
    of: Option<PathBuf>,
    /// Write the engine component to a file, to compose it with other components
    #[arg(long, value_name = "FILE", conflicts_with = "of")]
    output: Option<PathBuf>,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Imports {
    bytes: usize,
    imports: Vec<String>,
}

impl Arguments {
    pub(crate) async fn run(self, _: &Global, console: &mut Console) -> Outcome<Exit> {
        let bytes = match &self.of {
            None => ENGINE_COMPONENT.to_vec(),
            Some(path) => std::fs::read(path).map_err(|error| Failure::file(path, &error))?,
        };
        if let Some(path) = &self.output {
            std::fs::write(path, &bytes).map_err(|error| Failure::file(path, &error))?;
            console.note(&format!(
                "{} written to {}",
                quantity::bytes(bytes.len() as u64),
                path.display()
            ));
        }
        let answer = Imports {
            bytes: bytes.len(),
            imports: component_imports(&bytes)?,
        };
        if console.is_json() {
            console.json(&answer)?;
        } else {
            for name in &answer.imports {
                console.line(name)?;
            }
        }
        Ok(Exit::Success)
    }
}
