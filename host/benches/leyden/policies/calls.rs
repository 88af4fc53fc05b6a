//! What one call costs: of a policy by the host itself, of a policy by a component, and of a component by another one.

use std::time::{Duration, Instant};

use leyden::dispatch::types::{Request, RequestHead};
use leyden::host::Host;
use leyden::ids::ComponentName;
use leyden::operators::Operator;
use leyden::policies::Kind;
use leyden::policies::log::Sampling;

use super::super::figure::{Figure, median};
use super::{built, deploy, typed};

/// Decisions that the host asks for to state its terms: one for each dataset, and the price of computing.
const DECISIONS_OF_TERMS: f64 = 4.0;

/// Calls of one invocation.
const CALLS: usize = 1_000;

/// How far the partner is trusted whose terms are stated.
const TRUST: u32 = 3;

pub(super) async fn measure(host: &Host, quick: bool) -> Vec<Figure> {
    let rounds = if quick { 30 } else { 300 };
    deploy(host, "probe", built("guests/probe")).await;
    let mut typed = typed::call(rounds * CALLS).await;
    let mut terms = terms(host, rounds * 100).await;
    log(host, Sampling(0)).await;
    let mut asked = calls(host, "ask-policy", rounds).await;
    log(host, Sampling::default()).await;
    let mut logged = calls(host, "ask-policy", rounds).await;
    let mut nested = calls(host, "call-others", rounds).await;
    let named = |what: &str| format!("policies: {what}, reused instance, median");
    let us = |took: &mut [f64]| median(took) / 1_000.0;
    vec![
        Figure::at_most(named("typed call"), us(&mut typed), "µs", 2.0),
        Figure::plain(
            named("decision asked for by the host, checked and noted"),
            us(&mut terms),
            "µs",
        ),
        Figure::plain(
            named("decision asked for by a component, checked and noted"),
            us(&mut asked),
            "µs",
        ),
        Figure::plain(named("the same, logged"), us(&mut logged), "µs"),
        Figure::at_most(
            named("nested call between components"),
            us(&mut nested),
            "µs",
            5.0,
        ),
    ]
}

async fn log(host: &Host, sampling: Sampling) {
    let by = Operator::host();
    let set = host.registry.log_decisions(&by, Kind::PeakLimit, sampling);
    set.await.expect("set");
}

/// How long a decision of the access policy takes when the host states its terms, ns, each a mean of a few.
async fn terms(host: &Host, rounds: usize) -> Vec<f64> {
    let mut took = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let began = Instant::now();
        let terms = host.policy.terms(TRUST).await;
        took.push(began.elapsed().as_nanos() as f64 / DECISIONS_OF_TERMS);
        assert!(terms.expect("terms").is_some());
    }
    took
}

/// How long a call takes, ns: what an invocation with [`CALLS`] takes longer than one with none, shared out.
async fn calls(host: &Host, action: &str, rounds: usize) -> Vec<f64> {
    let mut took = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let without = invoke(host, action, 0).await;
        let with = invoke(host, action, CALLS).await;
        let calls = with.saturating_sub(without);
        took.push(calls.as_nanos() as f64 / CALLS as f64);
    }
    took
}

async fn invoke(host: &Host, action: &str, calls: usize) -> Duration {
    let head = RequestHead {
        method: "POST".into(),
        route: "/probe/{action}".into(),
        path: format!("/probe/{action}"),
        params: vec![("action".into(), action.into())],
        query: Some(format!("n={calls}")),
        ..RequestHead::default()
    };
    let request = Request {
        head,
        body: Vec::new(),
    };
    let (generation, name) = (host.registry.generation(), ComponentName::parse("probe"));
    let began = Instant::now();
    let answer = host
        .dispatch
        .http(&generation, &name.expect("a name"), request, None)
        .await;
    let took = began.elapsed();
    assert_eq!(answer.expect("an answer").status, 200);
    took
}
