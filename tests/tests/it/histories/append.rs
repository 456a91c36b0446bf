//! `history-append`: clients append to lists and read them. A list tells the order of its own writes, so from what was
//! read the checker `adya` infers which transaction came before which, and looks for a cycle. With real time among the
//! edges, no cycle means strictly serializable.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use adya::{History, Opts, Valid, Workload};
use parking_lot::Mutex;
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use sop_host::Isolation;

use super::lists::Lists;
use super::session::{Attempt, Backend, Failed, Session};
use super::{Verdict, all, client_rng, step_back};

const CLIENTS: u64 = 10;
const KEYS: u64 = 8;
const OPERATIONS_MAX: u64 = 6;
/// The process of the last transaction: far from those of the clients.
const LAST_PROCESS: u64 = 1 << 32;

/// Figures of a history that was good.
#[derive(Debug)]
pub struct Figures {
    pub transactions: usize,
    pub committed: usize,
}

/// One thing that a transaction does, and what it saw.
#[derive(Clone, Debug)]
enum Step {
    Append(u64, u64),
    Read(u64, Option<Vec<u64>>),
}

/// What happened, in the order in which it was seen to happen.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Vec<Value>>>);

impl Recorder {
    fn record(&self, kind: &str, process: u64, steps: &[Step]) {
        let steps: Vec<Value> = steps
            .iter()
            .map(|step| match step {
                Step::Append(key, element) => json!(["append", key, element]),
                Step::Read(key, list) => json!(["r", key, list]),
            })
            .collect();
        let event = json!({"type": kind, "process": process, "value": steps});
        self.0.lock().push(event);
    }

    /// Everything so far.
    pub fn events(&self) -> Vec<Value> {
        self.0.lock().clone()
    }
}

/// Runs so many transactions and answers their history.
pub async fn run(backend: &dyn Backend, lists: Lists, seed: u64, transactions: u64) -> Vec<Value> {
    let mut session = backend.session().await;
    session.begin(Isolation::Serializable).await.unwrap();
    lists.create(&mut *session, KEYS).await.unwrap();
    session.commit().await.unwrap();
    let recorder = Recorder::default();
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let client = Client {
            session: backend.session().await,
            lists,
            rng: client_rng(seed, number),
            recorder: recorder.clone(),
            process: number,
            // No element is ever appended twice.
            element: number,
        };
        clients.push(tokio::spawn(client.work(transactions / CLIENTS)));
    }
    all(clients).await;
    // What nobody read after it was appended could be lost unseen.
    let mut steps: Vec<_> = (0..KEYS).map(|key| Step::Read(key, None)).collect();
    recorder.record("invoke", LAST_PROCESS, &steps);
    let mut rng = client_rng(seed, LAST_PROCESS);
    let mut begun = Instant::now();
    while transact(&mut *session, lists, &mut steps).await.is_err() {
        step_back(&mut *session, &mut rng, begun).await;
        begun = Instant::now();
    }
    recorder.record("ok", LAST_PROCESS, &steps);
    recorder.events()
}

/// Checks a history.
pub fn check(events: &[Value]) -> Verdict<Figures> {
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    let history = History::from_json(&lines.join("\n")).map_err(|error| error.to_string())?;
    let options = Opts {
        models: vec!["strict-serializable".to_owned()],
        ..Opts::default()
    };
    let report = adya::check(&history, Workload::ListAppend, &options);
    if report.valid != Valid::True {
        return Err(format!("{:?}: {:#?}", report.anomaly_types, report));
    }
    no_inventions(events)?;
    let count = |kind: &str| events.iter().filter(|event| event["type"] == kind).count();
    Ok(Figures {
        transactions: count("invoke"),
        committed: count("ok"),
    })
}

/// What was read was appended once: about elements that come from nowhere the checker says nothing.
fn no_inventions(events: &[Value]) -> Verdict<()> {
    let of_kind = |kind: &'static str| {
        let events = events.iter().filter(move |event| event["type"] == kind);
        events.flat_map(|event| event["value"].as_array().into_iter().flatten())
    };
    let appended: HashSet<(&Value, &Value)> = of_kind("invoke")
        .filter(|step| step[0] == "append")
        .map(|step| (&step[1], &step[2]))
        .collect();
    for step in of_kind("ok").filter(|step| step[0] == "r") {
        let mut elements = step[2].as_array().into_iter().flatten();
        if let Some(element) = elements.find(|element| !appended.contains(&(&step[1], element))) {
            return Err(format!("nobody appended {element} to {}", step[1]));
        }
    }
    Ok(())
}

struct Client {
    session: Box<dyn Session>,
    lists: Lists,
    rng: StdRng,
    recorder: Recorder,
    process: u64,
    element: u64,
}

impl Client {
    async fn work(mut self, transactions: u64) {
        for _ in 0..transactions {
            let mut steps = self.draw();
            self.recorder.record("invoke", self.process, &steps);
            let begun = Instant::now();
            let answer = transact(&mut *self.session, self.lists, &mut steps).await;
            match answer {
                Ok(()) => self.recorder.record("ok", self.process, &steps),
                Err(Failed::Aborted | Failed::Away) => {
                    self.recorder.record("fail", self.process, &steps)
                }
                Err(Failed::Unknown) => {
                    self.recorder.record("info", self.process, &steps);
                    // To the checker it may still be running: this process does nothing more.
                    self.process += CLIENTS;
                }
            }
            if answer.is_err() {
                step_back(&mut *self.session, &mut self.rng, begun).await;
            }
        }
    }

    fn draw(&mut self) -> Vec<Step> {
        let count = self.rng.random_range(1..=OPERATIONS_MAX);
        let step = |_| {
            let key = self.rng.random_range(0..KEYS);
            if self.rng.random_bool(0.5) {
                return Step::Read(key, None);
            }
            self.element += CLIENTS;
            Step::Append(key, self.element)
        };
        (0..count).map(step).collect()
    }
}

async fn transact(session: &mut dyn Session, lists: Lists, steps: &mut [Step]) -> Attempt<()> {
    session.begin(Isolation::Serializable).await?;
    for step in steps {
        match step {
            Step::Append(key, element) => lists.append(session, *key, *element).await?,
            Step::Read(key, seen) => *seen = Some(lists.read(session, *key).await?),
        }
    }
    session.commit().await
}
