//! The world of the tests, generated.
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
    path: ["../../wit/engine", "wit"],
    world: "sop:component-tests/tests",
    generate_all,
    pub_export_macro: true,
});
