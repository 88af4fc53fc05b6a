//! How much an upload may contain. Size alone does not bound what compiling takes: one function of 132 KB
//! can keep a compiler busy for minutes and gigabytes. These bounds keep the cost of one upload within
//! what the compiling process is given; what slips below them meets that process's own limits.

use super::Counts;

/// Largest upload, bytes. CPython with its standard library comes to 18 MB; Rust components are a
/// hundredth of that.
pub const UPLOAD_BYTES_MAX: usize = 24 << 20;

/// Most reasons that a refusal names: enough for every import of a program that was built for elsewhere.
pub(super) const REASONS_MAX: usize = 64;

/// Longest name that a message repeats, characters.
pub(super) const NAME_CHARS_MAX: usize = 120;

/// Deepest nesting of components and modules: a composed component has 3.
pub(super) const NESTING_MAX: usize = 6;

/// Most nested components, and most instances of them: each instance may repeat all that its component
/// contains, so few of them stay few.
pub(super) const COMPONENTS_MAX: u32 = 16;

/// Most core modules. CPython comes in one for each shared library.
pub(super) const CORE_MODULES_MAX: u32 = 64;

/// Most instances of core modules; also what the engine has room for in one run.
pub(in crate::runtime) const CORE_INSTANCES_MAX: u32 = 64;

/// Most linear memories; also what the engine has room for in one run.
pub(in crate::runtime) const MEMORIES_MAX: u32 = 8;

/// Most tables; also what the engine has room for in one run.
pub(in crate::runtime) const TABLES_MAX: u32 = 32;

/// Most functions of all core modules. CPython has some 13,000.
pub(super) const FUNCTIONS_MAX: u32 = 60_000;

/// Most types, imports, exports, globals, segments, aliases, lifted and lowered functions together: what
/// takes the host memory beside code.
pub(super) const ITEMS_MAX: u32 = 200_000;

/// Most imports of a component. CPython's has 25.
pub(super) const IMPORTS_MAX: u32 = 256;

/// Most types and functions of an interface that is imported: many imports may name one type of an interface. That of
/// WASI's files has some 60.
pub(super) const INTERFACE_ITEMS_MAX: usize = 256;

/// Largest function body, bytes. CPython's interpreter loop has some 100 KB.
pub(super) const FUNCTION_BYTES_MAX: usize = 1 << 20;

/// Most locals of a function, parameters included: compilers come to some thousands in generated code.
pub(super) const LOCALS_MAX: u64 = 20_000;

/// Most parameters of a function or block type.
pub(super) const PARAMS_MAX: usize = 255;

/// Most results of a function or block type: each call or block of two bytes makes so many values.
pub(super) const RESULTS_MAX: usize = 32;

/// Most locals times blocks of one function: a compiler may keep each local's value at each block. So
/// many take it about a second and 400 MB; CPython's costliest function comes to a tenth of it.
pub(super) const FUNCTION_COST_MAX: u64 = 2_000_000;

/// Most locals times blocks of all functions together: about half a minute. CPython comes to a fifth of it.
pub(super) const COST_MAX: u64 = 50_000_000;

/// Most linear memory that modules begin with, bytes: that of the highest trust level.
pub(super) const MEMORY_BYTES_MAX: u64 = crate::partners::limits::MEMORY_BYTES_MAX as u64;

/// Most table elements that modules begin with: that of the highest trust level.
pub(super) const TABLE_ELEMENTS_MAX: u64 = 100_000;

/// Which totals are too high: what, and the bound.
pub(super) fn exceeded(
    counts: &Counts,
    all: &super::pass::Totals,
) -> Vec<(&'static str, u64, u64)> {
    let totals = [
        (
            "core modules",
            u64::from(counts.core_modules),
            u64::from(CORE_MODULES_MAX),
        ),
        (
            "instances of core modules",
            all.core_instances.into(),
            CORE_INSTANCES_MAX.into(),
        ),
        (
            "nested components",
            all.components.into(),
            COMPONENTS_MAX.into(),
        ),
        (
            "instances of nested components",
            all.component_instances.into(),
            COMPONENTS_MAX.into(),
        ),
        ("linear memories", all.memories.into(), MEMORIES_MAX.into()),
        ("tables", all.tables.into(), TABLES_MAX.into()),
        ("functions", counts.functions.into(), FUNCTIONS_MAX.into()),
        ("imports", all.imports.into(), IMPORTS_MAX.into()),
        (
            "types, imports, exports and segments",
            all.items.into(),
            ITEMS_MAX.into(),
        ),
        ("locals times blocks in all functions", all.cost, COST_MAX),
        (
            "bytes of memory at its start",
            counts.memory_bytes,
            MEMORY_BYTES_MAX,
        ),
        (
            "table elements at its start",
            counts.table_elements,
            TABLE_ELEMENTS_MAX,
        ),
    ];
    totals
        .into_iter()
        .filter(|(_, count, most)| count > most)
        .collect()
}
