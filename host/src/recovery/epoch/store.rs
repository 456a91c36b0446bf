//! The objects of the epochs by name: what is put once, and the truth about a put whose answer was lost.

use std::sync::Arc;

use bytes::Bytes;

use super::EpochError;
use super::record::{Claim, Identity, Manifest, Object, Progress};
use crate::blob::BlobError;
use crate::blob::objects::{Objects, Stored};
use crate::limits;
use crate::runtime::Runtime;

/// The name of the object that says whose database this is.
pub const IDENTITY_NAME: &str = "database";
/// Under which the epochs are.
pub const EPOCHS: &str = "epoch/";

fn name(epoch: u32, part: &str) -> String {
    format!("{EPOCHS}{epoch:08x}/{part}")
}

/// The name of a checkpoint.
pub(super) fn checkpoint_name(epoch: u32, period: u32) -> String {
    format!("{}{period:08x}", checkpoints(epoch))
}

/// The epoch of an object that belongs to a checkpoint.
pub(super) fn checkpoints_epoch(name: &str) -> Option<u32> {
    let (epoch, _) = name.strip_prefix("checkpoint/")?.split_once('/')?;
    u32::from_str_radix(epoch, 16).ok()
}

/// Under which the checkpoints of an epoch are.
pub(super) fn checkpoints(epoch: u32) -> String {
    format!("checkpoint/{epoch:08x}/")
}

/// The epochs of one database.
#[derive(Clone, Debug)]
pub struct EpochStore {
    pub(super) objects: Arc<dyn Objects>,
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) seed: u64,
}

/// What became of a put-if-absent of an object that only one may put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decided<T> {
    /// These very bytes are there.
    Ours,
    /// Somebody else's are.
    Theirs(T),
}

impl EpochStore {
    /// The epochs of the database under these objects; with `create` it is made if there is none.
    pub async fn open(
        objects: Arc<dyn Objects>,
        runtime: Arc<dyn Runtime>,
        create: bool,
    ) -> Result<Self, EpochError> {
        let mut store = Self {
            objects,
            runtime,
            seed: 0,
        };
        let identity = match store.get::<Identity>(IDENTITY_NAME).await? {
            Some(identity) => identity,
            None if !create => return Err(EpochError::Missing),
            None => store.create().await?,
        };
        store.seed = identity.seed;
        Ok(store)
    }

    async fn create(&self) -> Result<Identity, EpochError> {
        let found = self.patient(|| self.objects.list("")).await?;
        // Other hosts may be creating it at this very moment.
        if let Some(other) = found.iter().find(|listed| listed.name != IDENTITY_NAME) {
            return Err(EpochError::Foreign(other.name.clone()));
        }
        let identity = Identity {
            seed: self.runtime.random(),
        };
        match self.decide(IDENTITY_NAME, &identity).await? {
            Decided::Ours => Ok(identity),
            Decided::Theirs(identity) => Ok(identity),
        }
    }

    /// What seeds every checksum of this database.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The objects themselves.
    pub fn objects(&self) -> &Arc<dyn Objects> {
        &self.objects
    }

    /// The first period of an epoch whose keys tell what was decided.
    pub(super) async fn decided_from(&self, epoch: u32) -> Result<u32, EpochError> {
        self.patient(|| crate::blob::objects::store::decided_from(&*self.objects, epoch))
            .await
    }

    /// The highest claimed or decided epoch; 0 = none.
    pub(super) async fn newest(&self) -> Result<u32, EpochError> {
        let listed = self.patient(|| self.objects.list(EPOCHS)).await?;
        let numbers = listed.iter().filter_map(|listed| {
            let (epoch, part) = listed.name.strip_prefix(EPOCHS)?.split_once('/')?;
            let counts = matches!(part, "claim" | "manifest");
            u32::from_str_radix(epoch, 16).ok().filter(|_| counts)
        });
        Ok(numbers.max().unwrap_or(0))
    }

    /// Whether somebody claimed an epoch.
    pub(super) async fn is_claimed(&self, epoch: u32) -> Result<bool, EpochError> {
        let name = name(epoch, "claim");
        self.patient(|| self.objects.exists(&name)).await
    }

    pub(super) async fn claim(&self, epoch: u32, claim: &Claim) -> Result<bool, EpochError> {
        let decided = self.decide(&name(epoch, "claim"), claim).await?;
        Ok(decided == Decided::Ours)
    }

    pub(super) async fn manifest(&self, epoch: u32) -> Result<Option<Manifest>, EpochError> {
        self.get(&name(epoch, "manifest")).await
    }

    pub(super) async fn decide_manifest(
        &self,
        epoch: u32,
        manifest: &Manifest,
    ) -> Result<Decided<Manifest>, EpochError> {
        self.decide(&name(epoch, "manifest"), manifest).await
    }

    pub(super) async fn progress(&self, epoch: u32) -> Result<Option<Progress>, EpochError> {
        self.get(&name(epoch, "progress")).await
    }

    /// Tells others to go on waiting. Best effort: at worst they step over this recovery.
    pub(super) async fn report(&self, epoch: u32, progress: &Progress) {
        let name = name(epoch, "progress");
        let bytes = Bytes::from(progress.encode(self.seed_of(&name)));
        let _ = self.objects.put(&name, bytes).await;
    }

    /// Reads and verifies one object.
    pub(super) async fn get<T: Object>(&self, name: &str) -> Result<Option<T>, EpochError> {
        let Some(bytes) = self.patient(|| self.objects.get(name)).await? else {
            return Ok(None);
        };
        let seed = self.seed_of(name);
        let decoded = T::decode(&bytes, seed).map_err(|reason| EpochError::Record {
            name: name.to_owned(),
            reason,
        });
        decoded.map(Some)
    }

    /// The seed of an object's checksum: the identity itself has none, the others have their name in it.
    pub(super) fn seed_of(&self, name: &str) -> u64 {
        if name == IDENTITY_NAME {
            0
        } else {
            xxhash_rust::xxh3::xxh3_64_with_seed(name.as_bytes(), self.seed)
        }
    }

    /// Puts an object if there is none, and finds out whose is there whatever the answers were.
    async fn decide<T: Object>(&self, name: &str, object: &T) -> Result<Decided<T>, EpochError> {
        let bytes = Bytes::from(object.encode(self.seed_of(name)));
        let mut failure = BlobError::Unavailable("it was not tried".to_owned());
        for attempt in 0..limits::EPOCH_ATTEMPTS_MAX {
            match self.objects.put_if_absent(name, bytes.clone()).await {
                Ok(Stored::New) => return Ok(Decided::Ours),
                Ok(Stored::Exists) => {}
                Err(error @ (BlobError::Denied(_) | BlobError::Full(_))) => {
                    return Err(error.into());
                }
                Err(error) => failure = error,
            }
            // "Exists" is a question: it may be our own, of an attempt whose answer was lost, or nothing at all.
            match self.objects.get(name).await {
                Ok(Some(found)) if found == bytes => return Ok(Decided::Ours),
                Ok(Some(_)) => {
                    if let Some(theirs) = self.get(name).await? {
                        return Ok(Decided::Theirs(theirs));
                    }
                }
                Ok(None) => {}
                Err(error) => failure = error,
            }
            self.back_off(attempt).await;
        }
        Err(failure.into())
    }

    /// Calls until there is an answer, a bounded number of times.
    pub(super) async fn patient<T, F>(&self, call: impl Fn() -> F) -> Result<T, EpochError>
    where
        F: Future<Output = Result<T, BlobError>>,
    {
        let mut attempt = 0;
        loop {
            match call().await {
                Err(BlobError::Unavailable(_)) if attempt + 1 < limits::EPOCH_ATTEMPTS_MAX => {
                    self.back_off(attempt).await;
                    attempt += 1;
                }
                answer => return Ok(answer?),
            }
        }
    }

    pub(super) async fn back_off(&self, attempt: u32) {
        let ceiling = limits::CALL_BACKOFF
            .saturating_mul(1 << attempt.min(16))
            .min(limits::RESOLVE_BACKOFF_MAX);
        self.runtime.sleep(self.jittered(ceiling)).await;
    }

    /// Between half of it and all of it.
    pub(super) fn jittered(&self, ceiling: std::time::Duration) -> std::time::Duration {
        let half = ceiling / 2;
        let micros = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1);
        half + std::time::Duration::from_micros(self.runtime.random() % micros)
    }
}
