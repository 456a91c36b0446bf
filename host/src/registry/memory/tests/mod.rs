//! Goal: the rules of reserve and publish, each with a twin that must pass. Method: single calls on a registry whose time
//! is set by hand.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop"
)]

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use sop_engine::types::{LogicalId, Observation, PhysicalId, TransactionId, Version};

use super::{HistoryOptions, MemoryRegistry};
use crate::blob::SegmentKey;
use crate::registry::{
    Claim, Flip, FlipKind, Group, Publication, Published, Registry, RegistryError, Request,
    Reservation, Verdict,
};
use crate::runtime::ManualRuntime;

mod history;
mod reservations;
mod survey;

const A: LogicalId = LogicalId::new(7, 10);
const B: LogicalId = LogicalId::new(7, 11);
const COUNT: LogicalId = LogicalId::counter(7);

/// No call of this registry waits.
fn block_on<T>(call: impl Future<Output = T>) -> T {
    call.now_or_never().unwrap()
}

struct Fixture {
    registry: MemoryRegistry,
    runtime: Arc<ManualRuntime>,
    keys: u64,
}

fn place(number: u32) -> PhysicalId {
    PhysicalId {
        segment: (1, u64::from(number)),
        offset: 80,
        length: 100,
    }
}

fn seen(id: LogicalId, version: Version) -> Observation {
    Observation { id, version }
}

fn request(observed: &[Observation], claims: &[(LogicalId, Claim)]) -> Request {
    Request {
        id: TransactionId { high: 1, low: 1 },
        observed: observed.to_vec(),
        claims: claims.to_vec(),
        priority: false,
        spills_from: None,
    }
}

impl Fixture {
    fn new() -> Self {
        Self::with(HistoryOptions {
            retention: Duration::from_secs(60),
            bytes_max: 1 << 30,
        })
    }

    fn with(history: HistoryOptions) -> Self {
        let runtime = Arc::new(ManualRuntime::default());
        Self {
            registry: MemoryRegistry::new(1, history, runtime.clone()),
            runtime,
            keys: 0,
        }
    }

    fn reserve(&mut self, requests: Vec<Request>) -> Reservation {
        self.keys += 1;
        let key = SegmentKey {
            epoch: 1,
            period: 1,
            unique: self.keys,
        };
        block_on(self.registry.reserve(Group {
            key,
            lease: Duration::from_secs(10),
            requests,
        }))
        .unwrap()
    }

    fn verdict(&mut self, request: Request) -> Verdict {
        let reservation = self.reserve(vec![request]);
        if reservation.ticket.is_some() {
            let key = SegmentKey {
                epoch: 1,
                period: 1,
                unique: self.keys,
            };
            block_on(self.registry.abandon(key)).unwrap();
        }
        reservation.verdicts[0].clone()
    }

    fn publish(&self, ticket: u64, flips: Vec<Flip>) -> Published {
        let id = TransactionId {
            high: 9,
            low: ticket,
        };
        block_on(
            self.registry
                .publish(ticket, vec![Publication { id, flips }]),
        )
        .unwrap()
        .unwrap()
        .remove(0)
    }

    /// Commits one change of one id; answers its version.
    fn change(&mut self, id: LogicalId, kind: FlipKind) -> Version {
        let claim = if matches!(kind, FlipKind::Add(_)) {
            Claim::Shared
        } else {
            Claim::Exclusive
        };
        let version = self.version_of(id);
        let observed = if claim == Claim::Shared {
            vec![]
        } else {
            vec![seen(id, version)]
        };
        let reservation = self.reserve(vec![request(&observed, &[(id, claim)])]);
        assert_eq!(reservation.verdicts, vec![Verdict::Granted]);
        self.publish(reservation.ticket.unwrap(), vec![Flip { id, kind }])
            .version
    }

    fn put(&mut self, id: LogicalId, number: u32) -> Version {
        self.change(id, FlipKind::Put(place(number)))
    }

    fn version_of(&self, id: LogicalId) -> Version {
        let at = self.registry.version();
        block_on(self.registry.resolve(&[id], at))
            .unwrap()
            .remove(0)
            .map_or(0, |handle| handle.version)
    }

    fn at(&self, id: LogicalId, at: Version) -> Result<Option<PhysicalId>, RegistryError> {
        Ok(block_on(self.registry.resolve(&[id], at))?
            .remove(0)
            .map(|handle| handle.chain[0]))
    }
}
