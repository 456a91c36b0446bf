//! Host processes of a test, and what they told.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sop_host::{Backends, Database, Error};

use super::host::{MARK, ORDER};

/// How long a host may take to end after it was asked to: it may have commits of unknown outcome to ask about.
const ENDING: Duration = Duration::from_secs(150);
/// How often progress is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Where a database is, as a host sees it.
#[derive(Clone, Debug, Default)]
pub struct Place {
    pub url: String,
    pub backends: Backends,
}

impl Place {
    /// Blobs in a directory, handles in a registry.
    pub fn directory(path: &std::path::Path, registry: &str) -> Self {
        Self {
            url: format!("dir:{}", path.display()),
            backends: Backends {
                registry: Some(registry.to_owned()),
                ..Backends::default()
            },
        }
    }

    /// The same database by way of another registry address.
    pub fn by(&self, registry: &str) -> Self {
        let mut place = self.clone();
        place.backends.registry = Some(registry.to_owned());
        place
    }

    pub async fn open(&self) -> sop_host::Result<Database> {
        let builder = Database::builder().url(&self.url);
        builder.backends(self.backends.clone()).open().await
    }

    /// Opens it as soon as servers that were taken away are back.
    pub async fn open_patiently(&self) -> Database {
        let begun = Instant::now();
        loop {
            match self.open().await {
                Ok(database) => return database,
                Err(Error::Unavailable(_)) if begun.elapsed() < super::GOES_ON => {
                    tokio::time::sleep(LOOK).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn json(&self) -> Value {
        json!({
            "url": self.url,
            "registry": self.backends.registry,
            "object_store": self.backends.object_store,
        })
    }

    pub fn from_json(value: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let settings = value["object_store"].as_object().unwrap();
        let settings = settings.iter();
        Self {
            url: text(&value["url"]).unwrap(),
            backends: Backends {
                registry: text(&value["registry"]),
                object_store: settings
                    .map(|(name, value)| (name.clone(), text(value).unwrap()))
                    .collect(),
            },
        }
    }
}

/// What a host was told of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Acknowledged,
    /// It was not carried out and never will.
    Refused,
    /// The outcome is unknown; later questions may have found out:
    Unknown,
    Committed,
    Aborted,
}

/// What hosts told.
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub told: BTreeMap<String, Told>,
    /// Refusals by kind, with an example.
    pub kinds: BTreeMap<String, (u64, String)>,
    pub acknowledged: usize,
    /// The version of the newest acknowledgement of each client.
    pub versions: BTreeMap<String, u64>,
    /// What must not be.
    pub wrong: Vec<String>,
}

impl Record {
    fn note(&mut self, text: &str) {
        let mut words = text.splitn(4, ' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (kind, line, detail, rest) = (word(), word(), word(), word());
        let told = match kind.as_str() {
            "acknowledged" => {
                self.acknowledged += 1;
                let client = line.rsplit_once('-').unwrap_or_default().0.to_owned();
                let version = detail.parse().unwrap_or(0);
                let before = self.versions.insert(client, version).unwrap_or(0);
                if version < before {
                    self.wrong
                        .push(format!("{line}: version {version} after {before}"));
                }
                Told::Acknowledged
            }
            "refused" => {
                self.kinds.entry(detail).or_insert((0, rest)).0 += 1;
                Told::Refused
            }
            "unknown" => Told::Unknown,
            "committed" => Told::Committed,
            "aborted" => Told::Aborted,
            _ => return,
        };
        self.told.insert(line, told);
    }

    /// Takes over what a host told that was killed: what it did not know, nobody will.
    fn add_killed(&mut self, mut other: Self) {
        other.told.retain(|_, told| *told != Told::Unknown);
        self.add(other);
    }

    fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.told.extend(other.told);
        self.wrong.extend(other.wrong);
        for (kind, (count, example)) in other.kinds {
            self.kinds.entry(kind).or_insert((0, example)).0 += count;
        }
    }

    fn count(&self, told: Told) -> usize {
        self.told.values().filter(|other| **other == told).count()
    }

    /// Attempts of which nobody could tell what became of them.
    pub fn unknown(&self) -> usize {
        self.count(Told::Unknown)
    }
}

impl std::fmt::Display for Record {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = |told| self.count(told);
        write!(
            formatter,
            "{} acknowledged, {} unknown that were committed, {} aborted, {} not known to the end; refused:",
            self.acknowledged,
            count(Told::Committed),
            count(Told::Aborted),
            count(Told::Unknown)
        )?;
        self.kinds.iter().try_for_each(|(kind, (count, example))| {
            let example: String = example.chars().take(160).collect();
            write!(formatter, "\n  {count} {kind}, such as: {example}")
        })
    }
}

/// One host process.
pub struct Host {
    child: Child,
    stdin: Option<ChildStdin>,
    reader: Option<JoinHandle<()>>,
    record: Arc<Mutex<Record>>,
    clients: usize,
}

/// What all hosts of a test have in common.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub clients: usize,
    pub accounts: u64,
    pub seed: u64,
}

impl Host {
    /// Starts one; its name must be its own.
    pub fn start(name: usize, place: &Place, load: Load) -> Self {
        let order = json!({
            "name": name,
            "clients": load.clients,
            "accounts": load.accounts,
            "seed": load.seed,
            "place": place.json(),
        });
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["swarm::host::host", "--exact", "--ignored", "--nocapture"])
            .env(ORDER, order.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let record = Arc::new(Mutex::new(Record::default()));
        let (output, noted) = (child.stdout.take().unwrap(), Arc::clone(&record));
        Self {
            stdin: child.stdin.take(),
            reader: Some(std::thread::spawn(move || read(output, &noted))),
            child,
            record,
            clients: load.clients,
        }
    }

    /// So many transfers were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.record.lock().acknowledged
    }

    /// Stops it where it is.
    pub fn stop(&self) {
        kill_process(self.pid(), Signal::STOP).unwrap();
    }

    /// Lets it go on after it was stopped.
    pub fn go_on(&self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
    }

    /// How to stop it from elsewhere.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed()).unwrap()
    }

    /// Kills it; answers what it had told.
    pub fn kill(mut self) -> Record {
        let _ = self.child.kill();
        self.ended()
    }

    /// Lets its clients come to an end.
    fn ask_to_end(&mut self) {
        self.stdin.take();
    }

    /// Waits until it has ended by itself; answers what it had told.
    fn end(mut self) -> Record {
        self.ask_to_end();
        let begun = Instant::now();
        loop {
            match self.child.try_wait().unwrap() {
                Some(status) => {
                    assert!(
                        status.success(),
                        "a host failed: {status}; {}",
                        self.record.lock()
                    );
                    return self.ended();
                }
                None => std::thread::sleep(LOOK),
            }
            assert!(
                begun.elapsed() < ENDING,
                "a host does not end: {}",
                self.record.lock()
            );
        }
    }

    fn ended(&mut self) -> Record {
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.record.lock().clone()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(output: ChildStdout, record: &Mutex<Record>) {
    for line in BufReader::new(output).lines() {
        let Ok(line) = line else { return };
        // The test harness begins the first line with words of its own.
        if let Some((_, text)) = line.split_once(MARK) {
            record.lock().note(text);
        }
    }
}

/// Several hosts.
pub struct Hosts {
    pub hosts: Vec<Host>,
    /// What those told that are gone.
    gone: Record,
}

impl Hosts {
    /// Starts one at each place, and waits until all of them work.
    pub fn start(places: &[Place], load: Load) -> Self {
        let hosts = places.iter().enumerate();
        let hosts = hosts.map(|(name, place)| Host::start(name, place, load));
        let hosts = Self {
            hosts: hosts.collect(),
            gone: Record::default(),
        };
        hosts.go_on("the start");
        hosts
    }

    /// Transfers that were acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.hosts.iter().map(Host::acknowledged).sum::<usize>() + self.gone.acknowledged
    }

    /// Waits until so many more transfers are acknowledged.
    pub fn wait_for(&self, what: &str, more: usize) {
        let goal = self.acknowledged() + more;
        self.wait(what, || self.acknowledged() >= goal);
    }

    /// Waits until every host has begun and carried out a transfer after now.
    pub fn go_on(&self, after: &str) {
        self.some_go_on(after, |_| true);
    }

    /// The same, of these hosts.
    pub fn some_go_on(&self, after: &str, which: impl Fn(usize) -> bool) {
        let begun = Instant::now();
        // What was under way is not meant.
        let goals: Vec<usize> = self
            .hosts
            .iter()
            .map(|host| host.acknowledged() + host.clients + 1)
            .collect();
        let hosts = || self.hosts.iter().zip(&goals).enumerate();
        self.wait(after, || {
            hosts()
                .filter(|(index, _)| which(*index))
                .all(|(_, (host, goal))| host.acknowledged() >= *goal)
        });
        println!("after {after}: on after {:?}", begun.elapsed());
    }

    fn wait(&self, what: &str, so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !so() {
            if begun.elapsed() > super::GOES_ON {
                let each = self.hosts.iter().map(|host| host.record.lock().to_string());
                panic!(
                    "{what}: hosts do not go on:\n{}",
                    each.collect::<Vec<_>>().join("\n")
                );
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Kills a host and takes note of what it had told.
    pub fn kill(&mut self, index: usize) {
        let record = self.hosts.remove(index).kill();
        self.gone.add_killed(record);
    }

    /// Kills a host and starts another in its stead.
    pub fn replace(&mut self, index: usize, name: usize, place: &Place, load: Load) {
        let fresh = Host::start(name, place, load);
        let record = std::mem::replace(&mut self.hosts[index], fresh).kill();
        self.gone.add_killed(record);
    }

    /// Lets all come to an end; answers what they told.
    pub fn end(mut self) -> Record {
        let mut record = self.gone;
        for host in &mut self.hosts {
            host.ask_to_end();
        }
        for host in self.hosts {
            record.add(host.end());
        }
        println!("{record}");
        assert!(record.wrong.is_empty(), "{:?}", record.wrong);
        record
    }
}
