//! What can be wrong with the bytes of a page.

use crate::error::Error;
use crate::types::LogicalId;

/// What is wrong with the bytes of a page. A slot counts cells from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// There is no body at all.
    #[error("the chain is empty")]
    EmptyChain,
    /// Too short for its own header or directory, or too long for 16-bit offsets.
    #[error("{0} bytes cannot be a page")]
    Length(usize),
    /// The checksum does not fit the bytes.
    #[error("the checksum does not match")]
    Checksum,
    /// It does not start like a page.
    #[error("this is not a page")]
    Magic,
    /// Written by another release.
    #[error("unknown format version {0}")]
    Version(u8),
    /// Not the kind that is wanted here.
    #[error("unexpected kind {0}")]
    Kind(u8),
    /// The level does not go with the kind.
    #[error("unexpected level {0}")]
    Level(u8),
    /// Unknown flag bits, or such as make no sense for the kind.
    #[error("unexpected flags {0:#04x}")]
    Flags(u8),
    /// The page of another node.
    #[error("this is the page of {0}")]
    WrongNode(LogicalId),
    /// The fences are too long or in the wrong order.
    #[error("the fences are malformed")]
    Fences,
    /// The prefix is not the one the fences share, or a delta's is not its base's.
    #[error("the prefix is wrong")]
    Prefix,
    /// A branch without children, or a delta without changes.
    #[error("there are no cells")]
    NoCells,
    /// The offset of a cell is not where the cell before it ends.
    #[error("the offset of cell {0} is wrong")]
    Offset(usize),
    /// A cell is too short for its suffix or of an unknown form.
    #[error("cell {0} is malformed")]
    Cell(usize),
    /// A kind of cell that this kind of page does not have.
    #[error("cell {0} has a kind that does not belong here")]
    CellKind(usize),
    /// A reference to a reserved id.
    #[error("cell {0} refers to a reserved id")]
    Reference(usize),
    /// A key longer than any key may be.
    #[error("the key of cell {0} is too long")]
    KeyLength(usize),
    /// The head is not the first bytes of the suffix.
    #[error("the head of cell {0} is wrong")]
    Head(usize),
    /// A key is not above the one before it.
    #[error("the key of cell {0} is out of order")]
    Order(usize),
    /// A key outside of the fences.
    #[error("the key of cell {0} is outside of the fences")]
    OutsideFences(usize),
    /// The first key of a branch is not stored empty.
    #[error("the first separator is not empty")]
    FirstSeparator,
    /// Only a leaf has deltas.
    #[error("a branch cannot have deltas")]
    BranchWithDelta,
    /// A delta that was made for another chain.
    #[error("delta {0} does not follow the body before it")]
    DeltaFollows(usize),
    /// A delta removes a key that is not there.
    #[error("delta {0} removes an absent key")]
    DeltaAbsent(usize),
}

impl PageError {
    /// The error that names the damaged node.
    pub fn corrupt(self, id: LogicalId) -> Error {
        Error::Corrupt(format!("node {id}: {self}"))
    }
}
