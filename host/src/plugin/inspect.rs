//! What a component imports.

use wasmparser::{ComponentTypeRef, Encoding, Parser, Payload, TypeBounds};

use super::keyvalue;
use crate::capability::is_wasi;
use crate::error::{Error, Result};

/// What plugins are given beside an inert WASI and `wasi:keyvalue`, without versions.
const GIVEN: [&str; 2] = ["sop:engine/types", "sop:engine/transactions"];

/// The names that a component imports, in order. Fails on anything that is not a component. A name for a type that is
/// there already brings nothing in and is left out: the types of a world, such as `run-error`, are imported so.
pub fn imports(bytes: &[u8]) -> Result<Vec<String>> {
    if !bytes.starts_with(b"\0asm") {
        let found = match bytes {
            [] => "the file is empty",
            _ => "it does not begin like one",
        };
        return Err(Error::PluginInvalid(format!(
            "no WebAssembly: {found}; build a component (.wasm)"
        )));
    }
    let mut names = Vec::new();
    // Components and modules nest; only the outermost one's imports are its own.
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload
            .map_err(|error| Error::PluginInvalid(format!("damaged WebAssembly: {error}")))?
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

/// What a plugin gets for one of its imports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportKind {
    /// Transactions on the stores it is granted, as such or through `wasi:keyvalue`.
    Transactions,
    /// A WASI interface that is there and reaches nothing.
    Inert,
    /// Nothing: a component with this import is refused.
    Refused,
}

impl ImportKind {
    /// What an import of this name is answered with.
    pub fn of(name: &str) -> Self {
        if GIVEN.contains(&interface(name)) || keyvalue::is_given(name) {
            Self::Transactions
        } else if is_wasi(name) {
            Self::Inert
        } else {
            Self::Refused
        }
    }
}

/// Refuses a component that imports anything that plugins are not given.
pub(super) fn check(bytes: &[u8]) -> Result<Vec<String>> {
    let names = imports(bytes)?;
    let refused = |name: &&String| ImportKind::of(name) == ImportKind::Refused;
    match names.iter().find(refused) {
        Some(name) => Err(Error::PluginImport(name.clone())),
        None => Ok(names),
    }
}

/// The name of an interface without its version.
pub(super) fn interface(name: &str) -> &str {
    name.split_once('@')
        .map_or(name, |(interface, _)| interface)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a test may stop at a broken assumption")]
    use super::*;

    fn checked(component: &str) -> Result<Vec<String>> {
        check(&wat::parse_str(component).expect("component text"))
    }

    #[test]
    fn a_name_for_a_type_is_no_import() {
        let names = checked(
            r#"(component
                (import "sop:engine/types@0.1.0" (instance))
                (type $error (variant (case "conflict") (case "failed" string)))
                (import "run-error" (type (eq $error))))"#,
        );
        assert!(names.is_ok_and(|names| names == ["sop:engine/types@0.1.0"]));
    }

    #[test]
    fn a_resource_type_an_instance_and_a_function_are_imports() {
        for import in [
            r#""spilled" (type (sub resource))"#,
            r#""sop:storage/registry@0.1.0" (instance)"#,
            r#""now" (func)"#,
        ] {
            let refused = checked(&format!("(component (import {import}))"));
            assert!(
                matches!(refused, Err(Error::PluginImport(_))),
                "{import} was taken"
            );
        }
    }
}
