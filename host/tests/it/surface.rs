//! Least authority, read from the binary: what the built engine component imports and exports.

use sop_host::engine_pool::ENGINE_COMPONENT;
use wasmparser::{ComponentExternalKind, ComponentTypeRef, Parser, Payload};

/// Top-level imports and exports of a component.
fn surface(bytes: &[u8]) -> (Vec<String>, Vec<String>) {
    let (mut imports, mut exports, mut depth) = (Vec::new(), Vec::new(), 0);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.unwrap() {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    let import = import.unwrap();
                    assert!(
                        matches!(import.ty, ComponentTypeRef::Instance(_)),
                        "{} is no interface",
                        import.name.name
                    );
                    imports.push(import.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    let export = export.unwrap();
                    assert_eq!(export.kind, ComponentExternalKind::Instance);
                    exports.push(export.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    (imports, exports)
}

#[test]
fn the_engine_imports_registry_blobs_and_types_and_nothing_else() {
    let (mut imports, exports) = surface(ENGINE_COMPONENT);
    imports.sort();
    assert_eq!(
        imports,
        [
            "sop:storage/blobs@0.1.0",
            "sop:storage/registry@0.1.0",
            "sop:storage/types@0.1.0"
        ]
    );
    for name in [
        "sop:engine/types@0.1.0",
        "sop:engine/transactions@0.1.0",
        "sop:engine/maintenance@0.1.0",
    ] {
        assert!(
            exports.iter().any(|export| export == name),
            "{name} is not exported"
        );
    }
}

#[test]
fn the_types_that_the_engine_imports_grant_nothing() {
    let engine = wasmtime::Engine::default();
    let component = wasmtime::component::Component::new(&engine, ENGINE_COMPONENT).unwrap();
    let world = component.component_type();
    let types = world
        .get_import(&engine, "sop:storage/types@0.1.0")
        .unwrap()
        .ty;
    let wasmtime::component::types::ComponentItem::ComponentInstance(types) = types else {
        panic!("no interface")
    };
    let mut count = 0;
    for (name, item) in types.exports(&engine) {
        count += 1;
        // A plain type: neither a function nor a resource.
        assert!(
            matches!(item.ty, wasmtime::component::types::ComponentItem::Type(_)),
            "{name} grants something"
        );
    }
    assert!(count > 3);
}
