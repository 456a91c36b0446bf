//! Dismantle.
use super::{Plan, Source, Tree};
use crate::error::Result;
pub(super) fn dismantle(_: &Tree, _: &mut impl Source, _: usize) -> Result<Plan> {
    Ok(Plan::default())
}
