//! Change.
use super::{Plan, Source, Tree, Write};
use crate::error::Result;
pub(super) fn change(_: &Tree, _: &mut impl Source, _: &[(&[u8], Write<'_>)]) -> Result<Plan> {
    Ok(Plan::default())
}
