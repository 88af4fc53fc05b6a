//! Uploads that are not taken, each with words that say why and what to do.

use std::time::{Duration, Instant};

use leyden::ids::Digest;
use leyden::runtime::inspect::Need;
use leyden::runtime::{
    CompileLimits, Inspection, PartnerLoadError, PartnerOptions, PartnerRuntime, Refused, inspect,
};

use super::bench::Bench;
use super::components::{self, MEMORY, REALLOC, REPORT, assemble};
use super::support::guest;

fn refused(bytes: &[u8]) -> Refused {
    inspect(bytes).expect_err("refused")
}

fn sound() -> Vec<u8> {
    components::plain(&[MEMORY, REALLOC, REPORT])
}

#[test]
fn what_is_no_component_is_told_apart() {
    let whole = sound();
    let cut = &whole[..whole.len() - 3];
    let module = assemble("(module)");
    let cases: [(&[u8], &str); 13] = [
        (b"", "is empty"),
        (b"\0asm", "ends within its first 8 bytes"),
        // Not how a component goes on, but no whole preamble either.
        (b"\0asm\n", "ends within its first 8 bytes"),
        (b"\0asm\x0d\0\x01", "ends within its first 8 bytes"),
        (&module, "is a core module"),
        (b"  (component)", "WebAssembly text"),
        (b";; text", "WebAssembly text"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\0", "compressed with gzip"),
        (b"PK\x03\x04........", "a ZIP archive"),
        (b"\x7fELF............", "a native program"),
        (b"\0asm\x0c\0\x01\0", "version 12 and layer 1"),
        (b"hello, world", "is not a WebAssembly component"),
        (cut, "ends too early"),
    ];
    for (bytes, words) in cases {
        let said = refused(bytes).to_string();
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn a_sound_component_is_described() {
    let found: Inspection = inspect(&guest("partners/analyst")).expect("sound");
    let needs: Vec<_> = found
        .imports
        .iter()
        .map(|import| (import.name.as_str(), import.needs))
        .collect();
    assert!(
        needs.contains(&("leyden:clock/clock@0.1.0", Need::Nothing)),
        "{needs:?}"
    );
    assert_eq!(found.datasets().count(), 3, "{needs:?}");
    assert_eq!(found.wasi().count(), 0);
    assert!(found.counts.functions > 10 && found.counts.memory_bytes >= 64 << 10);
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["digest"].as_str().unwrap().len(), 64);
    assert!(
        json["imports"]
            .as_array()
            .unwrap()
            .iter()
            .any(|i| i["needs"]["dataset"] == "production"),
        "{json}"
    );
}

#[test]
fn every_import_that_is_not_served_is_named_with_what_to_do() {
    let cases = [
        ("leyden:state/store@0.1.0", "not served to partners' code"),
        ("leyden:ledger/ledger@0.1.0", "not served to partners' code"),
        (
            "leyden:grid/consumption@0.1.0",
            "not served to partners' code",
        ),
        (
            "leyden:data/production@0.2.0",
            "a version that is not served",
        ),
        ("leyden:data/production", "a version that is not served"),
        ("leyden:clock/clock@0.1.1", "a version that is not served"),
        ("leyden:data/secrets@0.1.0", "not served to partners' code"),
        ("wasi:sockets/tcp@0.2.0", "--stub-wasi"),
        ("wasi:http/outgoing-handler@0.2.0", "--stub-wasi"),
        ("wasi:keyvalue/store@0.2.0-draft", "--stub-wasi"),
        ("wasi:cli/environment@0.3.0", "--stub-wasi"),
        ("wasi:cli/environment", "--stub-wasi"),
        ("wasi:cli/environment@0.2.0-rc-2023-11-10", "--stub-wasi"),
        ("evil:corp/exfiltrate@1.0.0", "which is not served"),
    ];
    let all: String = cases
        .iter()
        .map(|(name, _)| format!("(import \"{name}\" (instance))\n"))
        .collect();
    let refused = refused(&components::sound_with(&all));
    assert_eq!(refused.reasons.len(), cases.len(), "{refused}");
    for ((name, words), reason) in cases.iter().zip(&refused.reasons) {
        assert_eq!(reason.import.as_deref(), Some(*name));
        assert!(reason.to_string().contains(words), "{reason}");
    }
}

#[test]
fn imports_that_are_no_interfaces_are_refused() {
    for (smuggled, kind) in [
        (
            "(import \"leyden:data/production@0.1.0\" (func))",
            "the function",
        ),
        (
            "(import \"leyden:data/production@0.1.0\" (core module))",
            "the core module",
        ),
        (
            "(import \"leyden:data/production@0.1.0\" (component))",
            "the component",
        ),
        (
            "(import \"exec\" (func (param \"command\" string)))",
            "the function",
        ),
        ("(import \"handle\" (type (sub resource)))", "the type"),
    ] {
        let said = refused(&components::sound_with(smuggled)).to_string();
        assert!(
            said.contains(kind) && said.contains("no interface"),
            "{said}"
        );
    }
}

#[test]
fn a_component_without_a_report_is_told_what_it_exports() {
    let nothing = refused(&assemble("(component)")).to_string();
    assert!(
        nothing.contains("exports nothing, but not leyden:data/reports@0.1.0"),
        "{nothing}"
    );
    let policy = refused(&guest("probe"));
    let said = policy.to_string();
    assert!(said.contains("leyden:http/handler@0.1.0, "), "{said}");
    assert!(
        policy
            .reasons
            .iter()
            .any(|r| r.import.as_deref() == Some("leyden:state/store@0.1.0"))
    );
}

#[test]
fn proposals_that_are_not_served_are_named() {
    let cases = [
        ("(memory $s 1 1 shared)", "threads"),
        ("(memory $w i64 1)", "memory64"),
        ("(func $t (return_call $t))", "tail calls"),
        ("(type $s (struct))", "gc"),
        ("(tag $e)", "exceptions"),
        (
            "(func (param v128 v128 v128) (result v128) (i32x4.relaxed_laneselect (local.get 0) (local.get 1) (local.get 2)))",
            "relaxed SIMD",
        ),
        ("(func (param externref))", "gc types"),
    ];
    for (part, name) in cases {
        let refused = refused(&components::plain(&[MEMORY, REALLOC, REPORT, part]));
        let said = refused.to_string().to_lowercase();
        assert!(said.contains(&name.to_lowercase()), "{part}: {said}");
        assert!(
            said.contains("proposal that is not served") || said.contains("not valid"),
            "{said}"
        );
    }
    let several = components::plain(&[MEMORY, REALLOC, REPORT, "(memory $other 1)"]);
    inspect(&several).expect("several memories are served");
}

/// So many imports of one type of an interface with so many functions.
fn many_imports(imports: usize, functions: usize) -> String {
    let functions: String = (0..functions)
        .map(|number| format!("(export \"f{number}\" (func))"))
        .collect();
    let import =
        |patch| format!("(import \"wasi:cli/environment@0.2.{patch}\" (instance (type $many)))\n");
    let imports: String = (0..imports).map(import).collect();
    format!("(type $many (instance {functions}))\n{imports}")
}

#[test]
fn what_would_take_too_much_is_refused_by_name() {
    let module = |parts: &str| components::plain(&[MEMORY, REALLOC, REPORT, parts]);
    let many = |part: &str, times: usize| part.repeat(times);
    let nested = |depth: usize| {
        let text = format!("{}{}", "(component ".repeat(depth), ")".repeat(depth));
        components::sound_with(&text)
    };
    let cases = [
        (module("(memory $m 5000)"), "bytes of memory at its start"),
        (
            module("(table 200000 funcref)"),
            "table elements at its start",
        ),
        (module(&many("(memory 0)", 9)), "linear memories"),
        (
            module(&many("(func)", 60_001)),
            "functions, more than 60000",
        ),
        (
            module(&format!(
                "(func (result {}) (unreachable))",
                many("i32 ", 33)
            )),
            "33 results",
        ),
        (
            module(&format!("(func (param {}))", many("i32 ", 300))),
            "300 parameters",
        ),
        (
            module(&format!("(func $huge (local {}))", many("i32 ", 20_001))),
            "20001 locals in function 2 `huge` of core module 0",
        ),
        (
            components::sound_with(&many("(core module)", 80)),
            "core modules, more than 64",
        ),
        (
            components::sound_with(&many("(component)", 20)),
            "nested components",
        ),
        (nested(10), "deep"),
        (
            components::sound_with(&many_imports(300, 1)),
            "imports, more than 256",
        ),
        (
            components::sound_with(&many_imports(200, 300)),
            "with 300 items, more than 256",
        ),
    ];
    for (bytes, words) in cases {
        let said = refused(&bytes).to_string();
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn no_prefix_and_no_flipped_bit_makes_the_pass_panic() {
    let bytes = guest("partners/analyst");
    for cut in (0..bytes.len()).step_by(997) {
        inspect(&bytes[..cut]).expect_err("cut off");
    }
    let mut state: u64 = 1;
    for _ in 0..2_000 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let mut flipped = bytes.clone();
        let at = (state >> 16) as usize % flipped.len();
        flipped[at] ^= 1 << (state >> 61);
        let _ = std::hint::black_box(inspect(&flipped));
    }
}

/// The bomb of 132 KB that takes minutes and gigabytes to compile.
#[test]
fn the_compile_bomb_is_refused_before_it_is_compiled() {
    let bomb = components::bomb(1, 5_000, 8_000);
    let since = Instant::now();
    let said = refused(&bomb).to_string();
    assert!(since.elapsed() < Duration::from_secs(5));
    let words = "80000000 locals times blocks in function 2 `bomb0` of core module 0";
    assert!(said.contains(words), "{said}");
    let many = components::bomb(60, 500, 1_000);
    let said = refused(&many).to_string();
    assert!(
        said.contains("locals times blocks in all functions"),
        "{said}"
    );
}

/// Bombs that pass the pass meet the limits of the process that compiles them, and only they do.
#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_below_the_bounds_meets_the_limits_of_the_compiling_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let start = |memory_mib, cpu_s, wall_s| {
        PartnerRuntime::start(&PartnerOptions {
            compiled: Some(folder.path().into()),
            program: Some(env!("CARGO_BIN_EXE_leyden").into()),
            compile: CompileLimits {
                memory_mib,
                cpu_s,
                wall_s,
            },
            one_at_a_time: false,
        })
        .expect("an engine")
    };
    let bomb = components::bomb(12, 990, 990);
    inspect(&bomb).expect("below the bounds");
    for (runtime, words) in [
        (
            start(256, 60, 180),
            "more than 256 MiB of memory to compile",
        ),
        (
            start(2_048, 1, 180),
            "more than 1 s of processor time to compile",
        ),
        (start(2_048, 60, 1), "more than 1 s to compile"),
    ] {
        let load = |bytes: Vec<u8>| runtime.load(Digest::of(&bytes), bytes.into());
        let (hostile, other) = tokio::join!(load(bomb.clone()), load(sound()));
        let said = hostile.err().expect("refused").to_string();
        assert!(said.contains(words), "{said}");
        other.expect("compiled all the same");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn types_that_differ_from_the_hosts_are_refused() {
    let bench = Bench::start().await;
    let smuggled =
        r#"(import "leyden:clock/clock@0.1.0" (instance (export "now" (func (result string)))))"#;
    let refused = bench.load(components::sound_with(smuggled)).await;
    let Err(PartnerLoadError::Refused(refused)) = refused else {
        panic!("not refused");
    };
    let import = refused.reasons[0].import.as_deref();
    assert_eq!(import, Some("leyden:clock/clock@0.1.0"), "{refused}");
    let said = refused.to_string();
    assert!(said.contains("does not fit what the host serves"), "{said}");
    let unknown = r#"(import "leyden:data/budget@0.1.0" (instance (export "steal" (func))))"#;
    let said = bench.refusal(components::sound_with(unknown)).await;
    assert!(said.contains("steal"), "{said}");
}
