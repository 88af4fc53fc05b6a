//! Components whose standard library imports WASI: they start, and find nothing behind it.

use super::bench::{Bench, error, limits, report};
use super::components::{self, MEMORY, REALLOC};

/// A component that calls one function of WASI and reports the number it got, as one byte.
fn calling(interface: &str, items: &str, lower: &str, signature: &str, body: &str) -> Vec<u8> {
    let imports = format!(
        r#"(import "{interface}" (instance $wasi {items}))
           (core module $libc (memory (export "memory") 1)
             (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 32768)))
           (core instance $libc (instantiate $libc))
           (alias core export $libc "memory" (core memory $memory))
           (alias core export $libc "realloc" (core func $realloc))
           {lower}
           (core instance $lowered (export "f" (func $f)))"#
    );
    let import = format!(r#"(import "wasi" "f" (func $f {signature}))"#);
    let report = format!(
        r#"(data (i32.const 8) "text/plain")
           (func (export "report") (param i32 i64 i32 i32 i64 i64 i32 i32) (result i32)
             (i32.store8 (i32.const 24) (i32.add (i32.const 48) {body}))
             (i32.store8 (i32.const 64) (i32.const 0))
             (i32.store (i32.const 68) (i32.const 8))
             (i32.store (i32.const 72) (i32.const 10))
             (i32.store (i32.const 76) (i32.const 24))
             (i32.store (i32.const 80) (i32.const 1))
             (i32.const 64))"#
    );
    let with = r#"(with "wasi" (instance $lowered))"#;
    components::component(&imports, with, &[&import, MEMORY, REALLOC, &report])
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
