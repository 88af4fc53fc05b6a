//! Judges a new value against cohorts told before: whether every part that it adds to or cuts is a group
//! by itself that keeps the profile, by size and by share. Pure.
//!
//! Whom a part has left when a value cuts it is known, but not what they drew: their readings are not read
//! again. So of each part that a value was told of, the sum and the largest draw are kept, and what remains
//! of it is judged by bounds: what was taken out is subtracted, and the largest is taken to be still there.
//! They err to the side of telling nothing.

use std::collections::HashMap;

use super::super::{Group, Member, Profile, Rule};
use super::Cohort;

/// Most parts that are kept of an interval, 10 KB of them: twice as many as the cohorts that a value is judged
/// against, which parts outnumber only where many of these overlap.
const PARTS_MAX: usize = 256;

/// Households that are in the same of the cohorts told of an interval, as far as their own values are hidden from the
/// partner. Where nobody's is, there is no part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// Which of the interval's values they are in, a bit for each in the order in which they were told.
    pub(super) of: u128,
    /// Fewest households, smallest sum and largest draw that they can have.
    pub(super) group: Group,
}

/// What a new value is judged against.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Earlier<'a> {
    /// Cohorts told for this very interval, in the order in which they were told, and then those told for others
    /// that overlap it: at most 127.
    pub(super) cohorts: &'a [Cohort],
    /// How many of them were told for this very interval.
    pub(super) beside: usize,
    /// The parts of this very interval.
    pub(super) parts: &'a [Part],
    /// Whether something was told for other intervals that overlap it.
    pub(super) has_others: bool,
}

/// A part of the earlier cohorts, as the new one divides it.
#[derive(Debug, Default)]
struct Divided {
    /// Those in the new cohort whose own values the partner cannot read anyway.
    inside: Group,
    /// All of those in the new cohort.
    taken: Group,
    /// How many are not in it.
    outside: u64,
}

/// Judges the members of a new cohort; the parts of the interval once it is told.
///
/// # Errors
/// The rule that would be broken.
pub(super) fn judge(
    profile: Profile,
    members: &[Member],
    earlier: Earlier<'_>,
) -> Result<Vec<Part>, Rule> {
    let divided = divide(members, &earlier.cohorts[..earlier.beside]);
    let kept: HashMap<u128, Group> = earlier
        .parts
        .iter()
        .map(|part| (part.of, part.group))
        .collect();
    let rest_of = |of: &u128, part: &Divided| kept.get(of).map(|group| rest(*group, part));
    let is_told = divided
        .iter()
        .all(|(of, part)| is_sound(profile, part, rest_of(of, part)));
    if !is_told || (earlier.has_others && !are_whole(profile, members, earlier.cohorts)) {
        let is_alone = earlier.cohorts.is_empty();
        return Err(if is_alone {
            too_few_hidden(profile)
        } else {
            too_small(profile)
        });
    }
    let new = 1_u128 << earlier.beside;
    let untouched = earlier
        .parts
        .iter()
        .filter(|part| !divided.contains_key(&part.of));
    let mut parts: Vec<Part> = untouched.copied().collect();
    for (of, part) in &divided {
        let group = rest_of(of, part).filter(|_| part.outside > 0);
        parts.extend(group.map(|group| Part { of: *of, group }));
        let group = Some(part.inside).filter(|inside| inside.households > 0);
        parts.extend(group.map(|group| Part {
            of: of | new,
            group,
        }));
    }
    match parts.len() > PARTS_MAX {
        true => Err(super::too_many()),
        false => Ok(parts),
    }
}

/// The parts of the earlier cohorts that the new one adds to or cuts; 0: of those who are in none.
fn divide(members: &[Member], earlier: &[Cohort]) -> HashMap<u128, Divided> {
    let mut earlier = memberships(earlier);
    let mut parts: HashMap<u128, Divided> = HashMap::new();
    for member in members {
        let of = earlier.remove(&member.id).unwrap_or(0);
        let part = parts.entry(of).or_default();
        part.taken.add(member.power_mw);
        if member.hidden {
            part.inside.add(member.power_mw);
        }
    }
    for of in earlier.into_values() {
        if let Some(part) = parts.get_mut(&of) {
            part.outside += 1;
        }
    }
    parts
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

/// What is left of a part, at the least. Whether those who were taken out were hidden when it was told is
/// not known any more, so all of them are subtracted.
fn rest(kept: Group, divided: &Divided) -> Group {
    let sum_mw = kept.sum_mw.saturating_sub(divided.taken.sum_mw);
    Group {
        households: kept.households.saturating_sub(divided.taken.households),
        sum_mw,
        // Nobody draws more than all together.
        max_mw: kept.max_mw.min(u64::try_from(sum_mw).unwrap_or(u64::MAX)),
    }
}

/// Whether those inside and those outside are groups. `rest` is none where no value outside was hidden.
fn is_sound(profile: Profile, part: &Divided, rest: Option<Group>) -> bool {
    let inside = part.inside.households == 0 || profile.judge(&part.inside).is_ok();
    let is_large = part.outside >= profile.households_min();
    let is_told = rest.is_none_or(|rest| profile.judge(&rest).is_ok());
    inside && (part.outside == 0 || (is_large && is_told))
}

/// Whether no part of all cohorts told for overlapping times is cut, and each that is added to keeps the profile. What those
/// outside drew in this interval was never known where they were told of for another one.
fn are_whole(profile: Profile, members: &[Member], earlier: &[Cohort]) -> bool {
    let divided = divide(members, earlier);
    let mut parts = divided.values();
    parts.all(|part| part.outside == 0 && is_sound(profile, part, None))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Households by id and draw.
    fn members(draws: impl IntoIterator<Item = (u64, u64)>) -> Vec<Member> {
        let member = |(id, power_mw)| Member {
            id,
            power_mw,
            hidden: true,
        };
        draws.into_iter().map(member).collect()
    }

    fn cohort(members: &[Member]) -> Cohort {
        members.iter().map(|member| member.id).collect()
    }

    /// So many households that draw 100 each.
    fn alike(ids: std::ops::Range<u64>) -> impl Iterator<Item = (u64, u64)> {
        ids.map(|id| (id, 100))
    }

    /// Tells values of one interval one after the other; which are told, and the parts at the end.
    fn told(profile: Profile, asked: &[Vec<Member>]) -> (Vec<bool>, Vec<Part>) {
        let (mut cohorts, mut parts, mut told) = (Vec::new(), Vec::new(), Vec::new());
        for members in asked {
            let earlier = Earlier {
                cohorts: &cohorts,
                beside: cohorts.len(),
                parts: &parts,
                has_others: false,
            };
            let judged = judge(profile, members, earlier);
            told.push(judged.is_ok());
            if let Ok(next) = judged {
                parts = next;
                cohorts.push(cohort(members));
            }
        }
        (told, parts)
    }

    #[test]
    fn a_difference_in_which_one_household_stands_out_is_not_told() {
        // Of all, 1,000 of 10,800 is little; of the twenty others alone it is a third.
        let all = members(alike(0..98).chain([(98, 1_000)]));
        let most = members(alike(0..79));
        let (profile, asked) = (Profile::Us1515, [all.clone(), most.clone()]);
        assert_eq!(told(profile, &asked).0, [true, false], "all less most");
        assert_eq!(
            told(profile, &[most, all]).0,
            [true, false],
            "the other way round"
        );
        assert_eq!(
            told(Profile::Fr10, &asked).0,
            [true, true],
            "no share is bounded"
        );
    }

    #[test]
    fn a_total_and_then_its_communities_are_told_where_nobody_stands_out() {
        let asked = [0..90, 0..30, 30..60, 60..90].map(|ids| members(alike(ids)));
        let (told, mut parts) = told(Profile::Us1515, &asked);
        assert_eq!(told, [true; 4]);
        parts.sort_unstable_by_key(|part| part.of);
        let groups = parts
            .iter()
            .map(|part| (part.of, part.group.households, part.group.sum_mw));
        let communities = [
            (0b0011, 30, 3_000),
            (0b0101, 30, 3_000),
            (0b1001, 30, 3_000),
        ];
        assert_eq!(groups.collect::<Vec<_>>(), communities);
    }

    #[test]
    fn what_is_left_after_several_cuts_is_known_to_be_small() {
        // 1,000 is less than 15 % of what 70 draw, and more than that of what 40 do.
        let all = members(alike(0..99).chain([(99, 1_000)]));
        let asked = [all, members(alike(0..30)), members(alike(30..60))];
        assert_eq!(told(Profile::Us1515, &asked).0, [true, true, false]);
    }

    #[test]
    fn a_rest_that_draws_nothing_is_not_told() {
        let all = members(alike(0..20).chain((20..40).map(|id| (id, 0))));
        let asked = [all, members(alike(0..20))];
        assert_eq!(told(Profile::Fr10, &asked).0, [true, false]);
    }

    #[test]
    fn what_was_told_for_another_interval_is_not_cut() {
        let all = cohort(&members(alike(0..90)));
        let earlier = Earlier {
            cohorts: &[all],
            has_others: true,
            ..Earlier::default()
        };
        let judge = |ids| judge(Profile::Us1515, &members(alike(ids)), earlier);
        assert!(judge(0..30).is_err(), "what 30..90 drew then is not known");
        assert!(judge(0..105).is_ok(), "fifteen are added");
        assert!(judge(0..104).is_err(), "fourteen are too few");
    }

    #[test]
    fn values_that_the_partner_may_read_itself_are_no_part() {
        let mut all = members(alike(0..60));
        all.iter_mut()
            .filter(|one| one.id >= 20)
            .for_each(|one| one.hidden = false);
        let (verdicts, parts) = told(Profile::Us1515, &[all.clone()]);
        assert_eq!((verdicts, parts.len()), (vec![true], 1));
        assert_eq!(parts[0].group.households, 20);
        let hidden = all[..20].to_vec();
        assert_eq!(
            told(Profile::Us1515, &[all.clone(), hidden]).0,
            [true, false]
        );
        let known = all[20..].to_vec();
        assert_eq!(told(Profile::Us1515, &[known, all]).0, [true, true]);
    }

    #[test]
    fn parts_are_bounded() {
        let parts = vec![
            Part {
                of: 1 << 9,
                group: Group::default()
            };
            PARTS_MAX
        ];
        let earlier = Earlier {
            parts: &parts,
            ..Earlier::default()
        };
        let refused = judge(Profile::Us1515, &members(alike(0..20)), earlier);
        let rule = refused.expect_err("a refusal");
        assert!(rule.0.contains("too many different groups"), "{rule}");
    }
}
