//! Uploads that are hostile before they run: they import what they may not, are broken, are made to cost the
//! compiler, or consist of more parts than anything needs.

use super::family::{Hostile, Stop, TIME, family};
use crate::partner::plugin::{self, Plugin};
use crate::partner::shell::{MODULE, Shell};

pub fn plugins() -> Vec<Hostile> {
    let families = [
        handles(),
        imports(),
        malformed(),
        bombs(),
        instances(),
        segments(),
    ];
    families.into_iter().flatten().collect()
}

/// A main module whose `report` runs a body with these imports.
fn module(imports: &str, body: &str) -> String {
    MODULE
        .replacen("(memory", &format!("{imports} (memory"), 1)
        .replacen(
            "(result i32) (i32.const 1024))",
            &format!("(result i32) {body})"),
            1,
        )
}

/// One that works with a resource of its own. `uses` names what it imports of it.
fn with_resource(uses: &[&str], body: &str) -> Shell {
    let import = |name: &&str| {
        let of = match *name {
            "drop" => "(param i32)",
            _ => "(param i32) (result i32)",
        };
        format!("(import \"r\" \"{name}\" (func ${name} {of}))")
    };
    let imports: String = uses.iter().map(import).collect();
    let canon = |name: &&str| format!("(core func $c-{name} (canon resource.{name} $r))\n");
    let canons: String = uses.iter().map(canon).collect();
    let export = |name: &&str| format!("(export \"{name}\" (func $c-{name}))");
    let exports: String = uses.iter().map(export).collect();
    Shell {
        before: format!(
            "(type $r (resource (rep i32)))\n{canons}{}",
            module(&imports, body)
        ),
        with: format!("(with \"r\" (instance {exports}))"),
        ..Shell::default()
    }
}

fn for_ever(step: &str) -> String {
    format!("(loop $for-ever {step} (br $for-ever)) (unreachable)")
}

fn handles() -> Vec<Hostile> {
    let new = "(call $new (i32.const 7))";
    let cases: [(&str, &[&str], String); 10] = [
        (
            "handles made for ever",
            &["new"],
            for_ever(&format!("(drop {new})")),
        ),
        (
            "ten at a time",
            &["new"],
            for_ever(&format!("(drop {new})").repeat(10)),
        ),
        (
            "made and looked at",
            &["new", "rep"],
            for_ever(&format!("(drop (call $rep {new}))")),
        ),
        (
            "made and dropped",
            &["new", "drop"],
            for_ever(&format!("(call $drop {new})")),
        ),
        (
            "two made, one dropped",
            &["new", "drop"],
            for_ever(&format!("(drop {new}) (call $drop {new})")),
        ),
        (
            "one dropped twice",
            &["new", "drop"],
            format!(
                "{new} (drop) (call $drop (i32.const 1)) (call $drop (i32.const 1)) (unreachable)"
            ),
        ),
        (
            "one that there is not",
            &["rep"],
            "(call $rep (i32.const 77))".into(),
        ),
        (
            "the highest number",
            &["rep"],
            "(call $rep (i32.const -1))".into(),
        ),
        (
            "number zero dropped",
            &["drop"],
            "(call $drop (i32.const 0)) (unreachable)".into(),
        ),
        (
            "every number dropped",
            &["new", "drop"],
            for_ever(&format!("(call $drop (i32.add (i32.const 1) {new}))")),
        ),
    ];
    let hostile = |(what, uses, body): (&str, &[&str], String)| {
        let hostile = Hostile::of_bytes(what, with_resource(uses, &body).build());
        match (what, body.contains("$for-ever")) {
            ("made and dropped", _) => hostile.ends(TIME, ""),
            ("every number dropped", _) | (_, false) => hostile.ends(&[Stop::Trap], ""),
            _ => hostile,
        }
    };
    let cases = cases.into_iter().map(hostile).collect();
    family("handle floods", &[Stop::Limit], "handle", cases)
}

fn imports() -> Vec<Hostile> {
    let instances = [
        "leyden:state/store@0.1.0",
        "leyden:ledger/ledger@0.1.0",
        "leyden:streams/publisher@0.1.0",
        "leyden:partners/accounts@0.1.0",
        "wasi:sockets/udp@0.2.0",
        "wasi:sockets/tcp-create-socket@0.2.0",
        "wasi:http/outgoing-handler@0.2.0",
    ];
    let import = |name: &str| {
        let import = format!("(import \"{name}\" (instance (export \"get\" (func))))");
        let shell = Shell {
            before: format!("{import}\n{MODULE}"),
            ..Shell::default()
        };
        Hostile::of_bytes(format!("imports {name}"), shell.build()).ends(&[Stop::Upload], "import")
    };
    let mut plugins: Vec<_> = instances.map(import).into();
    for (what, import) in [
        ("a function of no interface", "(import \"steal\" (func))"),
        ("a core module", "(import \"secrets\" (core module))"),
    ] {
        let shell = Shell {
            before: format!("{import}\n{MODULE}"),
            ..Shell::default()
        };
        plugins.push(Hostile::of_bytes(format!("imports {what}"), shell.build()));
    }
    let detailed = plugin::say(Plugin::new(plugin::read(
        plugin::Import::Detailed,
        super::PERIOD,
        10,
    )));
    let detailed = detailed.with(&[plugin::Import::Detailed]).build();
    plugins.push(
        Hostile::of_bytes("imports a dataset of trust level 3 at level 1", detailed).trust(1),
    );
    family("import smuggling", &[Stop::Upload], "import", plugins)
}

fn malformed() -> Vec<Hostile> {
    let sound = plugin::say(Plugin::new("")).build();
    let cut = sound[..sound.len() / 2].to_vec();
    let mut trailing = sound.clone();
    trailing.extend_from_slice(b"trailing");
    let mut length = sound.clone();
    length.splice(9..9, [0xff, 0xff, 0xff, 0xff, 0x0f]);
    let component = b"\0asm\x0d\0\x01\0".as_slice();
    let nested = |depth: usize| {
        let mut text = String::from("(component");
        text += &"(component".repeat(depth);
        text += &")".repeat(depth + 1);
        wat::parse_str(&text).expect("nested components")
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("a magic number alone", b"\0asm".to_vec()),
        (
            "a core module",
            wat::parse_str("(module)").expect("a module"),
        ),
        ("an empty component", component.to_vec()),
        ("half a component", cut),
        ("something behind a component", trailing),
        ("a section of 4 GiB", length),
        (
            "a count of 4 billion types",
            [component, &[7, 6, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x40]].concat(),
        ),
        ("components in components", nested(90)),
        (
            "a page of HTML",
            b"<!doctype html><title>report</title>".repeat(1_000),
        ),
    ];
    let hostile = |(what, bytes): (&str, Vec<u8>)| Hostile::of_bytes(what, bytes);
    family(
        "malformed binaries",
        &[Stop::Upload],
        "",
        cases.into_iter().map(hostile).collect(),
    )
}

/// A plugin with one function more, which is never called.
fn with_function(function: &str) -> Vec<u8> {
    plugin::say(Plugin::new("")).field(function).build()
}

/// Locals times loops: what the compiler's work grows with.
fn locals_and_loops(locals: usize, loops: usize, step: &str) -> Vec<u8> {
    let locals = "(local i64)".repeat(locals);
    let body = format!("(loop {step})").repeat(loops);
    with_function(&format!("(func $bomb {locals} {body})"))
}

fn bombs() -> Vec<Hostile> {
    let step = "(local.set 0 (i64.add (local.get 1) (local.get 2)))";
    let inner = "(loop (br_if 0 (i32.wrap_i64 (local.get 0))))";
    let deep = |depth: usize| {
        let open = "(block (loop (br_if 1 (i32.const 1))".repeat(depth);
        with_function(&format!("(func $bomb {open}{})", "))".repeat(depth)))
    };
    let branches = |targets: usize| {
        let all = "0 ".repeat(targets);
        with_function(&format!(
            "(func $bomb (block (br_table {all} 0 (i32.const 1))))"
        ))
    };
    let functions = |count: usize| {
        let one = "(func (param i64) (result i64) (i64.mul (local.get 0) (i64.add (local.get 0) (i64.const 7))))";
        with_function(&one.repeat(count))
    };
    let long = |steps: usize| {
        with_function(&format!(
            "(func $bomb (local i64 i64 i64) {})",
            step.repeat(steps)
        ))
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        (
            "20,000 locals times 10,000 loops",
            locals_and_loops(20_000, 10_000, inner),
        ),
        (
            "50,000 locals times 2,000 loops",
            locals_and_loops(50_000, 2_000, step),
        ),
        (
            "1,000 locals times 60,000 loops",
            locals_and_loops(1_000, 60_000, inner),
        ),
        (
            "40,000 locals times 8,000 loops",
            locals_and_loops(40_000, 8_000, step),
        ),
        (
            "10,000 locals times 20,000 loops",
            locals_and_loops(10_000, 20_000, inner),
        ),
        ("blocks 30,000 deep", deep(15_000)),
        ("a branch table of 2,000,000 targets", branches(2_000_000)),
        ("400,000 functions", functions(400_000)),
        ("a function of 5 MB", long(560_000)),
        ("locals in groups", {
            let locals = "(local i64 f64 i32 f32)".repeat(10_000);
            with_function(&format!(
                "(func $bomb {locals} {})",
                format!("(loop {inner})").repeat(6_000)
            ))
        }),
    ];
    let hostile = |(what, bytes): (&str, Vec<u8>)| match what {
        // What compiles within the compiler's limits may run.
        "blocks 30,000 deep" => {
            Hostile::of_bytes(what, bytes).ends(&[Stop::Upload, Stop::Report], "")
        }
        _ => Hostile::of_bytes(what, bytes),
    };
    family(
        "compile bombs",
        &[Stop::Upload],
        "",
        cases.into_iter().map(hostile).collect(),
    )
}

/// Instances of a small module beside the main one.
fn many(module: &str, count: usize) -> Vec<u8> {
    let instances = "(core instance (instantiate $more))\n".repeat(count);
    let shell = Shell {
        before: format!("(core module $more {module})\n{instances}{MODULE}"),
        ..Shell::default()
    };
    shell.build()
}

/// Components of components: each level instantiates the one below so often.
fn tower(module: &str, levels: usize, width: usize) -> Vec<u8> {
    let mut text = format!(
        "(core module $m {module}) {}",
        "(core instance (instantiate $m))".repeat(width)
    );
    for level in 0..levels {
        let instances = format!("(instance (instantiate $c{level}))").repeat(width);
        text = format!("(component $c{level} {text}) {instances}");
    }
    let shell = Shell {
        before: format!("{text}\n{MODULE}"),
        ..Shell::default()
    };
    shell.build()
}

fn instances() -> Vec<Hostile> {
    let cases = vec![
        ("100 empty ones", many("", 100)),
        ("900 empty ones", many("", 900)),
        ("30 with memories", many("(memory 1)", 30)),
        ("100 with memories of 1 GiB", many("(memory 16384)", 100)),
        ("60 with tables", many("(table 10000 funcref)", 60)),
        (
            "200 with 100 globals",
            many(&"(global (mut i64) (i64.const 1))".repeat(100), 200),
        ),
        ("2 to the 10th, in components", tower("", 9, 2)),
        ("10 to the 5th, in components", tower("", 4, 10)),
        ("30 to the 3rd with memories", tower("(memory 1)", 2, 30)),
        (
            "2 to the 12th with start functions",
            tower("(func) (start 0)", 11, 2),
        ),
    ];
    let hostile = |(what, bytes): (&str, Vec<u8>)| Hostile::of_bytes(what, bytes);
    let ends = &[Stop::Upload, Stop::Limit];
    family(
        "many core instances",
        ends,
        "",
        cases.into_iter().map(hostile).collect(),
    )
}

fn segments() -> Vec<Hostile> {
    let quiet = || plugin::say(Plugin::new(""));
    let letters = |count: usize| "a".repeat(count);
    let build = |what: &str, plugin: Plugin| Hostile::new(what, &plugin);
    let outside = |at: &str| quiet().field(format!("(data (i32.const {at}) \"outside\")"));
    let init = "(data $d \"0123456789\")";
    let body = for_ever("(memory.init $d (i32.const 0) (i32.const 0) (i32.const 10))");
    let plugins = vec![
        build(
            "99,000 segments at one place",
            quiet().field("(data (i32.const 60000) \"a\")".repeat(99_000)),
        ),
        build("90,000 segments a page apart", {
            let segment = |n: usize| format!("(data (i32.const {}) \"b\")", (n % 1_000) * 65_536);
            quiet()
                .memory("1000")
                .field((0..90_000).map(segment).collect::<String>())
        }),
        build(
            "a segment of 14 MB over and over",
            quiet()
                .memory("300")
                .field(format!("(data (i32.const 0) \"{}\")", letters(14 << 20))),
        )
        // It lies over the plugin's own answer.
        .ends(&[Stop::Upload, Stop::NoReport], ""),
        build("a segment past the end", outside("131070")).ends(&[Stop::Trap, Stop::Upload], ""),
        build("a segment at the highest place", outside("-1"))
            .ends(&[Stop::Trap, Stop::Upload], ""),
        build(
            "a segment in an empty memory",
            quiet().field("(memory 0) (data (memory 1) (i32.const 0) \"x\")"),
        )
        .ends(&[Stop::Trap, Stop::Upload], ""),
        build(
            "95,000 passive segments",
            quiet().field("(data \"c\")".repeat(95_000)),
        ),
        build("memory.init for ever", Plugin::new(body).field(init)).ends(TIME, ""),
        build(
            "memory.init past the end",
            Plugin::new(
                "(memory.init $d (i32.const 0) (i32.const 5) (i32.const 100)) (unreachable)",
            )
            .field(init),
        )
        .ends(&[Stop::Trap], ""),
        build(
            "an element segment past the end",
            quiet().field("(table 1 funcref) (func $f) (elem (i32.const 5) $f $f $f)"),
        )
        .ends(&[Stop::Trap, Stop::Upload], ""),
    ];
    family("segment bombs", &[Stop::Upload, Stop::Report], "", plugins)
}
