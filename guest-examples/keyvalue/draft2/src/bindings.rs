//! The exports of `wasi:keyvalue@0.2.0-draft2`, generated.
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
    path: "../wit-draft2",
    inline: "
        package sop:keyvalue-draft2;
        world adapter {
            export wasi:keyvalue/store@0.2.0-draft2;
            export wasi:keyvalue/atomics@0.2.0-draft2;
            export wasi:keyvalue/batch@0.2.0-draft2;
        }
    ",
    world: "sop:keyvalue-draft2/adapter",
    pub_export_macro: true,
});
