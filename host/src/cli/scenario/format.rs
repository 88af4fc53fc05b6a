//! The format of scenario files, documented for authors in `scenarios/README.md`. Reading a file
//! checks everything that can be known without a host; an error names the line.
//!
//! Invariant: unknown keys are errors, and everything that repeats has a bound.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::action::Action;
use super::text::Text;
use crate::cli::client::read_file;
use crate::cli::error::Error;
use crate::ids::{ComponentName, Instant};

/// Largest scenario file, bytes: a long scenario has a few thousand lines.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Most steps: a person still has to follow.
const STEPS_MAX: usize = 1_000;

/// Most houses that one entry of the fixture registers, each a request of its own.
const HOUSES_MAX: u32 = 100_000;

/// Longest tick, seconds: a day, the longest interval that readings may have.
const TICK_S_MAX: u32 = 86_400;

/// A scenario file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Scenario {
    /// What the scenario is called.
    pub(crate) title: Text,
    /// What it shows.
    pub(crate) about: Option<Text>,
    /// The simulated time it plays in.
    pub(crate) clock: Clock,
    /// What is there before the first step.
    #[serde(default)]
    pub(crate) fixture: Fixture,
    /// Constants: variables that are defined from the start.
    #[serde(default)]
    pub(crate) values: BTreeMap<String, Value>,
    /// Lists that loops run over, by name.
    #[serde(default)]
    pub(crate) lists: BTreeMap<String, Vec<Value>>,
    /// What happens, in order; numbered from 0.
    pub(crate) steps: Vec<Step>,
}

/// The simulated time.
#[derive(Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    try_from = "ClockTable"
)]
pub(crate) struct Clock {
    /// Where it starts.
    pub(crate) start: Instant,
    /// Time from one tick to the next, seconds.
    pub(crate) tick_s: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ClockTable {
    start: String,
    tick_seconds: u32,
}

impl TryFrom<ClockTable> for Clock {
    type Error = String;

    fn try_from(table: ClockTable) -> Result<Self, String> {
        let start = Instant::parse(&table.start).map_err(|rule| format!("start {rule}"))?;
        if !(1..=TICK_S_MAX).contains(&table.tick_seconds) {
            return Err(format!("tick-seconds must be 1 to {TICK_S_MAX}"));
        }
        Ok(Self {
            start,
            tick_s: table.tick_seconds,
        })
    }
}

/// What is there before the first step. It is not part of the report.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Fixture {
    /// Components to deploy first.
    pub(crate) deploy: Vec<Deploy>,
    /// Houses.
    pub(crate) houses: Vec<Houses>,
    /// Partners.
    pub(crate) partners: Vec<Partner>,
}

/// A component to deploy.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Deploy {
    /// The name it gets.
    #[serde(deserialize_with = "component_name")]
    pub(crate) name: ComponentName,
    /// Which component of the plugins' `alternatives` folder, without `.wasm`: like every plugin's file
    /// it is called by the rule for names, so it cannot lie elsewhere.
    #[serde(deserialize_with = "component_file")]
    pub(crate) component: ComponentName,
}

/// A component to take back to the version that was active before.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Rollback {
    /// Its name.
    #[serde(deserialize_with = "component_name")]
    pub(crate) name: ComponentName,
}

fn component_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ComponentName, D::Error> {
    named(deserializer, "name")
}

fn component_file<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ComponentName, D::Error> {
    named(deserializer, "component")
}

fn named<'de, D: Deserializer<'de>>(
    deserializer: D,
    field: &str,
) -> Result<ComponentName, D::Error> {
    let name = String::deserialize(deserializer)?;
    ComponentName::parse(&name).map_err(|rule| D::Error::custom(format!("{field} {rule}")))
}

/// Houses that are alike.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Houses {
    /// How many.
    #[serde(default = "one", deserialize_with = "house_count")]
    pub(crate) count: u32,
    /// The client's name; `${n}` counts from 1.
    pub(crate) client_name: String,
    /// The community, where the assignment policy is not to decide.
    pub(crate) community: Option<u64>,
    /// What its meter is called.
    pub(crate) household: Option<String>,
    /// What is plugged in: bodies of `add-object`.
    #[serde(default)]
    pub(crate) objects: Vec<Value>,
    /// A variable that keeps the house's id; `${n}` counts from 1.
    pub(crate) capture: Option<String>,
}

fn one() -> u32 {
    1
}

fn house_count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let count = u32::deserialize(deserializer)?;
    if (1..=HOUSES_MAX).contains(&count) {
        return Ok(count);
    }
    Err(D::Error::custom(format!("count must be 1 to {HOUSES_MAX}")))
}

/// A partner.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Partner {
    /// Its id.
    pub(crate) id: String,
    /// What is on its account.
    pub(crate) datapoints: u64,
    /// How far it is trusted.
    pub(crate) trust_level: u32,
}

/// A step.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Step {
    /// What it is about.
    pub(crate) title: Text,
    /// What happens, in order.
    pub(crate) actions: Vec<Action>,
}

impl Scenario {
    /// Reads a scenario file.
    ///
    /// # Errors
    /// It cannot be read, or is no scenario; the message names the line.
    pub(crate) fn load(path: &Path) -> Result<Self, Error> {
        let bytes = read_file(path, FILE_BYTES_MAX)?;
        let text = String::from_utf8(bytes).map_err(|error| error.to_string());
        let parsed = text.and_then(|text| Self::parse(&text));
        parsed.map_err(|error| Error::Usage(format!("{}: {error}", path.display())))
    }

    /// Reads a scenario.
    ///
    /// # Errors
    /// It is none; the message names the line.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let scenario: Self = toml::from_str(text).map_err(|error| located(text, &error))?;
        if scenario.steps.is_empty() || scenario.steps.len() > STEPS_MAX {
            return Err(format!("there must be 1 to {STEPS_MAX} steps"));
        }
        for (number, step) in scenario.steps.iter().enumerate() {
            for action in &step.actions {
                action
                    .check_lists(&scenario.lists)
                    .map_err(|rule| format!("step {number}: {rule}"))?;
            }
        }
        Ok(scenario)
    }
}

/// An error with the line it is on. The parser points at the innermost table that is wrong.
fn located(text: &str, error: &toml::de::Error) -> String {
    let start = error.span().map_or(0, |span| span.start.min(text.len()));
    let line = text.as_bytes()[..start]
        .iter()
        .filter(|&&byte| byte == b'\n')
        .count()
        + 1;
    format!("line {line}: {}", error.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = r#"
title = { fr = "a", en = "b" }
clock = { start = "2021-11-07T15:58:22.144Z", tick-seconds = 60 }
"#;

    fn error(rest: &str) -> String {
        Scenario::parse(&format!("{HEAD}{rest}"))
            .map(drop)
            .expect_err("it is wrong")
    }

    fn step(action: &str) -> String {
        let title = "[[steps]]\ntitle = { fr = \"a\", en = \"b\" }\n";
        format!("{title}[[steps.actions]]\n{action}\n")
    }

    #[test]
    fn a_small_scenario_is_read() {
        let action = "get = { service = \"a\", route = \"b/${x}\" }\nexpect = { status = 200 }";
        let scenario = Scenario::parse(&format!("{HEAD}{}", step(action))).expect("a scenario");
        assert_eq!(scenario.steps.len(), 1);
        assert_eq!(scenario.clock.start.to_string(), "2021-11-07T15:58:22.144Z");
    }

    #[test]
    fn unknown_keys_are_errors_with_their_line() {
        let told = error("stepps = 1\n");
        assert!(told.starts_with("line 4: unknown field `stepps`"), "{told}");
        let told = error(&step("gett = { service = \"a\", route = \"b\" }"));
        assert!(
            told.starts_with("line 7") && told.contains("unknown field `gett`"),
            "{told}"
        );
        let told = error(&step("get = { service = \"a\", route = \"b\", param = 1 }"));
        assert!(
            told.starts_with("line 7") && told.contains("unknown field `param`"),
            "{told}"
        );
    }

    #[test]
    fn wrong_values_are_errors_with_their_line() {
        let told = error(&step("tick = 1\nsettle = true"));
        assert!(told.contains("exactly one"), "{told}");
        let told = error(&step("tick = 0"));
        assert!(told.contains("tick must be"), "{told}");
        let told = error(&step("settle = true\nfor-each = \"cars\""));
        assert!(told.contains("step 0") && told.contains("cars"), "{told}");
        let matcher =
            "get = { service = \"a\", route = \"b\" }\nexpect = { body = { \"$uid\" = true } }";
        let told = error(&step(matcher));
        assert!(told.starts_with("line 8: unknown matcher"), "{told}");
    }

    #[test]
    fn what_is_deployed_or_rolled_back_is_named_by_the_rule() {
        let file = "[[fixture.deploy]]\nname = \"schedule\"\ncomponent = \"../schedule\"\n";
        let told = error(file);
        assert!(
            told.starts_with("line 6: component must be 1 to 64"),
            "{told}"
        );
        let told = error(&step(
            "deploy = { name = \"Shed\", component = \"shed-fair\" }",
        ));
        assert!(told.contains("name must be 1 to 64"), "{told}");
        let told = error(&step("rollback = { name = \"\" }"));
        assert!(told.contains("name must be 1 to 64"), "{told}");
        let told = error(&step("rollback = { name = \"shed\", to = \"3f8a\" }"));
        assert!(told.contains("unknown field `to`"), "{told}");
        let told = error(&step("rollback = {}"));
        assert!(told.contains("missing field `name`"), "{told}");
        let told = error(&step(
            "rollback = { name = \"shed\" }\nexpect = { status = 200 }",
        ));
        assert!(told.contains("expect and capture belong to"), "{told}");
        let right = step("rollback = { name = \"shed\" }");
        Scenario::parse(&format!("{HEAD}{right}")).expect("a scenario");
    }

    #[test]
    fn the_clock_is_checked() {
        let wrong = HEAD.replace("15:58:22.144Z", "25:00");
        let told = Scenario::parse(&wrong).map(drop).expect_err("no such hour");
        assert!(
            told.starts_with("line 3: start must be an RFC 3339"),
            "{told}"
        );
    }
}
