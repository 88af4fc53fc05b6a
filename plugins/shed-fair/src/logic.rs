//! An alternative shedding: only as many loads stop as bring the community under its limit, those whose
//! stopping costs the least comfort, and households take turns.
//!
//! *Comfort lost* is the energy that a household gets later than it was promised, Wh: the load's power times
//! what is left of its present slot. A car that would be full in ten minutes loses little, one that has just
//! been plugged in loses much, and a strong one more than a weak one.
//!
//! *Turns*: the community first asks the households that were spared the longest, in whole days up to a week;
//! comfort chooses among those who were spared equally long. So nobody is stopped twice in a row while others
//! would do.
//!
//! To find the very least comfort is a knapsack problem. What is chosen is at most twice the least in its turn
//! (Csirik, Frenk, Labbé and Zhang 1991), and nothing in it could go on without passing the limit.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use leyden_sdk::policy::shed::{Input, Load};

/// Consumption is brought down to this share of the limit: a peak counts as over only clearly under the limit,
/// and the project's peak limits close at 95 %. Stopping just at the limit would leave the peak open.
const TARGET_SHARE: f64 = 0.95;

/// Sums of powers may be off by this much, W: a milliwatt, the unit in which power is measured.
const TOLERANCE_W: f64 = 0.001;

/// A day, ms.
const DAY_MS: u64 = 24 * 3_600_000;

/// Days after which having been stopped is forgotten: a week, in which habits repeat.
const SPARED_DAYS_MAX: u64 = 7;

/// Milliseconds of an hour.
const MS_PER_H: f64 = 3_600_000.0;

/// A load that could stop.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Candidate {
    /// Its index in the input.
    index: u32,
    /// Power it draws, W.
    power_w: f64,
    /// What is left of its slot, h: the comfort that each of its watts costs, Wh.
    left_h: f64,
    /// Days since its household was stopped, at most [`SPARED_DAYS_MAX`].
    spared_days: u64,
}

impl Candidate {
    /// Energy that would come later, Wh.
    fn comfort_wh(&self) -> f64 {
        self.power_w * self.left_h
    }
}

/// Indices of the loads that stop: by turns, in a turn those first that give the most relief for the comfort.
pub(crate) fn shed(input: &Input) -> Vec<u32> {
    let excess_w = input.consumption_w - input.limit_w * TARGET_SHARE;
    let mut stopping = Vec::new();
    let mut missing_w = excess_w;
    for turn in turns(input) {
        if missing_w <= TOLERANCE_W {
            break;
        }
        let chosen = least_comfort(turn, missing_w);
        missing_w -= power_w(&chosen);
        stopping.extend(chosen);
    }
    spare_needless(&mut stopping, excess_w);
    stopping.iter().map(|load| load.index).collect()
}

/// Loads that draw power, those of the households spared longest first.
fn turns(input: &Input) -> impl Iterator<Item = Vec<Candidate>> {
    let stopped_at_ms = stopped_at_ms(&input.loads);
    let mut turns: BTreeMap<Reverse<u64>, Vec<Candidate>> = BTreeMap::new();
    for (index, load) in (0_u32..).zip(&input.loads) {
        if load.power_w > 0.0 {
            let stopped_at_ms = stopped_at_ms.get(load.house.as_str()).copied();
            let candidate = candidate(index, load, stopped_at_ms, input.now_ms);
            let turn = turns.entry(Reverse(candidate.spared_days));
            turn.or_default().push(candidate);
        }
    }
    turns.into_values()
}

/// When each household was last stopped, ms since 1970: with whichever of its loads that draw now.
fn stopped_at_ms(loads: &[Load]) -> BTreeMap<&str, u64> {
    let mut latest = BTreeMap::new();
    for load in loads {
        if let Some(at_ms) = load.last_shed_at_ms {
            let known = latest.entry(load.house.as_str()).or_insert(at_ms);
            *known = at_ms.max(*known);
        }
    }
    latest
}

fn candidate(index: u32, load: &Load, stopped_at_ms: Option<u64>, now_ms: u64) -> Candidate {
    let left_h = load.ends_at_ms.saturating_sub(now_ms) as f64 / MS_PER_H;
    let spared_days = stopped_at_ms.map_or(SPARED_DAYS_MAX, |at_ms| {
        (now_ms.saturating_sub(at_ms) / DAY_MS).min(SPARED_DAYS_MAX)
    });
    Candidate {
        index,
        power_w: load.power_w,
        left_h,
        spared_days,
    }
}

/// Of the loads of one turn, some that draw `missing_w` together with little comfort lost; all of them where
/// they draw less. The last one is needed, of the others the last are the first that may prove needless.
///
/// Those that give the most relief for their comfort are collected until a further one would suffice. Each that
/// would suffice beside those collected so far makes one solution; the best of these is taken.
fn least_comfort(mut turn: Vec<Candidate>, missing_w: f64) -> Vec<Candidate> {
    turn.sort_by(|one, other| one.left_h.total_cmp(&other.left_h));
    let mut collected: Vec<Candidate> = Vec::with_capacity(turn.len());
    let mut collected_w = 0.0;
    let mut best: Option<(f64, usize, Candidate)> = None;
    for load in turn {
        if collected_w + load.power_w + TOLERANCE_W < missing_w {
            collected_w += load.power_w;
            collected.push(load);
            continue;
        }
        let surplus_w = collected_w + load.power_w - missing_w;
        let comfort_wh = load.comfort_wh() + needed_wh(&collected, surplus_w);
        if best.is_none_or(|(least_wh, ..)| comfort_wh < least_wh) {
            best = Some((comfort_wh, collected.len(), load));
        }
    }
    if let Some((_, beside, last)) = best {
        collected.truncate(beside);
        collected.push(last);
    }
    collected
}

/// The comfort that loads lose once [`spare_needless`] has taken out what the surplus allows, Wh.
fn needed_wh(loads: &[Candidate], mut surplus_w: f64) -> f64 {
    let needed = loads
        .iter()
        .rev()
        .filter(|load| !needless(load, &mut surplus_w));
    needed.map(Candidate::comfort_wh).sum()
}

/// Takes out what is not needed, from the end: first whose turn was latest, and in a turn who gives the least
/// relief for the comfort.
fn spare_needless(stopping: &mut Vec<Candidate>, excess_w: f64) {
    let mut surplus_w = power_w(stopping) - excess_w;
    stopping.reverse();
    stopping.retain(|load| !needless(load, &mut surplus_w));
    stopping.reverse();
}

/// Whether a load may go on within the surplus, which it then takes its power from.
fn needless(load: &Candidate, surplus_w: &mut f64) -> bool {
    let needless = load.power_w <= *surplus_w + TOLERANCE_W;
    if needless {
        *surplus_w -= load.power_w;
    }
    needless
}

fn power_w(loads: &[Candidate]) -> f64 {
    loads.iter().map(|load| load.power_w).sum()
}

#[cfg(test)]
mod tests;
