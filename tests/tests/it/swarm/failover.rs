//! `stale-failover`: a replica that lacks the newest commits becomes the registry, while the old primary lives on.
//!
//! ```text
//!   left hosts ──proxy──┐           ┌──► A ──link (cut)──► B
//!   right hosts ──proxy─┴─► A, or B ┘
//! ```
//! Goal: whoever answers, nothing that was acknowledged is lost or doubled, and the two sides never both acknowledge what
//! cannot be in one history: the ledger of both adds up. Method: hosts are pointed at A and B by proxies, or by a Sentinel.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use sop_tests::servers::proxy::{Fault, Proxy};
use sop_tests::servers::redis::{RedisProcess, Watched, wait_for};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::hosts::{Hosts, Load, Place};
use super::ledger::{audit, prepare};
use super::{runtime, seeded};

const LOAD: Load = Load {
    clients: 2,
    accounts: 24,
    seed: 0,
};
/// Commits that the replica does not have when it is promoted.
const LACKING: usize = 100;
/// The longest time for which the two halves talk to different servers.
const SPLIT_MAX: Duration = Duration::from_secs(5);

/// Two servers and two halves of the hosts.
struct Scene {
    runtime: Runtime,
    _folder: TempDir,
    a: RedisProcess,
    b: RedisProcess,
    left: Proxy,
    right: Proxy,
    place: Place,
    hosts: Hosts,
}

impl Scene {
    /// A is the registry and B its replica, until the link is cut; then A goes on alone.
    fn start(rng: &mut StdRng) -> Self {
        let runtime = runtime();
        let server =
            || RedisProcess::start_with(&["--save", "", "--repl-diskless-sync-delay", "0"]);
        let (a, b) = (server(), server());
        let proxy = |port| runtime.block_on(Proxy::raw(port));
        let (link, left, right) = (proxy(a.port()), proxy(a.port()), proxy(a.port()));
        let folder = tempfile::tempdir().unwrap();
        let place = Place::directory(&folder.path().join("data"), &a.url());
        runtime.block_on(prepare(&place));
        let by = |proxy: &Proxy| place.by(&format!("redis://127.0.0.1:{}", proxy.port()));
        let places = [by(&left), by(&left), by(&right), by(&right)];
        let seed = rng.random();
        let hosts = Hosts::start(&places, Load { seed, ..LOAD });
        b.command(&["REPLICAOF", "127.0.0.1", &link.port().to_string()]);
        wait_for("replication", || {
            b.info("replication", "master_link_status") == "up"
                && b.info("replication", "master_sync_in_progress") == "0"
        });
        hosts.wait_for("load with a replica", rng.random_range(5..30));
        link.set(Fault::Refuse);
        link.cut();
        hosts.wait_for("load without it", LACKING);
        Self {
            runtime,
            _folder: folder,
            a,
            b,
            left,
            right,
            place,
            hosts,
        }
    }

    /// The two halves talk to different servers for a while, then all to one.
    fn split(
        &self,
        rng: &mut StdRng,
        left: &RedisProcess,
        right: &RedisProcess,
        then: &RedisProcess,
    ) {
        let before = self.hosts.acknowledged();
        for (proxy, server) in [(&self.left, left), (&self.right, right)] {
            proxy.aim(server.port());
        }
        std::thread::sleep(SPLIT_MAX.mul_f64(rng.random()));
        println!("{} while split", self.hosts.acknowledged() - before);
        self.left.aim(then.port());
        self.right.aim(then.port());
        self.hosts.go_on("the split");
    }

    fn end(self) {
        let record = self.hosts.end();
        audit(&self.runtime, &self.place, &record, || {
            self.a.command(&["FLUSHALL"]);
            self.b.command(&["FLUSHALL"]);
        });
    }
}

#[test]
fn a_stale_replica_takes_over_while_the_old_primary_serves_the_other_half() {
    let test = "failover::a_stale_replica_takes_over_while_the_old_primary_serves_the_other_half";
    let mut rng = seeded(test);
    let scene = Scene::start(&mut rng);
    scene.b.promote();
    scene.split(&mut rng, &scene.a, &scene.b, &scene.b);
    // A -> B -> A: first with what A remembers of its own life, then as a replica of B that is promoted.
    scene.split(&mut rng, &scene.b, &scene.a, &scene.a);
    scene.a.follow(&scene.b);
    scene.a.promote();
    scene.hosts.go_on("A -> B -> A");
    scene.split(&mut rng, &scene.a, &scene.b, &scene.a);
    scene.end();
}

/// Hosts that have seen nothing find the stale replica, which to them looks like the registry of its epoch; the others do
/// not know of it.
#[test]
fn new_hosts_that_find_only_the_stale_replica_do_not_believe_it() {
    let test = "failover::new_hosts_that_find_only_the_stale_replica_do_not_believe_it";
    let mut rng = seeded(test);
    let mut scene = Scene::start(&mut rng);
    scene.b.promote();
    scene.right.aim(scene.b.port());
    let fresh = scene
        .place
        .by(&format!("redis://127.0.0.1:{}", scene.right.port()));
    for host in [2, 3] {
        let seed = rng.random();
        scene
            .hosts
            .replace(host, host + 2, &fresh, Load { seed, ..LOAD });
    }
    scene
        .hosts
        .some_go_on("new hosts at the stale replica", |host| host >= 2);
    std::thread::sleep(SPLIT_MAX.mul_f64(rng.random()));
    scene.left.aim(scene.b.port());
    scene.hosts.go_on("the split");
    scene.end();
}

#[test]
fn a_primary_that_hung_comes_back_after_its_stale_replica_took_over() {
    let mut rng =
        seeded("failover::a_primary_that_hung_comes_back_after_its_stale_replica_took_over");
    let scene = Scene::start(&mut rng);
    scene.a.stop();
    scene.b.promote();
    scene.right.aim(scene.b.port());
    scene.hosts.some_go_on("the promotion", |host| host >= 2);
    // What the left half had sent to A is carried out now, in an epoch that has ended.
    scene.a.go_on();
    std::thread::sleep(SPLIT_MAX.mul_f64(rng.random()));
    scene.left.aim(scene.b.port());
    scene.hosts.go_on("the return");
    scene.end();
}

#[test]
fn a_primary_that_was_killed_is_followed_by_its_stale_replica() {
    let mut rng = seeded("failover::a_primary_that_was_killed_is_followed_by_its_stale_replica");
    let mut scene = Scene::start(&mut rng);
    scene.a.kill();
    std::thread::sleep(Duration::from_millis(rng.random_range(0..1_000)));
    scene.b.promote();
    scene.left.aim(scene.b.port());
    scene.right.aim(scene.b.port());
    scene.hosts.go_on("the promotion");
    // The old primary comes back, empty, and half of the hosts finds it.
    scene.a.restart();
    scene.split(&mut rng, &scene.b, &scene.a, &scene.b);
    scene.end();
}

#[test]
fn sentinels_fail_over_and_back_under_load() {
    let mut rng = seeded("failover::sentinels_fail_over_and_back_under_load");
    let (runtime, folder) = (runtime(), tempfile::tempdir().unwrap());
    let mut watched = Watched::start();
    let place = Place::directory(&folder.path().join("data"), &watched.url());
    runtime.block_on(prepare(&place));
    let seed = rng.random();
    let hosts = Hosts::start(&vec![place.clone(); 3], Load { seed, ..LOAD });
    // The master hangs, is replaced, and comes back believing that it is the master.
    watched.master.stop();
    wait_for("the failover", || {
        watched.replica.info("replication", "role") == "master"
    });
    hosts.go_on("a failover");
    watched.master.go_on();
    hosts.go_on("the return of the old master");
    wait_for("its demotion", || {
        watched.master.info("replication", "role") == "slave"
            && watched.master.info("replication", "master_link_status") == "up"
    });
    watched.replica.kill();
    wait_for("the failover", || {
        watched.master.info("replication", "role") == "master"
    });
    hosts.go_on("A -> B -> A");
    let record = hosts.end();
    audit(&runtime, &place, &record, || {
        watched.master.command(&["FLUSHALL"])
    });
}
