//! Claims and manifests: who may write, and what an epoch starts from.
//!
//! ```text
//!  epoch/00000001.claim     put-if-absent: from here on nobody may write in an older epoch
//!  epoch/00000001.manifest  put-if-absent: what the epoch starts from; or a void: this epoch never began
//! ```
//!
//! A name appears with its whole contents or not at all: the bytes are written and synced under a temporary name, which is
//! then linked (a link fails if the name is taken). Neither is ever deleted.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::DirectoryError;
use super::frame::checksum;
use super::layout::{CheckpointId, Layout, sync_folder, temporary, write_synced};
use super::steps::Steps;

const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 8;

/// Who claimed an epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claim {
    /// Its process, for people who look.
    pub(crate) process: u32,
    /// Chosen at random: tells an own claim from another's.
    pub(crate) owner: u64,
}

/// What an epoch starts from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Manifest {
    /// It never began: whoever claimed it vanished before its manifest.
    Void,
    /// It began with the contents of this checkpoint; `None` = with nothing.
    Real(Option<CheckpointId>),
}

/// Where the newest epoch stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Newest {
    /// The highest claimed or decided epoch; 0 if there is none.
    pub(crate) claimed: u32,
    /// Whether that one has a manifest.
    pub(crate) decided: bool,
    /// The newest real epoch and what it started from.
    pub(crate) real: Option<(u32, Option<CheckpointId>)>,
}

/// Looks for the newest epoch. Writes nothing.
pub(crate) fn newest(layout: &Layout, seed: u64) -> Result<Newest, DirectoryError> {
    let claims = layout.list_epochs("claim")?;
    let manifests = layout.list_epochs("manifest")?;
    let claimed = claims.last().max(manifests.last()).copied().unwrap_or(0);
    let decided = claimed == 0 || manifests.last() == Some(&claimed);
    let mut real = None;
    for epoch in manifests.into_iter().rev() {
        let path = layout.manifest(epoch);
        let bytes = fs::read(&path).map_err(|error| DirectoryError::file(&path, "read", &error))?;
        if let Manifest::Real(checkpoint) = decode(&path, &bytes, epoch, seed)? {
            real = Some((epoch, checkpoint));
            break;
        }
    }
    Ok(Newest {
        claimed,
        decided,
        real,
    })
}

/// Claims an epoch; `false` if another did before.
pub(crate) fn claim(
    layout: &Layout,
    epoch: u32,
    claim: &Claim,
    seed: u64,
    steps: &Steps,
) -> Result<bool, DirectoryError> {
    put_if_absent(&layout.claim(epoch), &encode(claim, epoch, seed), steps)
}

/// Decides an epoch; `false` if it was decided before.
pub(crate) fn decide(
    layout: &Layout,
    epoch: u32,
    manifest: &Manifest,
    seed: u64,
    steps: &Steps,
) -> Result<bool, DirectoryError> {
    put_if_absent(
        &layout.manifest(epoch),
        &encode(manifest, epoch, seed),
        steps,
    )
}

/// Whether someone claimed an epoch after this one: one look at one name.
pub(crate) fn claimed_after(layout: &Layout, epoch: u32) -> Result<bool, DirectoryError> {
    let Some(next) = epoch.checked_add(1) else {
        return Ok(false);
    };
    let path = layout.claim(next);
    path.try_exists()
        .map_err(|error| DirectoryError::file(&path, "look for", &error))
}

fn put_if_absent(path: &Path, bytes: &[u8], steps: &Steps) -> Result<bool, DirectoryError> {
    let temporary = temporary(path);
    let folder = path.parent().unwrap_or(path);
    let put = || -> io::Result<bool> {
        steps.at("write an epoch file")?;
        write_synced(&temporary, bytes)?;
        steps.at("link an epoch file")?;
        let won = match fs::hard_link(&temporary, path) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(error),
        };
        steps.at("remove the temporary of an epoch file")?;
        fs::remove_file(&temporary)?;
        steps.at("sync the epoch folder")?;
        Ok(won)
    };
    let won = put().map_err(|error| {
        // Nobody else uses this name. What stays in spite of it goes with the next opening.
        let _ = fs::remove_file(&temporary);
        DirectoryError::file(path, "write", &error)
    })?;
    sync_folder(folder)?;
    Ok(won)
}

fn encode<T: Serialize>(value: &T, epoch: u32, seed: u64) -> Vec<u8> {
    // These types hold numbers only, which always have an encoding.
    let mut bytes = postcard::to_extend(value, vec![VERSION]).unwrap_or_default();
    let check = checksum(&bytes, seed ^ u64::from(epoch));
    bytes.extend_from_slice(&check.to_le_bytes());
    bytes
}

fn decode<T: serde::de::DeserializeOwned>(
    path: &Path,
    bytes: &[u8],
    epoch: u32,
    seed: u64,
) -> Result<T, DirectoryError> {
    let damaged = |reason: &str| DirectoryError::damaged(path, 0, reason);
    let split = bytes
        .len()
        .checked_sub(CHECKSUM_BYTES)
        .and_then(|length| bytes.split_at_checked(length));
    let (checked, check) = split.ok_or_else(|| damaged("it is too short"))?;
    if check != checksum(checked, seed ^ u64::from(epoch)).to_le_bytes() {
        return Err(damaged("it does not match its checksum"));
    }
    match checked.split_first() {
        Some((&VERSION, rest)) => {
            postcard::from_bytes(rest).map_err(|_| damaged("it cannot be decoded"))
        }
        _ => Err(damaged("its version is not known")),
    }
}
