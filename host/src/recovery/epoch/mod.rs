//! A new epoch: how the hosts of one database agree on what it holds after its registry was lost, and which of them goes on.
//!
//! ```text
//!            ┌──────────── somebody else recovers: wait, as long as there is progress ◄───────────┐
//!            ▼                                                                                     │
//!   look ─► active here and nothing claimed after it? ─yes─► use it                                │
//!            │no                                                                                   │
//!            ├─ newest claim without a manifest ─► void ─┐                                         │
//!            └────────────────────────────────────────┬──┘                                         │
//!                                                     ▼                                            │
//!   claim n ─lost───────────────────────────────────────────────────────────────────────────────►──┤
//!      │won                                                                                        │
//!      ▼                                                                                           │
//!   list what the newest real epoch wrote ─► replay ─► checkpoint ─► manifest n ─a void is there──►┤
//!                                                                        │                         │
//!                                               stage … stage ─► activate (once) ─refused─────────►┘
//!                                                                        │
//!                                                                        ▼ use it
//! ```
//!
//! Why it is right:
//! - A writer puts its segment, then looks for the claim, then publishes. A recovery puts its claim, then lists. So one of
//!   them sees the other: what was ever visible is included, and who is not included publishes nothing.
//! - Only a *real* manifest closes an epoch, and there is at most one object under its name: everybody reads the same list.
//! - A claim without a manifest is stepped over by putting a void under its name, so that its owner cannot decide it later.
//! - `activate` happens once per claim, on the registry that the claim names. A lost answer leads to the next epoch.
//!
//! Waiting is the only thing that depends on time: [`Progress`] objects and patience decide who works, never what is true.

pub mod collection;
mod load;
mod outcome;
mod parts;
pub mod record;
mod store;

use std::sync::Arc;
use std::time::Duration;

use self::load::Found;
pub use self::outcome::{Closed, commit_id};
use self::parts::Head;
pub use self::parts::PartsWriter;
pub use self::record::{Beginning, Included, Manifest, RecordError};
use self::record::{Claim, Progress};
use self::store::Decided;
use self::store::checkpoints_epoch;
pub use self::store::{EpochStore, IDENTITY_NAME};
use crate::blob::directory::DirectoryError;
use crate::blob::{BlobError, SegmentKey};
use crate::commit::segment::SegmentError;
use crate::limits;
use crate::recovery::replay::ReplayError;
use crate::registry::memory::{HistoryOptions, MemoryRegistry, epoch_version};
use crate::registry::server::{Activation, RegistryServer, Standing};
use crate::registry::{Registry, RegistryError};

/// Why there is no epoch to work in.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EpochError {
    /// There is no database here.
    #[error("there is no database here")]
    Missing,
    /// Something else lies here.
    #[error("there is no database here, but other objects such as `{0}`: choose an empty prefix")]
    Foreign(String),
    /// An object that decides cannot be read.
    #[error("object `{name}`: {reason}")]
    Record {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: RecordError,
    },
    /// A segment cannot be read back.
    #[error("segment `{name}`: {reason}; restore it from a backup")]
    Segment {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: SegmentError,
    },
    /// A checkpoint cannot be read back, or not be made.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] DirectoryError),
    /// Checkpoint and segments do not fit together.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A part of a checkpoint is missing; most likely a newer one took its place while it was read.
    #[error(
        "`{0}` is not there: a newer checkpoint takes its place, so retry; if that does not help, restore it from a backup"
    )]
    Gone(String),
    /// The blob store says no.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The registry says no.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Registry and blob store are not of one database, or several registries take turns.
    #[error("{0}")]
    Configuration(String),
    /// The registry holds no active epoch, and recovering needs to write.
    #[error("the registry has lost its state: open the database for writing, or run `sop recover`")]
    ReadOnly,
    /// Others kept getting in the way.
    #[error("{0} recoveries in a row were overtaken by others; retry later")]
    Overtaken(u32),
}

/// Where the handles of the new epoch will live.
#[derive(Clone, Debug)]
pub enum Target {
    /// In this process, which becomes the only writer: opening fences whoever wrote before.
    Own(HistoryOptions),
    /// In a registry that other hosts use as well.
    Shared(Arc<dyn RegistryServer>),
}

/// An epoch to work in.
#[derive(Clone, Debug)]
pub struct Epoch {
    /// Its number.
    pub number: u32,
    /// Its handles.
    pub registry: Arc<dyn Registry>,
    /// The same, if they live in this process.
    pub own: Option<Arc<MemoryRegistry>>,
    /// Segments and transactions that were replayed; `None` = it was active already.
    pub replayed: Option<(usize, usize)>,
}

/// Where the epochs of a database stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochSurvey {
    /// The highest claimed one.
    pub newest: u32,
    /// The newest one that really began.
    pub real: u32,
    /// Segments that a recovery would look at.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What somebody else's recovery looked like when it was last looked at.
#[derive(Debug, Default)]
struct Watch {
    seen: Option<(u32, bool, Option<Progress>)>,
    since: Duration,
}

impl EpochStore {
    /// A new epoch, even if one is active.
    pub async fn supersede(&self, target: &Target) -> Result<Epoch, EpochError> {
        let newest = self.newest().await?;
        self.obtain(target, newest).await
    }

    /// An epoch above `ended` that is active and not superseded: the one that is there, or a new one by recovery. The
    /// caller knows that `ended` was active and has ended, whatever the registry says of it; 0 = it knows nothing.
    pub async fn obtain(&self, target: &Target, ended: u32) -> Result<Epoch, EpochError> {
        let mut watch = Watch::default();
        let (mut overtaken, mut gone) = (0, 0);
        loop {
            let standing = self.standing(target).await?;
            let newest = self.newest().await?;
            if let (Target::Shared(server), Some(active)) = (target, standing.epoch) {
                if active > newest {
                    return Err(EpochError::Configuration(format!(
                        "the registry holds epoch {active} of its database, the blob store knows \
                         {newest} epochs: they do not belong together"
                    )));
                }
                if active == newest && active > ended {
                    return Ok(self::active(server, active));
                }
            }
            if newest > ended && self.wait_for_others(target, newest, &mut watch).await? {
                continue;
            }
            match self.recover(target, &standing, newest).await {
                Ok(Some(epoch)) => return Ok(epoch),
                Ok(None) => overtaken += 1,
                // Another recovery was faster, and what this one read is collected: look again, as long as that may be it.
                Err(EpochError::Gone(_)) if gone < limits::EPOCH_ATTEMPTS_MAX => gone += 1,
                Err(error) => return Err(error),
            }
            if overtaken >= limits::RECOVERIES_MAX {
                return Err(EpochError::Overtaken(overtaken));
            }
        }
    }

    /// The active epoch, without claiming or writing anything.
    pub async fn adopt(&self, server: &Arc<dyn RegistryServer>) -> Result<Epoch, EpochError> {
        let standing = server.standing().await?;
        let newest = self.newest().await?;
        match standing.epoch {
            Some(active) if active == newest => Ok(self::active(server, active)),
            _ => Err(EpochError::ReadOnly),
        }
    }

    /// The state as of now in this process, without claiming or writing anything.
    pub async fn read(&self, history: HistoryOptions) -> Result<Epoch, EpochError> {
        let mut attempt = 1;
        loop {
            let newest = self.newest().await?;
            let (previous, _) = self.newest_real(newest).await?;
            match self.load(previous, previous.max(1), history, None).await {
                // The writer collected what this was reading.
                Err(EpochError::Gone(_)) if attempt < limits::EPOCH_ATTEMPTS_MAX => attempt += 1,
                Err(error) => return Err(error),
                Ok(loaded) => return Ok(own(previous.max(1), loaded.registry, &loaded.found)),
            }
        }
    }

    async fn standing(&self, target: &Target) -> Result<Standing, EpochError> {
        let Target::Shared(server) = target else {
            return Ok(Standing {
                identity: String::new(),
                epoch: None,
                remembered: None,
            });
        };
        let mut attempt = 0;
        loop {
            match server.standing().await {
                Err(RegistryError::Unavailable(_)) if attempt + 1 < limits::EPOCH_ATTEMPTS_MAX => {
                    self.back_off(attempt).await;
                    attempt += 1;
                }
                standing => return Ok(standing?),
            }
        }
    }

    /// Waits a moment if somebody seems to be recovering; `false` = nobody is, or not any more.
    async fn wait_for_others(
        &self,
        target: &Target,
        newest: u32,
        watch: &mut Watch,
    ) -> Result<bool, EpochError> {
        if newest == 0 {
            return Ok(false);
        }
        let manifest = self.manifest(newest).await?;
        let progress = self.progress(newest).await?;
        match (&manifest, target) {
            (Some(Manifest::Void), _) => return Ok(false),
            // Its owner is fenced by the next claim, whether it lives or not.
            (Some(Manifest::Real(_)), Target::Own(_)) => return Ok(false),
            (Some(Manifest::Real(_)), Target::Shared(_)) => {
                if progress.as_ref().is_some_and(|progress| progress.active) {
                    return Ok(false);
                }
            }
            (None, _) => {}
        }
        let now = self.runtime.elapsed();
        let seen = Some((newest, manifest.is_some(), progress));
        if watch.seen != seen {
            *watch = Watch { seen, since: now };
        }
        if now.saturating_sub(watch.since) >= self.jittered(limits::RECOVERY_PATIENCE * 2) {
            return Ok(false);
        }
        self.runtime
            .sleep(self.jittered(limits::RECOVERY_LOOK))
            .await;
        Ok(true)
    }

    /// Steps 1 to 5; `None` = overtaken.
    async fn recover(
        &self,
        target: &Target,
        standing: &Standing,
        newest: u32,
    ) -> Result<Option<Epoch>, EpochError> {
        if newest > 0 && self.manifest(newest).await?.is_none() {
            // A real one that turns up instead has to be looked at first.
            if let Decided::Theirs(Manifest::Real(_)) =
                self.decide_manifest(newest, &Manifest::Void).await?
            {
                return Ok(None);
            }
        }
        let epoch = newest
            .checked_add(1)
            .ok_or_else(|| EpochError::Configuration("no epoch is left".to_owned()))?;
        let claim = Claim {
            owner: self.runtime.random(),
            registry: standing.identity.clone(),
        };
        if !self.claim(epoch, &claim).await? {
            return Ok(None);
        }
        let mut progress = Progress {
            owner: claim.owner,
            step: 0,
            active: false,
        };
        self.advance(epoch, &mut progress).await;
        let (previous, _) = self.newest_real(newest).await?;
        match target {
            Target::Own(history) => {
                let beat = Some((epoch, &mut progress));
                let loaded = self.load(previous, epoch, *history, beat).await?;
                self.advance(epoch, &mut progress).await;
                let survey = loaded.registry.survey();
                let _ = self.put_survey(survey, epoch, 0).await?;
                self.advance(epoch, &mut progress).await;
                let ours = self.begin(epoch, &claim, previous, &loaded.found).await?;
                Ok(ours.then(|| own(epoch, loaded.registry, &loaded.found)))
            }
            Target::Shared(server) => {
                let (found, head) = self
                    .patient_beginning(previous, epoch, &mut progress)
                    .await?;
                if !self.begin(epoch, &claim, previous, &found).await? {
                    return Ok(None);
                }
                let activated = self.activate(server, &head, &claim, &mut progress);
                match activated.await {
                    Ok(()) => {
                        progress.active = true;
                        self.advance(epoch, &mut progress).await;
                        Ok(Some(Epoch {
                            replayed: Some((found.included.len(), found.transactions)),
                            ..active(server, epoch)
                        }))
                    }
                    // Another registry than the claim names, or nobody knows: only the next epoch can tell.
                    Err(EpochError::Registry(
                        RegistryError::Foreign(_) | RegistryError::Unavailable(_),
                    )) => Ok(None),
                    Err(error) => Err(error),
                }
            }
        }
    }

    /// [`Self::write_beginning`], again where a newer checkpoint took the place of the one that was being read.
    async fn patient_beginning(
        &self,
        previous: u32,
        epoch: u32,
        progress: &mut Progress,
    ) -> Result<(Found, Head), EpochError> {
        let mut attempt = 1;
        loop {
            match self.write_beginning(previous, epoch, progress).await {
                Err(EpochError::Gone(_)) if attempt < limits::EPOCH_ATTEMPTS_MAX => attempt += 1,
                answer => return answer,
            }
        }
    }

    /// Replays what `previous` left, one partition after the other, into the first checkpoint of a new epoch.
    async fn write_beginning(
        &self,
        previous: u32,
        epoch: u32,
        progress: &mut Progress,
    ) -> Result<(Found, Head), EpochError> {
        let source = self.source(previous, epoch, progress).await?;
        self.advance(epoch, progress).await;
        let mut writer = self.checkpoint_writer(epoch, 0, source.entries());
        for number in 0..source.partitions() {
            for entry in self.begun(&source, number).await? {
                writer.push(entry).await?;
            }
            self.advance(epoch, progress).await;
        }
        let head = writer.finish_with(source.header.clone()).await?;
        self.advance(epoch, progress).await;
        Ok((source.found, head))
    }

    /// Step 4; `false` = overtaken.
    async fn begin(
        &self,
        epoch: u32,
        claim: &Claim,
        previous: u32,
        found: &Found,
    ) -> Result<bool, EpochError> {
        let manifest = Manifest::Real(Beginning {
            owner: claim.owner,
            previous,
            from_period: found.from_period,
            included: found.included.clone(),
        });
        let ours = self.decide_manifest(epoch, &manifest).await? == Decided::Ours;
        if ours {
            tracing::info!(
                epoch,
                segments = found.included.len(),
                transactions = found.transactions,
                "recovered"
            );
        }
        Ok(ours)
    }

    /// Stages all handles and makes the one call that is never repeated.
    async fn activate(
        &self,
        server: &Arc<dyn RegistryServer>,
        head: &Head,
        claim: &Claim,
        progress: &mut Progress,
    ) -> Result<(), EpochError> {
        let epoch = head.header.epoch;
        let (mut batches, mut entries) = (0, 0);
        for number in 0..head.partitions {
            let partition = self.partition(head, number).await?;
            for batch in partition.chunks(limits::STAGE_BATCH_ENTRIES) {
                self.stage(server, epoch, batches, batch).await?;
                entries += batch.len() as u64;
                batches += 1;
                self.advance(epoch, progress).await;
            }
        }
        let activation = Activation {
            epoch,
            identity: claim.registry.clone(),
            version: epoch_version(epoch),
            next_ticket: head.header.next_ticket,
            batches,
            entries,
        };
        Ok(server.activate(&activation).await?)
    }

    /// One batch, repeated until it is answered: it changes nothing the second time.
    async fn stage(
        &self,
        server: &Arc<dyn RegistryServer>,
        epoch: u32,
        batch: u64,
        entries: &[crate::recovery::entry::Entry],
    ) -> Result<(), RegistryError> {
        let mut attempt = 0;
        loop {
            match server.stage(epoch, batch, entries).await {
                Err(RegistryError::Unavailable(_)) if attempt + 1 < limits::EPOCH_ATTEMPTS_MAX => {
                    self.back_off(attempt).await;
                    attempt += 1;
                }
                answer => return answer,
            }
        }
    }

    async fn advance(&self, epoch: u32, progress: &mut Progress) {
        progress.step += 1;
        self.report(epoch, progress).await;
    }

    /// The newest epoch that really began, at or below one; 0 = none.
    pub(super) async fn newest_real(
        &self,
        below: u32,
    ) -> Result<(u32, Option<Beginning>), EpochError> {
        for epoch in (1..=below).rev() {
            if let Some(Manifest::Real(beginning)) = self.manifest(epoch).await? {
                return Ok((epoch, Some(beginning)));
            }
        }
        Ok((0, None))
    }

    /// What became of a segment of an epoch that was closed: whether it is part of the first real epoch after it.
    /// `None` = no real epoch follows yet, or its key was forgotten.
    pub async fn included(&self, key: SegmentKey) -> Result<Option<(u32, bool)>, EpochError> {
        let newest = self.newest().await?;
        for epoch in key.epoch.saturating_add(1)..=newest {
            if let Some(Manifest::Real(beginning)) = self.manifest(epoch).await? {
                let wanted = Included {
                    period: key.period,
                    unique: key.unique,
                };
                let included = if beginning.previous != key.epoch {
                    false
                } else if key.period >= beginning.from_period {
                    beginning.included.binary_search(&wanted).is_ok()
                } else if self.is_committed(key).await? {
                    // Nobody listed it, because all of its period had been decided: what lies there says how.
                    true
                } else if key.period < self.decided_from(key.epoch).await? {
                    return Ok(None);
                } else {
                    false
                };
                return Ok(Some((epoch, included)));
            }
        }
        Ok(None)
    }

    /// Where the epochs stand, for people.
    pub async fn survey(&self) -> Result<EpochSurvey, EpochError> {
        let newest = self.newest().await?;
        let (real, _) = self.newest_real(newest).await?;
        let (segments, bytes) = if real == 0 {
            (0, 0)
        } else {
            self.unreplayed(real).await?
        };
        Ok(EpochSurvey {
            newest,
            real,
            segments,
            bytes,
        })
    }

    /// Whether somebody claimed an epoch after this one.
    pub async fn is_superseded(&self, epoch: u32) -> Result<bool, EpochError> {
        self.is_claimed(epoch.saturating_add(1)).await
    }
}

/// An epoch whose handles live in this process.
fn own(number: u32, registry: MemoryRegistry, found: &Found) -> Epoch {
    let registry = Arc::new(registry);
    Epoch {
        number,
        registry: Arc::clone(&registry) as _,
        own: Some(registry),
        replayed: Some((found.included.len(), found.transactions)),
    }
}

/// An epoch that is active in a shared registry.
fn active(server: &Arc<dyn RegistryServer>, number: u32) -> Epoch {
    Epoch {
        number,
        registry: server.registry(number),
        own: None,
        replayed: None,
    }
}
