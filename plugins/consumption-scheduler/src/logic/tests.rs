//! Planning and shedding against scripted policies.

use super::*;

const HOUR_MS: u64 = 3_600_000;

/// Now, in the fixture: hour 10.
const NOW_MS: u64 = 10 * HOUR_MS;

const SITUATION: Situation = Situation {
    community: 4,
    now_ms: NOW_MS,
    limit_w: 10_000.0,
    base_load_w: 1_500.0,
};

fn load(house: &str, start: u64, end: u64, power_w: f64) -> Planned {
    Planned {
        house: house.to_owned(),
        object: "Car".to_owned(),
        power_w,
        starts_at_ms: start * HOUR_MS,
        ends_at_ms: end * HOUR_MS,
    }
}

fn wish(house: &str) -> Wish {
    Wish {
        house: house.to_owned(),
        object: "Car".to_owned(),
        power_w: 1_000.0,
        duration_ms: 4 * HOUR_MS,
        not_before_ms: NOW_MS,
        reason: Reason::Requested,
    }
}

fn answer(start: u64, end: u64, power_w: f64) -> Plan {
    let slot = Slot {
        starts_at_ms: start * HOUR_MS,
        ends_at_ms: end * HOUR_MS,
    };
    Plan { slot, power_w }
}

/// Whether a 4 kWh wish at 1 kW from hour 10 on accepts the policy's answer.
fn accepts(plan: Plan) -> bool {
    place(&wish("a"), &[], SITUATION, &mut |_| plan).is_ok()
}

#[test]
fn a_decision_within_its_contract_is_taken_over() {
    let placed = place(&wish("a"), &[], SITUATION, &mut |_| answer(12, 20, 500.0));
    assert_eq!(placed, Ok(load("a", 12, 20, 500.0)));
}

#[test]
fn a_decision_that_breaks_its_contract_is_refused() {
    assert!(accepts(answer(10, 14, 1_000.0)));
    assert!(!accepts(answer(9, 13, 1_000.0)), "before it may start");
    assert!(!accepts(answer(14, 14, 1_000.0)), "an empty slot");
    assert!(
        !accepts(answer(14, 10, 1_000.0)),
        "a slot that runs backwards"
    );
    assert!(!accepts(answer(10, 12, 2_000.0)), "stronger than the load");
    assert!(!accepts(answer(10, 14, 0.0)), "no power");
    assert!(!accepts(answer(10, 14, -1.0)), "negative power");
    assert!(!accepts(answer(10, 14, f64::NAN)), "not a number");
    assert!(!accepts(answer(10, 13, 1_000.0)), "too little energy");
    assert!(
        !accepts(answer(10, 14, 500.0)),
        "weaker without being longer"
    );
    assert!(!accepts(answer(10, 15, 1_000.0)), "too much energy");
    assert!(
        !accepts(answer(50_000, 50_004, 1_000.0)),
        "beyond the horizon"
    );
}

#[test]
fn a_slot_rounded_to_the_millisecond_delivers_the_energy() {
    let third = |length_ms| {
        let slot = Slot {
            starts_at_ms: NOW_MS,
            ends_at_ms: NOW_MS + length_ms,
        };
        accepts(Plan {
            slot,
            power_w: 700.0,
        })
    };
    // 4 kWh at 700 W take 20,571,428.57 ms.
    assert!(third(20_571_429));
    assert!(!third(20_571_431));
}

#[test]
fn the_policy_sees_the_rest_of_the_plan_by_start_and_not_the_load_itself() {
    let plan = [
        load("a", 9, 14, 1.0),
        load("c", 12, 13, 1.0),
        load("b", 11, 20, 1.0),
        load("d", 8, 10, 1.0),
    ];
    let mut seen = Vec::new();
    let mut policy = |input: &Input| {
        seen = input
            .planned
            .iter()
            .map(|load| load.house.clone())
            .collect();
        answer(10, 14, 1_000.0)
    };
    place(&wish("a"), &plan, SITUATION, &mut policy).expect("a valid decision");
    assert_eq!(seen, ["b", "c"]);
}

#[test]
fn the_base_load_is_what_is_measured_beyond_the_plan_or_what_is_known() {
    assert_eq!(base_load_w(500.0, None, 9_000.0), 500.0);
    assert_eq!(base_load_w(500.0, Some(13_100.0), 11_600.0), 1_500.0);
    assert_eq!(base_load_w(2_000.0, Some(13_100.0), 11_600.0), 2_000.0);
    assert_eq!(base_load_w(0.0, Some(1_000.0), 9_000.0), 0.0);
}

#[test]
fn a_load_draws_from_its_start_to_just_before_its_end() {
    let plan = [
        load("a", 10, 15, 1.0),
        load("b", 5, 10, 2.0),
        load("c", 11, 12, 4.0),
    ];
    assert_eq!(planned_power_w(&plan, NOW_MS), 1.0);
    let (drawing, loads) = candidates(&plan, &Sheds::new(), NOW_MS);
    assert_eq!(drawing, [load("a", 10, 15, 1.0)]);
    assert_eq!((loads.len(), loads[0].ends_at_ms), (1, 15 * HOUR_MS));
}

#[test]
fn the_shed_policy_is_told_when_a_load_was_last_shed() {
    let plan = [load("a", 9, 15, 1.0), load("b", 9, 15, 1.0)];
    let sheds = Sheds::from([("a/Car".to_owned(), 7 * HOUR_MS)]);
    let (_, loads) = candidates(&plan, &sheds, NOW_MS);
    let told: Vec<_> = loads.iter().map(|load| load.last_shed_at_ms).collect();
    assert_eq!(told, [Some(7 * HOUR_MS), None]);
}

#[test]
fn the_schedule_policy_is_told_the_community() {
    place(&wish("a"), &[], SITUATION, &mut |input| {
        assert_eq!(input.community, 4);
        answer(10, 14, 1_000.0)
    })
    .expect("a valid decision");
}

#[test]
fn a_choice_names_existing_loads_once_each() {
    let drawing = [load("a", 10, 15, 1.0), load("b", 10, 15, 2.0)];
    assert_eq!(chosen(&drawing, &[1, 0]).map(|loads| loads.len()), Ok(2));
    assert_eq!(chosen(&drawing, &[1]), Ok(vec![drawing[1].clone()]));
    assert_eq!(chosen(&drawing, &[]), Ok(vec![]));
    assert!(chosen(&drawing, &[2]).is_err());
    assert!(chosen(&drawing, &[0, 0]).is_err());
}

/// Queues behind everything planned, as the default policy does with shed loads.
fn queue(input: &Input) -> Plan {
    let last_ms = input
        .planned
        .iter()
        .map(|load| load.slot.ends_at_ms)
        .max()
        .unwrap_or(0);
    let starts_at_ms = last_ms.max(input.not_before_ms);
    let slot = Slot {
        starts_at_ms,
        ends_at_ms: starts_at_ms + input.duration_ms,
    };
    Plan {
        slot,
        power_w: input.power_w,
    }
}

#[test]
fn shed_loads_go_on_later_one_after_the_other_with_the_energy_they_lack() {
    let plan = [
        load("a", 8, 13, 9_000.0),
        load("b", 8, 13, 1_300.0),
        load("c", 10, 15, 1_300.0),
    ];
    let moves = replan(&plan, plan.to_vec(), SITUATION, &mut |input| {
        assert_eq!(input.reason, Reason::Shed);
        queue(input)
    });
    let moved: Vec<_> = moves
        .expect("valid decisions")
        .into_iter()
        .map(|m| m.moved)
        .collect();
    let expected = [
        load("a", 13, 16, 9_000.0),
        load("b", 16, 19, 1_300.0),
        load("c", 19, 24, 1_300.0),
    ];
    assert_eq!(moved, expected);
}

#[test]
fn a_load_that_goes_on_stays_in_the_plan_of_the_shed_ones() {
    let plan = [load("a", 8, 13, 9_000.0), load("b", 8, 20, 1_300.0)];
    let moves = replan(&plan, vec![plan[0].clone()], SITUATION, &mut queue).expect("valid");
    assert_eq!(
        moves,
        [Move {
            stopped: plan[0].clone(),
            moved: load("a", 20, 23, 9_000.0)
        }]
    );
}

#[test]
fn a_bad_decision_while_shedding_moves_nothing() {
    let plan = [load("a", 8, 13, 9_000.0)];
    let refused = replan(&plan, plan.to_vec(), SITUATION, &mut |_| {
        answer(10, 13, 9_000.0)
    });
    assert!(
        refused.is_err(),
        "it would start in the slot it was stopped in"
    );
}
