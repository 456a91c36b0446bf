//! The object store: whether it decides, how long it takes, and where the epochs in it stand.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::{Chart, Finding, Grade, Latency, ROUNDS};
use crate::blob::objects::probe::{PREFIX, probe};
use crate::blob::objects::{Objects, Stored};
use crate::limits;
use crate::recovery::epoch::{EpochError, EpochStore};
use crate::runtime::Runtime;

/// Bytes of the objects that are put and fetched to measure it: a page.
const OBJECT_BYTES: usize = 8 << 10;

/// What the object store says about the database.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// The name of the database in a registry.
    pub(super) seed: Option<u64>,
    /// The newest epoch that began.
    pub(super) epoch: Option<u32>,
    /// Segments since the checkpoint that a recovery would begin with.
    pub(super) segments: u64,
    /// Bytes of them.
    pub(super) segment_bytes: u64,
}

pub(super) async fn examine(objects: &dyn Objects, runtime: &dyn Runtime) -> Vec<Finding> {
    let mut chart = Chart::new("object store");
    match probe(objects, runtime).await {
        Ok(()) => chart.fine(
            "conditional put",
            format!(
                "two in turn and {} racing: exactly one put of a name wins, and it is read and listed at once",
                limits::PROBE_RACERS
            ),
        ),
        Err(error) => {
            chart.problem("conditional put", error.to_string());
            return chart.findings;
        }
    }
    chart.fine(
        "claims",
        "whoever puts `epoch/N/claim` first has it; no clock of this host, the store or the registry decides anything",
    );
    measure_all(objects, runtime, &mut chart).await;
    chart.findings
}

async fn measure_all(objects: &dyn Objects, runtime: &dyn Runtime, chart: &mut Chart) {
    let name = format!("{PREFIX}{:016x}-latency", runtime.random());
    let names: Vec<String> = (0..ROUNDS).map(|round| format!("{name}-{round}")).collect();
    let missing = format!("{name}-missing");
    let body = Bytes::from(vec![7; OBJECT_BYTES]);
    let put = measure(async |round| {
        let name = names.get(round).unwrap_or(&name);
        matches!(
            objects.put_if_absent(name, body.clone()).await,
            Ok(Stored::New)
        )
    });
    let put = put.await;
    let first = names.first().unwrap_or(&name);
    let get = measure(async |_| matches!(objects.get(first).await, Ok(Some(_)))).await;
    let head = measure(async |_| matches!(objects.exists(&missing).await, Ok(false))).await;
    for (subject, latency) in [
        ("put of 8 KiB", put),
        ("get of 8 KiB", get),
        ("look-up", head),
    ] {
        match latency {
            Some(latency) => chart.time(Grade::Fine, subject, latency, ""),
            None => chart.problem(subject, "failed, although the same went well before"),
        }
    }
    if let (Some(put), Some(head)) = (put, head) {
        let microseconds = put.median_us + head.median_us;
        let time = std::time::Duration::from_micros(microseconds);
        let message = format!(
            "about {time:.1?} and two round trips to the registry: one put and one look-up for a group of transactions"
        );
        chart.fine("expected commit", message);
    }
    let mut left = None;
    for name in &names {
        if let Err(error) = objects.delete(name).await {
            left = Some(format!("`{name}` could not be deleted again: {error}"));
        }
    }
    if let Some(left) = left {
        chart.warn("delete", left);
    }
}

/// How long a call takes; `None` = it failed.
async fn measure(call: impl AsyncFn(usize) -> bool) -> Option<Latency> {
    let mut times = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let begun = Instant::now();
        if !call(round).await {
            return None;
        }
        times.push(begun.elapsed());
    }
    Latency::of(times)
}

/// Where the epochs of the database stand.
pub(super) async fn epochs(
    objects: Arc<dyn Objects>,
    runtime: Arc<dyn Runtime>,
) -> (Vec<Finding>, Standing) {
    let mut chart = Chart::new("database");
    let mut standing = Standing::default();
    let epochs = match EpochStore::open(objects, runtime, false).await {
        Ok(epochs) => epochs,
        Err(EpochError::Missing) => {
            chart.warn(
                "identity",
                "there is none yet: the first command that writes creates it",
            );
            return (chart.findings, standing);
        }
        Err(error) => {
            chart.problem("identity", error.to_string());
            return (chart.findings, standing);
        }
    };
    standing.seed = Some(epochs.seed());
    chart.fine("identity", format!("{:016x}", epochs.seed()));
    match epochs.survey().await {
        Ok(survey) => {
            standing.epoch = Some(survey.real);
            standing.segments = survey.segments;
            standing.segment_bytes = survey.bytes;
            let message = format!(
                "{} claimed, {} began; {} segments ({} bytes) since the last checkpoint would be replayed",
                survey.newest, survey.real, survey.segments, survey.bytes
            );
            if survey.newest > survey.real {
                chart.warn(
                    "epochs",
                    format!(
                        "{message}; a recovery is under way, or stopped: the next one steps over it"
                    ),
                );
            } else {
                chart.fine("epochs", message);
            }
        }
        Err(error) => chart.problem("epochs", error.to_string()),
    }
    (chart.findings, standing)
}
