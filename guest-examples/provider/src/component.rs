//! The component: the database of this instance behind the exported interfaces. Only types are
//! converted here.

use std::cell::RefCell;

use crate::bindings::exports::sop::storage::{blobs, registry, types as wire};
use crate::state::{BodyId, Change, Failure, Handle, LogicalId, Outcome, State};

/// The type that carries the exports.
struct Provider;

/// The exported resource `spilled`.
struct Spilled(BodyId);

/// The database of this instance.
fn with<T>(call: impl FnOnce(&mut State) -> T) -> T {
    thread_local! {
        static STATE: RefCell<State> = RefCell::default();
    }
    STATE.with_borrow_mut(call)
}

impl registry::Guest for Provider {
    fn now(at: Option<u64>) -> Result<registry::ReadPoint, wire::Error> {
        let version = with(|state| state.now(at)).map_err(error)?;
        // A commit is one call, so nobody is ever in the middle of one.
        Ok(registry::ReadPoint {
            version,
            publishing: Some(Vec::new()),
        })
    }

    fn release(at: u64) {
        with(|state| state.release(at));
    }

    fn resolve(
        ids: Vec<wire::LogicalId>,
        at: u64,
    ) -> Result<Vec<Option<wire::Handle>>, wire::Error> {
        let ids: Vec<_> = ids.into_iter().map(logical).collect();
        with(|state| {
            let handles = state.resolve(&ids, at).map_err(error)?;
            Ok(handles
                .into_iter()
                .map(|found| found.map(|found| handle(state, found)))
                .collect())
        })
    }

    fn counters(ids: Vec<wire::LogicalId>, at: u64) -> Result<Vec<wire::Counter>, wire::Error> {
        let ids: Vec<_> = ids.into_iter().map(logical).collect();
        let counters = with(|state| state.counters(&ids, at)).map_err(error)?;
        let counter = |(value, version)| wire::Counter { value, version };
        Ok(counters.into_iter().map(counter).collect())
    }

    fn allocate(store: u64, count: u32) -> Result<Vec<wire::LogicalId>, wire::Error> {
        let ids = with(|state| state.allocate(store, count)).map_err(error)?;
        Ok(ids.into_iter().map(wire_logical).collect())
    }

    fn allocate_store(name: Vec<u8>) -> Result<u64, wire::Error> {
        with(|state| state.allocate_store(&name)).map_err(error)
    }

    fn granted(names: Vec<Vec<u8>>) -> Vec<registry::Access> {
        let everything = |_| registry::Access::all();
        names.into_iter().map(everything).collect()
    }

    fn commit(
        observed: Vec<registry::Observation>,
        changes: Vec<registry::Change>,
        _attempt: u32,
    ) -> Result<registry::CommitOutcome, wire::Error> {
        let observed: Vec<_> = observed
            .into_iter()
            .map(|seen| (logical(seen.id), seen.version))
            .collect();
        let changes: Vec<_> = changes
            .into_iter()
            .map(|change| (logical(change.id), kind(change.kind)))
            .collect();
        with(|state| {
            Ok(match state.commit(&observed, changes).map_err(error)? {
                Outcome::Committed(version, handles) => {
                    let handles = handles
                        .into_iter()
                        .map(|found| found.map(|found| handle(state, found)))
                        .collect();
                    registry::CommitOutcome::Committed(registry::Committed { version, handles })
                }
                Outcome::Conflict(ids) => {
                    registry::CommitOutcome::Conflict(ids.into_iter().map(wire_logical).collect())
                }
            })
        })
    }

    /// No commit here ever answers `unknown-outcome`, so there is none to ask for.
    fn outcome(_: wire::TransactionId) -> Result<registry::TransactionOutcome, wire::Error> {
        Ok(registry::TransactionOutcome::Unknown)
    }
}

impl blobs::Guest for Provider {
    type Spilled = Spilled;

    fn get(ids: Vec<wire::PhysicalId>) -> Result<Vec<Vec<u8>>, wire::Error> {
        with(|state| {
            let bodies: Vec<_> = ids.iter().map(|id| BodyId(id.segment_low)).collect();
            for (id, body) in ids.iter().zip(&bodies) {
                if !is_same(*id, physical(state, *body)) {
                    return Err(wire::Error::Missing(*id));
                }
            }
            state.get(&bodies).map_err(error)
        })
    }

    fn spill(id: wire::LogicalId, body: Vec<u8>) -> Result<blobs::Spilled, wire::Error> {
        let body = with(|state| state.spill(logical(id), body)).map_err(error)?;
        Ok(blobs::Spilled::new(Spilled(body)))
    }
}

impl blobs::GuestSpilled for Spilled {
    fn place(&self) -> wire::PhysicalId {
        with(|state| physical(state, self.0))
    }
}

impl Drop for Spilled {
    fn drop(&mut self) {
        with(|state| state.abandon(self.0));
    }
}

fn kind(kind: registry::ChangeKind<'_>) -> Change {
    match kind {
        registry::ChangeKind::Put(body) => Change::Put(body),
        registry::ChangeKind::PutSpilled(spilled) => Change::PutSpilled(spilled.get::<Spilled>().0),
        registry::ChangeKind::Delta(body) => Change::Delta(body),
        registry::ChangeKind::Add(amount) => Change::Add(amount),
        registry::ChangeKind::Remove => Change::Remove,
    }
}

fn error(failure: Failure) -> wire::Error {
    match failure {
        Failure::Missing(body) => wire::Error::Missing(with_length(body, 0)),
        Failure::Limit { name, maximum } => wire::Error::Limit(wire::LimitExceeded {
            name: name.to_owned(),
            maximum,
        }),
        Failure::SnapshotExpired(oldest) => wire::Error::SnapshotExpired(oldest),
        Failure::Invalid(message) => wire::Error::Invalid(message),
    }
}

fn handle(state: &State, handle: Handle) -> wire::Handle {
    wire::Handle {
        version: handle.version,
        chain: handle
            .chain
            .into_iter()
            .map(|body| physical(state, body))
            .collect(),
    }
}

/// Each body is a segment of its own.
fn physical(state: &State, body: BodyId) -> wire::PhysicalId {
    with_length(body, state.body_bytes(body))
}

fn with_length(body: BodyId, bytes: usize) -> wire::PhysicalId {
    wire::PhysicalId {
        segment_high: 0,
        segment_low: body.0,
        offset: 0,
        length: u32::try_from(bytes).unwrap_or(u32::MAX),
    }
}

const fn is_same(left: wire::PhysicalId, right: wire::PhysicalId) -> bool {
    left.segment_high == right.segment_high
        && left.segment_low == right.segment_low
        && left.offset == right.offset
        && left.length == right.length
}

const fn logical(id: wire::LogicalId) -> LogicalId {
    LogicalId {
        store: id.store,
        node: id.node,
    }
}

const fn wire_logical(id: LogicalId) -> wire::LogicalId {
    wire::LogicalId {
        store: id.store,
        node: id.node,
    }
}

#[allow(unsafe_code, reason = "generated: the exports of the component")]
mod exports {
    use super::Provider;
    use crate::bindings;

    bindings::export!(Provider with_types_in bindings);
}
