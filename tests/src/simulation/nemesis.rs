//! What befalls hosts: crashes, pauses, relocations, checkpoints, takeovers by a new epoch.

use std::rc::Rc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sop_engine::types::LogicalId;

use super::ground::{Epochs, Ground, Takeovers};
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
    let checkpoint = if world.plan.epochs {
        blows.checkpoint
    } else {
        0
    };
    let weights = [
        blows.crash,
        blows.pause,
        blows.takeover,
        blows.relocate,
        checkpoint,
    ];
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
            2 => match &world.ground {
                Ground::Takeovers(ground) => takeover(&world, ground, &mut random).await,
                Ground::Epochs(epochs) => befall(&world, epochs, &mut random).await,
            },
            3 => relocate(&world, &mut random, slot),
            _ => checkpoint_of(&world, slot),
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
async fn takeover(world: &Rc<World>, ground: &Takeovers, random: &mut StdRng) {
    let epoch = ground.life().epoch + 1;
    if epoch > EPOCHS_MAX {
        return;
    }
    ground.blobs.claim(epoch);
    world
        .scheduler
        .sleep(milliseconds(random, random_most(epoch)))
        .await;
    let life = ground.recover(
        epoch,
        (&world.scheduler, &world.ledger, world.plan.storage.history),
    );
    world.scheduler.sleep(milliseconds(random, 30)).await;
    ground.activate(life);
    match random.random_range(0..3) {
        0 => ground.lose_former(),
        1 => {
            world.scheduler.sleep(milliseconds(random, 200)).await;
            ground.lose_former();
        }
        _ => {}
    }
}

/// The registry loses everything, and as soon as somebody recovers all hosts but one stand still, for longer than that one
/// waits for them.
async fn freeze(world: &Rc<World>, epochs: &Epochs, random: &mut StdRng) {
    epochs.cluster.flush();
    for _ in 0..200 {
        world.scheduler.sleep(milliseconds(random, 2)).await;
        if epochs.is_recovering() {
            break;
        }
    }
    world.scheduler.sleep(milliseconds(random, 30)).await;
    let spared = random.random_range(0..world.plan.hosts);
    let slots = (0..world.plan.hosts).filter(|slot| *slot != spared);
    let frozen: Vec<_> = slots.filter_map(|slot| world.pause(slot, true)).collect();
    let wait = Duration::from_secs(4) + milliseconds(random, 12_000);
    world.scheduler.sleep(wait).await;
    for owner in frozen {
        world.scheduler.sleep(milliseconds(random, 300)).await;
        world.control.resume(owner);
    }
}

/// Something happens to the registry's servers.
async fn befall(world: &Rc<World>, epochs: &Epochs, random: &mut StdRng) {
    let cluster = &epochs.cluster;
    match random.random_range(0..9) {
        8 => freeze(world, epochs, random).await,
        0 => cluster.flush(),
        1 => cluster.restart(random),
        2..=3 => cluster.replicate(),
        // The others learn it late, or go on with the former primary.
        drawn => {
            let alive = drawn > 5;
            if random.random_range(0..2) == 0 {
                cluster.demote();
                cluster.replicate();
                world.scheduler.sleep(milliseconds(random, 50)).await;
            }
            let slots = 0..world.plan.hosts;
            for slot in slots.clone() {
                if alive && random.random_range(0..2) == 0 {
                    world.stick(slot, true);
                }
            }
            cluster.fail_over(random, alive);
            world.scheduler.sleep(milliseconds(random, 300)).await;
            if random.random_range(0..3) == 0 {
                // And back, to a server that never heard of the other.
                cluster.fail_over(random, alive);
                world.scheduler.sleep(milliseconds(random, 100)).await;
            }
            slots.for_each(|slot| world.stick(slot, false));
            if random.random_range(0..2) == 0 {
                cluster.demote();
            }
        }
    }
}

fn random_most(epoch: u32) -> u64 {
    if epoch.is_multiple_of(2) { 1 } else { 60 }
}

/// Lets a host write a checkpoint, whatever else it does.
fn checkpoint_of(world: &Rc<World>, slot: usize) {
    let Some((owner, storage)) = world.storage(slot) else {
        return;
    };
    world.control.spawn(owner, async move {
        // Whatever comes of it: without one, recovery looks at more segments.
        let _ = storage.checkpoint().await;
    });
}

/// Moves bodies of half of the segments.
fn relocate(world: &Rc<World>, random: &mut StdRng, slot: usize) {
    let Some((owner, storage)) = world.storage(slot) else {
        return;
    };
    let Some(registry) = world.ground.registry() else {
        return;
    };
    let entries = registry.inner.entries_after(None, 1_000);
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
