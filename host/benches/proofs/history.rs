//! What the audit says was changed, replayed: which versions of which policies each generation had. Compared with what
//! hosts say and with what was decided.

use std::collections::BTreeMap;

use leyden::ids::Digest;
use leyden::operators::Operator as By;
use leyden::registry::rollout::{Guards, Plan, Rollout, Share};
use serde_json::Value;

use crate::partner::people::Operator;

/// Entries of one answer.
const PAGE: usize = 200;

/// What makes a new generation.
const GENERATIONS: [&str; 10] = [
    "deploy",
    "rollback",
    "bundle",
    "promote",
    "advance",
    "complete",
    "take-back",
    "shadow",
    "end-shadow",
    "log-decisions",
];

/// A policy in a generation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Versions {
    /// The active version.
    pub active: String,
    /// The one that is being promoted: its digest, the stages, and which it is in.
    pub candidate: Option<(String, Vec<String>, usize)>,
}

impl Versions {
    /// The version that decides about a subject, where none fails.
    pub fn decides(&self, subject: &str) -> &str {
        let Some((candidate, stages, stage)) = &self.candidate else {
            return &self.active;
        };
        let stages = stages.iter().map(|share| Share::parse(share));
        let plan = Plan {
            stages: stages.collect::<Result<_, _>>().expect("shares"),
            step_ms: 0,
            decisions_min: 0,
            guards: Guards::default(),
        };
        let digest = Digest::parse(candidate).expect("a digest");
        let mut rollout = Rollout::begin(digest, plan, By::host(), 0);
        rollout.stage = *stage;
        match rollout.takes(subject) {
            true => candidate,
            false => &self.active,
        }
    }

    /// As a host tells of it.
    pub fn told(policy: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let rollout = &policy["rollout"];
        let stages = rollout["stages"].as_array().into_iter().flatten();
        let stage = rollout["stage"].as_u64().unwrap_or(0) as usize;
        let candidate = policy["candidate"]["digest"].as_str();
        Self {
            active: text(&policy["active"]["digest"]),
            candidate: candidate.map(|c| (c.to_owned(), stages.map(text).collect(), stage)),
        }
    }
}

/// All policies in a generation, by kind.
pub type Policies = BTreeMap<String, Versions>;

/// The policies that a host serves now, and the generation's number; the number stood still meanwhile.
pub async fn present(host: &Operator) -> (u64, Policies) {
    loop {
        let before = number(host).await;
        let told = host.get("/admin/policies").await;
        if number(host).await == before {
            let policies = told["policies"].as_array().expect("policies").iter();
            let named = |policy: &Value| {
                let kind = policy["kind"].as_str().expect("a kind");
                (kind.to_owned(), Versions::told(policy))
            };
            return (before, policies.map(named).collect());
        }
    }
}

/// The number of the generation that a host serves.
pub async fn number(host: &Operator) -> u64 {
    let status = host.get("/admin/status").await;
    status["generation"].as_u64().expect("a number")
}

/// The audit, the earliest entry first; only what changes generations.
pub async fn audit(host: &Operator) -> Vec<Value> {
    let (mut entries, mut after) = (Vec::new(), String::new());
    loop {
        let page = host.get(&format!("/admin/audit?limit={PAGE}{after}")).await;
        entries.extend(page["entries"].as_array().expect("entries").clone());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    entries.retain(|entry| {
        entry["change"]
            .as_str()
            .is_some_and(|change| GENERATIONS.contains(&change))
    });
    entries.reverse();
    entries
}

/// Generations by number, replayed from one that is known.
pub struct History {
    /// What each had.
    pub generations: BTreeMap<u64, Policies>,
    /// Entries that do not follow from what was there, in words.
    pub wrong: Vec<String>,
}

impl History {
    /// Applies entries to a generation.
    pub fn replay((number, policies): (u64, Policies), entries: &[Value]) -> Self {
        let mut history = Self {
            generations: BTreeMap::from([(number, policies.clone())]),
            wrong: Vec::new(),
        };
        let (mut number, mut policies) = (number, policies);
        for entry in entries {
            number += 1;
            let subject = entry["subject"].as_str().unwrap_or_default();
            if let Some(versions) = policies.get_mut(subject)
                && let Err(rule) = apply(versions, entry)
            {
                history
                    .wrong
                    .push(format!("generation {number}: {rule}: {entry}"));
            }
            history.generations.insert(number, policies.clone());
        }
        history
    }

    /// The latest generation.
    pub fn last(&self) -> (u64, &Policies) {
        let (number, policies) = self.generations.last_key_value().expect("the first one");
        (*number, policies)
    }
}

/// One change of a policy. A kind's component has the kind's name.
fn apply(versions: &mut Versions, entry: &Value) -> Result<(), &'static str> {
    let text = |member: &str| entry[member].as_str().unwrap_or_default().to_owned();
    let (from, to) = (text("from"), text("to"));
    let candidate = versions
        .candidate
        .as_ref()
        .map(|(digest, ..)| digest.clone());
    let is_from_active = from == versions.active;
    match text("change").as_str() {
        "promote" => {
            let is_free = candidate.is_none() && is_from_active;
            versions.candidate = Some((to, stages(&text("reason")), 0));
            is_free
                .then_some(())
                .ok_or("a promotion begins beside another or from another version")
        }
        "advance" => {
            if let Some((.., stage)) = &mut versions.candidate {
                *stage += 1;
            }
            let is_its = candidate == Some(to) && is_from_active;
            is_its
                .then_some(())
                .ok_or("a promotion goes on that was not under way")
        }
        "take-back" => {
            versions.candidate = None;
            let is_its = candidate == Some(from) && to == versions.active;
            is_its
                .then_some(())
                .ok_or("a version is taken back that was not promoted")
        }
        change @ ("complete" | "deploy" | "rollback" | "bundle") => {
            let is_its = change != "complete" || candidate.as_ref() == Some(&to);
            (versions.active, versions.candidate) = (to, None);
            (is_its && is_from_active)
                .then_some(())
                .ok_or("a version follows another one than was active")
        }
        _ => Ok(()),
    }
}

/// The stages that a promotion's entry tells of: `5%, 100% of the subjects, …`.
fn stages(reason: &str) -> Vec<String> {
    let (stages, _) = reason.split_once(" of the subjects").unwrap_or_default();
    stages.split(", ").map(str::to_owned).collect()
}
