//! `zombie`: a host stops for longer than its reservations last, at any of its calls, others commit the same keys, and it
//! goes on as if nothing had happened; what it had sent before arrives late.
//!
//! Goal: its commits end in a conflict or in their true outcome; none is lost or doubled, and nobody waits for it longer
//! than its lease. Method: its calls of registry and object store are counted, and at one of them the process is stopped.

use std::time::{Duration, Instant};

use std::sync::Arc;

use rand::Rng;
use rand::rngs::StdRng;
use rustix::process::{Signal, kill_process};
use sop_host::limits::RESERVATION_LEASE;
use sop_tests::servers::proxy::{Fault, Proxy};
use sop_tests::servers::redis::RedisProcess;
use sop_tests::servers::s3::{BUCKET, Lie, LyingServer, settings};
use sop_tests::servers::steps::{Moment, Steps};
use tokio::runtime::Runtime;

use super::hosts::{Host, Hosts, Load, Place};
use super::ledger::{audit, prepare};
use super::{runtime, seeded};

/// Few accounts, so that everybody needs what a stopped host holds.
const LOAD: Load = Load {
    clients: 2,
    accounts: 6,
    seed: 0,
};
/// Hosts that are stopped; there are as many others.
const VICTIMS: usize = 2;
/// A commit and what goes before it makes fewer calls than this.
const COMMIT_STEPS_MAX: usize = 16;
/// From its put on, a commit makes so many calls: put, fence check, publish.
const DECISION_STEPS_MAX: usize = 3;
/// So many calls after its claim, or after its checkpoint, a recovery is stopped at the latest.
const RECOVERY_STEPS_MAX: usize = 8;

/// A host's way to the servers.
struct Way {
    steps: Arc<Steps>,
    registry: Proxy,
    objects: Proxy,
}

struct Scene {
    runtime: Runtime,
    redis: RedisProcess,
    ways: Vec<Way>,
    place: Place,
    hosts: Hosts,
}

fn place(registry: u16, objects: u16) -> Place {
    let mut place = Place {
        url: format!("s3://{BUCKET}/zombie"),
        ..Place::default()
    };
    place.backends.registry = Some(format!("redis://127.0.0.1:{registry}"));
    place.backends.object_store = settings(objects);
    place
}

impl Scene {
    fn start(rng: &mut StdRng) -> Self {
        let (runtime, redis) = (runtime(), RedisProcess::start());
        let server = runtime.block_on(LyingServer::start(Lie::None));
        let straight = place(redis.port(), server.port());
        runtime.block_on(prepare(&straight));
        let way = |_| Way {
            steps: Arc::default(),
            registry: runtime.block_on(Proxy::raw(redis.port())),
            objects: runtime.block_on(Proxy::http(server.port())),
        };
        let ways: Vec<Way> = (0..VICTIMS).map(way).collect();
        let by = |way: &Way| place(way.registry.port(), way.objects.port());
        let mut places: Vec<Place> = ways.iter().map(by).collect();
        places.extend(vec![straight.clone(); VICTIMS]);
        let seed = rng.random();
        let hosts = Hosts::start(&places, Load { seed, ..LOAD });
        for way in &ways {
            way.registry.count(&way.steps);
            way.objects.count(&way.steps);
        }
        Self {
            runtime,
            redis,
            ways,
            place: straight,
            hosts,
        }
    }

    /// Stops the victims, each at some call, until their leases have run out and the others have gone on.
    fn round(&self, rng: &mut StdRng) {
        for victim in 0..VICTIMS {
            // Anywhere, or where it is decided.
            if rng.random() {
                self.arm(rng, victim, "", COMMIT_STEPS_MAX);
            } else {
                self.arm(rng, victim, "PUT /sop/zombie/segment", DECISION_STEPS_MAX);
            }
        }
        self.wait_sprung(VICTIMS);
        self.leave_alone(rng);
    }

    /// Lets the victims alone see that the registry is lost; who of them recovers stops in the middle of it.
    fn round_of_recovery(&self, rng: &mut StdRng) {
        let others = &self.hosts.hosts[VICTIMS..];
        others.iter().for_each(Host::stop);
        // From the claim on, or from the checkpoint on: what lies between grows with the number of segments.
        let begin = if rng.random() {
            "PUT /sop/zombie/epoch"
        } else {
            "PUT /sop/zombie/checkpoint"
        };
        for victim in 0..VICTIMS {
            self.arm(rng, victim, begin, RECOVERY_STEPS_MAX);
        }
        self.redis.command(&["FLUSHALL"]);
        self.wait_sprung(1);
        others.iter().for_each(Host::go_on);
        self.leave_alone(rng);
    }

    fn arm(&self, rng: &mut StdRng, victim: usize, from: &str, steps_max: usize) {
        let moment = if rng.random() {
            Moment::Request
        } else {
            Moment::Answer
        };
        let (at, pid) = (
            rng.random_range(1..=steps_max),
            self.hosts.hosts[victim].pid(),
        );
        let stop = move || kill_process(pid, Signal::STOP).unwrap();
        self.ways[victim].steps.arm_from(from, at, moment, stop);
    }

    fn wait_sprung(&self, count: usize) {
        let begun = Instant::now();
        let sprung = || self.ways.iter().filter(|way| way.steps.sprung()).count();
        while sprung() < count {
            assert!(begun.elapsed() < super::GOES_ON, "a host makes no calls");
            std::thread::sleep(Duration::from_millis(5));
        }
        for way in &self.ways {
            if way.steps.sprung() {
                println!("stopped at {:?}", way.steps.seen());
            } else {
                way.steps.disarm();
            }
        }
    }

    /// Lets the others go on without the victims, and then with them.
    fn leave_alone(&self, rng: &mut StdRng) {
        let begun = Instant::now();
        self.hosts
            .some_go_on("a stop of half of the hosts", |host| host >= VICTIMS);
        std::thread::sleep(
            (RESERVATION_LEASE + Duration::from_secs(2)).saturating_sub(begun.elapsed()),
        );
        self.hosts
            .some_go_on("their leases", |host| host >= VICTIMS);
        let late_first = rng.random();
        for (way, host) in self.ways.iter().zip(&self.hosts.hosts) {
            // What was on its way arrives before the host goes on, or after.
            if late_first {
                way.registry.let_go();
                way.objects.let_go();
                std::thread::sleep(Duration::from_millis(rng.random_range(0..100)));
            }
            host.go_on();
            way.steps.disarm();
            way.registry.let_go();
            way.objects.let_go();
        }
        self.hosts.go_on("the zombies");
    }

    fn end(self) {
        let record = self.hosts.end();
        audit(&self.runtime, &self.place, &record, || {
            self.redis.command(&["FLUSHALL"])
        });
    }
}

#[test]
fn stopped_hosts_hold_nobody_back_and_wake_to_the_truth() {
    let mut rng = seeded("zombie::stopped_hosts_hold_nobody_back_and_wake_to_the_truth");
    let scene = Scene::start(&mut rng);
    for _ in 0..2 {
        scene.round(&mut rng);
    }
    scene.end();
}

#[test]
fn hosts_stopped_in_a_recovery_are_stepped_over_and_wake_to_the_truth() {
    let mut rng =
        seeded("zombie::hosts_stopped_in_a_recovery_are_stepped_over_and_wake_to_the_truth");
    let scene = Scene::start(&mut rng);
    for _ in 0..2 {
        scene.round_of_recovery(&mut rng);
    }
    scene.end();
}

/// Some five minutes: `cargo test --workspace --locked --test it -- --ignored swarm::zombie --nocapture`.
#[test]
#[ignore = "long: the same, many times"]
fn stopped_hosts_many_times() {
    let mut rng = seeded("zombie::stopped_hosts_many_times");
    let scene = Scene::start(&mut rng);
    for _ in 0..10 {
        scene.round(&mut rng);
        scene.round_of_recovery(&mut rng);
    }
    scene.end();
}

/// The puts of a host are held back until everybody has decided without it; then all of them arrive.
#[test]
fn puts_that_arrive_late_change_nothing() {
    let mut rng = seeded("zombie::puts_that_arrive_late_change_nothing");
    let scene = Scene::start(&mut rng);
    let begun = Instant::now();
    let held = rng.random_range(1..20);
    scene.ways[0].objects.next(Fault::Hold, "PUT /", held);
    // The other one's puts are carried out, and it never hears of it.
    scene.ways[1].objects.next(Fault::LoseAnswer, "PUT /", held);
    scene
        .hosts
        .some_go_on("puts that are held", |host| host >= VICTIMS);
    std::thread::sleep(
        (RESERVATION_LEASE + Duration::from_secs(2)).saturating_sub(begun.elapsed()),
    );
    scene
        .hosts
        .some_go_on("their leases", |host| host >= VICTIMS);
    scene.ways[0].objects.let_go();
    scene.hosts.go_on("late puts");
    scene.end();
}
