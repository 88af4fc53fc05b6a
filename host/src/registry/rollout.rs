//! A promotion under way: a candidate decides for a share of the subjects, then for more, in the end for all; guards
//! say when it is taken back. Pure: [`judge`] says what is to be done, the registry does it.
//!
//! **Invariant.** Until a rollout is completed the former version is the active one, and decides wherever the candidate does not or
//! fails; so taking a candidate back is dropping a record.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::ids::Digest;
use crate::operators::Operator;
use crate::policies::Observed;

/// Most stages of a rollout.
pub const STAGES_MAX: usize = 20;

/// Longest stage, ms: a week.
pub const STEP_MS_MAX: u64 = 7 * 86_400_000;

/// Decisions (or invocations) that a rate or a quantile is judged on, at least: below it one says nothing.
pub const JUDGED_MIN: u64 = 100;

/// Decisions that a stage asks for, unless told otherwise: a version that fails one decision in four is found by then but
/// for one time in eighteen, and a small installation makes so many in a day.
pub const DECISIONS_MIN: u64 = 10;

/// Longest that a stage whose time is over waits for its decisions, ms: a week, in which everything that a community does
/// comes by.
pub const WAIT_MS_MAX: u64 = 7 * 86_400_000;

/// A share, in hundredths of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Share(u16);

impl Share {
    /// All of it.
    pub const ALL: Self = Self(10_000);

    /// Reads a percentage, such as `5%`, `0.5%` or `0`.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let number = text.trim().strip_suffix('%').unwrap_or(text.trim());
        let percent: f64 = number
            .parse()
            .map_err(|_| "must be a percentage, such as 5%")?;
        match (0.0..=100.0).contains(&percent) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is between 0 and 10,000"
            )]
            true => Ok(Self((percent * 100.0).round() as u16)),
            false => Err("must be from 0% to 100%"),
        }
    }

    /// Reads percentages with a comma (or an arrow) between them, such as `5%,50%,100%`.
    ///
    /// # Errors
    /// The rule that one of them breaks.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, &'static str> {
        text.split(['→', ',']).map(Self::parse).collect()
    }

    /// Whether `part` of `whole` is more than this share.
    #[must_use]
    pub fn is_passed_by(self, part: u64, whole: u64) -> bool {
        u128::from(part) * 10_000 > u128::from(whole) * u128::from(self.0)
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}%", f64::from(self.0) / 100.0)
    }
}

/// When a candidate is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Guards {
    /// More failures than these: traps, decisions that take too long or break their contract.
    #[serde(default)]
    pub failures_max: u64,
    /// A larger share of the invocations that it decided in failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors_max: Option<Share>,
    /// The p99 of its decisions is longer, µs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_us_max: Option<u64>,
    /// A larger share of its decisions differs from what the active version says of the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff_max: Option<Share>,
}

impl Default for Guards {
    /// The first failure ends it, and so do invocations that fail more often than one in a hundred.
    fn default() -> Self {
        Self {
            failures_max: 0,
            errors_max: Some(Share(100)),
            latency_us_max: None,
            diff_max: None,
        }
    }
}

/// How a candidate is to become the active version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Shares of the subjects, growing; the last one is all.
    pub stages: Vec<Share>,
    /// How long each stage lasts, ms.
    pub step_ms: u64,
    /// How many decisions of the candidate one host must have seen before a stage is over; 0: time alone ends it.
    #[serde(default)]
    pub decisions_min: u64,
    /// When it is taken back.
    pub guards: Guards,
}

impl Plan {
    /// Checks a plan.
    ///
    /// # Errors
    /// The member that breaks a rule, and the rule.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if self.stages.is_empty() || self.stages.len() > STAGES_MAX {
            return Err(("canary", "must have 1 to 20 stages"));
        }
        if self.stages.first() == Some(&Share(0)) || !self.stages.is_sorted_by(|a, b| a < b) {
            return Err((
                "canary",
                "must be percentages that grow, the first above 0%",
            ));
        }
        if self.stages.last() != Some(&Share::ALL) {
            return Err(("canary", "must end at 100%"));
        }
        match self.step_ms <= STEP_MS_MAX {
            true => Ok(()),
            false => Err(("step", "must be at most 7 days")),
        }
    }
}

impl std::fmt::Display for Plan {
    /// As the audit tells it; what a promotion's stages were is read from there.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stages: Vec<String> = self.stages.iter().map(ToString::to_string).collect();
        let (stages, step_ms) = (stages.join(", "), self.step_ms);
        write!(f, "{stages} of the subjects, {step_ms} ms each")
    }
}

/// A rollout, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// The candidate's digest.
    pub(super) candidate: String,
    /// How it goes on.
    pub plan: Plan,
    /// Which stage it is in, from 0.
    pub stage: usize,
    /// When that began, ms since 1970 by the system's clock.
    pub stage_since_ms: u64,
    /// Who began it.
    pub by: Operator,
}

impl Rollout {
    /// The first stage of a plan.
    #[must_use]
    pub fn begin(candidate: Digest, plan: Plan, by: Operator, now_ms: u64) -> Self {
        Self {
            candidate: candidate.to_string(),
            plan,
            stage: 0,
            stage_since_ms: now_ms,
            by,
        }
    }

    /// The candidate's digest.
    #[must_use]
    pub fn candidate(&self) -> &str {
        &self.candidate
    }

    /// The share of the subjects that the candidate decides for.
    #[must_use]
    pub fn share(&self) -> Share {
        self.plan
            .stages
            .get(self.stage)
            .copied()
            .unwrap_or(Share::ALL)
    }

    /// When the time of its stage is over, ms since 1970.
    fn stage_over_ms(&self) -> u64 {
        self.stage_since_ms.saturating_add(self.plan.step_ms)
    }

    /// Whether decisions about a subject are the candidate's: the same on every host, and from one stage to the next
    /// only more.
    #[must_use]
    pub fn takes(&self, subject: &str) -> bool {
        place(&self.candidate, subject) < self.share().0
    }
}

/// Where a subject lies among all, 0 to 9,999: by SHA-256, which every build computes alike.
fn place(candidate: &str, subject: &str) -> u16 {
    let mut hash = Sha256::new();
    hash.update(candidate);
    hash.update([0]);
    hash.update(subject);
    let hash = hash.finalize();
    let number = hash
        .first_chunk()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes));
    u16::try_from(number % 10_000).unwrap_or(0)
}

/// What is to be done with a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on as it is.
    Keep,
    /// The next stage begins.
    Advance,
    /// The candidate becomes the active version.
    Complete,
    /// The candidate is taken back; why, in words.
    TakeBack(String),
}

/// Judges a rollout by what one host has seen of its candidate, and how many decisions of it in this stage.
#[must_use]
pub fn judge(rollout: &Rollout, seen: &Observed, in_stage: u64, now_ms: u64) -> Verdict {
    if let Some(reason) = broken(&rollout.plan.guards, seen) {
        return Verdict::TakeBack(reason);
    }
    let over_ms = rollout.stage_over_ms();
    if now_ms < over_ms {
        return Verdict::Keep;
    }
    let needed = rollout.plan.decisions_min;
    if in_stage < needed {
        let days = WAIT_MS_MAX / 86_400_000;
        let waited = now_ms >= over_ms.saturating_add(WAIT_MS_MAX);
        let reason = format!(
            "it made {in_stage} of {needed} decisions at {} of the subjects, and {days} days of waiting are over",
            rollout.share()
        );
        return match waited {
            true => Verdict::TakeBack(reason),
            false => Verdict::Keep,
        };
    }
    match rollout.stage + 1 < rollout.plan.stages.len() {
        true => Verdict::Advance,
        false => Verdict::Complete,
    }
}

/// Whether the time of a stage is over and only its decisions are not there yet.
#[must_use]
pub fn waits(rollout: &Rollout, in_stage: u64, now_ms: u64) -> bool {
    now_ms >= rollout.stage_over_ms() && in_stage < rollout.plan.decisions_min
}

/// The guard that is broken, in words.
fn broken(guards: &Guards, seen: &Observed) -> Option<String> {
    if seen.failures > guards.failures_max {
        let (failures, last) = (seen.failures, seen.last_failure.as_deref().unwrap_or(""));
        let allowed = guards.failures_max;
        return Some(format!(
            "it failed {failures} times ({allowed} allowed), last: {last}"
        ));
    }
    let rate = |what: &str, max: Option<Share>, part: u64, whole: u64| {
        let passed = max.filter(|max| whole >= JUDGED_MIN && max.is_passed_by(part, whole))?;
        Some(format!("{part} of {whole} {what} (at most {passed})"))
    };
    let slow = |max: &u64| seen.decisions >= JUDGED_MIN && seen.p99_us > *max as f64;
    rate(
        "invocations failed",
        guards.errors_max,
        seen.errors,
        seen.invocations,
    )
    .or_else(|| {
        rate(
            "decisions differ",
            guards.diff_max,
            seen.differing,
            seen.compared,
        )
    })
    .or_else(|| {
        let max = guards.latency_us_max.filter(slow)?;
        let p99 = seen.p99_us;
        Some(format!(
            "99 % of its decisions take up to {p99} µs (at most {max} µs)"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rollout(stages: &[&str], guards: Guards) -> Rollout {
        let stages = stages.iter().map(|s| Share::parse(s).expect("a share"));
        let plan = Plan {
            stages: stages.collect(),
            step_ms: 100,
            decisions_min: 3,
            guards,
        };
        plan.check().expect("a sound plan");
        Rollout::begin(Digest::of(b"candidate"), plan, Operator::host(), 1_000)
    }

    fn seen(decisions: u64, failures: u64) -> Observed {
        Observed {
            decisions,
            failures,
            ..Observed::default()
        }
    }

    #[test]
    fn stages_follow_each_other_and_the_last_one_completes() {
        let mut canary = rollout(&["5%", "50%", "100%"], Guards::default());
        let fine = seen(1_000, 0);
        assert_eq!(judge(&canary, &fine, 9, 1_099), Verdict::Keep);
        assert_eq!(judge(&canary, &fine, 9, 1_100), Verdict::Advance);
        canary.stage = 2;
        assert_eq!(judge(&canary, &fine, 9, 1_100), Verdict::Complete);
    }

    #[test]
    fn a_stage_waits_for_its_decisions_but_not_forever() {
        let mut canary = rollout(&["5%", "100%"], Guards::default());
        let fine = seen(1_000, 0);
        for (in_stage, now_ms, is_waiting) in
            [(2, 1_099, false), (2, 1_100, true), (3, 1_100, false)]
        {
            assert_eq!(waits(&canary, in_stage, now_ms), is_waiting, "{now_ms}");
        }
        assert_eq!(judge(&canary, &fine, 2, 1_099 + WAIT_MS_MAX), Verdict::Keep);
        assert_eq!(judge(&canary, &fine, 3, 1_100), Verdict::Advance);
        match judge(&canary, &fine, 2, 1_100 + WAIT_MS_MAX) {
            Verdict::TakeBack(reason) => {
                assert!(reason.contains("2 of 3 decisions at 5%"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
        canary.plan.decisions_min = 0;
        assert_eq!(judge(&canary, &fine, 0, 1_100), Verdict::Advance);
    }

    #[test]
    fn a_broken_guard_takes_it_back_whatever_the_time() {
        let canary = rollout(&["100%"], Guards::default());
        let told = |seen: &Observed| match judge(&canary, seen, 9, 9_999) {
            Verdict::TakeBack(reason) => reason,
            other => panic!("{other:?}"),
        };
        assert!(told(&seen(5, 1)).contains("failed 1 times (0 allowed)"));
        let errors = Observed {
            invocations: 1_000,
            errors: 11,
            ..Observed::default()
        };
        assert!(told(&errors).contains("11 of 1000 invocations failed (at most 1%)"));
        let few = Observed {
            invocations: JUDGED_MIN - 1,
            errors: 50,
            ..Observed::default()
        };
        assert_eq!(judge(&canary, &few, 9, 0), Verdict::Keep);
    }

    #[test]
    fn latency_and_difference_are_judged_where_they_are_stated() {
        let mut guards = Guards {
            latency_us_max: Some(10),
            diff_max: Some(Share::parse("2%").expect("a share")),
            ..Guards::default()
        };
        let slow = Observed {
            p99_us: 16.384,
            ..seen(200, 0)
        };
        let differs = Observed {
            compared: 200,
            differing: 5,
            ..seen(200, 0)
        };
        for (seen, told) in [(&slow, "µs"), (&differs, "5 of 200 decisions differ")] {
            let reason = broken(&guards, seen).expect("broken");
            assert!(reason.contains(told), "{reason}");
        }
        (guards.latency_us_max, guards.diff_max) = (None, None);
        assert_eq!(
            (broken(&guards, &slow), broken(&guards, &differs)),
            (None, None)
        );
    }

    #[test]
    fn a_subject_is_on_one_side_and_shares_are_kept() {
        let mut canary = rollout(&["5%", "50%", "100%"], Guards::default());
        let all: Vec<String> = (0..10_000).map(|n| n.to_string()).collect();
        let taken = |canary: &Rollout| all.iter().filter(|s| canary.takes(s)).count();
        let (few, small) = (taken(&canary), canary.clone());
        canary.stage = 1;
        let half = taken(&canary);
        assert!(
            (400..600).contains(&few) && (4_800..5_200).contains(&half),
            "{few} {half}"
        );
        assert!(all.iter().all(|s| !small.takes(s) || canary.takes(s)));
        canary.stage = 2;
        assert_eq!(taken(&canary), all.len());
        // Fixed: hosts of another build must put a community on the same side.
        assert_eq!(place("candidate", "7"), PLACE_OF_7);
    }

    const PLACE_OF_7: u16 = 2_881;

    #[test]
    fn plans_that_make_no_sense_are_refused() {
        let plan = |stages: &[&str], step_ms| Plan {
            stages: stages
                .iter()
                .map(|s| Share::parse(s).expect("a share"))
                .collect(),
            step_ms,
            decisions_min: 0,
            guards: Guards::default(),
        };
        for (stages, told) in [
            (&[][..], "1 to 20"),
            (&["0%", "100%"], "above 0%"),
            (&["50%", "5%", "100%"], "grow"),
            (&["5%", "50%"], "end at 100%"),
        ] {
            let (member, rule) = plan(stages, 1).check().expect_err("no plan");
            assert!(member == "canary" && rule.contains(told), "{rule}");
        }
        assert_eq!(
            plan(&["100%"], STEP_MS_MAX + 1)
                .check()
                .expect_err("too long")
                .0,
            "step"
        );
        for text in ["", "x%", "101%", "-1%", "NaN%"] {
            assert!(Share::parse(text).is_err(), "{text}");
        }
        assert_eq!(Share::parse("0.5%").expect("a share").to_string(), "0.5%");
    }
}
