//! Whether the parts of a database can be relied on: what `sop doctor` says.
//!
//! Nothing here changes the database. The object store is probed under a name of its own, which is removed again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::blob::objects::Objects;
use crate::blob::objects::probe::probe;
use crate::config::{Backends, Url};
use crate::database::connect_objects;
use crate::error::Result;
use crate::recovery::epoch::{EpochError, EpochStore};
use crate::registry::redis::{RedisOptions, RedisServer, Vitals};
use crate::runtime::{Runtime, TokioRuntime};

/// Times that a call is repeated to measure it.
const ROUNDS: usize = 9;

/// How good a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// As it must be.
    Fine,
    /// It works, and could be better.
    Warning,
    /// The database cannot be relied on like this, or not at all.
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// Which part: `object store`, `registry`, `database`.
    pub part: &'static str,
    /// What was looked at.
    pub subject: String,
    /// What was found, and what to do about it.
    pub message: String,
    /// How good that is.
    pub grade: Grade,
}

/// Collects findings about one part.
#[derive(Debug)]
struct Chart {
    part: &'static str,
    findings: Vec<Finding>,
}

impl Chart {
    fn new(part: &'static str) -> Self {
        Self {
            part,
            findings: Vec::new(),
        }
    }

    fn note(&mut self, grade: Grade, subject: &str, message: impl Into<String>) {
        self.findings.push(Finding {
            part: self.part,
            subject: subject.to_owned(),
            message: message.into(),
            grade,
        });
    }
}

/// Looks at the parts of the database at a URL.
///
/// # Errors
/// Only where nothing can be looked at, as for a URL that makes no sense; what is wrong with a part is a finding.
pub async fn examine(url: &Url, backends: &Backends) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    if *url == Url::Memory || (matches!(url, Url::Directory(_)) && backends.registry.is_none()) {
        let mut chart = Chart::new("database");
        chart.note(
            Grade::Fine,
            "form",
            "it lives in one process and needs no server; `sop verify` looks at its contents",
        );
        return Ok(chart.findings);
    }
    let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::current());
    let objects = connect_objects(url, backends, false)?;
    findings.extend(examine_objects(objects.as_ref(), runtime.as_ref()).await);
    let (found, stand) = examine_epochs(objects, runtime).await;
    findings.extend(found);
    findings.extend(match &backends.registry {
        Some(registry) => examine_registry(registry, stand).await,
        None => {
            let mut chart = Chart::new("registry");
            chart.note(
                Grade::Fine,
                "form",
                "none: the newest process that opens this database for writing is its only writer",
            );
            chart.findings
        }
    });
    Ok(findings)
}

async fn examine_objects(objects: &dyn Objects, runtime: &dyn Runtime) -> Vec<Finding> {
    let mut chart = Chart::new("object store");
    let begun = Instant::now();
    match probe(objects, runtime).await {
        Ok(()) => chart.note(
            Grade::Fine,
            "conditional put",
            "one after the other and racing, exactly one put of a name wins",
        ),
        Err(error) => {
            chart.note(Grade::Problem, "conditional put", error.to_string());
            return chart.findings;
        }
    }
    tracing::debug!(elapsed = ?begun.elapsed(), "probed");
    let name = format!("probe/{:016x}-latency", runtime.random());
    let body = bytes::Bytes::from(vec![7; 8 << 10]);
    let put = measure(async || objects.put(&name, body.clone()).await.is_ok()).await;
    let get = measure(async || matches!(objects.get(&name).await, Ok(Some(_)))).await;
    let missing = format!("{name}-missing");
    let head = measure(async || objects.exists(&missing).await.is_ok()).await;
    // Leaving a small object behind under `probe/` harms nobody.
    let _ = objects.delete(&name).await;
    for (subject, time) in [
        ("put of 8 KiB", put),
        ("get of 8 KiB", get),
        ("look-up", head),
    ] {
        match time {
            Some(time) => chart.note(Grade::Fine, subject, format!("{time:.1?} (median)")),
            None => chart.note(Grade::Problem, subject, "failed"),
        }
    }
    if let (Some(put), Some(head)) = (put, head) {
        let message = format!("about {:.1?}: one put and one look-up", put + head);
        chart.note(Grade::Fine, "expected commit", message);
    }
    chart.findings
}

/// Which database lies here, and its newest claimed epoch.
#[derive(Clone, Copy, Debug)]
struct Stand {
    seed: u64,
    newest: Option<u32>,
}

async fn examine_epochs(
    objects: Arc<dyn Objects>,
    runtime: Arc<dyn Runtime>,
) -> (Vec<Finding>, Option<Stand>) {
    let mut chart = Chart::new("database");
    let epochs = match EpochStore::open(objects, runtime, false).await {
        Ok(epochs) => epochs,
        Err(EpochError::Missing) => {
            let message = "there is none yet: the first command that writes creates it";
            chart.note(Grade::Warning, "identity", message);
            return (chart.findings, None);
        }
        Err(error) => {
            chart.note(Grade::Problem, "identity", error.to_string());
            return (chart.findings, None);
        }
    };
    let mut newest = None;
    chart.note(Grade::Fine, "identity", format!("{:016x}", epochs.seed()));
    match epochs.survey().await {
        Ok(survey) => {
            let message = format!(
                "{} claimed, {} began; {} segments ({} bytes) since the last checkpoint would be replayed",
                survey.newest, survey.real, survey.segments, survey.bytes
            );
            newest = Some(survey.newest);
            let undecided = survey.newest > survey.real;
            let grade = if undecided {
                Grade::Warning
            } else {
                Grade::Fine
            };
            chart.note(grade, "epochs", message);
        }
        Err(error) => chart.note(Grade::Problem, "epochs", error.to_string()),
    }
    let seed = epochs.seed();
    (chart.findings, Some(Stand { seed, newest }))
}

async fn examine_registry(url: &str, stand: Option<Stand>) -> Vec<Finding> {
    let mut chart = Chart::new("registry");
    // Before there is a database its keys have no name; any will do to look at the server.
    let name = stand.map_or_else(
        || "doctor".to_owned(),
        |stand| format!("{:016x}", stand.seed),
    );
    let server = match RedisServer::unchecked(url, &name, RedisOptions::default()) {
        Ok(server) => server,
        Err(error) => {
            chart.note(Grade::Problem, "address", error.to_string());
            return chart.findings;
        }
    };
    let vitals = match server.vitals().await {
        Ok(vitals) => vitals,
        Err(error) => {
            chart.note(Grade::Problem, "server", error.to_string());
            return chart.findings;
        }
    };
    let form = match (vitals.cluster, vitals.replicas) {
        (true, _) => "a node of a cluster".to_owned(),
        (false, 0) => "alone".to_owned(),
        (false, replicas) => format!("a master with {replicas} replicas"),
    };
    chart.note(
        Grade::Fine,
        "server",
        format!("Redis {}, {form}", vitals.version),
    );
    chart.note(
        Grade::Fine,
        "round trip",
        format!(
            "{:.1?} (median), {:.1?} at best",
            vitals.round_trip, vitals.round_trip_min
        ),
    );
    examine_memory(&mut chart, &vitals);
    let file = if vitals.append_only {
        "keeps"
    } else {
        "keeps no"
    };
    let message = format!(
        "it {file} append-only file; neither is needed: after a restart the registry is rebuilt from the object store"
    );
    chart.note(Grade::Fine, "persistence", message);
    match server.check_rights().await {
        Ok(()) => chart.note(
            Grade::Fine,
            "rights",
            "the user may call what the scripts call",
        ),
        Err(error) => chart.note(Grade::Problem, "rights", error.to_string()),
    }
    if let Some(newest) = stand.and_then(|stand| stand.newest) {
        let (grade, message) = standing_of(&vitals, newest);
        chart.note(grade, "epoch", message);
    }
    chart.findings
}

fn examine_memory(chart: &mut Chart, vitals: &Vitals) {
    let (used, most) = (vitals.memory_bytes, vitals.memory_bytes_max);
    let policy = &vitals.eviction_policy;
    match most {
        _ if vitals.evicts => {
            let message = format!(
                "when {most} bytes are full it throws keys away ({policy}), and each lost key costs a recovery: \
                 `CONFIG SET maxmemory-policy noeviction`"
            );
            chart.note(Grade::Problem, "eviction", message);
        }
        0 => {
            let message = format!("no limit ({policy}); {used} bytes used");
            chart.note(Grade::Fine, "memory", message);
        }
        _ => {
            // Four fifths leave time to act.
            let grade = match used > most / 5 * 4 {
                true => Grade::Warning,
                false => Grade::Fine,
            };
            let message = format!(
                "{used} of {most} bytes used; when they are full commits fail, nothing is lost"
            );
            chart.note(grade, "memory", message);
        }
    }
}

/// What the epoch in the registry says beside the newest one of the blob store.
fn standing_of(vitals: &Vitals, newest: u32) -> (Grade, String) {
    match vitals.standing.epoch {
        Some(epoch) if epoch == newest => {
            (Grade::Fine, format!("{epoch} is active, the newest one"))
        }
        Some(epoch) if epoch < newest => (
            Grade::Warning,
            format!("{epoch} is active, {newest} was claimed: the next host goes on from there"),
        ),
        Some(epoch) => (
            Grade::Problem,
            format!(
                "{epoch} is active, but the object store knows only {newest}: they do not belong together"
            ),
        ),
        None => {
            let held = match vitals.standing.remembered {
                Some(remembered) => format!("it once held {remembered}; "),
                None => String::new(),
            };
            (
                Grade::Warning,
                format!("none is active; {held}the next host that opens the database recovers it"),
            )
        }
    }
}

/// The median time of a call; `None` = it failed.
async fn measure(call: impl AsyncFn() -> bool) -> Option<Duration> {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        if !call().await {
            return None;
        }
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times.get(ROUNDS / 2).copied()
}
