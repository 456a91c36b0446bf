//! Going down.

use super::{Located, Source, Tree};
use crate::error::Result;
pub(super) fn find(_: &Tree, _: &mut impl Source, _: &[u8]) -> Result<Option<Located>> {
    Ok(None)
}
