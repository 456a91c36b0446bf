//! What a component imports.

use wasmparser::{ComponentTypeRef, Encoding, Parser, Payload, TypeBounds};

use crate::error::{Error, Result};

/// What plugins are given, without versions.
const GIVEN: [&str; 2] = ["sop:engine/types", "sop:engine/transactions"];

/// The names of what a component is given, in order. Fails on anything that is not a component.
pub(crate) fn imports(bytes: &[u8]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    // Components and modules nest; only the outermost one's imports are its own.
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload
            .map_err(|error| Error::PluginInvalid(format!("damaged or no WebAssembly: {error}")))?
        {
            Payload::Version {
                encoding: Encoding::Module,
                ..
            } if depth == 0 => {
                let advice = "it is a core module; build it as a component (linker wasm-component-ld, or `wasm-tools component new`)";
                return Err(Error::PluginInvalid(advice.to_owned()));
            }
            Payload::Version { .. } => depth = depth.saturating_add(1),
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    let import = import.map_err(|error| Error::PluginInvalid(error.to_string()))?;
                    // A name for a plain type, as `run-error` of world `plugin`, gives nothing.
                    if !matches!(import.ty, ComponentTypeRef::Type(TypeBounds::Eq(_))) {
                        names.push(import.name.name.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    Ok(names)
}

/// Refuses a component that imports anything that plugins are not given.
pub(super) fn check(bytes: &[u8]) -> Result<Vec<String>> {
    let names = imports(bytes)?;
    match names.iter().find(|name| !GIVEN.contains(&interface(name))) {
        Some(name) => Err(Error::PluginImport(name.clone())),
        None => Ok(names),
    }
}

/// The name of an interface without its version.
pub(super) fn interface(name: &str) -> &str {
    name.split_once('@')
        .map_or(name, |(interface, _)| interface)
}
