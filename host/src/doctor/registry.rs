//! The registry: whether it answers, what it would do under pressure, and whether it is the one of this database.

use super::objects::Standing;
use super::{Chart, Finding, Grade, Latency, ROUNDS};
use crate::registry::redis::{Examination, RedisOptions, RedisServer};

/// The oldest server that knows every command of the scripts.
const VERSION_LEAST: (u64, u64) = (6, 2);
/// A round trip longer than this makes transactions slow.
const ROUND_TRIP_US_MAX: u64 = 5_000;

pub(super) async fn examine(address: &str, standing: &Standing) -> Vec<Finding> {
    let mut chart = Chart::new("registry");
    // Before there is a database its name is not known; rights may differ under another one.
    let name = format!("{:016x}", standing.seed.unwrap_or(0));
    let server = match RedisServer::at(address, &name, RedisOptions::default()) {
        Ok(server) => server,
        Err(error) => {
            chart.problem("address", error.to_string());
            return chart.findings;
        }
    };
    if !round_trips(&server, &mut chart).await {
        return chart.findings;
    }
    let examination = match server.examine().await {
        Ok(examination) => examination,
        Err(error) => {
            chart.problem("examination", error.to_string());
            return chart.findings;
        }
    };
    if let Some(silence) = examination.silence() {
        let message = format!("it does not tell what it is, which every script asks: {silence}");
        chart.problem("rights", message);
        return chart.findings;
    }
    version(&examination, &mut chart);
    role(&examination, &mut chart);
    memory(&examination, &mut chart);
    persistence(&examination, standing, &mut chart);
    rights(&examination, &name, &mut chart);
    if examination.is_master() {
        epoch(&server, standing, &mut chart).await;
    }
    chart.findings
}

/// Whether it answers at all.
async fn round_trips(server: &RedisServer, chart: &mut Chart) -> bool {
    let mut times = Vec::with_capacity(ROUNDS);
    // The first call may have to connect.
    for round in 0..=ROUNDS {
        match server.measure_round_trip().await {
            Ok(time) if round > 0 => times.push(time),
            Ok(_) => {}
            Err(error) => {
                chart.problem("reachability", error.to_string());
                return false;
            }
        }
    }
    chart.fine("reachability", format!("answers at {}", server.place()));
    if let Some(latency) = Latency::of(times) {
        let (grade, meaning) = if latency.median_us > ROUND_TRIP_US_MAX {
            let meaning = ": far away for something that every transaction asks at least once; put it nearer to the hosts";
            (Grade::Warning, meaning)
        } else {
            (Grade::Fine, "")
        };
        chart.time(grade, "round trip", latency, meaning);
    }
    true
}

fn version(examination: &Examination, chart: &mut Chart) {
    let text = examination.field("redis_version").unwrap_or_default();
    let mut numbers = text.split('.').map(|part| part.parse().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let (major, minor) = VERSION_LEAST;
    if version < VERSION_LEAST {
        let message = format!(
            "{text}: commands are missing that the scripts need; use {major}.{minor} or newer"
        );
        chart.problem("version", message);
    } else {
        chart.fine("version", text);
    }
}

fn role(examination: &Examination, chart: &mut Chart) {
    let field = |name| examination.field(name).unwrap_or("?");
    if examination.is_master() {
        let replicas = examination.number("connected_slaves").unwrap_or(0);
        let form = match examination.field("redis_mode") {
            Some("cluster") => "a master of a cluster",
            _ => "a master",
        };
        let message = format!(
            "{form} with {replicas} replicas; one that is promoted is noticed, and what it missed comes back by recovery"
        );
        chart.fine("role", message);
    } else {
        let message = format!(
            "it is a replica of {}:{} (link {}): hosts can only use a master; name that one, its Sentinels \
             (redis+sentinel://HOST,HOST/NAME) or its cluster (redis+cluster://HOST,HOST)",
            field("master_host"),
            field("master_port"),
            field("master_link_status")
        );
        chart.problem("role", message);
    }
}

fn memory(examination: &Examination, chart: &mut Chart) {
    let policy = examination.field("maxmemory_policy").unwrap_or("?");
    let (used, most) = (
        examination.number("used_memory").unwrap_or(0),
        examination.number("maxmemory").unwrap_or(0),
    );
    let evicted = examination.number("evicted_keys").unwrap_or(0);
    let history = if evicted > 0 {
        format!("; it has thrown {evicted} keys away since it was started")
    } else {
        String::new()
    };
    if policy == "noeviction" {
        let message = format!(
            "noeviction: when its memory is full it refuses commits, and loses nothing{history}"
        );
        chart.fine("eviction", message);
    } else if most == 0 {
        let message = format!(
            "{policy}, which does nothing while `maxmemory` is 0; `CONFIG SET maxmemory-policy noeviction` before that \
             changes{history}"
        );
        chart.warn("eviction", message);
    } else {
        let message = format!(
            "{policy}: when its memory is full it throws keys away. Each loss is noticed and nothing acknowledged goes, \
             but it costs a recovery of the whole database, again and again; no host opens it like this: `CONFIG SET \
             maxmemory-policy noeviction`{history}"
        );
        chart.problem("eviction", message);
    }
    let mebibytes =
        |bytes: u64| format!("{}.{} MiB", bytes >> 20, (bytes >> 10) % 1024 * 10 / 1024);
    if most == 0 {
        let message = format!("{} used, no maximum", mebibytes(used));
        chart.fine("memory", message);
    } else if used / 4 >= most / 5 {
        let message = format!(
            "{} of {} used: when it is full, commits fail until there is room",
            mebibytes(used),
            mebibytes(most)
        );
        chart.warn("memory", message);
    } else {
        let message = format!("{} of {} used", mebibytes(used), mebibytes(most));
        chart.fine("memory", message);
    }
}

fn persistence(examination: &Examination, standing: &Standing, chart: &mut Chart) {
    let loading = examination.number("loading") == Some(1);
    let file = match examination.number("aof_enabled") {
        Some(1) => "an append-only file is written",
        _ => "no append-only file is written",
    };
    let message = format!(
        "{file}; none is needed or believed: a server that starts again is not the registry of the epoch any more, \
         whatever it loaded, and a recovery replays {} segments ({} bytes) and the handles of the checkpoint before them",
        standing.segments, standing.segment_bytes
    );
    if loading {
        chart.warn(
            "persistence",
            format!("it is loading its data set; {message}"),
        );
    } else {
        chart.fine("persistence", message);
    }
}

fn rights(examination: &Examination, name: &str, chart: &mut Chart) {
    match examination.refused.as_deref() {
        None => {}
        Some([]) => chart.fine("rights", "every command of the scripts is allowed"),
        Some(refused) => {
            let message = format!(
                "commands of the scripts fail: {}; the user needs ~sop:{{{name}}}:* and EVALSHA, EVAL, INFO, TIME and \
                 the commands on hashes, lists, sets and sorted sets",
                refused.join("; ")
            );
            chart.problem("rights", message);
        }
    }
}

/// Whether it holds the epoch that the object store says is the newest.
async fn epoch(server: &RedisServer, standing: &Standing, chart: &mut Chart) {
    let (active, remembered) = match server.epochs().await {
        Ok(epochs) => epochs,
        Err(error) => {
            chart.problem("epoch", error.to_string());
            return;
        }
    };
    let recovers = "the next host that opens the database recovers it from the object store";
    match (active, remembered, standing.epoch) {
        (Some(active), _, Some(began)) if active == began => {
            let message = format!(
                "{active}: stamped by this server, complete, and the newest of the database"
            );
            chart.fine("epoch", message);
        }
        (Some(active), _, Some(began)) if active < began => {
            let message = format!(
                "it holds {active}, and {began} has begun: hosts now work over another registry, or are about to; see that \
                 all of them name the same one"
            );
            chart.warn("epoch", message);
        }
        (Some(active), ..) => {
            let message = format!(
                "it holds {active}, which the object store does not know: it belongs to another copy of this database"
            );
            chart.problem("epoch", message);
        }
        (None, Some(lost), _) => {
            let message = format!(
                "it held {lost}, and has lost its stamp or a key since (a restart, a failover, an eviction, a flush): {recovers}"
            );
            chart.warn("epoch", message);
        }
        (None, None, Some(0) | None) => chart.fine("epoch", "none yet"),
        (None, None, Some(began)) => {
            chart.warn("epoch", format!("it knows nothing of {began}: {recovers}"));
        }
    }
}
