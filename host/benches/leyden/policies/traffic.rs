//! What requests that ask policies notice of versions that are swapped beside them, and of a version in the shadow.

use std::cell::Cell;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use super::super::figure::{Figure, median, percentile};
use super::super::process::Process;
use super::built;
use super::homes::{Asked, HOMES, Operator, ask, requests, swap};

/// Between two swaps: ten a second.
const SWAP_EVERY: Duration = Duration::from_millis(100);

/// The two versions that take turns.
const VERSIONS: [&str; 2] = [
    "plugins/alternatives/schedule-load-aware",
    "plugins/schedule",
];

/// The policy.
const POLICY: &str = "/admin/policies/schedule";

/// Where a version is put into the shadow of the active one.
const SHADOW: &str = "/admin/policies/schedule/shadow";

pub(super) async fn measure(quick: bool) -> Vec<Figure> {
    let (rounds, seconds) = if quick { (3, 1) } else { (7, 2) };
    let folder = tempfile::tempdir().expect("a folder");
    let host = Process::start_with(folder.path(), &["--log", "error"]).await;
    let operator = Operator::of(&host);
    swap(&operator, "asker", "guests/asker").await;
    let phase = Duration::from_secs(seconds);
    let bench = Bench {
        host,
        operator,
        requests: requests(),
        phase,
    };
    // Compiled and warm.
    bench.swapping().await;
    let mut figures = bench.swaps(rounds).await;
    figures.extend(bench.shadows(rounds).await);
    figures
}

struct Bench {
    host: Process,
    operator: Operator,
    requests: Vec<String>,
    phase: Duration,
}

impl Bench {
    async fn asking(&self) -> Asked {
        ask(&self.host, &self.requests, self.phase).await
    }

    /// What is asked while versions take turns, and how often one did.
    async fn swapping(&self) -> (Asked, usize) {
        let swaps = Cell::new(0);
        let swapping = async {
            let mut every = tokio::time::interval(SWAP_EVERY);
            loop {
                every.tick().await;
                let version = VERSIONS[swaps.get() % VERSIONS.len()];
                swap(&self.operator, "schedule", version).await;
                swaps.set(swaps.get() + 1);
            }
        };
        tokio::select! {
            asked = self.asking() => (asked, swaps.get()),
            () = swapping => unreachable!("it swaps on and on"),
        }
    }

    async fn swaps(&self, rounds: usize) -> Vec<Figure> {
        let (mut steady, mut swapped, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        let mut swaps_a_second = Vec::new();
        for round in 0..rounds {
            let p99 = |mut asked: Asked| percentile(&mut asked.took_ms, 99);
            let without = p99(self.asking().await);
            let (asked, swaps) = self.swapping().await;
            let with = p99(asked);
            eprintln!(
                "policies: round {} of {rounds}: p99 {without:.2} ms, with {swaps} swaps {with:.2} ms",
                round + 1
            );
            swaps_a_second.push(swaps as f64 / self.phase.as_secs_f64());
            steady.push(without);
            swapped.push(with);
            ratios.push(with / without);
        }
        let named = |what: &str| format!("policies: {HOMES} connections, {what}");
        vec![
            Figure::plain(named("steady, p99"), median(&mut steady), "ms"),
            Figure::plain(
                named("while versions are swapped, p99"),
                median(&mut swapped),
                "ms",
            ),
            Figure::plain(named("swaps"), median(&mut swaps_a_second), "1/s"),
            Figure::at_most(
                named("p99 while versions are swapped over steady"),
                median(&mut ratios),
                "ratio",
                1.2,
            ),
        ]
    }

    /// How many of the invocations that asked were run in the shadow, %.
    async fn compared(&self) -> f64 {
        let told = self.operator.send(Method::GET, POLICY, Vec::new()).await;
        let told: Value = serde_json::from_str(&told).expect("a policy");
        let count = |name: &str| told["inShadow"][name].as_f64().expect("a number");
        let (compared, left_out) = (count("compared"), count("leftOut"));
        assert!(count("failed") == 0.0, "{told}");
        100.0 * compared / (compared + left_out)
    }

    async fn shadows(&self, rounds: usize) -> Vec<Figure> {
        let (mut without, mut with, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        let mut compared = Vec::new();
        for round in 0..rounds {
            let alone = self.asking().await.rate;
            let candidate = built(VERSIONS[0]);
            self.operator.send(Method::PUT, SHADOW, candidate).await;
            let beside = self.asking().await.rate;
            compared.push(self.compared().await);
            self.operator.send(Method::DELETE, SHADOW, Vec::new()).await;
            eprintln!(
                "policies: round {} of {rounds}: {alone:.0}/s, with a shadow {beside:.0}/s",
                round + 1
            );
            without.push(alone);
            with.push(beside);
            ratios.push(beside / alone);
        }
        let named = |what: &str| format!("policies: {HOMES} connections, {what}");
        vec![
            Figure::plain(named("requests"), median(&mut without), "1/s"),
            Figure::plain(named("requests with one shadow"), median(&mut with), "1/s"),
            Figure::plain(
                named("requests that were compared, the others left out"),
                median(&mut compared),
                "%",
            ),
            Figure::at_least(
                named("requests with one shadow over without"),
                median(&mut ratios),
                "ratio",
                0.7,
            ),
        ]
    }
}
