//! What a plugin imports of `wit/engine`, generated.
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
    path: "../../../wit/engine",
    inline: "
        package sop:keyvalue;
        world bucket {
            import sop:engine/types@0.1.0;
            import sop:engine/transactions@0.1.0;
        }
    ",
    world: "sop:keyvalue/bucket",
    generate_all,
});
