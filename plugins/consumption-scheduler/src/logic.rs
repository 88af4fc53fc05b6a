//! Planning: what the policies are asked, whether their answers keep their contracts, and what
//! follows from them. The policies come in as functions, so every rule here runs without a host.
//!
//! A load has at most one place in the plan: asking again replaces it. A load that is shed is
//! planned anew with the energy it still lacks, after the slot it was stopped in.

use crate::sheds::Sheds;
use leyden_sdk::policy::schedule::{Input, Plan, PlannedLoad, Reason, Slot};
use leyden_sdk::policy::shed;

/// Loads planned per community at once. A plan is handed to the policies whole, so this bounds
/// their input; communities of this size are served by several transformers.
pub(crate) const LOADS_MAX: usize = 1_000;

/// How far ahead a slot may end, ms: five years, in which a full plan of loads of a day and a
/// half each still queues up one after the other.
const HORIZON_MS: u64 = 5 * 365 * 24 * 3_600_000;

/// Relative error of energies computed in floating point.
const ENERGY_TOLERANCE: f64 = 1e-9;

/// A load's place in the plan.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Planned {
    /// House that owns it.
    pub(crate) house: String,
    /// Its name in the house.
    pub(crate) object: String,
    /// Power while it runs, W.
    pub(crate) power_w: f64,
    /// Start, ms since 1970, included.
    pub(crate) starts_at_ms: u64,
    /// End, ms since 1970, excluded.
    pub(crate) ends_at_ms: u64,
}

impl Planned {
    /// Whether it draws power at an instant (ms since 1970).
    pub(crate) fn draws_at(&self, at_ms: u64) -> bool {
        self.starts_at_ms <= at_ms && at_ms < self.ends_at_ms
    }

    fn is(&self, house: &str, object: &str) -> bool {
        self.house == house && self.object == object
    }

    /// What it is called in its community: `<house>/<object>`. A house's id has no slash; an object's name may
    /// have one.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.house, self.object)
    }

    fn to_policy(&self) -> PlannedLoad {
        let slot = Slot {
            starts_at_ms: self.starts_at_ms,
            ends_at_ms: self.ends_at_ms,
        };
        let (house, object) = (self.house.clone(), self.object.clone());
        PlannedLoad {
            house,
            object,
            power_w: self.power_w,
            slot,
        }
    }
}

/// What is known of the community when a load is planned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation {
    /// The community.
    pub(crate) community: u64,
    /// Now, ms since 1970.
    pub(crate) now_ms: u64,
    /// The community's power limit, W.
    pub(crate) limit_w: f64,
    /// What it draws besides planned loads, W.
    pub(crate) base_load_w: f64,
}

/// A load to place.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// House that owns it.
    pub(crate) house: String,
    /// Its name in the house.
    pub(crate) object: String,
    /// Power while it runs, W.
    pub(crate) power_w: f64,
    /// How long it has to run at that power, ms.
    pub(crate) duration_ms: u64,
    /// Earliest start, ms since 1970.
    pub(crate) not_before_ms: u64,
    /// Why it is planned.
    pub(crate) reason: Reason,
}

impl Wish {
    /// What a stopped load still lacks at `now_ms`, not before the end of the slot it loses.
    fn rest_of(stopped: &Planned, now_ms: u64) -> Self {
        Self {
            house: stopped.house.clone(),
            object: stopped.object.clone(),
            power_w: stopped.power_w,
            duration_ms: stopped.ends_at_ms.saturating_sub(now_ms),
            not_before_ms: stopped.ends_at_ms,
            reason: Reason::Shed,
        }
    }
}

/// What planned loads draw at an instant (ms since 1970), W.
pub(crate) fn planned_power_w(plan: &[Planned], at_ms: u64) -> f64 {
    plan.iter()
        .filter(|load| load.draws_at(at_ms))
        .map(|load| load.power_w)
        .sum()
}

/// The base load, W: what was measured less what planned loads draw, and never less than `known_w`.
/// The two differ when objects were connected after the last measurement.
pub(crate) fn base_load_w(known_w: f64, measured_w: Option<f64>, planned_w: f64) -> f64 {
    let unplanned_w = measured_w.map_or(0.0, |measured_w| measured_w - planned_w);
    known_w.max(unplanned_w).max(0.0)
}

/// Asks the policy for a place for one load beside `plan` and checks the answer. `plan` may still
/// hold the load's former place, which is not shown to the policy.
pub(crate) fn place(
    wish: &Wish,
    plan: &[Planned],
    situation: Situation,
    policy: &mut dyn FnMut(&Input) -> Plan,
) -> Result<Planned, String> {
    let input = policy_input(wish, plan, situation);
    let Plan { slot, power_w } = policy(&input);
    check(&input, slot, power_w)?;
    Ok(Planned {
        house: wish.house.clone(),
        object: wish.object.clone(),
        power_w,
        starts_at_ms: slot.starts_at_ms,
        ends_at_ms: slot.ends_at_ms,
    })
}

fn policy_input(wish: &Wish, plan: &[Planned], situation: Situation) -> Input {
    let others = plan
        .iter()
        .filter(|load| load.ends_at_ms > situation.now_ms && !load.is(&wish.house, &wish.object));
    let mut planned: Vec<_> = others.map(Planned::to_policy).collect();
    planned.sort_by_key(|load| load.slot.starts_at_ms);
    Input {
        now_ms: situation.now_ms,
        community: situation.community,
        not_before_ms: wish.not_before_ms,
        duration_ms: wish.duration_ms,
        power_w: wish.power_w,
        reason: wish.reason,
        limit_w: situation.limit_w,
        base_load_w: situation.base_load_w,
        planned,
    }
}

/// Checks a decision against the contract of `leyden:policy/schedule`; the error says which rule
/// it breaks.
fn check(input: &Input, slot: Slot, power_w: f64) -> Result<(), String> {
    let Slot {
        starts_at_ms,
        ends_at_ms,
    } = slot;
    if starts_at_ms < input.not_before_ms {
        return Err(format!(
            "it starts at {starts_at_ms} ms, before {} ms",
            input.not_before_ms
        ));
    }
    if ends_at_ms <= starts_at_ms {
        return Err(format!(
            "it ends at {ends_at_ms} ms, not after its start {starts_at_ms} ms"
        ));
    }
    if ends_at_ms > input.now_ms.saturating_add(HORIZON_MS) {
        return Err(format!(
            "it ends at {ends_at_ms} ms, more than five years ahead"
        ));
    }
    if !(power_w > 0.0 && power_w <= input.power_w) {
        return Err(format!(
            "its power {power_w} W is not above 0 and at most {} W",
            input.power_w
        ));
    }
    check_energy(input, power_w, ends_at_ms - starts_at_ms)
}

/// The slot delivers the energy asked for, to the millisecond.
fn check_energy(input: &Input, power_w: f64, length_ms: u64) -> Result<(), String> {
    let asked = input.power_w * input.duration_ms as f64;
    let given = power_w * length_ms as f64;
    if (given - asked).abs() <= power_w + asked * ENERGY_TOLERANCE {
        return Ok(());
    }
    let (asked_wh, given_wh) = (asked / MS_PER_H, given / MS_PER_H);
    Err(format!(
        "it delivers {given_wh} Wh where {asked_wh} Wh are asked for"
    ))
}

const MS_PER_H: f64 = 3_600_000.0;

/// Loads of the plan that draw power now, as the shed policy sees them; `sheds` tells when they were last shed.
pub(crate) fn candidates(
    plan: &[Planned],
    sheds: &Sheds,
    now_ms: u64,
) -> (Vec<Planned>, Vec<shed::Load>) {
    let drawing: Vec<_> = plan
        .iter()
        .filter(|load| load.draws_at(now_ms))
        .cloned()
        .collect();
    let load = |load: &Planned| shed::Load {
        house: load.house.clone(),
        object: load.object.clone(),
        power_w: load.power_w,
        ends_at_ms: load.ends_at_ms,
        last_shed_at_ms: sheds.get(&load.name()).copied(),
    };
    let loads = drawing.iter().map(load).collect();
    (drawing, loads)
}

/// The loads that the shed policy chose, in its order; the error says which rule of
/// `leyden:policy/shed` the choice breaks.
pub(crate) fn chosen(candidates: &[Planned], indices: &[u32]) -> Result<Vec<Planned>, String> {
    let mut seen = vec![false; candidates.len()];
    let choose = |&index: &u32| {
        let position = usize::try_from(index).unwrap_or(usize::MAX);
        let load = candidates.get(position);
        let load = load.ok_or_else(|| format!("no load has the index {index}"))?;
        match std::mem::replace(&mut seen[position], true) {
            true => Err(format!("the index {index} appears twice")),
            false => Ok(load.clone()),
        }
    };
    indices.iter().map(choose).collect()
}

/// A load that stops and where it goes on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Move {
    /// Its place until now.
    pub(crate) stopped: Planned,
    /// Its new place, for the energy it still lacks.
    pub(crate) moved: Planned,
}

/// Plans the stopped loads anew, one after the other: each sees the loads that go on and those
/// already planned anew, but no slot that is about to be dropped.
pub(crate) fn replan(
    plan: &[Planned],
    stopped: Vec<Planned>,
    situation: Situation,
    policy: &mut dyn FnMut(&Input) -> Plan,
) -> Result<Vec<Move>, String> {
    let stops = |load: &Planned| {
        stopped
            .iter()
            .any(|other| other.is(&load.house, &load.object))
    };
    let mut plan: Vec<_> = plan.iter().filter(|load| !stops(load)).cloned().collect();
    let mut moves = Vec::with_capacity(stopped.len());
    for stopped in stopped {
        let wish = Wish::rest_of(&stopped, situation.now_ms);
        let moved = place(&wish, &plan, situation, policy)?;
        plan.push(moved.clone());
        moves.push(Move { stopped, moved });
    }
    Ok(moves)
}

#[cfg(test)]
mod tests;
