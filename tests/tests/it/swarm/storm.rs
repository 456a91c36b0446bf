//! Everything at once, at random: hosts are stopped, killed and pointed at one server or the other; servers lose keys, lose
//! everything, follow each other and are promoted; requests to the object store are slow, refused or lost.
//!
//! Goal and method as in the tests of single faults; this one looks for what nobody thought of.

use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use sop_tests::servers::proxy::{Fault, Proxy};
use sop_tests::servers::redis::RedisProcess;
use sop_tests::servers::s3::{BUCKET, Lie, LyingServer, settings};
use tokio::runtime::Runtime;

use super::hosts::{Hosts, Load, Place};
use super::ledger::{audit, prepare};
use super::{runtime, seeded};

const HOSTS: usize = 4;
const LOAD: Load = Load {
    clients: 2,
    accounts: 16,
    seed: 0,
};
/// How slow a request to the object store may be, besides all faults.
const JITTER: Duration = Duration::from_millis(60);
/// The longest time between two faults.
const PAUSE_MAX: Duration = Duration::from_millis(2_500);
/// The longest time for which a host is stopped: longer than any lease.
const STOP_MAX: Duration = Duration::from_secs(14);

struct Storm {
    rng: StdRng,
    runtime: Runtime,
    servers: [RedisProcess; 2],
    /// Of each host: to a registry, to the object store.
    ways: Vec<(Proxy, Proxy)>,
    straight: Place,
    hosts: Hosts,
    /// Hosts that are stopped, and when they go on.
    stopped: Vec<(usize, Instant)>,
    /// Names given to hosts.
    names: usize,
}

fn place(registry: u16, objects: u16) -> Place {
    let mut place = Place {
        url: format!("s3://{BUCKET}/storm"),
        ..Place::default()
    };
    place.backends.registry = Some(format!("redis://127.0.0.1:{registry}"));
    place.backends.object_store = settings(objects);
    place
}

impl Storm {
    fn start(mut rng: StdRng) -> Self {
        let runtime = runtime();
        let server =
            || RedisProcess::start_with(&["--save", "", "--repl-diskless-sync-delay", "0"]);
        let servers = [server(), server()];
        let objects = runtime.block_on(LyingServer::start(Lie::None));
        let straight = place(servers[0].port(), objects.port());
        runtime.block_on(prepare(&straight));
        let way = |_| {
            let registry = runtime.block_on(Proxy::raw(servers[0].port()));
            let objects = runtime.block_on(Proxy::http(objects.port()));
            objects.set(Fault::Jitter(JITTER));
            (registry, objects)
        };
        let ways: Vec<_> = (0..HOSTS).map(way).collect();
        let places = ways
            .iter()
            .map(|(registry, objects)| place(registry.port(), objects.port()));
        let places: Vec<_> = places.collect();
        let seed = rng.random();
        Self {
            hosts: Hosts::start(&places, Load { seed, ..LOAD }),
            rng,
            runtime,
            servers,
            ways,
            straight,
            stopped: Vec::new(),
            names: HOSTS,
        }
    }

    /// Something happens.
    fn strike(&mut self) -> String {
        let (host, server) = (self.rng.random_range(0..HOSTS), self.rng.random_range(0..2));
        let port = self.servers[server].port();
        match self.rng.random_range(0..14) {
            0 | 1 => {
                self.ways[host].0.aim(port);
                format!("host {host} goes to server {server}")
            }
            2 | 3 => {
                self.ways
                    .iter()
                    .for_each(|(registry, _)| registry.aim(port));
                format!("all go to server {server}")
            }
            4 => {
                self.command(server, &["FLUSHALL"]);
                format!("server {server} loses everything")
            }
            5 => self.lose_key(server),
            6 => {
                let other = self.servers[1 - server].port().to_string();
                self.command(server, &["REPLICAOF", "127.0.0.1", &other]);
                format!("server {server} follows the other")
            }
            7 => {
                self.command(server, &["REPLICAOF", "NO", "ONE"]);
                format!("server {server} is promoted")
            }
            8 => {
                self.servers[server].restart();
                format!("server {server} is restarted")
            }
            9 | 10 => {
                if self.stopped.iter().any(|(other, _)| *other == host) {
                    return "nothing".to_owned();
                }
                let time = STOP_MAX.mul_f64(self.rng.random());
                self.hosts.hosts[host].stop();
                self.stopped.push((host, Instant::now() + time));
                format!("host {host} stops for {time:?}")
            }
            11 => {
                self.stopped.retain(|(other, _)| *other != host);
                let (registry, objects) = &self.ways[host];
                let place = place(registry.port(), objects.port());
                let seed = self.rng.random();
                self.hosts
                    .replace(host, self.names, &place, Load { seed, ..LOAD });
                self.names += 1;
                format!("host {host} is killed, and another is started")
            }
            _ => {
                let faults = [
                    Fault::Answer(500),
                    Fault::AnswerInstead(500),
                    Fault::LoseAnswer,
                    Fault::Refuse,
                    Fault::Delay(Duration::from_secs(1)),
                    Fault::Hold,
                ];
                let fault = *faults.choose(&mut self.rng).unwrap();
                let method = *["PUT /", "GET /", "HEAD /"].choose(&mut self.rng).unwrap();
                let times = self.rng.random_range(1..6);
                self.ways[host].1.next(fault, method, times);
                format!("{times} {method} of host {host}: {fault:?}")
            }
        }
    }

    /// A replica refuses some commands.
    fn command(&self, server: usize, words: &[&str]) {
        let _ = self.servers[server].query::<redis::Value>(words);
    }

    fn lose_key(&mut self, server: usize) -> String {
        let keys = self.servers[server].query::<Vec<String>>(&["KEYS", "sop:*"]);
        let Some(key) = keys.unwrap_or_default().choose(&mut self.rng).cloned() else {
            return "nothing".to_owned();
        };
        self.command(server, &["DEL", &key]);
        format!("server {server} loses {key}")
    }

    /// Lets those go on whose time has come.
    fn wake(&mut self, all: bool) {
        let now = Instant::now();
        let hosts = &self.hosts.hosts;
        self.stopped.retain(|(host, until)| {
            let due = all || now >= *until;
            if due {
                hosts[*host].go_on();
            }
            !due
        });
    }

    fn rage(&mut self, time: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < time {
            let what = self.strike();
            println!(
                "{:8.3} {:6} {what}",
                begun.elapsed().as_secs_f64(),
                self.hosts.acknowledged()
            );
            std::thread::sleep(PAUSE_MAX.mul_f64(self.rng.random::<f64>().powi(2)));
            if self.rng.random_ratio(1, 3) {
                self.ways.iter().for_each(|(_, objects)| objects.let_go());
            }
            self.wake(false);
        }
        self.wake(true);
        for server in [0, 1] {
            self.command(server, &["REPLICAOF", "NO", "ONE"]);
        }
        let port = self.servers[0].port();
        for (registry, objects) in &self.ways {
            registry.aim(port);
            objects.set(Fault::None);
        }
        self.hosts.go_on("the storm");
        for (_, objects) in &self.ways {
            objects.set(Fault::Jitter(JITTER));
        }
    }

    fn end(self) {
        let record = self.hosts.end();
        audit(&self.runtime, &self.straight, &record, || {
            self.servers[0].command(&["FLUSHALL"])
        });
    }
}

#[test]
fn a_storm_loses_nothing() {
    let mut storm = Storm::start(seeded("storm::a_storm_loses_nothing"));
    storm.rage(Duration::from_secs(15));
    storm.end();
}

/// Some ten minutes: `cargo test --workspace --locked --test it -- --ignored swarm::storm --nocapture`.
#[test]
#[ignore = "long: a storm after another"]
fn storms_lose_nothing() {
    let mut storm = Storm::start(seeded("storm::storms_lose_nothing"));
    for _ in 0..15 {
        storm.rage(Duration::from_secs(30));
    }
    storm.end();
}
