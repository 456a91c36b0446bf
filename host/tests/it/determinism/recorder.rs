//! The imports of the component: those of a real host, written down.

use std::collections::BTreeMap;

use sop_engine::types::{self as engine, LogicalId, PhysicalId};
use sop_host::capability::{HostState, Refusal, SpilledBody};
use sop_host::engine_pool::bindings::sop::storage::{blobs, registry, types as guest};
use wasmtime::component::Resource;

use super::transcript::{Answer, Call, Request, Written};

pub(super) struct Recorder {
    host: HostState,
    pub(super) calls: Vec<Call>,
    places: BTreeMap<u32, PhysicalId>,
}

impl Recorder {
    pub(super) fn new(host: HostState) -> Self {
        let (calls, places) = (Vec::new(), BTreeMap::new());
        Self {
            host,
            calls,
            places,
        }
    }

    fn note<T>(
        &mut self,
        request: Request,
        result: &Result<T, Refusal>,
        answer: impl FnOnce(&T) -> Answer,
    ) {
        let answer = match result {
            Ok(value) => answer(value),
            Err(Refusal::Answer(error)) => Answer::Failed(error.clone()),
            Err(Refusal::Stop(error)) => panic!("{error:#}"),
        };
        self.calls.push(Call { request, answer });
    }
}

fn logical(id: &guest::LogicalId) -> LogicalId {
    LogicalId::new(id.store, id.node)
}

fn physical(id: &guest::PhysicalId) -> PhysicalId {
    PhysicalId {
        segment: (id.segment_high, id.segment_low),
        offset: id.offset,
        length: id.length,
    }
}

fn logicals(ids: &[guest::LogicalId]) -> Vec<LogicalId> {
    ids.iter().map(logical).collect()
}

fn handles(handles: &[Option<guest::Handle>]) -> Vec<Option<engine::Handle>> {
    let convert = |handle: &guest::Handle| engine::Handle {
        version: handle.version,
        chain: handle.chain.iter().map(physical).collect(),
    };
    handles
        .iter()
        .map(|found| found.as_ref().map(convert))
        .collect()
}

impl guest::Host for Recorder {
    fn convert_error(&mut self, refusal: Refusal) -> wasmtime::Result<guest::Error> {
        self.host.convert_error(refusal)
    }
}

impl registry::Host for Recorder {
    async fn now(&mut self, at: Option<u64>) -> Result<registry::ReadPoint, Refusal> {
        let result = self.host.now(at).await;
        self.note(Request::Now(at), &result, |point| {
            Answer::Point(engine::ReadPoint {
                version: point.version,
                publishing: point.publishing.as_deref().map(logicals),
            })
        });
        result
    }

    fn release(&mut self, at: u64) -> wasmtime::Result<()> {
        let (request, answer) = (Request::Release(at), Answer::Nothing);
        self.calls.push(Call { request, answer });
        self.host.release(at)
    }

    async fn resolve(
        &mut self,
        ids: Vec<guest::LogicalId>,
        at: u64,
    ) -> Result<Vec<Option<guest::Handle>>, Refusal> {
        let request = Request::Resolve(logicals(&ids), at);
        let result = self.host.resolve(ids, at).await;
        self.note(request, &result, |found| Answer::Handles(handles(found)));
        result
    }

    async fn counters(
        &mut self,
        ids: Vec<guest::LogicalId>,
        at: u64,
    ) -> Result<Vec<registry::Counter>, Refusal> {
        let request = Request::Counters(logicals(&ids), at);
        let result = self.host.counters(ids, at).await;
        self.note(request, &result, |counters| {
            let convert = |counter: &registry::Counter| engine::Counter {
                value: counter.value,
                version: counter.version,
            };
            Answer::Counters(counters.iter().map(convert).collect())
        });
        result
    }

    fn allocate(&mut self, store: u64, count: u32) -> Result<Vec<guest::LogicalId>, Refusal> {
        let result = self.host.allocate(store, count);
        self.note(Request::Allocate(store, count), &result, |ids| {
            Answer::Ids(logicals(ids))
        });
        result
    }

    fn allocate_store(&mut self, name: Vec<u8>) -> Result<u64, Refusal> {
        let request = Request::AllocateStore(name.clone());
        let result = self.host.allocate_store(name);
        self.note(request, &result, |store| Answer::Store(*store));
        result
    }

    fn granted(&mut self, names: Vec<Vec<u8>>) -> wasmtime::Result<Vec<registry::Access>> {
        let request = Request::Granted(names.clone());
        let granted = self.host.granted(names)?;
        let convert = |access: &registry::Access| engine::Access {
            read: access.contains(registry::Access::READ),
            write: access.contains(registry::Access::WRITE),
            create: access.contains(registry::Access::CREATE),
        };
        let answer = Answer::Access(granted.iter().map(convert).collect());
        self.calls.push(Call { request, answer });
        Ok(granted)
    }

    async fn commit(
        &mut self,
        observed: Vec<registry::Observation>,
        changes: Vec<registry::Change>,
        attempt: u32,
    ) -> Result<registry::CommitOutcome, Refusal> {
        let seen = |seen: &registry::Observation| engine::Observation {
            id: logical(&seen.id),
            version: seen.version,
        };
        let written = |change: &registry::Change| {
            let written = match &change.kind {
                registry::ChangeKind::Put(body) => Written::Put(body.clone()),
                registry::ChangeKind::Delta(body) => Written::Delta(body.clone()),
                registry::ChangeKind::Add(amount) => Written::Add(*amount),
                registry::ChangeKind::Remove => Written::Remove,
                registry::ChangeKind::PutSpilled(spilled) => {
                    Written::PutSpilled(self.places[&spilled.rep()])
                }
            };
            (logical(&change.id), written)
        };
        let request = Request::Commit(
            observed.iter().map(seen).collect(),
            changes.iter().map(written).collect(),
            attempt,
        );
        let result = self.host.commit(observed, changes, attempt).await;
        self.note(request, &result, |outcome| {
            Answer::Outcome(match outcome {
                registry::CommitOutcome::Conflict(ids) => {
                    engine::CommitOutcome::Conflict(logicals(ids))
                }
                registry::CommitOutcome::Committed(done) => {
                    engine::CommitOutcome::Committed(done.version, handles(&done.handles))
                }
            })
        });
        result
    }

    async fn outcome(
        &mut self,
        id: guest::TransactionId,
    ) -> Result<registry::TransactionOutcome, Refusal> {
        self.host.outcome(id).await
    }
}

impl blobs::Host for Recorder {
    async fn get(&mut self, ids: Vec<guest::PhysicalId>) -> Result<Vec<Vec<u8>>, Refusal> {
        let request = Request::Get(ids.iter().map(physical).collect());
        let result = self.host.get(ids).await;
        self.note(request, &result, |bodies| Answer::Bodies(bodies.clone()));
        result
    }

    async fn spill(
        &mut self,
        id: guest::LogicalId,
        body: Vec<u8>,
    ) -> Result<Resource<SpilledBody>, Refusal> {
        let request = Request::Spill(logical(&id), body.clone());
        let result = self.host.spill(id, body).await;
        if let Ok(spilled) = &result {
            let place =
                blobs::HostSpilled::place(&mut self.host, Resource::new_borrow(spilled.rep()));
            self.places.insert(spilled.rep(), physical(&place.unwrap()));
        }
        let places = self.places.clone();
        self.note(request, &result, |spilled| {
            Answer::Place(places[&spilled.rep()])
        });
        result
    }
}

impl blobs::HostSpilled for Recorder {
    fn place(&mut self, spilled: Resource<SpilledBody>) -> wasmtime::Result<guest::PhysicalId> {
        blobs::HostSpilled::place(&mut self.host, spilled)
    }

    fn drop(&mut self, spilled: Resource<SpilledBody>) -> wasmtime::Result<()> {
        blobs::HostSpilled::drop(&mut self.host, spilled)
    }
}
