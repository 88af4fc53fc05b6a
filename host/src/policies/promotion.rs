//! From a file to a version that decides: what is looked at before anything changes. A candidate is compiled, decides what
//! its predecessors have decided lately, and is compared with them; only then its rollout begins.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use serde_json::{Value, json};

use super::diff::{self, Report};
use super::{Decision, Kind, log};
use crate::operators::Operator;
use crate::registry::rollout::{Plan, Share};
use crate::registry::{self, Active, Registry};
use crate::store::{self, Store};

/// Decisions that a candidate is tried on, unless told otherwise.
pub const TRIED: usize = 1_000;

/// Most decisions that a candidate is tried on inside a host; more are compared by `leyden policy diff`.
pub const TRIED_MAX: usize = 100_000;

/// Of these, how many it decides again in a fresh instance, to see that it is a function of its input.
const TRIED_AGAIN: usize = 100;

/// Why a candidate does not begin to decide. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A member of the plan breaks a rule.
    #[error("{0}: {1}")]
    Plan(&'static str, &'static str),
    /// It fails, or differs more than it may.
    #[error("{why}")]
    Unfit {
        /// In words.
        why: String,
        /// What it would have decided.
        report: Box<Report>,
    },
    /// The registry does not take it.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// What an operator wants.
#[derive(Debug, Clone)]
pub struct Wish {
    /// How the candidate is to take over.
    pub plan: Plan,
    /// The largest share of what was decided lately that it may decide otherwise; none: any.
    pub diff_max: Option<Share>,
    /// How many decisions it is tried on, at most [`TRIED_MAX`].
    pub tried: usize,
}

/// Compiles a candidate, tries it on what was decided lately, and begins its rollout. Returns what it would have decided.
///
/// # Errors
/// See [`Error`]; nothing changed.
pub async fn promote(
    store: &dyn Store,
    registry: &Registry,
    by: &Operator,
    kind: Kind,
    bytes: Vec<u8>,
    wish: Wish,
) -> Result<Report, Error> {
    wish.plan
        .check()
        .map_err(|(member, rule)| Error::Plan(member, rule))?;
    let candidate = registry.candidate(kind, bytes.clone()).await?;
    let decisions = log::last(store, kind, wish.tried.min(TRIED_MAX)).await?;
    let report = try_on(kind, &candidate, decisions).await?;
    if let Some(max) = wish.diff_max.filter(|max| report.passes(*max)) {
        let (differing, all) = (report.changed, report.decisions);
        let why =
            format!("it decides {differing} of {all} recorded inputs otherwise (at most {max})");
        let report = Box::new(report);
        return Err(Error::Unfit { why, report });
    }
    let tried = format!(
        "tried on {} decisions: {} differ",
        report.decisions, report.changed
    );
    registry.promote(by, kind, bytes, wish.plan, &tried).await?;
    Ok(report)
}

/// What a candidate says to what was decided lately; where nothing was, to an input made up.
async fn try_on(
    kind: Kind,
    candidate: &Arc<Active>,
    decisions: Vec<Decision>,
) -> Result<Report, Error> {
    let is_made_up = decisions.is_empty();
    let decisions = match is_made_up {
        true => made_up(kind),
        false => decisions,
    };
    let decisions = Arc::new(decisions);
    let done = Arc::new(AtomicUsize::new(0));
    let report = diff::diff(kind, &candidate.loaded, decisions.clone(), done).await;
    if report.failed > 0 {
        let example = report
            .failures
            .values()
            .flat_map(|group| &group.examples)
            .next();
        let why = example.map_or(String::new(), |e| e.after.as_str().unwrap_or("").to_owned());
        let (failed, all) = (report.failed, report.decisions);
        let why = format!("it fails on {failed} of {all} inputs it was tried on; the first: {why}");
        let report = Box::new(report);
        return Err(Error::Unfit { why, report });
    }
    for was in decisions.iter().take(TRIED_AGAIN) {
        let reused = diff::ask(kind, &candidate.loaded, was).await;
        candidate.loaded.forget_instances();
        if diff::ask(kind, &candidate.loaded, was).await != reused {
            let input = &was.input;
            let why = format!("it is not a function of its input: it decides {input} in two ways");
            let report = Box::new(report);
            return Err(Error::Unfit { why, report });
        }
    }
    // What was made up tells nothing of what would change.
    Ok(match is_made_up {
        true => Report::default(),
        false => report,
    })
}

/// Inputs that every policy of a kind must decide on.
fn made_up(kind: Kind) -> Vec<Decision> {
    let now: u64 = 1_700_000_000_000;
    let asked: Vec<(&str, Value)> = match kind {
        Kind::Access => vec![
            (
                "decide",
                json!({"dataset": "production", "trust-level": 1, "at-ms": now}),
            ),
            ("compute-price", json!({"trust-level": 1, "at-ms": now})),
        ],
        Kind::Assignment => vec![(
            "assign",
            json!({"client-name": "A", "first-free-id": 2,
                   "classes": [{"houses": 1, "communities": 1, "lowest-id": 1}]}),
        )],
        Kind::PeakLimit => vec![("limit", json!({"community": 1, "at-ms": now, "houses": 4}))],
        Kind::Schedule => vec![(
            "decide",
            json!({"now-ms": now, "not-before-ms": now, "duration-ms": 3_600_000, "power-w": 1000.0,
                   "reason": "requested", "limit-w": 10000.0, "base-load-w": 500.0, "planned": [],
                   "community": 1}),
        )],
        Kind::Shed => vec![(
            "shed",
            json!({"now-ms": now, "community": 1, "consumption-w": 12000.0, "limit-w": 10000.0,
                   "loads": [{"house": "h", "object": "Car", "power-w": 3000.0,
                              "ends-at-ms": now + 3_600_000}]}),
        )],
    };
    let decision = |(function, input): (&str, Value)| Decision {
        interface: format!("leyden:policy/{kind}@0.1.0"),
        function: function.to_owned(),
        policy: String::new(),
        failed: None,
        input,
        output: Value::Null,
        took_ns: 0,
    };
    asked.into_iter().map(decision).collect()
}
