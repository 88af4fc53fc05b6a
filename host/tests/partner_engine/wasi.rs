//! Components whose standard library imports WASI: they start, and find nothing behind it.

use leyden::runtime::{PartnerLoadError, inspect};

use super::bench::{Bench, error, limits, report};
use super::components;

/// A component that calls one function of WASI and reports the digit that it makes of it.
fn calling(interface: &str, items: &str, lower: &str, signature: &str, digit: &str) -> Vec<u8> {
    let text = format!("(i64.extend_i32_u (i32.add (i32.const 48) {digit}))");
    components::calling([interface, items, lower, signature], &text, 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_tell_the_runs_instant_and_randomness_follows_from_the_run() {
    let bench = Bench::start().await;
    let clock = calling(
        "wasi:clocks/monotonic-clock@0.2.3",
        r#"(export "now" (func (result u64)))"#,
        r#"(core func $f (canon lower (func $wasi "now")))"#,
        "(result i64)",
        "(i64.eq (call $f) (i64.mul (i64.const 1636300702144) (i64.const 1000000)))",
    );
    let clock = bench.loaded(clock).await;
    assert_eq!(clock.inspection().wasi().count(), 1);
    assert_eq!(
        report(bench.run(&clock, "{}", limits(20_000)).await).body,
        b"1"
    );
    let random = calling(
        "wasi:random/random@0.2.0",
        r#"(export "get-random-u64" (func (result u64)))"#,
        r#"(core func $f (canon lower (func $wasi "get-random-u64")))"#,
        "(result i64)",
        "(i32.wrap_i64 (i64.and (call $f) (i64.const 7)))",
    );
    let random = bench.loaded(random).await;
    let first = report(bench.run(&random, "{}", limits(20_000)).await).body;
    assert_eq!(
        report(bench.run(&random, "{}", limits(20_000)).await).body,
        first
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_nothing_behind_it_traps_with_its_name() {
    let bench = Bench::start().await;
    let exit = calling(
        "wasi:cli/exit@0.2.0",
        r#"(export "exit" (func (param "status" (result))))"#,
        r#"(core func $f (canon lower (func $wasi "exit")))"#,
        "(param i32)",
        "(block (result i32) (call $f (i32.const 0)) (i32.const 1))",
    );
    let exit = bench.loaded(exit).await;
    let ran = bench.run(&exit, "{}", limits(20_000)).await;
    let said = error(&ran).to_string();
    assert!(said.contains("wasi:cli/exit.exit"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_into_an_empty_wasi_count_as_well() {
    let bench = Bench::start().await;
    let flood = calling(
        "wasi:random/insecure@0.2.0",
        r#"(export "get-insecure-random-u64" (func (result u64)))"#,
        r#"(core func $f (canon lower (func $wasi "get-insecure-random-u64")))"#,
        "(result i64)",
        "(block (result i32) (loop (drop (call $f)) (br 0)) (unreachable))",
    );
    let flood = bench.loaded(flood).await;
    let ran = bench.run(&flood, "{}", limits(20_000)).await;
    assert!(
        error(&ran).to_string().contains("calls into the host"),
        "{}",
        error(&ran)
    );
}

/// A sound component that also imports this of an interface.
fn importing(interface: &str, items: &str) -> Vec<u8> {
    components::sound_with(&format!(r#"(import "{interface}" (instance {items}))"#))
}

#[test]
fn functions_that_wasi_does_not_have_are_refused_by_name() {
    for (interface, items, named) in [
        (
            "wasi:filesystem/types@0.2.0",
            r#"(export "get" (func))"#,
            "the function get of wasi:filesystem/types@0.2.0",
        ),
        (
            "wasi:random/random@0.2.6",
            r#"(export "get-random-u64" (func (result u64))) (export "steal" (func))"#,
            "the function steal of wasi:random/random@0.2.6",
        ),
        (
            "wasi:cli/terminal-input@0.2.0",
            r#"(export "terminal-input" (type (sub resource))) (export "read" (func))"#,
            "the function read of",
        ),
    ] {
        let refused = inspect(&importing(interface, items)).expect_err("refused");
        assert_eq!(refused.reasons.len(), 1, "{refused}");
        assert_eq!(refused.reasons[0].import.as_deref(), Some(interface));
        let said = refused.to_string();
        assert!(
            said.contains(named) && said.contains("--stub-wasi"),
            "{said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_links_and_other_types_are_refused_by_the_imports_name() {
    let bench = Bench::start().await;
    // Known functions without an answer, and one with: taken, and its run does not call them.
    let known = importing(
        "wasi:io/streams@0.2.9",
        r#"(export "output-stream" (type $o (sub resource)))
           (export "[method]output-stream.write-zeroes" (func (param "self" (borrow $o)) (param "len" u64)))
           (export "[method]output-stream.check-write" (func (param "self" (borrow $o))))"#,
    );
    let refused = bench.load(known).await.err().expect("refused");
    let PartnerLoadError::Refused(refused) = refused else {
        panic!("{refused}");
    };
    let import = refused.reasons[0].import.as_deref();
    assert_eq!(import, Some("wasi:io/streams@0.2.9"), "{refused}");
    assert!(refused.to_string().contains("check-write"), "{refused}");
    let known = importing(
        "wasi:io/streams@0.2.9",
        r#"(export "output-stream" (type $o (sub resource)))
           (export "[method]output-stream.write-zeroes" (func (param "self" (borrow $o)) (param "len" u64)))"#,
    );
    let taken = bench.loaded(known).await;
    report(bench.run(&taken, "{}", limits(20_000)).await);
}
