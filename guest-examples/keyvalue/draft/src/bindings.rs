//! The exports of `wasi:keyvalue@0.2.0-draft`, generated.
#![allow(missing_docs, unsafe_code, clippy::all, reason = "generated")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "generated"
)]

wit_bindgen::generate!({
    path: "../wit-draft",
    inline: "
        package sop:keyvalue-draft;
        world adapter {
            export wasi:keyvalue/store@0.2.0-draft;
            export wasi:keyvalue/atomics@0.2.0-draft;
            export wasi:keyvalue/batch@0.2.0-draft;
        }
    ",
    world: "sop:keyvalue-draft/adapter",
    pub_export_macro: true,
});
