//! Houses in state: objects, base load and slots change together.

use super::*;
use leyden_sdk::grid::events::Interval;
use leyden_sdk::http::ProblemKind;
use leyden_sdk::testing;

const HOUSE: &str = "f3b8a521-70a9-48a0-b2d3-f7c87bc52a94";
const PLACE: Place = Place {
    community: 4,
    simulated: true,
};

fn basic(name: &str, consumption_mw: u64) -> Object {
    let kind = Kind::Basic {
        enabled: true,
        consumption_mw,
        production_mw: 0,
    };
    Object {
        name: name.into(),
        kind,
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

fn settle(objects: Vec<Object>) {
    make_room(HOUSE, PLACE).expect("there is room");
    for object in objects {
        update(HOUSE, |all| logic::add(all, object)).expect("it is plugged in");
    }
}

fn base_load() -> u64 {
    state::get_u64(&codec::base_load_key(4))
        .expect("state answers")
        .unwrap_or(0)
}

fn slots() -> Vec<Slot> {
    let objects = objects(HOUSE).expect("the house is known");
    let slots = objects.into_iter().find_map(|object| match object.kind {
        Kind::Scheduled { slots, .. } => Some(slots),
        Kind::Basic { .. } => None,
    });
    slots.expect("it has a scheduled object")
}

fn planned(starts_at_ms: u64, ends_at_ms: u64, power_w: f64) -> PlannedSlot {
    PlannedSlot {
        interval: Interval {
            starts_at_ms,
            ends_at_ms,
        },
        power_w,
    }
}

#[test]
fn the_base_load_follows_the_objects() {
    settle(vec![
        basic("Mixeur", 500_000),
        basic("Four", 2_000_000),
        car(vec![]),
    ]);
    assert_eq!(base_load(), 2_500_000);
    update(HOUSE, |all| logic::enable(all, "Four", false)).expect("it is BASIC");
    assert_eq!(base_load(), 500_000);
    update(HOUSE, |all| logic::remove(all, "Mixeur")).expect("it is there");
    assert_eq!(base_load(), 0);
}

#[test]
fn a_refused_change_leaves_the_record_as_it_was() {
    settle(vec![basic("Mixeur", 500_000)]);
    assert!(update(HOUSE, |all| logic::add(all, basic("Mixeur", 1))).is_err());
    let huge = (0..200).map(|n| basic(&format!("{n}{}", "é".repeat(195)), 1));
    let refused = update(HOUSE, |all| {
        huge.into_iter()
            .try_for_each(|object| logic::add(all, object))
    });
    assert!(refused.is_err(), "200 names of 390 bytes do not fit");
    assert_eq!(
        (objects(HOUSE).map(|all| all.len()), base_load()),
        (Ok(1), 500_000)
    );
}

#[test]
fn unknown_houses_are_not_found() {
    for id in ["", "x", "00000000-0000-4000-8000-000000000000"] {
        match objects(id) {
            Err(Error::Reject(problem)) => assert_eq!(problem.kind, ProblemKind::NotFound),
            other => panic!("{id}: {other:?}"),
        }
    }
}

#[test]
fn a_slot_that_has_not_ended_is_given_again() {
    let slot = Slot {
        starts_at_ms: 1_000,
        ends_at_ms: 2_000,
        power_mw: 1_300_000,
    };
    settle(vec![car(vec![slot])]);
    testing::set_now_ms(1_999);
    assert_eq!(request_slot(HOUSE, "Car"), Ok((slot, 1_300_000)));
}

#[test]
fn slots_are_for_scheduled_objects() {
    settle(vec![basic("Mixeur", 500_000)]);
    assert!(request_slot(HOUSE, "Mixeur").is_err());
    assert!(request_slot(HOUSE, "Car").is_err());
}

#[test]
fn rescheduling_cuts_the_slot_and_adds_the_new_one() {
    settle(vec![car(vec![Slot {
        starts_at_ms: 1_000,
        ends_at_ms: 9_000,
        power_mw: 1_300_000,
    }])]);
    let (house, name) = (HOUSE.to_owned(), "Car".to_owned());
    assert_eq!(
        reschedule(house, name, 4_000, Some(planned(20_000, 30_000, 650.0))),
        Ok(())
    );
    let cut = Slot {
        starts_at_ms: 1_000,
        ends_at_ms: 4_000,
        power_mw: 1_300_000,
    };
    let moved = Slot {
        starts_at_ms: 20_000,
        ends_at_ms: 30_000,
        power_mw: 650_000,
    };
    assert_eq!(slots(), [cut, moved]);
}

#[test]
fn rescheduling_names_what_is_unknown() {
    settle(vec![basic("Mixeur", 500_000)]);
    let refused = |house: &str, name: &str| reschedule(house.to_owned(), name.to_owned(), 0, None);
    assert_eq!(
        refused("x", "Car"),
        Err(DevicesError::UnknownHouse("x".to_owned()))
    );
    assert_eq!(
        refused(HOUSE, "Mixeur"),
        Err(DevicesError::UnknownObject("Mixeur".to_owned()))
    );
}
