//! What objects draw and how they look.

use super::*;

fn basic(enabled: bool, consumption_mw: u64, production_mw: u64) -> Object {
    Object {
        name: "Mixeur".into(),
        kind: Kind::Basic {
            enabled,
            consumption_mw,
            production_mw,
        },
    }
}

fn slot(starts_at_ms: u64, ends_at_ms: u64, power_mw: u64) -> Slot {
    Slot {
        starts_at_ms,
        ends_at_ms,
        power_mw,
    }
}

fn car(slots: Vec<Slot>) -> Object {
    let kind = Kind::Scheduled {
        consumption_mw: 1_300_000,
        charge_ms: 18_000_000,
        slots,
    };
    Object {
        name: "Car".into(),
        kind,
    }
}

#[test]
fn a_basic_object_runs_while_enabled() {
    assert_eq!(basic(true, 500_000, 0).power_at(0).consumption_mw, 500_000);
    assert_eq!(
        basic(true, 0, 1_700_000).power_at(0).production_mw,
        1_700_000
    );
    assert_eq!(basic(false, 500_000, 7).power_at(0), Power::default());
}

#[test]
fn a_scheduled_object_runs_in_its_half_open_slot() {
    let car = car(vec![slot(10, 20, 1_300_000)]);
    let drawn = [9, 10, 19, 20].map(|at| car.power_at(at).consumption_mw);
    assert_eq!(drawn, [0, 1_300_000, 1_300_000, 0]);
}

#[test]
fn a_slot_throttles_and_never_exceeds_the_maximum() {
    assert_eq!(
        car(vec![slot(0, 9, 400_000)]).power_at(5).consumption_mw,
        400_000
    );
    assert_eq!(
        car(vec![slot(0, 9, 9_000_000)]).power_at(5).consumption_mw,
        1_300_000
    );
    let twice = car(vec![slot(0, 9, 1_000_000), slot(0, 9, 1_000_000)]);
    assert_eq!(twice.power_at(5).consumption_mw, 1_000_000);
}

#[test]
fn only_enabled_basic_objects_are_base_load() {
    assert_eq!(basic(true, 500_000, 0).base_load_mw(), 500_000);
    assert_eq!(basic(false, 500_000, 0).base_load_mw(), 0);
    assert_eq!(car(vec![slot(0, 9, 1)]).base_load_mw(), 0);
}

#[test]
fn an_open_slot_is_one_that_has_not_ended() {
    let slots = [slot(0, 10, 1), slot(20, 30, 1)];
    assert_eq!(open_slot(&slots, 9), Some(slots[0]));
    assert_eq!(open_slot(&slots, 10), Some(slots[1]));
    assert_eq!(open_slot(&slots, 30), None);
}

#[test]
fn stopping_cuts_the_running_slot_only() {
    let mut slots = vec![slot(0, 10, 1), slot(20, 30, 1)];
    stop(&mut slots, 5);
    assert_eq!(slots, [slot(0, 5, 1), slot(20, 30, 1)]);
    stop(&mut slots, 20);
    assert_eq!(slots, [slot(0, 5, 1)]);
}

#[test]
fn slots_stay_sorted_and_bounded() {
    let mut slots = vec![slot(50, 60, 1)];
    add_slot(&mut slots, slot(10, 20, 1), 0);
    assert_eq!(slots, [slot(10, 20, 1), slot(50, 60, 1)]);
    add_slot(
        &mut slots,
        slot(ENDED_SLOT_KEPT_MS, ENDED_SLOT_KEPT_MS + 9, 1),
        ENDED_SLOT_KEPT_MS + 20,
    );
    assert_eq!(slots.len(), 2, "the slot that ended a day ago is gone");
    for at in 0..40 {
        add_slot(
            &mut slots,
            slot(ENDED_SLOT_KEPT_MS + at, ENDED_SLOT_KEPT_MS + 100 + at, 1),
            70,
        );
    }
    assert_eq!(slots.len(), SLOTS_MAX);
}
