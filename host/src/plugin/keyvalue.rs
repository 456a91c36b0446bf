//! `wasi:keyvalue` for plugins that were written for other hosts: adapters on top of the engine, one for each
//! draft.
//!
//! An adapter is a component that imports `sop:engine` and nothing else, so a plugin reaches through it
//! exactly what it is granted. Its sources, and what a bucket is, are in `guest-examples/keyvalue`.

/// A draft, and the component that implements it.
struct Adapter {
    version: &'static str,
    component: &'static [u8],
    /// The contract it implements.
    wit: &'static str,
}

/// 0.2.0-draft is what wasmCloud imports, 0.2.0-draft2 what Spin does. Neither fits the other: cursors, sums
/// and the answer of `get-many` have other types.
static ADAPTERS: [Adapter; 2] = [
    Adapter {
        version: "0.2.0-draft",
        component: include_bytes!(env!("SOP_KEYVALUE_DRAFT_COMPONENT_BUILT")),
        wit: "guest-examples/keyvalue/wit-draft",
    },
    Adapter {
        version: "0.2.0-draft2",
        component: include_bytes!(env!("SOP_KEYVALUE_DRAFT2_COMPONENT_BUILT")),
        wit: "guest-examples/keyvalue/wit-draft2",
    },
];

const INTERFACES: [&str; 3] = [
    "wasi:keyvalue/store",
    "wasi:keyvalue/atomics",
    "wasi:keyvalue/batch",
];

/// The adapter that exports what an import asks for.
fn adapter(import: &str) -> Option<&'static Adapter> {
    let (interface, version) = import.split_once('@')?;
    let mut drafts = ADAPTERS.iter();
    drafts.find(|adapter| adapter.version == version && INTERFACES.contains(&interface))
}

/// Whether an adapter exports it.
pub(super) fn is_given(import: &str) -> bool {
    adapter(import).is_some()
}

/// Where the contract of an import is that an adapter exports.
pub(super) fn wit(import: &str) -> Option<&'static str> {
    adapter(import).map(|adapter| adapter.wit)
}

/// The adapters that a plugin with these imports needs.
pub(super) fn adapters(imports: &[String]) -> Vec<&'static [u8]> {
    let wanted: Vec<_> = imports
        .iter()
        .filter_map(|import| adapter(import))
        .collect();
    let needed = |adapter: &&Adapter| wanted.iter().any(|one| one.version == adapter.version);
    let needed = ADAPTERS.iter().filter(needed);
    needed.map(|adapter| adapter.component).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::inspect::imports;

    #[test]
    fn an_adapter_imports_the_engine_and_nothing_else() {
        for adapter in &ADAPTERS {
            let names = imports(adapter.component);
            let wanted = ["sop:engine/types@0.1.0", "sop:engine/transactions@0.1.0"];
            assert!(
                names.is_ok_and(|names| names == wanted),
                "{}",
                adapter.version
            );
        }
    }

    #[test]
    fn each_draft_has_its_own_adapter() {
        let imports = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        let [draft, draft2] = &ADAPTERS;
        let found = adapters(&imports(&["wasi:keyvalue/store@0.2.0-draft"]));
        assert_eq!(found, [draft.component]);
        let found = adapters(&imports(&[
            "wasi:keyvalue/batch@0.2.0-draft2",
            "sop:engine/types@0.1.0",
        ]));
        assert_eq!(found, [draft2.component]);
        for unknown in [
            "wasi:keyvalue/store@0.2.0",
            "wasi:keyvalue/watcher@0.2.0-draft",
            "wasi:keyvalue/store",
            "x@0.2.0-draft",
        ] {
            assert!(
                !is_given(unknown) && adapters(&imports(&[unknown])).is_empty(),
                "{unknown}"
            );
        }
    }
}
