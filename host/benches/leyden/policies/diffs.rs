//! How fast a candidate is compared with what was decided.

use std::sync::Arc;
use std::time::Instant;

use leyden::host::Host;
use leyden::policies::diff::{Report, diff};
use leyden::policies::{Decision, Kind};
use leyden::registry::Active;
use serde_json::{Value, json};

use super::super::figure::Figure;
use super::built;

/// Recorded decisions, of each kind.
const DECISIONS: usize = 100_000;

/// Kinds, their function, and the version that is compared with the one that comes with a host.
const COMPARED: [(Kind, &str, &str); 3] = [
    (Kind::PeakLimit, "limit", "peak-limit-time-of-use"),
    (Kind::Schedule, "decide", "schedule-load-aware"),
    (Kind::Shed, "shed", "shed-fair"),
];

/// An instant of a winter's afternoon, ms since 1970.
const AT_MS: u64 = 1_636_300_702_144;

pub(super) async fn measure(host: &Host, quick: bool) -> Vec<Figure> {
    let count = if quick { DECISIONS / 10 } else { DECISIONS };
    let mut figures = Vec::new();
    for (kind, function, candidate) in COMPARED {
        let file = format!("plugins/{kind}");
        let active = version(host, kind, &file).await;
        let decisions = Arc::new(decided(kind, function, &active, count).await);
        let file = format!("plugins/alternatives/{candidate}");
        let candidate = version(host, kind, &file).await;
        compare(kind, &candidate, &decisions).await;
        let began = Instant::now();
        let report = compare(kind, &candidate, &decisions).await;
        let seconds = began.elapsed().as_secs_f64();
        eprintln!(
            "policies: {kind}: {} same, {} changed, {} failed",
            report.same, report.changed, report.failed
        );
        assert_eq!((report.decisions, report.failed), (count as u64, 0));
        let name =
            |what: &str| format!("policies: diff of {count} recorded decisions of {kind}{what}");
        figures.push(Figure::plain(name(""), seconds, "s"));
        figures.push(Figure::at_least(
            name(", on all cores"),
            count as f64 / seconds,
            "decisions/s",
            50_000.0,
        ));
    }
    figures
}

async fn version(host: &Host, kind: Kind, file: &str) -> Arc<Active> {
    let candidate = host.registry.candidate(kind, built(file)).await;
    candidate.expect("a policy")
}

async fn compare(kind: Kind, candidate: &Active, decisions: &Arc<Vec<Decision>>) -> Report {
    diff(kind, &candidate.loaded, decisions.clone(), Arc::default()).await
}

/// What a version says to inputs like those of communities of three houses.
async fn decided(kind: Kind, function: &str, active: &Active, count: usize) -> Vec<Decision> {
    let interface = active.loaded.interface_of(kind);
    let mut decisions = Vec::with_capacity(count);
    for number in 0..count as u64 {
        let input = input(kind, number);
        let began = Instant::now();
        let output = active.loaded.decide_json(interface, function, &input).await;
        decisions.push(Decision {
            interface: interface.to_owned(),
            function: function.to_owned(),
            policy: active.digest.to_string(),
            failed: None,
            input,
            output: output.expect("a decision"),
            took_ns: u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX),
        });
    }
    decisions
}

fn input(kind: Kind, number: u64) -> Value {
    let (community, at_ms) = (number % 1_000 + 1, AT_MS + number / 1_000 * 60_000);
    // Three houses, each with a car and sometimes a heat pump.
    let loads = 3 + number % 4;
    match kind {
        Kind::PeakLimit => json!({"community": community, "at-ms": at_ms, "houses": 3}),
        Kind::Schedule => {
            let planned: Vec<Value> = (0..loads).map(|load| planned(load, at_ms)).collect();
            json!({"now-ms": at_ms, "community": community, "not-before-ms": at_ms,
                   "duration-ms": 3_600_000, "power-w": 1_300.0, "reason": "requested",
                   "limit-w": 10_000.0, "base-load-w": 1_500.0 + (number % 50) as f64 * 40.0,
                   "planned": planned})
        }
        _ => {
            let drawing: Vec<Value> = (0..loads).map(|load| drawing(load, at_ms)).collect();
            json!({"now-ms": at_ms, "community": community,
                   "consumption-w": 10_100.0 + (number % 70) as f64 * 50.0, "limit-w": 10_000.0,
                   "loads": drawing})
        }
    }
}

fn house(load: u64) -> String {
    format!("6f1c2d3e-0000-4000-8000-{:012}", load / 2)
}

fn planned(load: u64, at_ms: u64) -> Value {
    let starts_at_ms = at_ms + load * 900_000;
    json!({"house": house(load), "object": format!("Car {load}"), "power-w": 1_300.0 + load as f64 * 200.0,
           "slot": {"starts-at-ms": starts_at_ms, "ends-at-ms": starts_at_ms + 3_600_000}})
}

fn drawing(load: u64, at_ms: u64) -> Value {
    let last_ms = at_ms - (load + 1) * 86_400_000;
    json!({"house": house(load), "object": format!("Car {load}"), "power-w": 1_300.0 + load as f64 * 200.0,
           "ends-at-ms": at_ms + (load + 1) * 900_000, "last-shed-at-ms": last_ms})
}
