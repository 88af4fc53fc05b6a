//! Configuration of the engine for partners' code. What compiles and what runs must agree on everything
//! that shows in compiled code, so both begin from [`common`].

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::super::inspect::{CORE_INSTANCES_MAX, FEATURES, MEMORIES_MAX, TABLES_MAX};
use crate::partners::limits::{MEMORY_BYTES_MAX, UNITS_MAX};

/// Most runs at once: each takes up a unit of room or more. Each reserves address space, not memory.
const RUNS_MAX: u32 = UNITS_MAX as u32;

/// Core instances of all runs together: a Rust component has 3, one of CPython 20.
const CORE_INSTANCES_ALL: u32 = 1_024;

/// Memories of all runs together: nearly every component has one.
const MEMORIES_ALL: u32 = 2 * RUNS_MAX;

/// Tables of all runs together: nearly every component has two.
const TABLES_ALL: u32 = 4 * RUNS_MAX;

/// Elements of one table.
const TABLE_ELEMENTS_MAX: usize = 100_000;

/// Most metadata of an instance, bytes: CPython's has some hundred KiB of function references.
const INSTANCE_BYTES_MAX: usize = 4 << 20;

/// Stack of a guest, bytes, inside the fiber's stack of [`FIBER_STACK_BYTES`]: interpreters recurse
/// deeper than compiled code.
const WASM_STACK_BYTES: usize = 1 << 20;

/// Stack of a fiber: the guest's and what host calls need on top.
const FIBER_STACK_BYTES: usize = WASM_STACK_BYTES + (512 << 10);

/// Memory of a slot that stays mapped between runs: copying these pages back is cheaper than faulting
/// them in again.
const KEEP_RESIDENT_BYTES: usize = 1 << 20;

/// What shows in compiled code.
fn common() -> Config {
    let mut config = Config::new();
    config.wasm_features(FEATURES.complement(), false);
    config.wasm_features(FEATURES, true);
    config.concurrency_support(false);
    config.consume_fuel(true);
    config.epoch_interruption(true);
    // The bits of a NaN differ between processors; a replay on another machine must not.
    config.cranelift_nan_canonicalization(true);
    config.max_wasm_stack(WASM_STACK_BYTES);
    config.async_stack_size(FIBER_STACK_BYTES);
    config.wasm_backtrace_max_frames(None);
    config.generate_address_map(false);
    config
}

/// For the process that runs components.
pub(in crate::runtime) fn running() -> Config {
    let mut config = common();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    config
}

/// For the process that compiles them: one thread, so that a storm of uploads leaves the other cores
/// alone; and no pool, whose address space would count against its limit. Also for who runs one at a time.
pub(in crate::runtime) fn compiling() -> Config {
    let mut config = common();
    config.parallel_compilation(false);
    config
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(RUNS_MAX);
    pool.total_core_instances(CORE_INSTANCES_ALL);
    pool.total_memories(MEMORIES_ALL);
    pool.total_tables(TABLES_ALL);
    pool.total_stacks(RUNS_MAX);
    pool.max_memory_size(MEMORY_BYTES_MAX);
    pool.table_elements(TABLE_ELEMENTS_MAX);
    pool.max_core_instance_size(INSTANCE_BYTES_MAX);
    pool.max_component_instance_size(INSTANCE_BYTES_MAX);
    pool.max_core_instances_per_component(CORE_INSTANCES_MAX);
    pool.max_memories_per_component(MEMORIES_MAX);
    pool.max_tables_per_component(TABLES_MAX);
    pool.max_memories_per_module(MEMORIES_MAX);
    pool.max_tables_per_module(TABLES_MAX);
    pool.linear_memory_keep_resident(KEEP_RESIDENT_BYTES);
    pool.table_keep_resident(16 << 10);
    pool.pagemap_scan(Enabled::Auto);
    pool
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};

    use wasmtime::Engine;

    use super::*;

    #[test]
    fn what_is_compiled_can_be_run() {
        let hash = |config: &Config| {
            let engine = Engine::new(config).expect("an engine");
            let mut hasher = DefaultHasher::new();
            engine.precompile_compatibility_hash().hash(&mut hasher);
            hasher.finish()
        };
        assert_eq!(hash(&running()), hash(&compiling()));
    }
}
