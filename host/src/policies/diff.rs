//! What a version of a policy would have decided: it is asked what was recorded, and its answers are compared with those
//! that were given. In parallel; nothing of it has an effect.

mod changes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;
use serde_json::Value;

use super::{Decision, Failure, Kind, check};
use crate::clock;
use crate::registry::rollout::Share;
use crate::runtime::Loaded;
pub use changes::Weight;
use changes::weigh;

/// Examples of each kind of change that are told.
const EXAMPLES_MAX: usize = 3;

/// Decisions that one task takes at a time.
const CHUNK: usize = 256;

/// A decision that takes longer than it took then by this factor, and by [`SLOWER_NS_MIN`], is told as slower.
const SLOWER_FACTOR: u64 = 4;

/// Below this difference, ns, it is the machine and not the version that is slower.
const SLOWER_NS_MIN: u64 = 1_000_000;

/// One example of a change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Example {
    /// What was asked.
    pub input: Value,
    /// What was decided.
    pub before: Value,
    /// What would have been decided; of a failure, why not.
    pub after: Value,
}

/// Changes of one kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Group {
    /// How many.
    pub count: u64,
    /// Some of them.
    pub examples: Vec<Example>,
}

impl Group {
    fn add(&mut self, example: impl FnOnce() -> Example) {
        self.count += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(example());
        }
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.examples.extend(other.examples);
        self.examples.truncate(EXAMPLES_MAX);
    }
}

/// The outcome of a comparison.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Decisions that were compared.
    pub decisions: u64,
    /// Decided alike.
    pub same: u64,
    /// Decided otherwise.
    pub changed: u64,
    /// Not decided: trapped, took too long, or broke the contract.
    pub failed: u64,
    /// Decided, but much slower than it was then.
    pub slower: u64,
    /// What differs, by kind of change.
    pub changes: BTreeMap<String, Group>,
    /// Why there is no decision, by kind of failure.
    pub failures: BTreeMap<String, Group>,
    /// What the changes amount to, by unit; where the policy knows of any.
    pub weights: BTreeMap<&'static str, Weight>,
}

impl Report {
    /// Whether more differs than may; what failed differs.
    #[must_use]
    pub fn passes(&self, max: Share) -> bool {
        max.is_passed_by(self.changed + self.failed, self.decisions)
    }

    /// One decision, and what the version says.
    fn enter(&mut self, kind: Kind, was: &Decision, now: Result<Value, Failure>, took_ns: u64) {
        self.decisions += 1;
        let example = |after: Value| Example {
            input: was.input.clone(),
            before: was.output.clone(),
            after,
        };
        let after = match now {
            Ok(after) => after,
            Err(failure) => {
                self.failed += 1;
                let group = self.failures.entry(failure.name().to_owned()).or_default();
                group.add(|| example(failure.to_string().into()));
                return;
            }
        };
        let slow_ns = (was.took_ns * SLOWER_FACTOR).max(was.took_ns + SLOWER_NS_MIN);
        self.slower += u64::from(took_ns > slow_ns);
        for (unit, weight) in weigh(kind, &was.function, &was.input, &was.output, &after) {
            self.weights.entry(unit).or_default().add(weight);
        }
        if after == was.output {
            self.same += 1;
            return;
        }
        self.changed += 1;
        let name = changes::name(kind, &was.input, &was.output, &after);
        self.changes.entry(name).or_default().add(|| example(after));
    }

    fn merge(&mut self, other: Self) {
        self.decisions += other.decisions;
        self.same += other.same;
        self.changed += other.changed;
        self.failed += other.failed;
        self.slower += other.slower;
        let groups = |into: &mut BTreeMap<String, Group>, from: BTreeMap<String, Group>| {
            for (name, group) in from {
                into.entry(name).or_default().merge(group);
            }
        };
        groups(&mut self.changes, other.changes);
        groups(&mut self.failures, other.failures);
        for (unit, weight) in other.weights {
            self.weights.entry(unit).or_default().add(weight);
        }
    }
}

/// Asks a version what was decided, on all cores; `done` counts as it goes. What is not of this kind is left out.
pub async fn diff(
    kind: Kind,
    candidate: &Arc<Loaded>,
    decisions: Arc<Vec<Decision>>,
    done: Arc<AtomicUsize>,
) -> Report {
    let next = Arc::new(AtomicUsize::new(0));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let tasks: Vec<_> = (0..cores)
        .map(|_| {
            let (candidate, decisions) = (candidate.clone(), decisions.clone());
            let (next, done) = (next.clone(), done.clone());
            tokio::spawn(async move {
                let mut report = Report::default();
                loop {
                    let from = next.fetch_add(CHUNK, Ordering::Relaxed);
                    let Some(rest) = decisions.get(from..).filter(|rest| !rest.is_empty()) else {
                        return report;
                    };
                    let chunk = &rest[..rest.len().min(CHUNK)];
                    compare(kind, &candidate, chunk, &mut report).await;
                    done.fetch_add(chunk.len(), Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut report = Report::default();
    for task in tasks {
        if let Ok(part) = task.await {
            report.merge(part);
        }
    }
    report
}

async fn compare(kind: Kind, candidate: &Loaded, chunk: &[Decision], report: &mut Report) {
    for was in chunk.iter().filter(|was| was.kind() == Some(kind)) {
        let began = clock::monotonic();
        let now = ask(kind, candidate, was).await;
        let took = clock::monotonic().saturating_duration_since(began);
        let took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        report.enter(kind, was, now, took_ns);
        tokio::task::coop::consume_budget().await;
    }
}

/// What a version says to what was asked then.
pub(super) async fn ask(kind: Kind, candidate: &Loaded, was: &Decision) -> Result<Value, Failure> {
    let interface = candidate.interface_of(kind);
    let after = candidate
        .decide_json(interface, &was.function, &was.input)
        .await?;
    check(kind, &was.function, &was.input, &after).map_err(Failure::Broke)?;
    Ok(after)
}
