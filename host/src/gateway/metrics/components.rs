//! What components have done on this host, and the host's own routes: requests, durations, instances, failures. Pure.
//!
//! **Invariant.** At most [`COMPONENTS_MAX`] components have series of their own, those that were used first; the others are
//! summed under an empty name, and no count moves from one series to another.

use super::text::{Kind, Text};
use crate::registry::Generation;
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
    let all = generation.components.values().map(|active| One {
        name: active.name.as_str(),
        stats: active.loaded.stats(),
        queued: active.turns.queued(),
    });
    let components = counted(all);
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

/// A component.
struct One<'g> {
    name: &'g str,
    stats: &'g Stats,
    queued: u64,
}

/// The components that have been used, as they are told of.
fn counted<'g>(all: impl Iterator<Item = One<'g>>) -> Vec<Counted<'g>> {
    let used: Vec<One<'_>> = all.filter(|one| one.stats.is_used()).collect();
    let listed = used
        .iter()
        .filter(|one| one.stats.is_listed() == Some(true));
    let mut room = COMPONENTS_MAX.saturating_sub(listed.count());
    let mut told = Vec::new();
    let mut others = Counted {
        name: "",
        stats: Vec::new(),
        queued: 0,
    };
    for One {
        name,
        stats,
        queued,
    } in used
    {
        if stats.is_listed().is_none() {
            stats.list(room > 0);
            room = room.saturating_sub(1);
        }
        if stats.is_listed() == Some(true) {
            told.push(Counted {
                name,
                stats: vec![stats],
                queued,
            });
        } else {
            others.stats.push(stats);
            others.queued += queued;
        }
    }
    told.extend((!others.stats.is_empty()).then_some(others));
    told
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

#[cfg(test)]
mod tests {
    use super::*;

    fn told(all: &[(String, Stats)]) -> Vec<(&str, u64)> {
        let mut all: Vec<&(String, Stats)> = all.iter().collect();
        // As a generation has them.
        all.sort_by_key(|(name, _)| name);
        let all = all.into_iter().map(|(name, stats)| One {
            name,
            stats,
            queued: 1,
        });
        let told = counted(all).into_iter();
        told.map(|counted| {
            (
                counted.name,
                counted.sum(|stats| &stats.made) + counted.queued,
            )
        })
        .collect()
    }

    #[test]
    fn those_that_were_used_first_have_series_of_their_own() {
        let make = |name: &str, used: bool| {
            let stats = Stats::default();
            stats.made.add_many(u64::from(used));
            (name.to_owned(), stats)
        };
        let names = (0..COMPONENTS_MAX).map(|n| format!("m-{n:04}"));
        let mut all: Vec<_> = names.map(|name| make(&name, true)).collect();
        all.push(make("unused", false));
        assert_eq!(told(&all).len(), COMPONENTS_MAX);
        // Whatever the names of those that come later, before or after the others.
        all.extend(["a", "z"].map(|name| make(name, true)));
        for _ in 0..2 {
            let told = told(&all);
            assert_eq!(told.len(), COMPONENTS_MAX + 1);
            assert_eq!(told[COMPONENTS_MAX], ("", 4));
            assert!(
                told[..COMPONENTS_MAX]
                    .iter()
                    .all(|(name, _)| name.starts_with("m-"))
            );
        }
        // One that is gone leaves its place, but what was summed stays where it was.
        all.remove(0);
        all.push(make("b", true));
        let told = told(&all);
        assert_eq!((told[0], told[COMPONENTS_MAX]), (("b", 2), ("", 4)));
    }
}
