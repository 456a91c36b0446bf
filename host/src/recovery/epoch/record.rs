//! The objects that decide about epochs, byte by byte.
//!
//! ```text
//!   "sopE" | version u8 | what u8 | postcard | xxh3 of everything before it, u64, little-endian
//! ```
//!
//! The checksum of all but the identity is seeded with the seed of the database and the name of the object: an object of
//! another database or of another epoch is damaged, not obeyed.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::{Deserialize as DeserializeDerive, Serialize as SerializeDerive};
use xxhash_rust::xxh3::xxh3_64_with_seed;

const MAGIC: [u8; 4] = *b"sopE";
const VERSION: u8 = 1;
const FRONT_BYTES: usize = 6;
const CHECKSUM_BYTES: usize = 8;

/// Whose objects these are: one object that is written once, before everything else.
#[derive(Clone, Debug, PartialEq, Eq, SerializeDerive, DeserializeDerive)]
pub struct Identity {
    /// Seeds every checksum of this database.
    pub seed: u64,
}

/// Who recovers into an epoch.
#[derive(Clone, Debug, PartialEq, Eq, SerializeDerive, DeserializeDerive)]
pub struct Claim {
    /// Chosen at random: tells an own claim from another's.
    pub owner: u64,
    /// The registry that will be loaded: it may be activated on no other.
    pub registry: String,
}

/// One segment that was replayed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, SerializeDerive, DeserializeDerive,
)]
pub struct Included {
    /// Its period.
    pub period: u32,
    /// The rest of its key.
    pub unique: u64,
}

/// What an epoch begins with.
#[derive(Clone, Debug, PartialEq, Eq, SerializeDerive, DeserializeDerive)]
pub struct Beginning {
    /// Whose claim this is.
    pub owner: u64,
    /// The epoch that it follows: the newest real one; 0 = none.
    pub previous: u32,
    /// The period of the checkpoint of that epoch over which its segments were replayed. What was reserved in an earlier
    /// period was resolved before: its segment is there and committed, or a tombstone is.
    pub from_period: u32,
    /// The segments of the previous epoch that are part of the database, sorted. Every other one from `from_period` on
    /// never happened.
    pub included: Vec<Included>,
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq, SerializeDerive, DeserializeDerive)]
pub enum Manifest {
    /// The epoch never began: its claimant was stepped over.
    Void,
    /// It began, with its own first checkpoint.
    Real(Beginning),
}

/// How far the owner of a claim has come. Decides nothing: it only tells others to go on waiting.
#[derive(Clone, Debug, PartialEq, Eq, SerializeDerive, DeserializeDerive)]
pub struct Progress {
    /// Whose.
    pub owner: u64,
    /// Grows while it works.
    pub step: u64,
    /// The epoch was active in its registry once: whoever finds it inactive need not wait for it.
    pub active: bool,
}

/// Why bytes are not such an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// They never were.
    #[error("it is not an object of this program")]
    Foreign,
    /// Written by a newer program.
    #[error("it has format {0}, this program knows {VERSION}")]
    Newer(u8),
    /// They were changed, or belong to another database or epoch.
    #[error("it is damaged, or belongs to another database")]
    Damaged,
}

/// Something that is kept as one such object.
pub trait Object: Serialize + DeserializeOwned {
    /// Tells the kinds apart.
    const WHAT: u8;

    /// Its bytes.
    fn encode(&self, seed: u64) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([VERSION, Self::WHAT]);
        // Writing plain data into a growing vector has no way to fail.
        bytes.extend(postcard::to_allocvec(self).unwrap_or_default());
        bytes.extend(xxh3_64_with_seed(&bytes, seed).to_le_bytes());
        bytes
    }

    /// Reads and verifies it.
    fn decode(bytes: &[u8], seed: u64) -> Result<Self, RecordError> {
        let (front, rest) = bytes
            .split_at_checked(FRONT_BYTES)
            .ok_or(RecordError::Foreign)?;
        let [m0, m1, m2, m3, version, what] = front else {
            return Err(RecordError::Foreign);
        };
        if [*m0, *m1, *m2, *m3] != MAGIC {
            return Err(RecordError::Foreign);
        }
        if *version != VERSION {
            return Err(RecordError::Newer(*version));
        }
        let body_bytes = rest
            .len()
            .checked_sub(CHECKSUM_BYTES)
            .ok_or(RecordError::Damaged)?;
        let (body, checksum) = rest
            .split_at_checked(body_bytes)
            .ok_or(RecordError::Damaged)?;
        let covered = bytes
            .get(..FRONT_BYTES + body_bytes)
            .ok_or(RecordError::Damaged)?;
        if *what != Self::WHAT || checksum != xxh3_64_with_seed(covered, seed).to_le_bytes() {
            return Err(RecordError::Damaged);
        }
        postcard::from_bytes(body).map_err(|_| RecordError::Damaged)
    }
}

impl Object for Identity {
    const WHAT: u8 = 1;
}

impl Object for Claim {
    const WHAT: u8 = 2;
}

impl Object for Manifest {
    const WHAT: u8 = 3;
}

impl Object for Progress {
    const WHAT: u8 = 4;
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test may stop"
    )]
    use super::*;

    #[test]
    fn every_damaged_byte_and_every_cut_is_found() {
        let manifest = Manifest::Real(Beginning {
            owner: 7,
            previous: 3,
            from_period: 0,
            included: vec![Included {
                period: 1,
                unique: 99,
            }],
        });
        let bytes = manifest.encode(5);
        assert_eq!(Manifest::decode(&bytes, 5).unwrap(), manifest);
        assert_eq!(Manifest::decode(&bytes, 6), Err(RecordError::Damaged));
        assert_eq!(Claim::decode(&bytes, 5), Err(RecordError::Damaged));
        for at in 0..bytes.len() {
            assert!(Manifest::decode(&bytes[..at], 5).is_err());
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                assert!(Manifest::decode(&bad, 5).is_err(), "byte {at}, bit {bit}");
            }
        }
    }
}
