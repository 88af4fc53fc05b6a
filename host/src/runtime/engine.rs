//! The wasmtime engine and its limits.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use wasmtime::{
    Cache, CacheConfig, Config, Enabled, Engine, InstanceAllocationStrategy,
    PoolingAllocationConfig,
};

use super::function::{Compiling, Links};
use super::inspect::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLES_MAX};
use crate::clock;
use crate::dispatch::rounds::Rounds;
use crate::logs::Logs;
use crate::metering::Profile;
use crate::outbound::Outbound;
use crate::registry::manifest::MEMORY_MIB_MAX;
use crate::telemetry::stats;

/// How often the epoch moves on. A guest is interrupted at most this much past its deadline, and
/// yields its thread to others this often.
pub(super) const EPOCH: Duration = Duration::from_millis(5);

/// Most instances alive at once, idle ones included. Each reserves address space, not memory.
const INSTANCES_MAX: u32 = 1_000;

/// Most instances that are made ahead of the calls they are for: for the services that are called most of those that have a new
/// one for each call, and a small part of all.
const SPARES_MAX: usize = INSTANCES_MAX as usize / 16;

/// Elements of one table, and bytes of an instance's metadata: those of an interpreter, many times over what a service has.
const TABLE_ELEMENTS_MAX: usize = 100_000;
const INSTANCE_BYTES_MAX: usize = 4 << 20;

/// Most linear memory of an instance, bytes; its manifest sets the limit that holds.
const MEMORY_BYTES_MAX: usize = (MEMORY_MIB_MAX as usize) << 20;

/// Memory of a slot that stays mapped between instances: copying these pages back is cheaper than
/// faulting them in again.
const KEEP_RESIDENT_BYTES: usize = 128 << 10;

/// Stack of a guest, bytes, inside the fiber's stack of [`FIBER_STACK_BYTES`].
const WASM_STACK_BYTES: usize = 512 << 10;

/// Stack of a fiber: the guest's and what host calls need on top.
const FIBER_STACK_BYTES: usize = 1 << 20;

const _: () = assert!(
    WASM_STACK_BYTES < FIBER_STACK_BYTES,
    "host calls need room above the guest's stack"
);

/// What an engine is made with.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where compiled components are kept between starts; none: compiled at every start. Its owner
    /// must be the host's user: what lies there is executed.
    pub cache_directory: Option<PathBuf>,
    /// How sums of groups are guarded where partners read them.
    pub privacy: Profile,
    /// Where functions may send requests to.
    pub outbound: Outbound,
    /// The program whose hidden verb `compile` compiles functions; none: the one that runs.
    pub compiler: Option<PathBuf>,
    /// Whether functions are compiled in this process: for tests and fuzzing, whose program has no verb for it. What serves
    /// never does.
    pub compiles_here: bool,
    /// Whether it counts fuel, for replays. Serving does not: epochs cost a third of it.
    pub counts_fuel: bool,
}

/// The engine, shared by all components. Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    pub(super) engine: Engine,
    /// How sums of groups are guarded.
    pub(crate) privacy: Profile,
    pub(super) outbound: Outbound,
    /// Has functions compiled.
    pub(super) compiling: Arc<Compiling>,
    /// What functions are linked to.
    pub(super) links: Arc<Links>,
    /// Turns at computing for runs of functions that have computed for long.
    pub(super) slices: Rounds,
    pub(super) counts_fuel: bool,
    /// Places for instances that are made ahead.
    pub(super) spares: Arc<Semaphore>,
    /// What components log.
    pub logs: Logs,
    /// What components have done.
    pub(super) stats: stats::Table,
}

impl Runtime {
    /// Starts an engine and the thread that moves its epoch on.
    ///
    /// # Errors
    /// The configuration does not work on this machine, or the cache directory cannot be used.
    pub fn start(options: &Options) -> wasmtime::Result<Self> {
        let mut config = limits(options.counts_fuel);
        config.cache(cache(options)?);
        let engine = Engine::new(&config)?;
        spawn_ticker(&engine)?;
        Ok(Self {
            links: Arc::new(Links::new(&engine)?),
            engine,
            privacy: options.privacy,
            outbound: options.outbound.clone(),
            compiling: Arc::new(Compiling::new(options)),
            slices: Rounds::new(cores(), 0),
            counts_fuel: options.counts_fuel,
            spares: Arc::new(Semaphore::new(SPARES_MAX)),
            logs: Logs::default(),
            stats: stats::Table::default(),
        })
    }
}

/// How many runs can compute at a time.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// For the process that compiles functions, apart from the host: one thread, and no pool, whose address space would count
/// against its limit.
pub(super) fn compiling(counts_fuel: bool) -> Config {
    let mut config = common(counts_fuel);
    config.parallel_compilation(false);
    config
}

/// For the process that runs components.
fn limits(counts_fuel: bool) -> Config {
    let mut config = common(counts_fuel);
    // A replay runs one invocation at a time: a pool of a thousand places would be address space for nothing.
    config.allocation_strategy(match counts_fuel {
        true => InstanceAllocationStrategy::OnDemand,
        false => InstanceAllocationStrategy::Pooling(pool()),
    });
    config
}

/// What shows in compiled code. Proposals are off that components have no use for, each being surface; `multi_memory`
/// stays on, since composed components need it.
fn common(counts_fuel: bool) -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.consume_fuel(counts_fuel);
    config.concurrency_support(false);
    config.wasm_threads(false);
    config.wasm_memory64(false);
    config.wasm_gc(false);
    config.wasm_function_references(false);
    config.wasm_exceptions(false);
    config.wasm_tail_call(false);
    config.wasm_relaxed_simd(false);
    // The bits of a NaN differ between processors; a replay on another machine must not.
    config.cranelift_nan_canonicalization(true);
    config.max_wasm_stack(WASM_STACK_BYTES);
    config.async_stack_size(FIBER_STACK_BYTES);
    config.wasm_backtrace_max_frames(None);
    config
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCES_MAX);
    pool.total_core_instances(4 * INSTANCES_MAX);
    pool.total_memories(INSTANCES_MAX);
    pool.total_tables(2 * INSTANCES_MAX);
    pool.table_elements(TABLE_ELEMENTS_MAX);
    pool.max_core_instance_size(INSTANCE_BYTES_MAX);
    pool.max_component_instance_size(INSTANCE_BYTES_MAX);
    pool.total_stacks(INSTANCES_MAX);
    pool.max_memory_size(MEMORY_BYTES_MAX);
    pool.max_memories_per_component(MEMORIES_MAX);
    pool.max_tables_per_component(TABLES_MAX);
    pool.max_core_instances_per_component(CORE_INSTANCES_MAX);
    pool.linear_memory_keep_resident(KEEP_RESIDENT_BYTES);
    pool.table_keep_resident(16 << 10);
    pool.pagemap_scan(Enabled::Auto);
    pool
}

fn cache(options: &Options) -> wasmtime::Result<Option<Cache>> {
    let Some(directory) = &options.cache_directory else {
        return Ok(None);
    };
    let mut config = CacheConfig::new();
    config.with_directory(directory);
    Ok(Some(Cache::new(config)?))
}

/// The thread ends with the engine, which it does not keep alive.
pub(super) fn spawn_ticker(engine: &Engine) -> std::io::Result<()> {
    let engine = engine.weak();
    let tick = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            clock::block(EPOCH);
        }
    };
    std::thread::Builder::new()
        .name("epoch".into())
        .spawn(tick)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};

    use super::*;

    #[test]
    fn what_is_compiled_apart_can_be_run() {
        let hash = |config: &Config| {
            let engine = Engine::new(config).expect("an engine");
            let mut hasher = DefaultHasher::new();
            engine.precompile_compatibility_hash().hash(&mut hasher);
            hasher.finish()
        };
        for counts_fuel in [false, true] {
            assert_eq!(hash(&limits(counts_fuel)), hash(&compiling(counts_fuel)));
        }
    }
}
