//! What may be plugged in and what meters read.

use super::*;
use leyden_sdk::http::{ProblemKind, Request, RequestHead};

fn params(body: &str) -> Params {
    let head = RequestHead {
        method: "POST".into(),
        route: String::new(),
        path: String::new(),
        params: Vec::new(),
        query: None,
        headers: vec![("content-type".into(), "application/json".into())],
    };
    Params::of(&Request {
        head,
        body: body.as_bytes().to_vec(),
    })
    .expect("it is JSON")
}

fn parsed(body: &str) -> Object {
    parse_object(&params(body)).expect("it is an object")
}

fn kind<T>(result: Result<T>) -> ProblemKind {
    match result.err().expect("it is refused") {
        Error::Reject(problem) => problem.kind,
        Error::Retry(reason) => panic!("it is retried: {reason}"),
    }
}

const MIXEUR: &str =
    r#"{"object":{"name":"Mixeur","maxConsumption":500,"enabled":true},"type":"BASIC"}"#;
const CAR: &str = r#"{"object":{"name":"Car","maxConsumption":9000},"type":"SCHEDULED"}"#;
const VELO: &str =
    r#"{"object":{"name":"Vélo","maxProduction":1700,"enabled":true},"type":"BASIC"}"#;

const MINUTE: Interval = Interval {
    starts_at_ms: 120_000,
    ends_at_ms: 180_000,
};

#[test]
fn the_transcripts_objects_are_taken() {
    let basic = Kind::Basic {
        enabled: true,
        consumption_mw: 500_000,
        production_mw: 0,
    };
    assert_eq!(parsed(MIXEUR).kind, basic);
    let five_hours = Kind::Scheduled {
        consumption_mw: 9_000_000,
        charge_ms: 18_000_000,
        slots: vec![],
    };
    assert_eq!(parsed(CAR).kind, five_hours);
    assert!(parsed(VELO).is_producer());
}

#[test]
fn objects_that_break_a_rule_are_refused() {
    let bodies = [
        "{}",
        r#"{"type":"BASIC"}"#,
        r#"{"object":{"name":"x","maxConsumption":1},"type":"LAMP"}"#,
        r#"{"object":{"name":"","maxConsumption":1},"type":"BASIC"}"#,
        r#"{"object":{"name":"x"},"type":"BASIC"}"#,
        r#"{"object":{"name":"x","maxConsumption":-1},"type":"BASIC"}"#,
        r#"{"object":{"name":"x","maxConsumption":10000001},"type":"BASIC"}"#,
        r#"{"object":{"name":"x","maxConsumption":"NaN"},"type":"BASIC"}"#,
        r#"{"object":{"name":"x","maxConsumption":1,"enabled":"perhaps"},"type":"BASIC"}"#,
        r#"{"object":{"name":"x"},"type":"SCHEDULED"}"#,
        r#"{"object":{"name":"x","maxConsumption":0},"type":"SCHEDULED"}"#,
        r#"{"object":{"name":"x","maxConsumption":1,"maxProduction":1},"type":"SCHEDULED"}"#,
        r#"{"object":{"name":"x","maxConsumption":1,"timeChargeNeed":0},"type":"SCHEDULED"}"#,
        r#"{"object":{"name":"x","maxConsumption":1,"timeChargeNeed":169},"type":"SCHEDULED"}"#,
    ];
    for body in bodies {
        assert_eq!(
            kind(parse_object(&params(body))),
            ProblemKind::Invalid,
            "{body}"
        );
    }
}

#[test]
fn names_are_unique_and_objects_bounded() {
    let mut objects = vec![parsed(MIXEUR)];
    assert_eq!(
        kind(add(&mut objects, parsed(MIXEUR))),
        ProblemKind::Conflict
    );
    while objects.len() < OBJECTS_MAX {
        let name = objects.len().to_string();
        add(
            &mut objects,
            Object {
                name,
                ..parsed(CAR)
            },
        )
        .expect("there is room");
    }
    assert_eq!(kind(add(&mut objects, parsed(CAR))), ProblemKind::Conflict);
    remove(&mut objects, "Mixeur").expect("it is there");
    assert_eq!(kind(remove(&mut objects, "Mixeur")), ProblemKind::NotFound);
}

#[test]
fn only_basic_objects_are_switched() {
    let mut objects = vec![parsed(MIXEUR), parsed(CAR)];
    enable(&mut objects, "Mixeur", false).expect("it is BASIC");
    assert_eq!(objects[0].base_load_mw(), 0);
    assert_eq!(
        kind(enable(&mut objects, "Car", false)),
        ProblemKind::Invalid
    );
    assert_eq!(
        kind(enable(&mut objects, "Four", true)),
        ProblemKind::NotFound
    );
}

#[test]
fn a_meter_reads_exact_energy() {
    let reading = reading("h", 4, &[parsed(MIXEUR), parsed(VELO)], MINUTE);
    assert_eq!(reading.consumption_uj, Some(500_000 * 60_000));
    assert_eq!(reading.production_uj, Some(1_700_000 * 60_000));
    assert_eq!(reading.objects.len(), 2);
}

#[test]
fn production_is_absent_without_a_producer_and_0_while_it_is_off() {
    assert_eq!(
        reading("h", 4, &[parsed(MIXEUR)], MINUTE).production_uj,
        None
    );
    let mut objects = vec![parsed(VELO)];
    enable(&mut objects, "Vélo", false).expect("it is BASIC");
    assert_eq!(reading("h", 4, &objects, MINUTE).production_uj, Some(0));
}

#[test]
fn an_empty_house_draws_0() {
    assert_eq!(reading("h", 4, &[], MINUTE).consumption_uj, Some(0));
}

#[test]
fn the_highest_power_over_the_longest_tick_does_not_wrap() {
    let day = Interval {
        starts_at_ms: 0,
        ends_at_ms: 86_400_000,
    };
    let body = CAR
        .replace("SCHEDULED", "BASIC")
        .replace("9000", "10000000");
    let object = parsed(&body);
    assert_eq!(
        reading("h", 4, std::slice::from_ref(&object), day).consumption_uj,
        Some(864_000_000_000_000_000)
    );
    assert_eq!(
        reading("h", 4, &vec![object; 256], day).consumption_uj,
        Some(u64::MAX)
    );
}

#[test]
fn a_step_is_bounded_in_houses_and_bytes() {
    assert_eq!(step_len([1; 20].into_iter()), 20);
    assert_eq!(step_len([1; STEP_HOUSES + 1].into_iter()), STEP_HOUSES);
    let big = STEP_BYTES_MAX / 3;
    assert_eq!(step_len([big; 9].into_iter()), 3);
}

#[test]
fn slots_without_length_or_power_are_not_stored() {
    let planned = |ends_at_ms, power_w| PlannedSlot {
        interval: Interval {
            starts_at_ms: 5,
            ends_at_ms,
        },
        power_w,
    };
    assert_eq!(stored_slot(&planned(5, 1.0)), None);
    assert_eq!(stored_slot(&planned(6, f64::NAN)), None);
    assert_eq!(stored_slot(&planned(6, -1.0)), None);
    assert_eq!(
        stored_slot(&planned(6, 1.3)).map(|slot| slot.power_mw),
        Some(1_300)
    );
}
