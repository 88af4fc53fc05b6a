//! Judges a new value against cohorts told before: whether every part that it adds to or cuts is a group
//! by itself. Pure.

use std::collections::HashMap;

use super::super::{Group, Member, Profile, Rule};
use super::Cohort;

/// Households that are in the same of the earlier cohorts, as the new one divides them.
#[derive(Debug, Default)]
struct Part {
    /// Those in the new cohort whose own values the partner cannot read anyway.
    inside: Group,
    /// Those that are not in it.
    outside: u64,
}

/// Judges the members of a new cohort against at most 127 earlier ones.
///
/// # Errors
/// The rule that would be broken.
pub(super) fn judge(profile: Profile, members: &[Member], earlier: &[Cohort]) -> Result<(), Rule> {
    let mut earlier = memberships(earlier);
    let mut parts: HashMap<u128, Part> = HashMap::new();
    for member in members {
        let of = earlier.remove(&member.id).unwrap_or(0);
        let part = parts.entry(of).or_default();
        if member.hidden {
            part.inside.add(member.power_mw);
        }
    }
    for of in earlier.into_values() {
        if let Some(part) = parts.get_mut(&of) {
            part.outside += 1;
        }
    }
    let is_alone = parts.len() == 1 && parts.contains_key(&0);
    let mut all = parts.values();
    match all.any(|part| !is_sound(profile, part)) {
        false => Ok(()),
        true if is_alone => Err(too_few_hidden(profile)),
        true => Err(too_small(profile)),
    }
}

/// Which cohorts each household is in, a bit for each.
fn memberships(cohorts: &[Cohort]) -> HashMap<u64, u128> {
    let mut of: HashMap<u64, u128> = HashMap::new();
    for (at, cohort) in cohorts.iter().enumerate() {
        for id in cohort.iter() {
            *of.entry(*id).or_default() |= 1 << at;
        }
    }
    of
}

/// Households outside could be told apart by size only, since their values are not read now.
fn is_sound(profile: Profile, part: &Part) -> bool {
    let inside = part.inside.households == 0 || profile.judge(&part.inside).is_ok();
    let outside = part.outside == 0 || part.outside >= profile.households_min();
    inside && outside
}

fn too_small(profile: Profile) -> Rule {
    Rule(format!(
        "overlap: with values read before, this one would tell of a group that {profile} protects"
    ))
}

fn too_few_hidden(profile: Profile) -> Rule {
    Rule(format!(
        "{profile}: the households in it whose details this partner cannot read are too few"
    ))
}
