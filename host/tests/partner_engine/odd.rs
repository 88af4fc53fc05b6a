//! Components that are odd before they run: what they begin with does not fit, or comes to nothing. Each is
//! refused, or taken and ended for the right reason; none is the host's fault.

use leyden::runtime::{PartnerLoadError, RunError};

use super::bench::{Bench, limits, until_deadline};
use super::components::{self, MEMORY, REALLOC, REPORT, instead};

/// What becomes of one, in words.
async fn end_of(bench: &Bench, bytes: Vec<u8>) -> String {
    let analytics = match bench.load(bytes).await {
        Ok(analytics) => analytics,
        Err(PartnerLoadError::Refused(refused)) => return format!("refused: {refused}"),
        Err(other) => panic!("the host's fault: {other}"),
    };
    let ran = bench.run(&analytics, "{}", limits(20_000)).await;
    match &ran.outcome {
        Ok(_) => "reported".to_owned(),
        Err(RunError::HostFault(fault)) => panic!("the host's fault: {fault}"),
        Err(error) => format!("ended: {error}"),
    }
}

/// A sound component with something more in its module.
fn with(part: &str) -> Vec<u8> {
    components::plain(&[MEMORY, REALLOC, REPORT, part])
}

/// One whose own memory is this.
fn over(memory: &str) -> Vec<u8> {
    components::plain(&[memory, REALLOC, REPORT])
}

/// One without a memory of its own, with a module beside that has this one.
fn beside(parts: &str) -> Vec<u8> {
    let more =
        format!("(core module $odd {parts}) (core instance $odd-instance (instantiate $odd))");
    components::component(&more, "", &[MEMORY, REALLOC, REPORT])
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_that_do_not_fit_end_the_run_and_say_so() {
    let bench = Bench::start().await;
    let outside = "reached outside its memory";
    let table = "reached outside a table";
    let cases = [
        (over(r#"(memory (export "memory") 0)"#), outside),
        (over(r#"(memory (export "memory") 0 0)"#), outside),
        (with(r#"(data (i32.const 65535) "ab")"#), outside),
        (with(r#"(data (i32.const -1) "a")"#), outside),
        (with(r#"(data (i32.const 65537) "")"#), outside),
        (with(r#"(data (i32.const 65536) "")"#), "reported"),
        (
            with(r#"(memory $m 0) (data (memory $m) (i32.const 0) "x")"#),
            outside,
        ),
        (
            with(r#"(memory $m 0 0) (data (memory $m) (i32.const 0) "x")"#),
            outside,
        ),
        (
            with(r#"(memory $m 0) (data (memory $m) (i32.const 0) "")"#),
            "reported",
        ),
        (beside(r#"(memory 0) (data (i32.const 0) "x")"#), outside),
        (beside(r#"(memory 0) (data (i32.const 0) "")"#), "reported"),
        (beside("(memory 0)"), "reported"),
        (beside("(memory 0 0)"), "reported"),
        (beside("(memory 0) (memory 0) (memory 0)"), "reported"),
        (with("(table 0 funcref)"), "reported"),
        (
            with("(table 0 funcref) (func $f) (elem (i32.const 0) $f)"),
            table,
        ),
        (
            with("(table 1 funcref) (func $f) (elem (i32.const 1) $f)"),
            table,
        ),
        (with("(table 1 funcref) (elem (i32.const 2) func)"), table),
        (
            beside("(table 0 0 funcref) (func $f) (elem (i32.const 0) $f)"),
            table,
        ),
    ];
    for (number, (bytes, expected)) in cases.into_iter().enumerate() {
        let end = end_of(&bench, bytes).await;
        assert!(end.contains(expected), "case {number}: {end}");
    }
    let sound = end_of(&bench, with("")).await;
    assert_eq!(sound, "reported");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_starts_badly_ends_like_any_run() {
    let bench = Bench::start().await;
    let cases = [
        (with("(func $s (unreachable)) (start $s)"), "gave up"),
        (with("(func $s (call $s)) (start $s)"), "called too deep"),
        (
            with("(func $s (drop (i32.div_u (i32.const 1) (i32.const 0)))) (start $s)"),
            "divided by zero",
        ),
        (
            with("(func $s (drop (memory.grow (i32.const 5000)))) (start $s)"),
            "went past its bound on memory",
        ),
        (beside("(func $s (unreachable)) (start $s)"), "gave up"),
        (
            with(
                "(func $s (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 9))) (data \"\") (start $s)",
            ),
            "reached outside its memory",
        ),
        (
            instead("(i32.store (i32.const -4) (i32.const 0))"),
            "reached outside its memory",
        ),
    ];
    for (number, (bytes, expected)) in cases.into_iter().enumerate() {
        let end = end_of(&bench, bytes).await;
        assert!(end.contains(expected), "case {number}: {end}");
    }
    let endless = bench
        .loaded(with("(func $s (loop (br 0))) (start $s)"))
        .await;
    let ran = bench.run(&endless, "{}", until_deadline()).await;
    assert!(
        matches!(ran.outcome, Err(RunError::Deadline(_))),
        "{:?}",
        ran.outcome.err()
    );
    assert!(
        ran.fuel >= 30_000_000,
        "a loop without a call is billed as well: {}",
        ran.fuel
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn modules_of_other_proposals_are_refused_and_several_memories_are_not() {
    let bench = Bench::start().await;
    let cases = [
        ("(memory 1 1 shared)", "refused"),
        ("(memory i64 1)", "refused"),
        ("(table i64 1 funcref)", "refused"),
        ("(type (array i8))", "refused"),
        ("(tag)", "refused"),
        ("(memory 1 (pagesize 1))", "refused"),
        ("(func (return_call 0))", "refused"),
        ("(memory 1) (memory 1)", "reported"),
        (
            "(global i32 (i32.add (i32.const 1) (i32.const 2)))",
            "reported",
        ),
    ];
    for (parts, expected) in cases {
        let end = end_of(&bench, beside(parts)).await;
        assert!(end.starts_with(expected), "{parts}: {end}");
    }
}
