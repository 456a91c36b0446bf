//! One seed from its beginning to its verdict.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use super::check::{self, Verdict};
use super::director;
use super::history::Answer;
use super::plan::Plan;
use super::scheduler::{Executor, OUTSIDE, Scheduler};
use super::world::World;

/// Virtual time after which a run has come to no end.
const TIME_MAX: Duration = Duration::from_secs(300);
/// Events after which it has not either.
const EVENTS_MAX: u64 = 3_000_000;

/// What a seed came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// What it meant.
    pub plan: Plan,
    /// A hash over everything that happened.
    pub hash: u64,
    /// How many tasks were polled.
    pub events: u64,
    /// How long it took, in virtual time.
    pub elapsed: Duration,
    /// How many transactions are in the segments.
    pub committed: usize,
    /// How many transactions were begun.
    pub begun: usize,
    /// How many commits were answered with an unknown outcome, or never.
    pub unknown: usize,
    /// How many epochs there were.
    pub epochs: u32,
    /// Everything that was wrong; empty = the seed passed.
    pub wrong: Vec<String>,
    /// What happened, line by line, for people.
    pub story: Vec<String>,
}

impl Report {
    /// The command that runs it again.
    pub fn command(&self) -> String {
        let plan = &self.plan;
        let name = |value: &dyn std::fmt::Debug| format!("{value:?}");
        let workload = name(&plan.workload).to_ascii_lowercase();
        let mut command = format!("make simulate SEED={} WORKLOAD={workload}", plan.seed);
        if let Some(sabotage) = plan.sabotage {
            command = format!("{command} SABOTAGE={}", kebab(&name(&sabotage)));
        }
        command
    }
}

fn kebab(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// Runs a plan.
pub fn run(plan: Plan) -> Report {
    let scheduler = Scheduler::new();
    let mut executor = Executor::new(&scheduler, plan.seed);
    let world = World::new(plan, &scheduler, executor.control());
    let director = director::direct(Rc::clone(&world));
    world.control.spawn(OUTSIDE, director);
    let done = || world.done.get() || world.ledger.is_broken();
    let ended = catch_unwind(AssertUnwindSafe(|| {
        executor.run(done, TIME_MAX, EVENTS_MAX)
    }));
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(stuck)) => world
            .ledger
            .violation(format!("the run came to no end: {stuck:?}")),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            world
                .ledger
                .violation(format!("panic: {}", text.unwrap_or("without words")));
        }
    }
    let verdict = match world.done.get() {
        true => check::check(&world),
        false => Verdict {
            wrong: world.ledger.violations(),
            ..Verdict::default()
        },
    };
    let (events, hash) = scheduler.events();
    let records = world.history.records();
    let unknown = records.iter().filter(|record| {
        matches!(record.answer, Answer::Unknown)
            || (record.answer == Answer::Open && !record.attempts.is_empty())
    });
    Report {
        plan: world.plan.clone(),
        hash,
        events,
        elapsed: scheduler.now(),
        committed: verdict.committed,
        begun: records.len(),
        unknown: unknown.count(),
        epochs: world.epochs(),
        wrong: verdict.wrong,
        story: verdict.story,
    }
}
