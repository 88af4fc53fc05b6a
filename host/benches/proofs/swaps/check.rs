//! Compares what was decided with the generations that the audit tells of and with the rules of the versions, and what
//! clients were told with what the host keeps.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::swapper::Versions;
use super::traffic::{FIRST, METERED, Told};
use crate::history::{History, present};
use crate::partner::people::Operator;

/// Decisions of one answer.
const PAGE: usize = 10_000;

/// What was compared.
#[derive(Debug, Default)]
pub struct Checked {
    pub decisions: usize,
    pub generations: usize,
    pub headers: usize,
    pub houses: usize,
    pub energy_wh: u64,
    /// What does not fit, in words.
    pub wrong: Vec<String>,
}

impl Checked {
    fn check(&mut self, is_right: bool, wrong: impl FnOnce() -> String) {
        if !is_right {
            self.wrong.push(wrong());
        }
    }

    /// What the host serves is what the audit says.
    pub async fn history(&mut self, operator: &Operator, history: &History) {
        self.wrong.extend(history.wrong.iter().cloned());
        let (number, policies) = present(operator).await;
        let (last, audited) = history.last();
        self.check(number == last && policies == *audited, || {
            format!("generation {number} has {policies:?}; the audit ends with {last}: {audited:?}")
        });
    }

    /// Every decision that was logged, and every answer to who registered a house.
    pub async fn decisions(
        &mut self,
        operator: &Operator,
        history: &History,
        versions: &Versions,
        told: &Told,
    ) {
        let (mut generations, mut logged) = (BTreeSet::new(), BTreeMap::new());
        for kind in ["assignment", "peak-limit"] {
            for part in parts(operator, kind).await {
                let generation = part["generation"].as_u64().unwrap_or(0);
                generations.insert(generation);
                for decision in part["decisions"].as_array().into_iter().flatten() {
                    self.decisions += 1;
                    self.decision(kind, generation, decision, history, versions);
                    let asked = Asked::of(kind, generation, decision);
                    let twice = logged.insert(subject(decision), asked).is_some();
                    self.check(!twice || !is_told(decision), || {
                        format!("twice: {decision}")
                    });
                }
            }
        }
        self.generations = generations.len();
        for (name, header) in &told.houses {
            self.answer(logged.remove(name).as_ref(), header, None);
        }
        for (community, (header, limits)) in &told.limits {
            let decision = logged.remove(&community.to_string());
            self.answer(decision.as_ref(), header, Some(limits));
        }
        let untold = logged.values().filter(|asked| asked.is_told);
        let untold = untold.count();
        self.check(untold == 0, || {
            format!("{untold} decisions that nobody was told")
        });
    }

    /// An answer names the version that the log names, and says what it decided.
    fn answer(&mut self, logged: Option<&Asked>, header: &str, limits: Option<&Value>) {
        let is_same = logged.is_some_and(|asked| {
            let mut parts = header.split(';');
            let (open, close) = (&asked.output["open-above-w"], &asked.output["close-at-w"]);
            parts.next() == Some(&asked.generation.to_string())
                && parts.any(|part| part == asked.named)
                && limits.is_none_or(|limits| *limits == json!([open, close]))
        });
        self.headers += usize::from(is_same);
        self.check(is_same, || {
            format!("told were {header} and {limits:?}; logged is {logged:?}")
        });
    }

    fn decision(
        &mut self,
        kind: &str,
        generation: u64,
        decision: &Value,
        history: &History,
        versions: &Versions,
    ) {
        let (input, policy) = (&decision["input"], decision["policy"].as_str());
        let policy = policy.unwrap_or_default();
        let subject = subject(decision);
        let known = history.generations.get(&generation);
        let due = known.and_then(|policies| Some(policies.get(kind)?.decides(&subject)));
        self.check(due == Some(policy), || {
            format!("in generation {generation} {policy} decided where {due:?} is due: {decision}")
        });
        let version = versions.find(policy);
        let said = version.map(|version| (version.rule)(input));
        self.check(said.as_ref() == Some(&decision["output"]), || {
            format!("its rule says {said:?}: {decision}")
        });
        self.check(decision["failed"].is_null(), || {
            format!("one failed: {decision}")
        });
    }

    /// Houses and readings, each once.
    pub async fn effects(&mut self, operator: &Operator, told: &Told) {
        let houses = operator
            .get("/client-database/client-registry/allHouses")
            .await;
        let houses = houses.as_array().expect("houses").clone();
        let names = houses
            .iter()
            .filter_map(|house| house["client_name"].as_str());
        let names: BTreeSet<&str> = names.collect();
        self.houses = houses.len();
        let due = told.houses.len() + METERED;
        self.check(houses.len() == due && names.len() == due, || {
            format!(
                "{} houses of {} clients where {due} are due",
                houses.len(),
                names.len()
            )
        });
        let lost = told
            .houses
            .keys()
            .find(|name| !names.contains(name.as_str()));
        self.check(lost.is_none(), || format!("{lost:?} is lost"));
        let path = format!("/consumption-api/energy?from={FIRST}&to=2021-11-01T00:00:00Z");
        let energy = operator.get(&path).await;
        self.energy_wh = energy["consumptionWh"].as_f64().unwrap_or(0.0) as u64;
        self.check(self.energy_wh == told.readings, || {
            format!("{energy} where {} Wh are due", told.readings)
        });
        let letters = operator.get("/admin/dead-letters").await;
        let buried = letters["letters"]
            .as_array()
            .or(letters.as_array())
            .map_or(0, Vec::len);
        self.check(buried == 0, || format!("dead letters: {letters}"));
    }
}

/// A decision that somebody was told of, or one of the stream's.
#[derive(Debug)]
struct Asked {
    generation: u64,
    /// As answers name its version.
    named: String,
    output: Value,
    is_told: bool,
}

impl Asked {
    fn of(kind: &str, generation: u64, decision: &Value) -> Self {
        let policy = decision["policy"].as_str().unwrap_or_default();
        Self {
            generation,
            named: format!("{kind}=\"{policy}\""),
            output: decision["output"].clone(),
            is_told: is_told(decision),
        }
    }
}

/// Whether a client asked, not the stream: about a house, or about a community at the instant of its number.
fn is_told(decision: &Value) -> bool {
    let input = &decision["input"];
    input["client-name"].is_string() || input["at-ms"] == input["community"]
}

/// Whom a decision is about.
fn subject(decision: &Value) -> String {
    match &decision["input"]["client-name"] {
        Value::String(name) => name.clone(),
        _ => decision["input"]["community"].to_string(),
    }
}

/// All that was logged of a kind.
async fn parts(operator: &Operator, kind: &str) -> Vec<Value> {
    let (mut parts, mut before) = (Vec::new(), String::new());
    loop {
        let path = format!("/admin/policies/{kind}/decisions?last={PAGE}{before}");
        let page = operator.get(&path).await;
        parts.extend(page["parts"].as_array().expect("parts").clone());
        match page["next"].as_str() {
            Some(next) => before = format!("&before={next}"),
            None => return parts,
        }
    }
}
