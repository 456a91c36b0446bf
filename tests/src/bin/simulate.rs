//! Runs the shipped protocol code under seeds until time or seeds run out, or one fails.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use sop_tests::simulation::{Plan, Report, Sabotage, WorkloadKind, run};

/// The seeded simulation of the commit protocol.
#[derive(Clone, Debug, Parser)]
struct Arguments {
    /// Runs this seed twice and compares the event hashes.
    #[arg(long)]
    seed: Option<u64>,
    /// Where to begin without `--seed`.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// How many seeds at most.
    #[arg(long, default_value_t = u64::MAX)]
    seeds: u64,
    /// How long at most, in seconds.
    #[arg(long, default_value_t = 30)]
    seconds_max: u64,
    /// How many seeds at a time; 0 = one for each processor.
    #[arg(long, default_value_t = 0)]
    jobs: usize,
    /// Only this workload.
    #[arg(long)]
    workload: Option<WorkloadKind>,
    /// Breaks one rule, to show that it is noticed.
    #[arg(long)]
    sabotage: Option<Sabotage>,
    /// One line of JSON at the end.
    #[arg(long)]
    json: bool,
    /// One line for every seed; with `--seed` the whole story.
    #[arg(long)]
    verbose: bool,
}

/// What all seeds came to.
#[derive(Debug, Default)]
struct Totals {
    seeds: AtomicU64,
    events: AtomicU64,
    committed: AtomicU64,
    begun: AtomicU64,
    unknown: AtomicU64,
    epochs: AtomicU64,
    failed: AtomicBool,
    failure: Mutex<Option<Report>>,
}

impl Totals {
    fn add(&self, report: &Report) {
        let add = |total: &AtomicU64, by: u64| total.fetch_add(by, Ordering::Relaxed);
        add(&self.seeds, 1);
        add(&self.events, report.events);
        add(&self.committed, report.committed as u64);
        add(&self.begun, report.begun as u64);
        add(&self.unknown, report.unknown as u64);
        add(&self.epochs, u64::from(report.epochs));
    }

    fn fail(&self, report: Report) {
        self.failed.store(true, Ordering::Relaxed);
        let mut failure = self.failure.lock().unwrap_or_else(|lock| lock.into_inner());
        failure.get_or_insert(report);
    }
}

fn show(report: &Report) {
    println!(
        "seed {} {:?}: {} events, {:?}, {} of {} transactions committed, {} unknown, {} epochs, \
         hash {:016x}",
        report.plan.seed,
        report.plan.workload,
        report.events,
        report.elapsed,
        report.committed,
        report.begun,
        report.unknown,
        report.epochs,
        report.hash
    );
}

fn explain(report: &Report) {
    println!("seed {} failed: {:#?}", report.plan.seed, report.plan);
    for wrong in report.wrong.iter().take(10) {
        println!("  {wrong}");
    }
    println!("repeat it with: {}", report.command());
}

/// One seed twice: it must pass, and come to the same.
fn repeat(arguments: &Arguments, seed: u64) -> bool {
    let plan = Plan::new(seed, arguments.workload, arguments.sabotage);
    let (first, second) = (run(plan.clone()), run(plan));
    show(&first);
    if arguments.verbose {
        first.story.iter().for_each(|line| println!("{line}"));
    }
    if first.hash != second.hash {
        println!("the same seed came to another hash: {:016x}", second.hash);
        return false;
    }
    if !first.wrong.is_empty() {
        explain(&first);
        return false;
    }
    println!("passed");
    true
}

fn work(arguments: &Arguments, next: &AtomicU64, totals: &Totals, deadline: Instant) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let over = number >= arguments.seeds || Instant::now() >= deadline;
        if over || totals.failed.load(Ordering::Relaxed) {
            return;
        }
        let seed = arguments.first.wrapping_add(number);
        let report = run(Plan::new(seed, arguments.workload, arguments.sabotage));
        totals.add(&report);
        if arguments.verbose {
            show(&report);
        }
        if !report.wrong.is_empty() {
            totals.fail(report);
        }
    }
}

fn many(arguments: &Arguments) -> bool {
    let jobs = match arguments.jobs {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        jobs => jobs,
    };
    let (begin, next, totals) = (Instant::now(), AtomicU64::new(0), Totals::default());
    let deadline = begin + Duration::from_secs(arguments.seconds_max);
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs)
            .map(|_| scope.spawn(|| work(arguments, &next, &totals, deadline)))
            .collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            std::thread::sleep(Duration::from_millis(100));
            let seeds = totals.seeds.load(Ordering::Relaxed);
            let left = deadline.saturating_duration_since(Instant::now()).as_secs();
            bar.set_message(format!("{seeds} seeds, {left} s left"));
            bar.tick();
        }
    });
    bar.finish_and_clear();
    let read = |total: &AtomicU64| total.load(Ordering::Relaxed);
    let seconds = begin.elapsed().as_secs_f64();
    let rate = read(&totals.seeds) as f64 * 60.0 / seconds;
    let failure = totals
        .failure
        .lock()
        .unwrap_or_else(|lock| lock.into_inner());
    if arguments.json {
        let json = serde_json::json!({
            "seeds": read(&totals.seeds), "seconds": seconds, "seeds_per_minute": rate,
            "events": read(&totals.events), "begun": read(&totals.begun),
            "committed": read(&totals.committed), "unknown": read(&totals.unknown),
            "epochs": read(&totals.epochs),
            "failed_seed": failure.as_ref().map(|report| report.plan.seed),
            "wrong": failure.as_ref().map(|report| report.wrong.clone()),
            "repeat": failure.as_ref().map(Report::command),
        });
        println!("{json}");
    } else {
        println!(
            "{} seeds in {seconds:.1} s ({rate:.0} a minute): {} of {} transactions committed, {} \
             of unknown outcome, {} epochs, {} events",
            read(&totals.seeds),
            read(&totals.committed),
            read(&totals.begun),
            read(&totals.unknown),
            read(&totals.epochs),
            read(&totals.events)
        );
        failure.iter().for_each(explain);
    }
    let _ = std::io::stdout().flush();
    failure.is_none()
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let passed = match arguments.seed {
        Some(seed) => repeat(&arguments, seed),
        None => many(&arguments),
    };
    match passed {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
