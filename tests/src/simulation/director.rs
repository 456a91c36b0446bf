//! The course of one run: set up, storm, calm, and a look at what is left.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use sop_engine::maintenance::Inspection;
use sop_host::registry::Registry;

use super::nemesis;
use super::scheduler::OUTSIDE;
use super::session::Session;
use super::workload;
use super::world::World;

/// When faults stop, whatever clients have left to do.
const STORM_MAX: Duration = Duration::from_secs(8);
/// How long clients may take to come to their end once nothing goes wrong any more.
const CALM_MAX: Duration = Duration::from_secs(60);
/// No number of a client.
const AUDITOR: usize = usize::MAX >> 8;

/// Runs the world to its end.
pub async fn direct(world: Rc<World>) {
    let ready = beside(&world, |world, session| {
        while let Err(error) = workload::set_up(&world.plan, session) {
            world.ledger.violation(format!("set up: {error}"));
        }
    });
    wait(&world, CALM_MAX, || ready.get()).await;
    world.storm();
    (0..world.plan.hosts).for_each(|slot| world.start(slot));
    let rage = nemesis::rage(Rc::clone(&world));
    let raged = Rc::new(Cell::new(false));
    let over = Rc::clone(&raged);
    world.control.spawn(OUTSIDE, async move {
        rage.await;
        over.set(true);
    });
    wait(&world, STORM_MAX, || {
        world.left.borrow().iter().all(|left| *left == 0)
    })
    .await;
    world.calm_down();
    let clients = world.plan.hosts * world.plan.clients;
    let all = wait(&world, CALM_MAX, || {
        world.finished.borrow().len() == clients && raged.get()
    });
    if !all.await {
        let finished = world.finished.borrow().len();
        world.ledger.violation(format!(
            "without faults only {finished} of {clients} clients came to their end"
        ));
    }
    let looked = beside(&world, look);
    if !wait(&world, CALM_MAX, || looked.get()).await {
        world
            .ledger
            .violation("the last look came to no end".to_owned());
    }
    world.done.set(true);
}

async fn wait(world: &Rc<World>, most: Duration, until: impl Fn() -> bool) -> bool {
    let deadline = world.scheduler.now() + most;
    while !until() {
        if world.scheduler.now() > deadline {
            return false;
        }
        world.scheduler.sleep(Duration::from_millis(5)).await;
    }
    true
}

/// Runs something on a host of its own; the cell says when it is over.
fn beside(
    world: &Rc<World>,
    body: impl FnOnce(&Rc<World>, &Session<'_>) + 'static,
) -> Rc<Cell<bool>> {
    let over = Rc::new(Cell::new(false));
    let (end, body) = (Rc::clone(&over), Cell::new(Some(body)));
    let once = move |world: &Rc<World>, session: &Session<'_>, _, _| {
        if let Some(body) = body.take() {
            body(world, session);
        }
        end.set(true);
    };
    world.boot(1, once, AUDITOR);
    over
}

/// What must be true at the end.
fn look(world: &Rc<World>, session: &Session<'_>) {
    // Requests that were sent long ago arrive, and what they reserve runs out.
    session.sleep(world.plan.registry.slow_max + world.plan.blobs.slow_max);
    session.sleep(world.plan.storage.commit.reservation_lease * 2);
    let free = || {
        let Some(registry) = world.ground.registry() else {
            return false;
        };
        let now = session.wait(registry.now(None, 0));
        now.is_ok_and(|now| {
            registry.release(now.version);
            now.publishing.is_some_and(|ids| ids.is_empty())
        })
    };
    for _ in 0..100 {
        let resolved = session.wait(session.engine.storage.host().resolve_overdue());
        if resolved.is_ok() && free() {
            break;
        }
        session.sleep(Duration::from_millis(50));
    }
    if !free() {
        world.ledger.violation("intents are left over".to_owned());
    }
    for _ in 0..20 {
        if session.ask() == 0 {
            break;
        }
        session.sleep(Duration::from_millis(20));
    }
    told(world);
    let mut audited = Err(sop_engine::error::Error::Ended);
    for _ in 0..20 {
        audited = workload::audit(session);
        if audited.is_ok() {
            break;
        }
    }
    if let Err(error) = audited {
        world
            .ledger
            .violation(format!("the last audit failed: {error}"));
    }
    inspect(world, session);
}

/// What became of each commit of an epoch that has ended can be told by any host, unless a collector took away what says so.
fn told(world: &Rc<World>) {
    if !world.plan.epochs {
        return;
    }
    let current = world.ground.registry().map(|registry| registry.epoch());
    for (record, id) in world.history.unknown() {
        let ended = Some(id.high >> 32) != current.map(u64::from);
        if ended && !world.ground.is_forgotten(id) {
            world.ledger.violation(format!(
                "nobody can tell what became of {id:?} of record {record}"
            ));
        }
    }
}

/// The trees are whole.
fn inspect(world: &Rc<World>, session: &Session<'_>) {
    let inspect = || {
        let mut inspection = Inspection::begin(&session.engine, None)?;
        while !inspection.step(1_000)?.done {}
        Ok::<_, sop_engine::error::Error>(format!("{:?}", inspection.damages()))
    };
    match inspect() {
        Ok(damages) if damages == "[]" => {}
        Ok(damages) => world.ledger.violation(format!("damaged trees: {damages}")),
        Err(error) => world
            .ledger
            .violation(format!("the inspection failed: {error}")),
    }
}
