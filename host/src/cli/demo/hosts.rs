//! The demo over several host processes: one store, one of the hosts killed and the registry emptied in the middle.
//!
//! ```text
//!  parent: enqueue ─► start N hosts ─► 30 %: SIGKILL one ─► 60 %: empty the registry ─► all left end ─► prove
//!  host:   agents work until the queue is empty; each acknowledged document is told on stdout
//! ```
//!
//! What is proved: every document that any host acknowledged is indexed, each document exactly once, counts as a recount in
//! plain Rust gives them.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use sop_host::{Database, Plugin, Url};

use super::agents::{Swarm, Tally};
use super::{Arguments, RETENTION, documents, proof};
use crate::cli::Global;
use crate::cli::console::Console;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::open::{Purpose, builder};
use crate::cli::quantity;

/// Failed runs that each agent of a host may leave behind.
pub(super) const FAILURES_MAX: u64 = 200;
/// Share of the documents after which a host is killed, in percent.
const KILL_PERCENT: u64 = 30;
/// Share of the documents after which the registry is emptied, in percent.
const FLUSH_PERCENT: u64 = 60;
/// How long no host may acknowledge anything.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Opens the database that all hosts share.
pub(super) async fn open(global: &Global) -> Outcome<Database> {
    let builder = builder(global, Purpose::Create)?.retention(RETENTION);
    Ok(builder.open().await?)
}

/// One host: works until the queue is empty.
pub(super) async fn work(swarm: Swarm) -> Outcome {
    let tally = swarm
        .work(|document, _| {
            let mut stdout = std::io::stdout().lock();
            // A parent that is gone reads nothing; the work goes on all the same.
            let _ = writeln!(stdout, "{document}").and_then(|()| stdout.flush());
        })
        .await?;
    let statistics = swarm.database.statistics();
    let figures = serde_json::json!({
        "conflicts": tally.conflicts,
        "revalidated": tally.revalidated,
        "failures": tally.failures,
        "commits": statistics.storage.commits,
        "groups": statistics.storage.groups,
    });
    println!("{figures}");
    swarm.database.close().await?;
    Ok(())
}

/// What a host tells.
enum Word {
    Document(u64),
    Figures(serde_json::Value),
}

/// The hosts at work.
struct Hosts {
    children: Vec<Child>,
    words: mpsc::Receiver<Word>,
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for child in &mut self.children {
            // One that has ended is no error.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn lost(error: std::io::Error) -> Failure {
    Failure::new("internal", format!("a host process: {error}"))
}

impl Hosts {
    fn start(count: u32, arguments: &[String]) -> Outcome<Self> {
        let (sender, words) = mpsc::channel();
        let mut hosts = Self {
            children: Vec::new(),
            words,
        };
        let program = std::env::current_exe().map_err(lost)?;
        for _ in 0..count {
            let mut child = Command::new(&program)
                .args(arguments)
                .stdout(Stdio::piped())
                .spawn()
                .map_err(lost)?;
            let stdout = child.stdout.take();
            hosts.children.push(child);
            let sender = sender.clone();
            std::thread::spawn(move || {
                let lines = stdout
                    .into_iter()
                    .flat_map(|out| BufReader::new(out).lines());
                for line in lines.map_while(Result::ok) {
                    // The last line of a killed host may be cut short; then it was not told.
                    let word = match (line.parse(), serde_json::from_str(&line)) {
                        (Ok(document), _) => Word::Document(document),
                        (_, Ok(figures)) => Word::Figures(figures),
                        _ => continue,
                    };
                    if sender.send(word).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(hosts)
    }
}

/// What the hosts did.
#[derive(Debug, Default)]
struct Done {
    acknowledged: BTreeSet<u64>,
    conflicts: u64,
    revalidated: u64,
    failures: u64,
    commits: u64,
    groups: u64,
    flushed: bool,
    elapsed: Duration,
}

/// The whole demo.
pub(super) async fn run(
    arguments: &Arguments,
    count: u32,
    plugin: Plugin,
    global: &Global,
    console: &mut Console,
) -> Outcome {
    if global.backends.registry.is_none() || global.database.parse::<Url>()? == Url::Memory {
        return Err(Failure::usage(
            "--hosts needs a database and a registry that several processes can share".to_owned(),
        )
        .advise("name them with --database s3://… (or dir:…) and --registry redis://…"));
    }
    let piece_bytes = usize::try_from(arguments.piece_bytes).unwrap_or(usize::MAX);
    let all = documents::collect(&arguments.documents, piece_bytes, arguments.documents_max)?;
    let total = all.len() as u64;
    let swarm = arguments.swarm(open(global).await?, plugin, total);
    let stores = swarm
        .database
        .transact(async |transaction| transaction.stores().await);
    if !stores.await?.is_empty() {
        return Err(Failure::usage(format!(
            "{} is not empty: name a new prefix",
            global.database
        )));
    }
    console.note(&format!(
        "{total} documents of {}, {count} hosts with {} agents in all",
        arguments.documents.display(),
        arguments.agents
    ));
    swarm.enqueue(&all).await?;
    let mut child_arguments = global.arguments();
    child_arguments.extend([
        "demo".to_owned(),
        "--be-host".to_owned(),
        format!("--agents={}", arguments.agents.div_ceil(count).max(1)),
        format!("--shards={}", arguments.shards()),
        format!("--span={total}"),
        format!("--plugin={}", arguments.plugin.display()),
    ]);
    let hosts = Hosts::start(count, &child_arguments)?;
    let flush = match (&global.backends.registry, arguments.flush_registry) {
        (Some(registry), true) => Some(registry.clone()),
        _ => None,
    };
    let progress = console.progress();
    let watched = tokio::task::spawn_blocking(move || {
        watch(hosts, total, flush.as_deref(), &|count| {
            progress.units(count, total)
        })
    });
    let done = watched
        .await
        .map_err(|error| Failure::new("internal", format!("watching the hosts: {error}")))??;
    let proof = proof::prove(&swarm, &all, &done.acknowledged).await?;
    let indexed = proof.index.documents.len() as u64;
    if indexed != total {
        return Err(Failure::new(
            "unverified",
            format!("the hosts ended with {indexed} of {total} documents indexed"),
        ));
    }
    swarm.database.close().await?;
    print(&done, count, total, &proof, console)
}

/// Takes everything away from a registry server, as a restart without persistence would.
fn empty(registry: &str) -> redis::RedisResult<()> {
    let mut connection = redis::Client::open(registry)?.get_connection()?;
    redis::cmd("FLUSHALL").query(&mut connection)
}

/// Follows the hosts to their end; kills one of them and empties the registry on the way.
fn watch(
    mut hosts: Hosts,
    total: u64,
    mut flush: Option<&str>,
    progress: &dyn Fn(u64),
) -> Outcome<Done> {
    let begun = Instant::now();
    let mut done = Done::default();
    let mut killed = false;
    loop {
        match hosts.words.recv_timeout(SILENCE_MAX) {
            Ok(Word::Document(id)) => {
                if !done.acknowledged.insert(id) {
                    let message = format!("document {id} was acknowledged twice");
                    return Err(Failure::new("unverified", message));
                }
            }
            Ok(Word::Figures(figures)) => {
                let figure = |name: &str| {
                    figures
                        .get(name)
                        .and_then(serde_json::Value::as_u64)
                        .unwrap_or(0)
                };
                done.conflicts += figure("conflicts");
                done.revalidated += figure("revalidated");
                done.failures += figure("failures");
                done.commits += figure("commits");
                done.groups += figure("groups");
            }
            // All hosts have ended.
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                return Err(Failure::new(
                    "unavailable",
                    format!("no host did anything for {SILENCE_MAX:?}"),
                ));
            }
        }
        let count = done.acknowledged.len() as u64;
        progress(count);
        if !killed && count * 100 >= total * KILL_PERCENT {
            killed = true;
            if let Some(victim) = hosts.children.first_mut() {
                victim.kill().map_err(lost)?;
            }
        }
        if count * 100 >= total * FLUSH_PERCENT
            && let Some(registry) = flush.take()
        {
            empty(registry).map_err(|error| {
                Failure::new("unavailable", format!("emptying {registry}: {error}"))
            })?;
            done.flushed = true;
        }
    }
    done.elapsed = begun.elapsed();
    for (number, child) in hosts.children.iter_mut().enumerate() {
        let status = child.wait().map_err(lost)?;
        if number > 0 && !status.success() {
            let message = format!("host {number} failed: {status}");
            return Err(Failure::new("unverified", message));
        }
    }
    if !killed {
        return Err(Failure::new(
            "internal",
            "the work was done before a host was killed".to_owned(),
        ));
    }
    Ok(done)
}

fn print(
    done: &Done,
    hosts: u32,
    total: u64,
    proof: &proof::Proof,
    console: &mut Console,
) -> Outcome {
    let tally = Tally {
        documents: total,
        elapsed: done.elapsed,
        ..Tally::default()
    };
    let rate = quantity::rate(tally.documents, tally.elapsed);
    let json = serde_json::json!({
        "verified": true,
        "hosts": hosts,
        "killed": 1,
        "registry_flushed": done.flushed,
        "documents": total,
        "acknowledged": done.acknowledged.len(),
        "terms": proof.index.terms.len(),
        "conflicts": done.conflicts,
        "revalidated": done.revalidated,
        "failed_runs": done.failures,
        "commits": done.commits,
        "groups": done.groups,
        "seconds": done.elapsed.as_secs_f64(),
    });
    let flushed = if done.flushed {
        "one killed, the registry emptied"
    } else {
        "one killed"
    };
    console.answer(&json, || {
        format!(
            "{hosts} hosts ({flushed}): {total} documents in {:.1?}, {rate} transactions/s\n\
             {} conflicts, {} validated again, {} commits in {} groups, {} failed runs\n\
             verified: every document exactly once, {} terms as counted again, {} pages sound",
            done.elapsed,
            done.conflicts,
            done.revalidated,
            done.commits,
            done.groups,
            done.failures,
            quantity::count(proof.index.terms.len() as u64),
            quantity::count(
                proof
                    .report
                    .stores
                    .iter()
                    .map(|store| store.leaves + store.branches)
                    .sum()
            ),
        )
    })
}
