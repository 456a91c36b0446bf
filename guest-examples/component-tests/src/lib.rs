//! Tests of the engine as a component: composed with it and with a provider of its imports, they
//! run under any component runtime.
//!
//! Goal: what is promised by `wit/engine` holds across the component boundary, whoever runs it.
//! Method: each exported function works on an empty database and traps when something is not as it
//! has to be.
#![cfg(target_arch = "wasm32")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test traps when something is not as it has to be"
)]

mod bindings;
mod conflicts;
mod history;
mod ranges;
mod script;
mod single;
mod store;

use bindings::Guest;

/// The type that carries the exports.
struct Tests;

impl Guest for Tests {
    fn life_cycle() {
        single::life_cycle();
    }

    fn items() {
        single::items();
    }

    fn conflict_of_two() {
        conflicts::of_two();
    }

    fn phantom() {
        conflicts::phantom();
    }

    fn no_conflict_on_other_keys() {
        conflicts::none_on_other_keys();
    }

    fn counts() {
        conflicts::counts();
    }

    fn scans() {
        ranges::scans();
    }

    fn cursors() {
        ranges::cursors();
    }

    fn many_items() {
        ranges::many_items();
    }

    fn savepoints() {
        single::savepoints();
    }

    fn large_values() {
        single::large_values();
    }

    fn past_versions() {
        history::past_versions();
    }

    fn expired_versions() {
        history::expired_versions();
    }

    fn stores() {
        single::stores();
    }

    fn packed_lists() {
        ranges::packed_lists();
    }

    fn errors() {
        single::errors();
    }

    fn wrong() {
        single::wrong();
    }

    fn put(key: String, value: String) -> u64 {
        script::put(&key, &value)
    }

    fn get(key: String, at: Option<u64>) -> Option<String> {
        script::get(&key, at)
    }

    fn count() -> u64 {
        script::count()
    }
}

#[allow(unsafe_code, reason = "generated: the exports of the component")]
mod exports {
    use super::{Tests, bindings};

    bindings::export!(Tests with_types_in bindings);
}
