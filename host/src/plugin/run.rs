//! Running a plugin: fresh instance, limits, repetition after a conflict.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::component::{ComponentType, Lift};
use wasmtime::{PoolConcurrencyLimitError, Trap};

use super::load::Plugin;
use super::options::{RunLimits, RunOptions};
use super::warm::{Idle, Kept};
use crate::capability::{Authority, Grants, HostState, LimitReached, Output, Settlement};
use crate::database::{Database, DatabaseCore, backoff};
use crate::engine_pool::{Metering, Wasm};
use crate::error::{Error, Result};
use crate::limits;

/// How a run went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunReport {
    /// What the plugin answered.
    pub response: Vec<u8>,
    /// How often it was run again after a conflict.
    pub retries: u32,
    /// From the call to the answer, pauses included.
    pub duration: Duration,
    /// Bytes of linear memory that the last attempt had, the engine's included.
    pub memory_bytes: u64,
    /// Bytes that crossed between the engine and the host in the last attempt.
    pub call_bytes: u64,
    /// Bytes of stdout and stderr that were dropped in the last attempt, because there were too many.
    pub output_bytes_dropped: u64,
    /// Units of fuel that the last attempt used up, if they were counted.
    pub fuel: Option<u64>,
}

/// `run-error` of world `plugin`.
#[derive(Clone, Debug, ComponentType, Lift)]
#[component(variant)]
enum RunError {
    #[component(name = "conflict")]
    Conflict,
    #[component(name = "failed")]
    Failed(String),
}

/// One attempt that ended.
struct Attempt {
    /// What the plugin answered, or why it was stopped.
    answer: Result<Result<Vec<u8>, RunError>>,
    settlement: Settlement,
    memory_bytes: u64,
    call_bytes: u64,
    output_bytes_dropped: u64,
    fuel: Option<u64>,
}

impl Plugin {
    /// Runs the plugin on a database until it answers. Waits while too many runs are under way.
    ///
    /// A run that ends in `conflict` is run again from its start, unless one of its transactions has committed.
    ///
    /// # Errors
    /// [`Error::Limit`] names the limit that stopped it, [`Error::PluginTrap`] the trap, [`Error::PluginFailed`] is its own
    /// answer, [`Error::Conflict`] means that all attempts ended so. Nothing of an open transaction remains in any case;
    /// if a transaction had committed before, the failure comes inside [`Error::AfterCommit`].
    pub async fn run(
        &self,
        database: &Database,
        request: &[u8],
        options: &RunOptions,
    ) -> Result<RunReport> {
        self.run_in(database, request, options, None).await
    }

    /// The same in an instance that waits, if there is one.
    pub(super) async fn run_in(
        &self,
        database: &Database,
        request: &[u8],
        options: &RunOptions,
        idle: Option<&Idle>,
    ) -> Result<RunReport> {
        let core = database.core();
        let _permit = core.runs.acquire().await.map_err(|_| Error::Ended)?;
        let report = self.run_until_answered(core, request, options, idle).await;
        core.activity.ran(report.is_ok());
        report
    }

    async fn run_until_answered(
        &self,
        core: &DatabaseCore,
        request: &[u8],
        options: &RunOptions,
        idle: Option<&Idle>,
    ) -> Result<RunReport> {
        let begun = Instant::now();
        let grants = Arc::new(options.grants.clone());
        let mut retries = 0;
        loop {
            let attempt = self
                .attempt(core, request, &grants, &options.limits, idle, retries)
                .await?;
            let settlement = attempt.settlement;
            let answer = attempt.answer.map_err(|cause| settled(settlement, cause))?;
            match answer {
                Ok(response) if response.len() as u64 > options.limits.response_bytes => {
                    let limit = Error::limit("bytes of response", options.limits.response_bytes);
                    return Err(settled(settlement, limit));
                }
                Ok(response) => {
                    let Attempt {
                        memory_bytes,
                        call_bytes,
                        output_bytes_dropped,
                        fuel,
                        ..
                    } = attempt;
                    return Ok(RunReport {
                        response,
                        retries,
                        duration: begun.elapsed(),
                        memory_bytes,
                        call_bytes,
                        output_bytes_dropped,
                        fuel,
                    });
                }
                Err(RunError::Failed(message)) => {
                    return Err(settled(settlement, Error::PluginFailed(message)));
                }
                Err(RunError::Conflict) if settlement != Settlement::Nothing => {
                    let message = "it ended in a conflict, and is not run again".to_owned();
                    return Err(settled(settlement, Error::PluginFailed(message)));
                }
                Err(RunError::Conflict) if retries + 1 >= options.retry.attempts_max => {
                    return Err(Error::Conflict(Vec::new()));
                }
                Err(RunError::Conflict) => {
                    core.runtime
                        .sleep(backoff(core.runtime.as_ref(), &options.retry, retries))
                        .await;
                    retries += 1;
                    core.activity.retried();
                }
            }
        }
    }

    async fn attempt(
        &self,
        core: &DatabaseCore,
        request: &[u8],
        grants: &Arc<Grants>,
        limits: &RunLimits,
        idle: Option<&Idle>,
        reruns: u32,
    ) -> Result<Attempt> {
        let mut kept = match idle.and_then(|idle| idle.take(limits)) {
            Some(kept) => kept,
            None => self.fresh(core, grants, limits)?,
        };
        let store = &mut kept.store;
        store.data_mut().reruns = reruns;
        let fuel = self.fuel(limits)?;
        if let Some(fuel) = fuel {
            store
                .set_fuel(fuel)
                .map_err(|error| failure(&error, limits))?;
        }
        let wall = wall_reached(limits);
        let deadline = Instant::now() + limits.wall;
        store.epoch_deadline_callback({
            let wall = wall.clone();
            move |context| {
                if Instant::now() < deadline {
                    Ok(context.data().turn.tick())
                } else {
                    Err(wall.clone().into())
                }
            }
        });
        // The epoch stops a guest that computes; a host call that hangs is stopped from outside.
        let stopped = tokio::time::timeout_at(
            (deadline + limits::EPOCH_TICK * 2).into(),
            self.call(&mut kept, request),
        )
        .await;
        let answer = match stopped {
            Err(_) => Err(Error::limit(wall.name, wall.maximum)),
            Ok(Err(trap)) => Err(failure(&trap, limits)),
            Ok(Ok(answer)) => Ok(answer),
        };
        let store = &kept.store;
        let fuel = fuel.map(|fuel| fuel.saturating_sub(store.get_fuel().unwrap_or(fuel)));
        let state = store.data();
        let attempt = Attempt {
            fuel,
            answer,
            settlement: state.settlement,
            memory_bytes: state.budget.memory_bytes(),
            call_bytes: state.budget.call_bytes(),
            output_bytes_dropped: state.output.dropped(),
        };
        if let (Some(idle), Ok(_)) = (idle, &attempt.answer) {
            idle.give(kept, limits);
        }
        Ok(attempt)
    }

    fn fresh(&self, core: &DatabaseCore, grants: &Arc<Grants>, limits: &RunLimits) -> Result<Kept> {
        let authority = Authority::plugin(Arc::clone(grants), Arc::clone(&core.names));
        let calls = Arc::clone(core.pool.counters());
        let state = HostState::new(Arc::clone(&core.storage), authority, limits.budget(), calls);
        let output = Output::new(&self.name, limits.output_bytes);
        let store = Wasm::of(self.metering)?.store(state.with_output(output));
        Ok(Kept::new(store))
    }

    /// What an attempt may use up; none = it is not counted.
    fn fuel(&self, limits: &RunLimits) -> Result<Option<u64>> {
        match (self.metering, limits.fuel) {
            (Metering::Time, None) => Ok(None),
            (Metering::Time, Some(_)) => Err(Error::Invalid(
                "fuel is counted only for a plugin that was loaded so: use Plugin::load_metered"
                    .to_owned(),
            )),
            (Metering::Fuel, fuel) => Ok(Some(fuel.unwrap_or(u64::MAX))),
        }
    }

    async fn call(
        &self,
        kept: &mut Kept,
        request: &[u8],
    ) -> wasmtime::Result<Result<Vec<u8>, RunError>> {
        let store = &mut kept.store;
        let instance = match kept.instance {
            Some(instance) => instance,
            None => self.component.instantiate_async(&mut *store).await?,
        };
        kept.instance = Some(instance);
        let run = instance
            .get_typed_func::<(&[u8],), (Result<Vec<u8>, RunError>,)>(&mut *store, "run")?;
        let (answer,) = run.call_async(&mut *store, (request,)).await?;
        Ok(answer)
    }
}

/// A failure, and what it must not hide: whether part of the work took effect.
fn settled(settlement: Settlement, cause: Error) -> Error {
    let cause = Box::new(cause);
    match settlement {
        Settlement::Nothing => *cause,
        Settlement::Unknown => Error::DuringCommit { cause },
        Settlement::Committed => Error::AfterCommit { cause },
    }
}

fn wall_reached(limits: &RunLimits) -> LimitReached {
    let maximum = u64::try_from(limits.wall.as_millis()).unwrap_or(u64::MAX);
    LimitReached {
        name: "milliseconds of wall time",
        maximum,
    }
}

/// Why a guest was stopped.
fn failure(trap: &wasmtime::Error, limits: &RunLimits) -> Error {
    if let Some(limit) = trap.downcast_ref::<LimitReached>() {
        return Error::limit(limit.name, limit.maximum);
    }
    if let (Some(Trap::OutOfFuel), Some(fuel)) = (trap.downcast_ref(), limits.fuel) {
        return Error::limit("units of fuel", fuel);
    }
    if let Some(exit) = trap.downcast_ref::<wasmtime_wasi::I32Exit>() {
        return Error::PluginFailed(format!("it exited with status {}", exit.0));
    }
    if trap.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return Error::Unavailable("too many plugins run at this moment".to_owned());
    }
    Error::PluginTrap(format!("{trap:#}"))
}
