//! One host's way to the cluster.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use sop_host::recovery::entry::Entry;
use sop_host::registry::server::{Activation, RegistryServer, Standing};
use sop_host::registry::{Registry, RegistryError};

use super::Cluster;
use super::gate::Gate;
use crate::simulation::faults::{FaultyRegistry, Network, Served};
use crate::simulation::sabotage::Sabotage;

/// Which server a host talks to.
const FOLLOW: usize = usize::MAX;

/// The server to which a host is connected.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) cluster: Arc<Cluster>,
    stuck: Arc<AtomicUsize>,
}

impl Route {
    pub(super) fn server(&self) -> usize {
        match self.stuck.load(Ordering::SeqCst) {
            FOLLOW => self.cluster.primary(),
            server => server,
        }
    }
}

/// The registry server as one host sees it.
#[derive(Debug)]
pub struct HostServer {
    network: Arc<Network>,
    route: Route,
    given: Mutex<Vec<Arc<FaultyRegistry>>>,
    sabotage: Option<Sabotage>,
}

type Outcome<T> = Result<T, RegistryError>;

impl HostServer {
    /// A way to the primary of the cluster.
    pub fn new(network: &Arc<Network>, cluster: &Arc<Cluster>) -> Arc<Self> {
        Arc::new(Self {
            network: Arc::clone(network),
            route: Route {
                cluster: Arc::clone(cluster),
                stuck: Arc::new(AtomicUsize::new(FOLLOW)),
            },
            given: Mutex::default(),
            sabotage: cluster.sabotage,
        })
    }

    /// Stays connected to the server that is the primary now, whatever becomes of it.
    pub fn stick(&self) {
        let server = self.route.server();
        self.route.stuck.store(server, Ordering::SeqCst);
    }

    /// Finds the primary again.
    pub fn follow(&self) {
        self.route.stuck.store(FOLLOW, Ordering::SeqCst);
    }

    /// The registrations of a host that is gone run out.
    pub fn expire(&self) {
        self.given.lock().iter().for_each(|given| given.expire());
    }

    async fn send<T, F>(&self, serve: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: Fn(&Cluster, usize) -> Outcome<T> + Send + Sync + 'static,
    {
        let (route, serve) = (self.route.clone(), Arc::new(serve));
        let serve = move || -> Served<Outcome<T>> {
            let (route, serve) = (route.clone(), Arc::clone(&serve));
            Box::pin(async move { serve(&route.cluster, route.server()) })
        };
        let answer = self.network.call(serve).await;
        answer.unwrap_or_else(|| Err(RegistryError::Unavailable("no answer".to_owned())))
    }
}

#[async_trait]
impl RegistryServer for HostServer {
    async fn standing(&self) -> Outcome<Standing> {
        self.send(|cluster, server| cluster.standing(server)).await
    }

    async fn stage(&self, epoch: u32, batch: u64, entries: &[Entry]) -> Outcome<()> {
        let entries = entries.to_vec();
        self.send(move |cluster, server| cluster.stage(server, (epoch, batch), &entries))
            .await
    }

    async fn activate(&self, activation: &Activation) -> Outcome<()> {
        let activation = activation.clone();
        // No client of a server may send this twice, so a second arrival changes nothing.
        let arrived = AtomicBool::new(false);
        self.send(move |cluster, server| {
            if arrived.swap(true, Ordering::SeqCst) {
                return Ok(());
            }
            cluster.activate(server, &activation)
        })
        .await
    }

    fn registry(&self, epoch: u32) -> Arc<dyn Registry> {
        let gate = Arc::new(Gate::new(self.route.clone(), epoch));
        let registry = FaultyRegistry::new(&self.network, gate, &Arc::default());
        self.given.lock().push(Arc::clone(&registry));
        Sabotage::host(self.sabotage, registry)
    }
}
