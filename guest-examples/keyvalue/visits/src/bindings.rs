//! What this component imports and exports, generated.
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
        package example:visits;
        world visits {
            include wasi:keyvalue/imports@0.2.0-draft;
            variant run-error { conflict, failed(string) }
            export run: func(request: list<u8>) -> result<list<u8>, run-error>;
        }
    ",
    world: "example:visits/visits",
    generate_all,
    pub_export_macro: true,
});
