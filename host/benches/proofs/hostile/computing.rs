//! Plugins that need nothing of the host to do harm: they loop, recurse, grow and trap.

use super::family::{Hostile, Stop, TIME, family};
use crate::partner::plugin::{self, HEAP, Plugin};

/// Runs of a plugin of the trap storms at the same time.
const STORM: usize = 16;

/// What comes before `post-return` in the name of the function that is called after a report.
const POST_RETURN: &str = "cabi_post_leyden:data/reports@0.1.0#report";

pub fn plugins() -> Vec<Hostile> {
    let families = [loops(), recursion(), memory(), tables(), traps(), starts()];
    families.into_iter().flatten().collect()
}

/// A loop that runs `step` for ever.
fn for_ever(step: &str) -> String {
    format!("(loop $for-ever {step} (br $for-ever)) (unreachable)")
}

fn loops() -> Vec<Hostile> {
    let steps = [
        ("an empty loop", ""),
        (
            "stores",
            "(i32.store (i32.const 65536) (local.get $i)) (local.set $i (i32.add (local.get $i) (i32.const 1)))",
        ),
        (
            "square roots",
            "(global.set $x (f64.sqrt (f64.add (global.get $x) (f64.const 2))))",
        ),
        (
            "divisions",
            "(local.set $n (i64.div_u (i64.const -1) (i64.add (local.get $n) (i64.const 3))))",
        ),
        ("calls", "(call $nothing)"),
        ("indirect calls", "(call_indirect (i32.const 0))"),
        (
            "memory.fill of 32 MiB",
            "(memory.fill (i32.const 65536) (i32.const 1) (i32.const 33488896))",
        ),
        (
            "memory.copy of 16 MiB",
            "(memory.copy (i32.const 65536) (i32.const 16842752) (i32.const 16711680))",
        ),
        (
            "a branch table",
            "(block $a (block $b (br_table $a $b $a (local.get $i))))",
        ),
    ];
    let plugin = |(what, step): (&str, &str)| {
        let plugin = Plugin::new(for_ever(step))
            .memory("512")
            .field("(global $x (mut f64) (f64.const 1))")
            .field("(func $nothing) (table 1 funcref) (elem (i32.const 0) $nothing)");
        Hostile::new(what, &plugin)
    };
    let mut plugins: Vec<_> = steps.map(plugin).into();
    let after = plugin::say(Plugin::new("")).field(format!(
        "(func (export \"{POST_RETURN}\") (param i32) {})",
        for_ever("")
    ));
    plugins.push(Hostile::new("a loop after the report was returned", &after));
    family("endless loops", TIME, "", plugins)
}

fn recursion() -> Vec<Hostile> {
    let locals = "(local i64) ".repeat(100);
    let functions = [
        ("one function", "(func $f (call $f))".to_owned()),
        ("two functions", "(func $f (call $g)) (func $g (call $f))".to_owned()),
        ("through a table", "(func $f (call_indirect (i32.const 0))) (table 1 funcref) (elem (i32.const 0) $f)".to_owned()),
        ("with many locals", format!("(func $f {locals} (call $f))")),
        ("with a result on each frame", "(func $f (drop (call $h (i32.const 1)))) (func $h (param i32) (result i32) (i32.add (local.get 0) (call $h (i32.add (local.get 0) (i32.const 1)))))".to_owned()),
        ("twice in each frame", "(func $f (call $f) (call $f))".to_owned()),
        ("in a loop", "(func $f (loop $l (call $f) (br $l)))".to_owned()),
    ];
    let plugin = |(what, function): (&str, String)| {
        let plugin = Plugin::new("(call $f) (unreachable)").field(function);
        Hostile::new(what, &plugin)
    };
    let mut plugins: Vec<_> = functions.map(plugin).into();
    let f = "(func $f (call $f))";
    let in_realloc = plugin::say(Plugin::new("")).realloc("(call $f) (unreachable)");
    plugins.push(Hostile::new(
        "while parameters are handed over",
        &in_realloc.field(f),
    ));
    let in_start = plugin::say(Plugin::new("")).field("(start $f)");
    plugins.push(Hostile::new("in the start function", &in_start.field(f)));
    let after = format!("(func (export \"{POST_RETURN}\") (param i32) (call $f))");
    let in_post_return = plugin::say(Plugin::new("")).field(after);
    plugins.push(Hostile::new(
        "after the report was returned",
        &in_post_return.field(f),
    ));
    family("deep recursion", &[Stop::Trap], "stack", plugins)
}

/// Grows by so many pages until it is refused, then does something.
fn grow(pages: u32, each: &str, then: &str) -> String {
    format!(
        "(block $full (loop $more \
         (br_if $full (i32.eq (i32.const -1) (memory.grow (i32.const {pages})))) {each} (br $more))) {then} (unreachable)"
    )
}

/// Writes to the last page, so that it is really there.
const TOUCH: &str =
    "(i32.store (i32.mul (i32.sub (memory.size) (i32.const 1)) (i32.const 65536)) (i32.const 1))";

fn memory() -> Vec<Hostile> {
    let fill = "(memory.fill (i32.const 65536) (i32.const 255) (i32.mul (i32.sub (memory.size) (i32.const 2)) (i32.const 65536)))";
    let bodies = [
        ("page by page, each written to", grow(1, TOUCH, "")),
        ("16 pages at a time", grow(16, TOUCH, "")),
        ("as much as there is at once", grow(32_000, TOUCH, "")),
        ("filled again after each growth", grow(64, fill, "")),
        (
            "again and again after a refusal",
            grow(1, TOUCH, &for_ever("(drop (memory.grow (i32.const 1)))")),
        ),
        (
            "all of it, then a loop over it",
            grow(1, "", &for_ever(fill)),
        ),
    ];
    let plugin = |(what, body): (&str, String)| Hostile::new(what, &Plugin::new(body));
    let mut plugins: Vec<_> = bodies.map(plugin).into();
    let in_realloc = plugin::say(Plugin::new("")).realloc(grow(16, TOUCH, ""));
    plugins.push(Hostile::new(
        "while parameters are handed over",
        &in_realloc,
    ));
    for (what, pages) in [
        ("4 GiB from the start", 65_536),
        ("2 GiB from the start", 32_768),
    ] {
        let plugin = plugin::say(Plugin::new("")).memory(pages.to_string());
        plugins.push(Hostile::new(what, &plugin));
    }
    let more = "(memory 16384)".repeat(16);
    let many = plugin::say(Plugin::new("")).field(more);
    plugins.push(Hostile::new("16 more memories of 1 GiB", &many));
    let ends = &[Stop::Limit, Stop::Upload];
    family("memory growth", ends, "memor", plugins)
}

fn tables() -> Vec<Hostile> {
    let grow = |elements: u32, then: &str| {
        format!(
            "(block $full (loop $more (br_if $full (i32.eq (i32.const -1) \
             (table.grow $t (ref.null func) (i32.const {elements})))) (br $more))) {then} (unreachable)"
        )
    };
    let fill = "(table.fill $t (i32.const 0) (ref.func $nothing) (table.size $t))";
    let bodies = [
        ("one element at a time", grow(1, "")),
        ("1,000 elements at a time", grow(1_000, "")),
        ("100,000,000 elements at once", grow(100_000_000, "")),
        (
            "again and again after a refusal",
            grow(
                7,
                &for_ever("(drop (table.grow $t (ref.null func) (i32.const 1)))"),
            ),
        ),
        ("filled for ever", grow(100, &for_ever(fill))),
    ];
    let plugin = |(what, body): (&str, String)| {
        let plugin = Plugin::new(body)
            .field("(table $t 1 funcref) (func $nothing)")
            .field("(elem declare func $nothing)");
        match what {
            // More than any table holds is refused like a table's own maximum: the plugin is told, and gives up.
            "100,000,000 elements at once" => {
                Hostile::new(what, &plugin).ends(&[Stop::Limit, Stop::Trap], "")
            }
            _ => Hostile::new(what, &plugin),
        }
    };
    let mut plugins: Vec<_> = bodies.map(plugin).into();
    for (what, tables) in [
        (
            "10,000,000 elements from the start",
            "(table 10000000 funcref)".to_owned(),
        ),
        (
            "4,294,967,295 elements from the start",
            "(table 4294967295 funcref)".to_owned(),
        ),
        (
            "50 tables of 100,000 elements",
            "(table 100000 funcref)".repeat(50),
        ),
        ("90 small tables", "(table 1000 funcref)".repeat(90)),
        (
            "a table of 1,000,000 external references",
            "(table 1000000 externref)".to_owned(),
        ),
    ] {
        let plugin = plugin::say(Plugin::new("")).field(tables);
        plugins.push(Hostile::new(what, &plugin));
    }
    let ends = &[Stop::Limit, Stop::Upload];
    family("table growth", ends, "table", plugins)
}

fn traps() -> Vec<Hostile> {
    let bodies = [
        ("unreachable", "(unreachable)"),
        (
            "division by zero",
            "(i32.div_u (i32.const 1) (local.get $i))",
        ),
        (
            "division overflow",
            "(i32.div_s (i32.const 0x80000000) (i32.const -1))",
        ),
        ("a load outside", "(i32.load (i32.const -4))"),
        (
            "a store outside",
            "(i64.store (i32.const 0x7fffffff) (i64.const 1)) (unreachable)",
        ),
        (
            "a conversion that does not fit",
            "(i32.trunc_f64_u (f64.const 1e300))",
        ),
        ("a conversion of NaN", "(i32.trunc_f32_s (f32.const nan))"),
        (
            "a call of no function",
            "(call_indirect (i32.const 1)) (unreachable)",
        ),
        (
            "a call of another type",
            "(call_indirect (result i32) (i32.const 0))",
        ),
        (
            "memory.fill outside",
            "(memory.fill (i32.const 0) (i32.const 0) (i32.const -1)) (unreachable)",
        ),
    ];
    let plugin = |(what, body): (&str, &str)| {
        let plugin = Plugin::new(body)
            .field("(func $nothing) (table 2 funcref) (elem (i32.const 0) $nothing)");
        Hostile::new(what, &plugin).at_once(STORM)
    };
    let mut plugins: Vec<_> = bodies.map(plugin).into();
    // Fuel pays for each byte, and is asked first.
    let last = plugins
        .pop()
        .map(|fill| fill.ends(&[Stop::Trap, Stop::Fuel], ""));
    plugins.extend(last);
    family("trap storms", &[Stop::Trap], "", plugins)
}

fn starts() -> Vec<Hostile> {
    let bodies = [
        ("an empty loop", for_ever("")),
        ("stores", for_ever("(i32.store (i32.const 0) (i32.const 1))")),
        ("calls", for_ever("(call $nothing)")),
        ("memory.fill", for_ever("(memory.fill (i32.const 0) (i32.const 1) (i32.const 131072))")),
        ("globals", for_ever("(global.set $heap (i32.add (global.get $heap) (i32.const 1)))")),
        ("two loops", format!("(loop $a (br_if $a (i32.const 0))) {}", for_ever(""))),
        ("a long count", "(local $n i64) (loop $l (local.set $n (i64.add (local.get $n) (i64.const 1))) (br_if $l (i64.lt_u (local.get $n) (i64.const -1))))".to_owned()),
        ("sizes", for_ever("(drop (memory.size))")),
        ("loads", for_ever(&format!("(drop (i32.load (i32.const {HEAP})))"))),
        ("comparisons", for_ever("(drop (i64.eq (i64.const 1) (i64.const 2)))")),
    ];
    let plugin = |(what, body): (&str, String)| {
        let plugin = plugin::say(Plugin::new("")).field(format!(
            "(func $nothing) (func $start {body}) (start $start)"
        ));
        Hostile::new(what, &plugin)
    };
    family("start-function loops", TIME, "", bodies.map(plugin).into())
}
