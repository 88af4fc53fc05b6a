//! What components have done on this host, and the host's own routes: requests, durations, instances, failures. Pure.
//!
//! **Invariant.** At most [`COMPONENTS_MAX`] components have series of their own, those that were used first; the others are
//! summed under an empty name, and no count moves from one series to another.

use std::sync::Arc;

use super::text::{Kind, Text};
use crate::registry::{Active, Generation};
use crate::telemetry::Stats;
use crate::telemetry::stats::{BUCKETS_US, CLASSES, Count, Failed};

/// Components with series of their own: each has some forty, and monitoring holds a million with ease.
const COMPONENTS_MAX: usize = 1_000;

/// Label of the host's own routes and of what never reached a component; no component can have this name.
const OWN: &str = "(host)";

/// Who was counted, and what.
struct Counted<'g> {
    name: &'g str,
    /// More than one where names share series.
    stats: Vec<&'g Stats>,
    /// Invocations that wait for a place.
    queued: u64,
}

impl Counted<'_> {
    fn sum(&self, count: impl Fn(&Stats) -> &Count) -> u64 {
        self.stats.iter().map(|stats| count(stats).get()).sum()
    }

    fn highest(&self, count: impl Fn(&Stats) -> &Count) -> u64 {
        let all = self.stats.iter().map(|stats| count(stats).get());
        all.max().unwrap_or(0)
    }
}

/// Writes all families.
pub(super) fn write(text: &mut Text, generation: &Generation, own: &Stats) {
    let components = counted(generation.components.values());
    let host = Counted {
        name: OWN,
        stats: vec![own],
        queued: 0,
    };
    let everybody: Vec<&Counted<'_>> = std::iter::once(&host).chain(&components).collect();
    answers(text, &everybody);
    durations(text, &everybody);
    instances(text, &components);
    failures(text, &components);
    queues(text, &components);
}

/// The components that have been used.
fn counted<'g>(all: impl Iterator<Item = &'g Arc<Active>>) -> Vec<Counted<'g>> {
    let mut listed = Vec::new();
    let mut others = Counted {
        name: "",
        stats: Vec::new(),
        queued: 0,
    };
    for active in all.filter(|active| active.loaded.stats().is_used()) {
        let (stats, queued) = (&**active.loaded.stats(), active.turns.queued());
        if stats.is_listed(|| listed.len() < COMPONENTS_MAX) {
            listed.push(Counted {
                name: active.name.as_str(),
                stats: vec![stats],
                queued,
            });
        } else {
            others.stats.push(stats);
            others.queued += queued;
        }
    }
    let there = (!others.stats.is_empty()).then_some(others);
    listed.into_iter().chain(there).collect()
}

fn answers(text: &mut Text, all: &[&Counted<'_>]) {
    text.family(
        "leyden_requests_total",
        Kind::Counter,
        "Requests that were answered, by class of status.",
    );
    for counted in all {
        for (at, class) in CLASSES.iter().enumerate() {
            let labels = [("component", counted.name), ("status", *class)];
            text.sample(&labels, counted.sum(|stats| &stats.answers[at]));
        }
    }
}

fn durations(text: &mut Text, all: &[&Counted<'_>]) {
    text.family(
        "leyden_request_duration_seconds",
        Kind::Histogram,
        "Time from a request's head to the end of its answer.",
    );
    for counted in all {
        let mut so_far = 0;
        let component = ("component", counted.name);
        for (at, bound_us) in BUCKETS_US.iter().enumerate() {
            so_far += counted.sum(|stats| &stats.took[at]);
            let bound = (*bound_us as f64 / 1e6).to_string();
            text.named_sample("_bucket", &[component, ("le", &bound)], so_far);
        }
        so_far += counted.sum(|stats| &stats.took[BUCKETS_US.len()]);
        text.named_sample("_bucket", &[component, ("le", "+Inf")], so_far);
        let took = seconds(counted.sum(|stats| &stats.took_ns));
        text.named_sample("_sum", &[component], took);
        text.named_sample("_count", &[component], so_far);
    }
}

fn instances(text: &mut Text, all: &[Counted<'_>]) {
    let mut family = |name: &str, kind, help: &str, value: &dyn Fn(&Counted<'_>) -> f64| {
        text.family(name, kind, help);
        for counted in all {
            text.sample(&[("component", counted.name)], value(counted));
        }
    };
    family(
        "leyden_instances_created_total",
        Kind::Counter,
        "Instances that were made.",
        &|counted| counted.sum(|stats| &stats.made) as f64,
    );
    family(
        "leyden_instances_reused_total",
        Kind::Counter,
        "Times that an instance served again.",
        &|counted| counted.sum(|stats| &stats.reused) as f64,
    );
    family(
        "leyden_component_busy_seconds_total",
        Kind::Counter,
        "Time that invocations of a component kept threads busy, with the components that it called and the store's reads.",
        &|counted| seconds(counted.sum(|stats| &stats.busy_ns)),
    );
    family(
        "leyden_component_memory_high_bytes",
        Kind::Gauge,
        "Most linear memory that an instance of a component has held.",
        &|counted| counted.highest(|stats| &stats.memory_high_bytes) as f64,
    );
}

fn failures(text: &mut Text, all: &[Counted<'_>]) {
    text.family(
        "leyden_component_failures_total",
        Kind::Counter,
        "Times that a component trapped, ran past its deadline or broke a rule of the host.",
    );
    for counted in all {
        for how in Failed::ALL {
            let labels = [("component", counted.name), ("reason", how.name())];
            text.sample(&labels, counted.sum(|stats| &stats.failures[how as usize]));
        }
    }
}

fn queues(text: &mut Text, all: &[Counted<'_>]) {
    text.family(
        "leyden_queue_length",
        Kind::Gauge,
        "Invocations that wait for a place.",
    );
    for counted in all {
        text.sample(&[("component", counted.name)], counted.queued);
    }
    text.family(
        "leyden_queue_refused_total",
        Kind::Counter,
        "Invocations that found the queue full, or waited too long.",
    );
    for counted in all {
        let refused = counted.sum(|stats| &stats.refused);
        text.sample(&[("component", counted.name)], refused);
    }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
