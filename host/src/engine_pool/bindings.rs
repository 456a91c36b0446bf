//! The bindings of world `sop:engine/engine`, and nothing else.

wasmtime::component::bindgen!({
    path: "../wit/engine",
    world: "engine",
    imports: {
        "sop:storage/registry.now": async | trappable,
        "sop:storage/registry.resolve": async | trappable,
        "sop:storage/registry.counters": async | trappable,
        "sop:storage/registry.commit": async | trappable,
        "sop:storage/registry.outcome": async | trappable,
        "sop:storage/blobs.get": async | trappable,
        "sop:storage/blobs.spill": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    trappable_error_type: {
        "sop:storage/types.error" => crate::capability::Refusal,
    },
    with: {
        "sop:storage/blobs.spilled": crate::capability::SpilledBody,
    },
});
