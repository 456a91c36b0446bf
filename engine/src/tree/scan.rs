//! Scans.
use super::{Direction, Source, Tree, Visit};
use crate::error::Result;
use std::ops::Bound;
pub(super) fn scan(
    _: &Tree,
    _: &mut impl Source,
    _: Bound<&[u8]>,
    _: Bound<&[u8]>,
    _: Direction,
    _: &mut Visit<'_>,
) -> Result<()> {
    Ok(())
}
