//! Generated bindings of `wit/engine`, world `engine`, and nothing else.

#![allow(
    missing_docs,
    unsafe_code,
    clippy::all,
    clippy::pedantic,
    clippy::restriction
)]

wit_bindgen::generate!({
    path: "../wit/engine",
    world: "engine",
    generate_all,
    ownership: Borrowing { duplicate_if_necessary: false },
    pub_export_macro: true,
});
