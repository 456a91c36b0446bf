//! cap
pub struct SpilledBody;
pub enum Refusal {}
