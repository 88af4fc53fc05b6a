//! Runs that misbehave, each in its own way: stopped in time, for the right reason; the next run is served.

use std::sync::Arc;

use leyden::dispatch;
use leyden::metering::Dataset;
use leyden::partners::limits::RunLimits;
use leyden::runtime::run::{GuestErrorKind, LogLevel};
use leyden::runtime::{Datasets, Limit, RunError, Trigger};

use super::bench::{Bench, DEADLINE_MS, error, limits, report, until_deadline};
use super::components::{self, MEMORY, REALLOC, REPORT};
use super::support::{frozen, guest};

const PATIENT_MS: u64 = 20_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_report_comes_back_with_what_it_took() {
    let bench = Bench::start().await;
    let analyst = bench.loaded(guest("partners/analyst")).await;
    let mut input = bench.input(Datasets::all(), r#"{"do":"echo"}"#, limits(PATIENT_MS));
    input.params.trigger = Trigger::Schedule(leyden::ids::Instant(7));
    let now = input.work.now().0;
    let ran = analyst.run(input).await;
    assert!(ran.fuel > 0 && ran.memory_high_bytes >= 64 << 10 && ran.work.is_some());
    let report = report(ran);
    assert_eq!(report.media_type, "application/json");
    let echo: serde_json::Value = serde_json::from_slice(&report.body).unwrap();
    assert_eq!(echo["trigger"]["schedule"], 7);
    assert_eq!(echo["now"], now);
    assert_eq!(echo["params"], r#"{"do":"echo"}"#);
}

/// As partners' plugins have it that were built against the first release.
#[tokio::test(flavor = "multi_thread")]
async fn a_component_of_the_first_release_runs() {
    let bench = Bench::start().await;
    let analyst = bench.loaded(frozen("0.1.0", "guests/analyst")).await;
    let input = bench.input(Datasets::all(), r#"{"do":"echo"}"#, limits(PATIENT_MS));
    let now = input.work.now().0;
    let report = report(analyst.run(input).await);
    let echo: serde_json::Value = serde_json::from_slice(&report.body).unwrap();
    assert_eq!(echo["now"], now);
    assert_eq!(echo["params"], r#"{"do":"echo"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_run_takes_the_same_fuel_and_no_run_sees_another() {
    let bench = Bench::start().await;
    let analyst = bench.loaded(guest("partners/analyst")).await;
    let params = r#"{"do":"logs","n":3}"#;
    let first = bench.run(&analyst, params, limits(PATIENT_MS)).await;
    let second = bench.run(&analyst, params, limits(PATIENT_MS)).await;
    assert_eq!(first.fuel, second.fuel);
    assert_eq!(first.memory_high_bytes, second.memory_high_bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_component_says_instead_of_a_report_is_handed_on() {
    let bench = Bench::start().await;
    let analyst = bench.loaded(guest("partners/analyst")).await;
    for (params, expected, bytes) in [
        (
            r#"{"do":"refuse","text":"no","n":1}"#,
            GuestErrorKind::InvalidParams,
            2,
        ),
        (
            r#"{"do":"fail","text":"sorry","n":100000}"#,
            GuestErrorKind::Failed,
            4096,
        ),
        (r#"not json"#, GuestErrorKind::InvalidParams, 0),
    ] {
        let ran = bench.run(&analyst, params, limits(PATIENT_MS)).await;
        let RunError::Guest { kind, text } = error(&ran) else {
            panic!("{params}: {}", error(&ran));
        };
        assert_eq!(*kind, expected, "{params}");
        assert!(
            bytes == 0 || text.len() == bytes,
            "{params}: {}",
            text.len()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_misdeed_ends_with_its_own_reason_and_the_next_run_is_served() {
    let bench = Bench::start().await;
    let analyst = bench.loaded(guest("partners/analyst")).await;
    let small = limits(PATIENT_MS);
    let misdeeds: [(&str, RunLimits, &str); 13] = [
        (r#"{"do":"loop"}"#, until_deadline(), "deadline of 500 ms"),
        (r#"{"do":"loop"}"#, small, "2000000000 units of fuel"),
        (r#"{"do":"recurse"}"#, small, "stack is used up"),
        (r#"{"do":"memory"}"#, small, "memory (at most 67108864"),
        (r#"{"do":"panic"}"#, small, "a panic or an abort"),
        (r#"{"do":"trap"}"#, small, "a panic or an abort"),
        (
            r#"{"do":"report","n":2000000}"#,
            small,
            "hands over at once",
        ),
        (
            r#"{"do":"report","n":1048577}"#,
            small,
            "hands over at once",
        ),
        (
            r#"{"do":"hand-over","n":4000000}"#,
            small,
            "hands over at once",
        ),
        (
            r#"{"do":"calls","n":100000000}"#,
            small,
            "calls into the host (at most 10000)",
        ),
        (
            r#"{"do":"logs","n":100000000}"#,
            small,
            "calls into the host (at most 10000)",
        ),
        (
            r#"{"do":"read","n":20000}"#,
            small,
            "calls into the host (at most 10000)",
        ),
        (
            r#"{"do":"report","text":"a/b\r\nset-cookie: c"}"#,
            small,
            "media type 'a/b\\r\\n",
        ),
    ];
    for (params, limits, reason) in misdeeds {
        let ran = bench.run(&analyst, params, limits).await;
        let said = error(&ran).to_string();
        assert!(said.contains(reason), "{params}: {said}");
        let next = bench.run(&analyst, r#"{"do":"echo"}"#, small).await;
        report(next);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_past_their_bound_are_told_to_the_component() {
    let bench = Bench::start().await;
    let analyst = bench.loaded(guest("partners/analyst")).await;
    let most = RunLimits {
        reads: 3,
        ..limits(PATIENT_MS)
    };
    let ran = bench.run(&analyst, r#"{"do":"read","n":5}"#, most).await;
    let ends: Vec<serde_json::Value> = serde_json::from_slice(&report(ran).body).unwrap();
    let limited = |end: &serde_json::Value| {
        end["error"]
            .as_str()
            .is_some_and(|error| error.starts_with("limit: reads"))
    };
    assert_eq!(
        ends.iter().filter(|end| limited(end)).count(),
        2,
        "{ends:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_kept_up_to_its_bounds_and_says_that_it_is_full() {
    let bench = Bench::start().await;
    let analyst = bench.loaded(guest("partners/analyst")).await;
    let ran = bench
        .run(
            &analyst,
            r#"{"do":"logs","n":500,"bytes":5000}"#,
            limits(PATIENT_MS),
        )
        .await;
    let (last, lines) = ran.log.split_last().expect("lines");
    assert_eq!(lines.len(), 16, "64 KiB of 4 KiB each");
    assert!(
        lines
            .iter()
            .all(|line| line.message.len() == 4096 && line.level == LogLevel::Info)
    );
    assert!(last.message.contains("further lines are dropped") && last.level == LogLevel::Warn);
    let ran = bench
        .run(&analyst, r#"{"do":"panic"}"#, limits(PATIENT_MS))
        .await;
    assert!(
        ran.log[0].message.contains("asked to panic"),
        "a panic explains itself"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn less_fuel_than_the_limits_allow_is_less_fuel() {
    let bench = Bench::start().await;
    let analyst = bench.loaded(guest("partners/analyst")).await;
    let mut input = bench.input(Datasets::all(), r#"{"do":"loop"}"#, limits(PATIENT_MS));
    input.fuel_max = 1_000_000;
    let ran = analyst.run(input).await;
    assert!(
        matches!(error(&ran), RunError::Fuel(1_000_000)),
        "{}",
        error(&ran)
    );
    assert_eq!(ran.fuel, 1_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_granted_is_named_and_does_not_run() {
    let bench = Bench::start().await;
    let analyst = bench.loaded(guest("partners/analyst")).await;
    let some = [Dataset::GlobalConsumption].into_iter().collect();
    let ran = analyst
        .run(bench.input(some, r#"{"do":"echo"}"#, limits(PATIENT_MS)))
        .await;
    let missing = [
        "leyden:data/production@0.1.0",
        "leyden:data/detailed-consumption@0.1.0",
    ];
    assert!(matches!(error(&ran), RunError::NotGranted(named) if *named == missing));
    assert_eq!((ran.fuel, ran.work.is_some()), (0, true));
    let said = error(&ran).to_string();
    assert!(said.contains("leyden:data/production@0.1.0"), "{said}");
    let nothing = bench
        .loaded(components::plain(&[MEMORY, REALLOC, REPORT]))
        .await;
    let ran = nothing
        .run(bench.input(Datasets::default(), "{}", limits(PATIENT_MS)))
        .await;
    assert_eq!(report(ran).body, b"ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_is_not_granted_the_import_is_named_that_reads_it() {
    let bench = Bench::start().await;
    let columns = "leyden:data/production-columns@0.1.0";
    let imports = format!("(import \"{columns}\" (instance))");
    let reader = bench.loaded(components::sound_with(&imports)).await;
    let ran = reader
        .run(bench.input(Datasets::default(), "{}", limits(PATIENT_MS)))
        .await;
    let said = error(&ran).to_string();
    let words = format!("it imports {columns}, which");
    assert!(said.starts_with(&words), "{said}");
}

/// Written by hand, since no compiler makes them.
fn by_hand() -> Vec<(&'static str, Vec<u8>, RunLimits, &'static str)> {
    let small = limits(PATIENT_MS);
    let start = r#"(func $spin (loop (br 0))) (start $spin)"#;
    let realloc = r#"(func (export "realloc") (param i32 i32 i32 i32) (result i32) (loop (br 0)) (unreachable))"#;
    let nowhere =
        r#"(func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const -8))"#;
    let outside = r#"(data (i32.const 70000) "x")"#;
    let returns = |fill: &str| components::instead(&format!("{fill} (return (i32.const 64))"));
    vec![
        (
            "a start function that loops",
            components::plain(&[MEMORY, REALLOC, REPORT, start]),
            until_deadline(),
            "deadline",
        ),
        (
            "a start function that burns fuel",
            components::plain(&[MEMORY, REALLOC, REPORT, start]),
            small,
            "units of fuel",
        ),
        (
            "an allocator that loops",
            components::plain(&[MEMORY, realloc, REPORT]),
            until_deadline(),
            "deadline",
        ),
        (
            "an allocator that points outside",
            components::plain(&[MEMORY, nowhere, REPORT]),
            small,
            "realloc",
        ),
        (
            "data outside memory",
            components::plain(&[MEMORY, REALLOC, REPORT, outside]),
            small,
            "outside its memory",
        ),
        (
            "memory grown and not touched",
            components::instead("(loop (drop (memory.grow (i32.const 16))) (br 0))"),
            small,
            "memory (at most",
        ),
        (
            "memory grown at once",
            components::instead("(drop (memory.grow (i32.const 65000)))"),
            small,
            "memory (at most",
        ),
        (
            "two memories grown",
            components::plain(&[
                MEMORY,
                REALLOC,
                "(memory $other 1)",
                r#"(func (export "report") (param i32 i64 i32 i32 i64 i64 i32 i32) (result i32)
            (drop (memory.grow 0 (i32.const 600))) (drop (memory.grow $other (i32.const 600))) (unreachable))"#,
            ]),
            small,
            "memory (at most",
        ),
        (
            "a table grown",
            components::plain(&[
                MEMORY,
                REALLOC,
                "(table $t 1 funcref)",
                r#"(func (export "report") (param i32 i64 i32 i32 i64 i64 i32 i32) (result i32)
            (loop (drop (table.grow $t (ref.null func) (i32.const 1000))) (br 0)) (unreachable))"#,
            ]),
            small,
            "table elements (at most 50000)",
        ),
        (
            "an endless recursion",
            components::plain(&[
                MEMORY,
                REALLOC,
                r#"(func $deep (call $deep))"#,
                r#"(func (export "report") (param i32 i64 i32 i32 i64 i64 i32 i32) (result i32)
            (call $deep) (unreachable))"#,
            ]),
            small,
            "stack is used up",
        ),
        (
            "a division by zero",
            components::instead("(drop (i32.div_u (i32.const 1) (i32.const 0)))"),
            small,
            "divided by zero",
        ),
        (
            "a body that lies outside",
            returns(
                "(i32.store (i32.const 76) (i32.const 65000)) (i32.store (i32.const 80) (i32.const 60000))",
            ),
            small,
            "bounds",
        ),
        (
            "a body of 4 GB",
            returns("(i32.store (i32.const 80) (i32.const -1))"),
            small,
            "bounds",
        ),
        (
            "a media type that is no text",
            returns(
                "(i32.store8 (i32.const 8) (i32.const 255)) (i32.store (i32.const 68) (i32.const 8)) (i32.store (i32.const 72) (i32.const 1))",
            ),
            small,
            "utf-8",
        ),
        (
            "an answer of no known kind",
            returns("(i32.store8 (i32.const 64) (i32.const 9))"),
            small,
            "discriminant",
        ),
        (
            "an answer outside memory",
            components::instead("(return (i32.const -4))"),
            small,
            "bounds",
        ),
        (
            "an answer that is not aligned",
            components::instead("(return (i32.const 65))"),
            small,
            "align",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_compiler_makes_is_stopped_as_well() {
    let bench = Bench::start().await;
    let sound = bench
        .loaded(components::plain(&[MEMORY, REALLOC, REPORT]))
        .await;
    for (what, bytes, limits, reason) in by_hand() {
        let hostile = bench.loaded(bytes).await;
        let ran = bench.run(&hostile, "{}", limits).await;
        let said = error(&ran).to_string();
        assert!(said.to_lowercase().contains(reason), "{what}: {said}");
        assert!(
            !matches!(error(&ran), RunError::HostFault(_)),
            "{what}: {said}"
        );
        let next = bench.run(&sound, "{}", limits).await;
        assert_eq!(report(next).body, b"ok", "after {what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn handles_of_its_own_resources_are_bounded() {
    let bench = Bench::start().await;
    let own = r#"
        (type $r (resource (rep i32)))
        (core func $new (canon resource.new $r))
        (core instance $own (export "new" (func $new)))"#;
    let import = r#"(import "own" "new" (func $new (param i32) (result i32)))"#;
    let flood = r#"(func (export "report") (param i32 i64 i32 i32 i64 i64 i32 i32) (result i32)
        (loop (drop (call $new (i32.const 1))) (br 0)) (unreachable))"#;
    let with = r#"(with "own" (instance $own))"#;
    let hostile = components::component(own, with, &[import, MEMORY, REALLOC, flood]);
    let hostile = bench.loaded(hostile).await;
    let ran = bench.run(&hostile, "{}", limits(PATIENT_MS)).await;
    assert!(
        matches!(error(&ran), RunError::Limit(Limit::Handles(1_000))),
        "{}",
        error(&ran)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_endless_runs_leave_room_for_others() {
    let bench = Arc::new(Bench::start().await);
    let analyst = bench.loaded(guest("partners/analyst")).await;
    let endless: Vec<_> = (0..12)
        .map(|_| {
            let (bench, analyst) = (bench.clone(), analyst.clone());
            tokio::spawn(async move {
                let input = bench.input(Datasets::all(), r#"{"do":"loop"}"#, until_deadline());
                analyst.run(input).await
            })
        })
        .collect();
    for _ in 0..5 {
        let ran = bench
            .run(&analyst, r#"{"do":"echo"}"#, limits(PATIENT_MS))
            .await;
        report(ran);
    }
    for task in endless {
        let ran = task.await.expect("no panic");
        assert!(
            matches!(error(&ran), RunError::Deadline(DEADLINE_MS)),
            "{}",
            error(&ran)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_stops_waiting_ends_the_run() {
    let bench = Bench::start().await;
    let analyst = bench.loaded(guest("partners/analyst")).await;
    let forever = RunLimits {
        deadline_ms: 3_600_000,
        memory_bytes: 192 << 20,
        ..until_deadline()
    };
    for _ in 0..4 {
        let input = bench.input(Datasets::all(), r#"{"do":"loop"}"#, forever);
        let run = tokio::time::timeout(std::time::Duration::from_millis(200), analyst.run(input));
        assert!(run.await.is_err(), "cut off");
    }
    let ran = bench.run(&analyst, r#"{"do":"echo"}"#, forever).await;
    report(ran);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_meter_reads_are_refused_as_the_hosts_fault_never_as_data() {
    let bench = Bench::start().await;
    let analyst = bench.loaded(guest("partners/analyst")).await;
    let mut input = bench.input(
        Datasets::all(),
        r#"{"do":"read","n":1}"#,
        limits(PATIENT_MS),
    );
    input.work.meter = None;
    let ran = analyst.run(input).await;
    let told = match &ran.outcome {
        Ok(report) => String::from_utf8_lossy(&report.body).into_owned(),
        Err(error) => error.to_string(),
    };
    assert!(!told.contains("readings"), "{told}");
    let _ = std::hint::black_box(dispatch::Error::Busy);
}
