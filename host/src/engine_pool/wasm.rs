//! The wasmtime engine of this process, and the sop engine compiled for it.

use std::sync::OnceLock;

use wasmtime::component::Linker;
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Store,
};

use super::bindings::EnginePre;
use super::compiled::compile;
use crate::capability::{HostState, add_to_linker};
use crate::error::{Error, Result};
use crate::limits;

/// The engine component that this library carries.
pub static ENGINE_COMPONENT: &[u8] = include_bytes!(env!("SOP_ENGINE_COMPONENT_BUILT"));

/// How the work of guests is bounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metering {
    /// By time.
    #[default]
    Time,
    /// By time and by the instructions carried out, which are counted: the same work costs the same fuel on every machine.
    /// Counting makes all code slower.
    Fuel,
}

/// What all databases of a process share.
pub(crate) struct Wasm {
    /// The wasmtime engine.
    pub(crate) engine: Engine,
    /// Offers plugins what they may import once they are composed with the sop engine: its two imports, and an inert WASI.
    pub(crate) linker: Linker<HostState>,
    /// The sop engine, ready to be instantiated.
    pub(super) component: EnginePre<HostState>,
}

impl Wasm {
    /// The one of this process; made at the first call.
    pub(crate) fn shared() -> Result<&'static Self> {
        Self::of(Metering::Time)
    }

    /// The one of this process that bounds work so; made at the first call.
    pub(crate) fn of(metering: Metering) -> Result<&'static Self> {
        static TIMED: OnceLock<Result<Wasm, String>> = OnceLock::new();
        static METERED: OnceLock<Result<Wasm, String>> = OnceLock::new();
        let shared = match metering {
            Metering::Time => &TIMED,
            Metering::Fuel => &METERED,
        };
        shared
            .get_or_init(|| Self::new(metering).map_err(|error| format!("{error:#}")))
            .as_ref()
            .map_err(|message| Error::Internal(message.clone()))
    }

    fn new(metering: Metering) -> wasmtime::Result<Self> {
        let engine = engine(metering)?;
        let mut linker = Linker::new(&engine);
        add_to_linker(&mut linker, |state| state)?;
        let component = compile(&engine, ENGINE_COMPONENT)?;
        let component = EnginePre::new(linker.instantiate_pre(&component)?)?;
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        tick(&engine)?;
        Ok(Self {
            engine,
            linker,
            component,
        })
    }

    /// An engine that makes the same code as the one of this process, and no instances.
    pub(super) fn compiling(metering: Metering) -> wasmtime::Result<Engine> {
        Engine::new(&config(metering))
    }

    /// A wasmtime store whose guest yields at every tick of the epoch.
    pub(crate) fn store(&self, state: HostState) -> Store<HostState> {
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.budget);
        store.set_hostcall_fuel(limits::CALL_BYTES_MAX);
        store.epoch_deadline_async_yield_and_update(1);
        store.set_epoch_deadline(1);
        store
    }
}

/// How code is compiled.
fn config(metering: Metering) -> Config {
    let mut config = Config::new();
    config.cranelift_opt_level(OptLevel::Speed);
    config.epoch_interruption(true);
    config.consume_fuel(metering == Metering::Fuel);
    config.max_wasm_stack(limits::WASM_STACK_BYTES);
    config.async_stack_size(limits::ASYNC_STACK_BYTES);
    // What no plugin needs stays off: each is attack surface.
    config.wasm_memory64(false);
    config.concurrency_support(false);
    config.wasm_relaxed_simd(false);
    config.wasm_backtrace_max_frames(std::num::NonZeroUsize::new(limits::BACKTRACE_FRAMES_MAX));
    config
}

/// The wasmtime engine: pooled allocation, or where address space is short, allocation on demand. One that counts instructions
/// is for the few, and takes no address space for a pool.
fn engine(metering: Metering) -> wasmtime::Result<Engine> {
    let config = config(metering);
    if metering == Metering::Fuel {
        return Engine::new(&config);
    }
    let mut pooled = config.clone();
    pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pooling()));
    Engine::new(&pooled).or_else(|error| {
        tracing::warn!("no pooled instances, each is allocated on demand: {error:#}");
        Engine::new(&config)
    })
}

fn pooling() -> PoolingAllocationConfig {
    let mut pooling = PoolingAllocationConfig::new();
    pooling.total_component_instances(limits::INSTANCES_MAX);
    pooling.total_core_instances(limits::INSTANCES_MAX * limits::CORE_INSTANCES_EACH);
    pooling.total_memories(limits::INSTANCES_MAX * limits::MEMORIES_EACH);
    pooling.total_tables(limits::INSTANCES_MAX * limits::TABLES_EACH);
    pooling.total_stacks(limits::INSTANCES_MAX);
    pooling.max_core_instances_per_component(limits::CORE_INSTANCES_PER_COMPONENT_MAX);
    pooling.max_memories_per_component(limits::MEMORIES_PER_COMPONENT_MAX);
    pooling.max_tables_per_component(limits::TABLES_PER_COMPONENT_MAX);
    pooling.table_elements(usize::try_from(limits::TABLE_ELEMENTS_MAX).unwrap_or(usize::MAX));
    pooling.max_component_instance_size(limits::INSTANCE_BYTES_MAX);
    pooling.max_core_instance_size(limits::INSTANCE_BYTES_MAX);
    pooling.linear_memory_keep_resident(limits::MEMORY_KEPT_BYTES);
    pooling
}

/// Advances the epoch for as long as the engine lives: guests yield and meet their deadlines at its ticks.
fn tick(engine: &Engine) -> wasmtime::Result<()> {
    let engine = engine.weak();
    std::thread::Builder::new()
        .name("sop-epoch".to_owned())
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(limits::EPOCH_TICK);
            }
        })?;
    Ok(())
}
