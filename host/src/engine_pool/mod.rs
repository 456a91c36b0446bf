//! pool
#[allow(missing_docs, reason="x")]
mod bindings;
