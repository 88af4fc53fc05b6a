//! `GET /metrics`: what monitoring asks for, in Prometheus' text format (version 0.0.4).
//!
//! **Invariants.** An answer is gathered at most once a second, by one request at a time, whoever asks
//! how often. Series are bounded: sums over partitions, no more streams than [`STREAMS_MAX`], and components as
//! `components` says. It
//! answers while the store is down, and says so.

mod components;
mod text;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, header};
use tokio::sync::Mutex;

use super::Gateway;
use crate::clock::{self, Monotonic};
use crate::policies::Observed;
use crate::registry::Generation;
use crate::streams::status::{Counters, GroupInfo, HostStatus, StreamInfo};
use text::{Kind, Text};

/// How long an answer serves: monitoring asks every few seconds, and listing every stream costs the
/// store some work.
const FRESH: Duration = Duration::from_secs(1);
/// Longest wait for the store; then the answer goes without what it would have told.
const STORE_WAIT: Duration = Duration::from_secs(2);
/// Most streams with series of their own; some hundreds are what an installation has.
const STREAMS_MAX: usize = 1_000;

/// The last answer, and when it was gathered.
pub(super) type Cache = Mutex<Option<(Monotonic, String)>>;

/// What the store tells, as far as it does.
#[derive(Default)]
struct Told {
    commits: Option<u64>,
    streams: Vec<StreamInfo>,
    hosts: Vec<HostStatus>,
}

/// All metrics.
pub(super) async fn show(State(gateway): State<Arc<Gateway>>) -> Response {
    let mut response = Response::new(Body::from(current(&gateway).await));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
    );
    response
}

async fn current(gateway: &Gateway) -> String {
    let mut cached = gateway.metrics.lock().await;
    if let Some((at, text)) = &*cached
        && at.elapsed() < FRESH
    {
        return text.clone();
    }
    let told = tokio::time::timeout(STORE_WAIT, ask(gateway)).await;
    let text = render(gateway, &told.unwrap_or_default());
    *cached = Some((clock::monotonic(), text.clone()));
    text
}

/// Asks the store; what it does not tell is left out.
async fn ask(gateway: &Gateway) -> Told {
    if gateway.health.borrow().is_err() {
        return Told::default();
    }
    let host = &gateway.host;
    let commits = host.store.snapshot().await.ok();
    Told {
        commits: commits.map(|snapshot| snapshot.version()),
        streams: host.streams.list().await.unwrap_or_default(),
        hosts: host.streams.hosts(),
    }
}

fn render(gateway: &Gateway, told: &Told) -> String {
    let mut text = Text::default();
    text.family("leyden_info", Kind::Gauge, "Version of this host.");
    text.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    let up = told.commits.is_some();
    let generation = gateway.host.registry.generation();
    text.one(
        "leyden_store_up",
        Kind::Gauge,
        "Whether the store answers (1) or not (0).",
        u64::from(up),
    );
    text.one(
        "leyden_generation",
        Kind::Gauge,
        "Generation of components that this host serves.",
        generation.number,
    );
    counters(&mut text, gateway.host.streams.counters());
    components::write(&mut text, &generation, &gateway.stats);
    own(&mut text, gateway);
    policies(&mut text, &generation);
    shadows(&mut text, &generation);
    if let Some(commits) = told.commits {
        text.one(
            "leyden_commits_total",
            Kind::Counter,
            "Commits of the installation.",
            commits,
        );
        units(&mut text, &told.hosts, gateway.host.store.units());
        streams(&mut text, &told.streams);
    }
    text.finish()
}

/// What the gateway does itself.
fn own(text: &mut Text, gateway: &Gateway) {
    text.one(
        "leyden_connections",
        Kind::Gauge,
        "Connections of clients that are open.",
        gateway.connections.get(),
    );
    let Some(tracer) = &gateway.tracer else {
        return;
    };
    let counts = tracer.counts();
    text.one(
        "leyden_trace_spans_sent_total",
        Kind::Counter,
        "Spans that the collector took.",
        counts.sent.get(),
    );
    text.one(
        "leyden_trace_spans_dropped_total",
        Kind::Counter,
        "Spans that the collector did not take, or that there was no room for.",
        counts.dropped.get(),
    );
}

/// What this host has done since it started.
fn counters(text: &mut Text, counters: &Counters) {
    let all: [(&str, &str, &AtomicU64); 7] = [
        (
            "deliveries",
            "Batches that were handled.",
            &counters.deliveries,
        ),
        (
            "records",
            "Records in the batches that were handled.",
            &counters.records,
        ),
        (
            "failed",
            "Batches that failed, for whatever reason.",
            &counters.failed,
        ),
        (
            "dead_letters",
            "Records that became dead letters.",
            &counters.dead_letters,
        ),
        (
            "lost",
            "Times that a group was found to have lost records.",
            &counters.lost,
        ),
        (
            "takeovers",
            "Units taken from a host that had died.",
            &counters.takeovers,
        ),
        (
            "fenced",
            "Commits and fetches refused since the partition was held elsewhere.",
            &counters.fenced,
        ),
    ];
    for (name, help, counter) in all {
        let name = format!("leyden_{name}_total");
        text.one(&name, Kind::Counter, help, counter.load(Ordering::Relaxed));
    }
}

/// How policies have done on this host, by what they decide and which version does.
fn policies(text: &mut Text, generation: &Generation) {
    type Field = fn(&Observed) -> u64;
    let families: [(&str, &str, Field); 3] = [
        ("decisions", "Decisions that policies made.", |seen| {
            seen.decisions
        }),
        (
            "failures",
            "Times that a policy trapped, took too long or broke its contract, so that another version decided or nobody.",
            |seen| seen.failures,
        ),
        (
            "differing",
            "Decisions of a candidate that the active version would have made otherwise.",
            |seen| seen.differing,
        ),
    ];
    for (name, help, field) in families {
        let name = format!("leyden_policy_{name}_total");
        text.family(&name, Kind::Counter, help);
        for policy in generation.policies() {
            for (role, version) in policy.roles() {
                let labels = [("policy", policy.kind.name()), ("version", role)];
                text.sample(&labels, field(&version.health.observed()));
            }
        }
    }
}

/// What became of invocations that asked a policy with a version in its shadow.
fn shadows(text: &mut Text, generation: &Generation) {
    text.family(
        "leyden_policy_shadowed_total",
        Kind::Counter,
        "Invocations that asked a policy with a version in its shadow: compared (alike or not), failed there, or left out for want of room.",
    );
    for policy in generation.policies() {
        let Some(shadow) = &policy.shadow else {
            continue;
        };
        let seen = shadow.health.in_shadow();
        for (outcome, count) in [
            ("compared", seen.compared),
            ("failed", seen.failed),
            ("left-out", seen.left_out),
        ] {
            let labels = [("policy", policy.kind.name()), ("outcome", outcome)];
            text.sample(&labels, count);
        }
    }
}

fn units(text: &mut Text, hosts: &[HostStatus], units: u16) {
    let this = hosts.iter().find(|host| host.this);
    let held = this.map_or(0, |host| host.units.len() as u64);
    let alive = hosts.iter().filter(|host| host.alive).count() as u64;
    text.one(
        "leyden_units",
        Kind::Gauge,
        "Units that hosts share: partitions of a stream.",
        u64::from(units),
    );
    text.one(
        "leyden_units_held",
        Kind::Gauge,
        "Units that this host holds.",
        held,
    );
    text.one(
        "leyden_hosts_alive",
        Kind::Gauge,
        "Hosts of the installation that are alive.",
        alive,
    );
}

fn streams(text: &mut Text, streams: &[StreamInfo]) {
    let streams = &streams[..streams.len().min(STREAMS_MAX)];
    text.family(
        "leyden_stream_records",
        Kind::Gauge,
        "Records that a stream keeps; of leyden.dead-letters, what waits for a decision.",
    );
    for stream in streams {
        text.sample(&[("stream", &stream.stream)], stream.length);
    }
    type Field = fn(&GroupInfo) -> Option<u64>;
    let families: [(&str, &str, Field); 4] = [
        (
            "lag_records",
            "Records that a group has not handled.",
            |g| Some(g.lag),
        ),
        (
            "pending_records",
            "Those of them that a host has in hand.",
            |g| Some(g.pending),
        ),
        (
            "oldest_age_ms",
            "Age of the oldest record that a group has not handled (ms).",
            |g| g.oldest_age_ms,
        ),
        (
            "lost",
            "Whether records were removed before the group saw them.",
            |g| Some(g.lost.into()),
        ),
    ];
    for (name, help, field) in families {
        text.family(&format!("leyden_group_{name}"), Kind::Gauge, help);
        for stream in streams {
            for group in &stream.groups {
                let labels = [("stream", stream.stream.as_str()), ("group", &group.group)];
                text.sample(&labels, field(group).unwrap_or(0));
            }
        }
    }
}
