//! sop
fn main() {}
