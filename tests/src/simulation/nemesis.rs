//! What befalls hosts: crashes, pauses, relocations, takeovers by a new epoch.

use std::rc::Rc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sop_engine::types::LogicalId;

use super::scheduler::OUTSIDE;
use super::world::World;

/// Most epochs of a run.
const EPOCHS_MAX: u32 = 5;

fn milliseconds(random: &mut StdRng, most: u64) -> Duration {
    Duration::from_micros(random.random_range(0..=most * 1_000))
}

/// Deals out blows until it is calm, and sees each to its end.
pub async fn rage(world: Rc<World>) {
    let mut random = StdRng::seed_from_u64(world.plan.seed ^ 0x4e45_4d45);
    let blows = world.plan.blows;
    let every = u64::try_from(blows.every.as_millis()).unwrap_or(u64::MAX);
    let weights = [blows.crash, blows.pause, blows.takeover, blows.relocate];
    let sum: u32 = weights.iter().sum();
    while !world.calm.get() && sum > 0 {
        let wait = milliseconds(&mut random, 2 * every);
        world.scheduler.sleep(wait).await;
        if world.calm.get() {
            return;
        }
        let mut drawn = random.random_range(0..sum);
        let mut blow = 0;
        while drawn >= weights[blow] {
            drawn -= weights[blow];
            blow += 1;
        }
        let slot = random.random_range(0..world.plan.hosts);
        world.scheduler.note(&[6, blow as u64, slot as u64]);
        match blow {
            0 => crash(&world, &mut random, slot),
            1 => pause(&world, &mut random, slot),
            2 => takeover(&world, &mut random).await,
            _ => relocate(&world, &mut random, slot),
        }
    }
}

fn crash(world: &Rc<World>, random: &mut StdRng, slot: usize) {
    if !world.runs(slot) {
        return;
    }
    world.crash(slot);
    let wait = milliseconds(random, 300);
    let world = Rc::clone(world);
    world.control.clone().spawn(OUTSIDE, async move {
        world.scheduler.sleep(wait).await;
        world.start(slot);
    });
}

fn pause(world: &Rc<World>, random: &mut StdRng, slot: usize) {
    let expire = random.random_range(0..2) == 0;
    let wait = milliseconds(random, 600);
    let Some(owner) = world.pause(slot, expire) else {
        return;
    };
    let world = Rc::clone(world);
    world.control.clone().spawn(OUTSIDE, async move {
        world.scheduler.sleep(wait).await;
        world.control.resume(owner);
    });
}

/// Claim, list, replay, go on; the former registry is lost at once, later, or never.
async fn takeover(world: &Rc<World>, random: &mut StdRng) {
    let epoch = world.epochs() + 1;
    if epoch > EPOCHS_MAX {
        return;
    }
    world.blobs.claim(epoch);
    world
        .scheduler
        .sleep(milliseconds(random, random_most(epoch)))
        .await;
    let life = world.recover(epoch);
    world.scheduler.sleep(milliseconds(random, 30)).await;
    world.activate(life);
    match random.random_range(0..3) {
        0 => world.lose_former(),
        1 => {
            world.scheduler.sleep(milliseconds(random, 200)).await;
            world.lose_former();
        }
        _ => {}
    }
}

fn random_most(epoch: u32) -> u64 {
    if epoch.is_multiple_of(2) { 1 } else { 60 }
}

/// Moves bodies of half of the segments.
fn relocate(world: &Rc<World>, random: &mut StdRng, slot: usize) {
    let Some((owner, storage)) = world.storage(slot) else {
        return;
    };
    let entries = world.life().registry.inner.entries_after(None, 1_000);
    let ids: Vec<LogicalId> = entries
        .unwrap_or_default()
        .iter()
        .map(|entry| entry.id)
        .collect();
    let salt: u64 = random.random();
    let leaves = move |place: &sop_engine::types::PhysicalId| {
        (place.segment.1 ^ salt).count_ones().is_multiple_of(2)
    };
    world.control.spawn(owner, async move {
        // Whatever comes of it: versions stay what they are.
        let _ = storage.relocate(&ids, &leaves).await;
    });
}
