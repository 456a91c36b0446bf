//! The cheap scent check: handles kept in the host, right by construction.
//!
//! ```text
//!   now ──(one round trip for all that begin at this moment)──► version S, and the ids changed since the last one
//!                                                                  │ named ids, or all beyond the cap: unconfirmed
//!   resolve(ids, S) ─► kept and confirmed up to S ─► answered here ◄┘
//!                   └► kept, not confirmed; or not kept ─► one `confirm` for all of them: only what differs comes back
//! ```
//!
//! Each kept handle is known to be what the registry says for every version from `from` up to a limit. `now` moves the
//! limit of all handles at once, to the version it returns, except of those it names as changed. So the bytes of a
//! transaction are bounded by what changed or by what it touches, whichever is less, whatever the number of hosts. What
//! this host published itself it knows, and the feed, which says which version changed an id last, confirms it.
//!
//! It is *not* a cache with a lifetime: a handle whose limit lies below the version read at is never answered unasked.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::channel::oneshot;
use parking_lot::Mutex;
use sop_engine::types::{Counter, Handle, LogicalId, TransactionId, Version};

use super::{
    Blocker, EntryBatch, Group, History, Now, PeriodProgress, PeriodStart, Publication, Published,
    Registry, RegistryError, Reservation,
};
use crate::blob::SegmentKey;
use crate::limits;
use crate::runtime::Runtime;

/// What is known of one id.
#[derive(Clone, Debug)]
struct Known {
    handle: Option<Handle>,
    /// It is this from here on …
    from: Version,
    /// … at least up to here, and up to the end of this generation.
    until: Version,
    generation: usize,
}

#[derive(Debug, Default)]
struct State {
    /// Where the generations before the current one ended; the first one never held anything.
    ends: Vec<Version>,
    /// Up to where the current generation is right.
    position: Version,
    known: HashMap<LogicalId, Known>,
    /// Which version changed an id last, of all changes after `feed_since` up to `position`.
    feed: HashMap<LogicalId, Version>,
    feed_since: Version,
    /// Who waits for the next `now`.
    waiting: Vec<oneshot::Sender<Result<Point, RegistryError>>>,
    nows: usize,
    /// Read points in use: how many callers have one, and how often it was registered for them.
    points: BTreeMap<Version, (usize, usize)>,
}

impl State {
    fn generation(&self) -> usize {
        self.ends.len()
    }

    fn limit(&self, known: &Known) -> Version {
        let end = self.ends.get(known.generation).copied();
        known.until.max(end.unwrap_or(self.position))
    }

    fn find(&self, id: LogicalId, at: Version) -> Option<&Option<Handle>> {
        let known = self.known.get(&id)?;
        (known.from <= at && at <= self.limit(known)).then_some(&known.handle)
    }

    /// Moves on to a newer version.
    fn advance(&mut self, now: &Now) {
        if now.version <= self.position {
            return;
        }
        match &now.changed {
            Some(changed) => changed
                .iter()
                .for_each(|&(id, version)| self.changed(id, version, now.version)),
            None => {
                self.end_generation();
                self.feed.clear();
                self.feed_since = now.version;
            }
        }
        if self.feed.len() > limits::HANDLES_KEPT_MAX {
            self.feed.clear();
            self.feed_since = now.version;
        }
        self.position = now.version;
    }

    /// Up to `newest`, an id changed last at `version`.
    fn changed(&mut self, id: LogicalId, version: Version, newest: Version) {
        let last = self.feed.entry(id).or_default();
        *last = version.max(*last);
        let generation = self.generation();
        let limit = self.known.get(&id).map(|known| self.limit(known));
        let (Some(known), Some(limit)) = (self.known.get_mut(&id), limit) else {
            return;
        };
        if known.from < version {
            (known.until, known.generation) = (limit, 0);
        } else if known.from <= newest {
            // It was learned at the last change or later: published by this host, say.
            known.generation = generation;
        }
    }

    fn end_generation(&mut self) {
        if self.ends.len() >= limits::HANDLE_GENERATIONS_MAX {
            self.known.clear();
            self.ends.clear();
        }
        if self.ends.is_empty() {
            // Generation 0 is that of handles whose limit is their own.
            self.ends.push(0);
        }
        self.ends.push(self.position);
    }

    /// Notes what an id is at a version.
    fn learn(&mut self, id: LogicalId, handle: Option<Handle>, at: Version) {
        if self.ends.is_empty() {
            self.ends.push(0);
        }
        let unchanged = || self.feed.get(&id).is_none_or(|&last| last <= at);
        let holds =
            at == self.position || (self.feed_since <= at && at < self.position && unchanged());
        let (generation, until) = if holds {
            (self.generation(), self.position)
        } else {
            (0, at)
        };
        let from = handle.as_ref().map_or(at, |handle| handle.version);
        if let Some(before) = self.known.get(&id)
            && (before.from > at || (before.handle == handle && self.limit(before) >= until))
        {
            // What is kept is newer, or holds longer.
            return;
        }
        if self.known.len() >= limits::HANDLES_KEPT_MAX {
            let current = self.generation();
            self.known.retain(|_, known| known.generation == current);
            if self.known.len() >= limits::HANDLES_KEPT_MAX {
                self.known.clear();
            }
        }
        let known = Known {
            handle,
            from,
            until,
            generation,
        };
        self.known.insert(id, known);
    }
}

/// One caller's read point; given back if the caller went away before it took it.
#[derive(Debug)]
struct Point {
    now: Option<Now>,
    inner: Arc<dyn Registry>,
    state: Arc<Mutex<State>>,
}

impl Drop for Point {
    fn drop(&mut self) {
        if let Some(now) = self.now.take() {
            give_back(&self.inner, &mut self.state.lock(), now.version, 1);
        }
    }
}

/// A registry with the handles that this host asked for lately.
#[derive(Debug)]
pub struct Confirmed {
    inner: Arc<dyn Registry>,
    runtime: Arc<dyn Runtime>,
    state: Arc<Mutex<State>>,
}

impl Confirmed {
    /// Keeps handles of a registry.
    pub fn new(inner: Arc<dyn Registry>, runtime: Arc<dyn Runtime>) -> Self {
        Self {
            inner,
            runtime,
            state: Arc::default(),
        }
    }

    /// Joins the next `now`, which is not sent yet, or sends it.
    async fn join(&self) -> Result<Now, RegistryError> {
        let (sender, receiver) = oneshot::channel();
        let begins = {
            let mut state = self.state.lock();
            state.waiting.push(sender);
            let begins = state.nows < limits::NOWS_IN_FLIGHT;
            state.nows += usize::from(begins);
            begins
        };
        if begins {
            let (inner, state) = (Arc::clone(&self.inner), Arc::clone(&self.state));
            self.runtime.spawn(ask_while_wanted(inner, state).boxed());
        }
        let ended = || RegistryError::Unavailable("the runtime ended".to_owned());
        let mut point = receiver.await.unwrap_or_else(|_| Err(ended()))?;
        point.now.take().ok_or_else(ended)
    }
}

/// Sends one `now` after the other, each for all that asked before it was sent.
async fn ask_while_wanted(inner: Arc<dyn Registry>, state: Arc<Mutex<State>>) {
    loop {
        let (waiting, since) = {
            let mut state = state.lock();
            if state.waiting.is_empty() {
                state.nows -= 1;
                return;
            }
            (std::mem::take(&mut state.waiting), state.position)
        };
        let answer = inner.now(None, since).await;
        if let Ok(now) = &answer {
            let mut state = state.lock();
            state.advance(now);
            let point = state.points.entry(now.version).or_default();
            (point.0, point.1) = (point.0 + waiting.len(), point.1 + 1);
        }
        for waiter in waiting {
            let point = answer.clone().map(|now| Point {
                now: Some(now),
                inner: Arc::clone(&inner),
                state: Arc::clone(&state),
            });
            // Whoever went away gives its read point back by dropping it.
            drop(waiter.send(point));
        }
    }
}

/// Ends the use of a read point by so many callers, and its registrations after the last one.
fn give_back(inner: &Arc<dyn Registry>, state: &mut State, at: Version, callers: usize) {
    let Some(point) = state.points.get_mut(&at) else {
        return;
    };
    point.0 = point.0.saturating_sub(callers);
    if let (0, registered) = *point {
        state.points.remove(&at);
        for _ in 0..registered {
            inner.release(at);
        }
    }
}

#[async_trait]
impl Registry for Confirmed {
    async fn now(&self, at: Option<Version>, since: Version) -> Result<Now, RegistryError> {
        if at.is_none() {
            return self.join().await;
        }
        let now = self.inner.now(at, since).await?;
        let mut state = self.state.lock();
        let point = state.points.entry(now.version).or_default();
        (point.0, point.1) = (point.0 + 1, point.1 + 1);
        Ok(now)
    }

    fn release(&self, at: Version) {
        give_back(&self.inner, &mut self.state.lock(), at, 1);
    }

    async fn resolve(
        &self,
        ids: &[LogicalId],
        at: Version,
    ) -> Result<Vec<Option<Handle>>, RegistryError> {
        let mut handles = Vec::with_capacity(ids.len());
        let mut asked = Vec::new();
        {
            let state = self.state.lock();
            for (slot, &id) in ids.iter().enumerate() {
                let found = state.find(id, at);
                if found.is_none() {
                    let known = state.known.get(&id).filter(|known| known.from <= at);
                    asked.push((slot, id, known.and_then(|known| known.handle.clone())));
                }
                handles.push(found.cloned().flatten());
            }
        }
        if asked.is_empty() {
            return Ok(handles);
        }
        let known: Vec<_> = asked
            .iter()
            .map(|(_, id, known)| (*id, known.clone()))
            .collect();
        let answers = self.inner.confirm(&known, at).await?;
        if answers.len() != known.len() {
            let message = format!("{} answers to {} ids", answers.len(), known.len());
            return Err(RegistryError::Invalid(message));
        }
        let mut state = self.state.lock();
        for ((slot, id, known), answer) in asked.into_iter().zip(answers) {
            let handle = answer.unwrap_or(known);
            state.learn(id, handle.clone(), at);
            if let Some(place) = handles.get_mut(slot) {
                *place = handle;
            }
        }
        Ok(handles)
    }

    fn resolve_here(
        &self,
        ids: &[LogicalId],
        at: Version,
    ) -> Option<Result<Vec<Option<Handle>>, RegistryError>> {
        let state = self.state.lock();
        let found: Option<Vec<_>> = ids.iter().map(|id| state.find(*id, at).cloned()).collect();
        found.map(Ok)
    }

    fn forget(&self) {
        self.state.lock().known.clear();
        self.inner.forget();
    }

    async fn counters(
        &self,
        ids: &[LogicalId],
        at: Version,
    ) -> Result<Vec<Counter>, RegistryError> {
        self.inner.counters(ids, at).await
    }

    async fn history(&self, ids: &[LogicalId]) -> Result<Vec<History>, RegistryError> {
        self.inner.history(ids).await
    }

    async fn reserve(&self, group: Group) -> Result<Reservation, RegistryError> {
        self.inner.reserve(group).await
    }

    async fn publish(
        &self,
        ticket: u64,
        publications: Vec<Publication>,
    ) -> Result<Option<Vec<Published>>, RegistryError> {
        let ids: Vec<Vec<LogicalId>> = publications
            .iter()
            .map(|publication| publication.flips.iter().map(|flip| flip.id).collect())
            .collect();
        let published = self.inner.publish(ticket, publications).await?;
        let mut state = self.state.lock();
        for (ids, published) in ids.iter().zip(published.iter().flatten()) {
            for (id, handle) in ids.iter().zip(&published.handles) {
                if handle.is_some() {
                    state.learn(*id, handle.clone(), published.version);
                }
            }
        }
        Ok(published)
    }

    async fn abandon(&self, key: SegmentKey) -> Result<(), RegistryError> {
        self.inner.abandon(key).await
    }

    async fn blocking(&self, ids: &[LogicalId]) -> Result<Vec<Blocker>, RegistryError> {
        self.inner.blocking(ids).await
    }

    async fn overdue(&self) -> Result<Vec<Blocker>, RegistryError> {
        self.inner.overdue().await
    }

    async fn mark(&self, ids: &[LogicalId], lease: Duration) -> Result<(), RegistryError> {
        self.inner.mark(ids, lease).await
    }

    async fn released(&self, releases: u64) {
        self.inner.released(releases).await;
    }

    async fn outcome(&self, id: TransactionId) -> Result<Option<Version>, RegistryError> {
        self.inner.outcome(id).await
    }

    fn floor(&self) -> Version {
        self.inner.floor()
    }

    async fn prune(&self) -> Result<(), RegistryError> {
        self.inner.prune().await
    }

    async fn begin_period(&self, ended: u32) -> Result<PeriodStart, RegistryError> {
        self.inner.begin_period(ended).await
    }

    async fn hold_spills(&self, from: u32, lease: Duration) -> Result<(), RegistryError> {
        self.inner.hold_spills(from, lease).await
    }

    fn progress(&self) -> Option<PeriodProgress> {
        self.inner.progress()
    }

    async fn entries(
        &self,
        at: Version,
        from: &[u8],
        count: usize,
    ) -> Result<EntryBatch, RegistryError> {
        self.inner.entries(at, from, count).await
    }
}

#[cfg(test)]
#[path = "confirmed_test.rs"]
mod test;
