//! The world `plugin` of `wit/engine`, generated. Only `component.rs` and `plugin!` use it.
#![allow(missing_docs, unsafe_code, clippy::all, reason = "generated")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "generated"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "generated"
)]

wit_bindgen::generate!({
    path: "../../wit/engine",
    world: "plugin",
    generate_all,
    pub_export_macro: true,
    default_bindings_module: "sop_guest::bindings",
});
