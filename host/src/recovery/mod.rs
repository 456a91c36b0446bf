//! How a database comes back: what a checkpoint holds and how the segments written since are replayed over it.

pub mod checkpoint;
pub mod entry;
pub mod epoch;
pub mod replay;
