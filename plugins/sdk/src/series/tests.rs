//! Series against a plain map: sums against what the rows say, corrections, and how often the state
//! is called.

mod ahead;
mod pages;
mod partitions;
mod reads;

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use super::*;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// 1 W over one hour, µJ.
const WH: u64 = 3_600_000_000;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;
/// What a row of the model drew and produced, Wh.
type Members = (Option<u64>, Option<u64>);

/// A map that counts its calls.
#[derive(Default)]
struct Counted {
    map: Map,
    gets: Cell<usize>,
    sets: usize,
}

impl State for Counted {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.gets.set(self.gets.get() + 1);
        State::get(&self.map, key)
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.sets += 1;
        State::set(&mut self.map, key, value)
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        State::delete(&mut self.map, key)
    }

    fn scan(&self, start: &[u8], end: &[u8], limit: usize) -> Result<Block> {
        State::scan(&self.map, start, end, limit)
    }
}

fn slot(start_h: u64, end_h: u64, community: u64) -> Slot {
    let interval = Interval::new(start_h * HOUR_MS, end_h * HOUR_MS).expect("an interval");
    Slot {
        interval,
        community,
    }
}

fn measured(
    slot: Slot,
    house: &str,
    consumption_wh: Option<u64>,
    production_wh: Option<u64>,
) -> Measurement<'_> {
    Measurement {
        slot,
        house,
        consumption_uj: consumption_wh.map(|wh| wh * WH),
        production_uj: production_wh.map(|wh| wh * WH),
        objects: &[],
    }
}

fn record<'a>(state: &mut impl State, measurements: &[Measurement<'a>]) -> Vec<Touched> {
    record_in(0, state, measurements)
}

/// Records a batch of a partition.
fn record_in<'a>(
    partition: u32,
    state: &mut impl State,
    measurements: &[Measurement<'a>],
) -> Vec<Touched> {
    let mut batch = Batch::new(partition);
    for measurement in measurements {
        batch.record(state, measurement).expect("it is recorded");
    }
    batch.finish(state).expect("it is finished")
}

fn consumption_mw(power: Result<Power>) -> Option<u64> {
    power.expect("a power").consumption_mw
}

#[test]
fn numbers_go_there_and_back_and_broken_ones_are_told() {
    let mut bytes = Vec::new();
    let numbers = [0, 1, 127, 128, u128::from(u64::MAX), u128::MAX];
    numbers.iter().for_each(|number| put(&mut bytes, *number));
    let mut reader = Reader::new(&bytes, "number");
    for number in numbers {
        assert_eq!(reader.number(), Ok(number));
    }
    assert!(reader.is_empty());
    assert_eq!(
        Reader::new(&[0x80], "number").number(),
        Err(Error::Corrupt("number"))
    );
    assert_eq!(
        Reader::new(&[0xff; 30], "number").number(),
        Err(Error::Corrupt("number"))
    );
    assert_eq!(
        Reader::new(&[5, b'a'], "text").text(),
        Err(Error::Corrupt("text"))
    );
}

#[test]
fn means_are_rounded_half_up() {
    assert_eq!(mean_mw(10, 4), 3);
    assert_eq!(mean_mw(9, 4), 2);
    assert_eq!(mean_mw(u128::MAX / 2, 1), u64::MAX);
    assert_eq!(mean_mw(5, 0), 5);
}

#[test]
fn decimals_come_out_as_they_went_in() {
    assert_eq!(watt_hours(1_080_000_000), 0.3);
    assert_eq!(watt_hours(u128::from(392 * WH + WH / 8)), 392.125);
    assert_eq!(watt_hours(u128::from(WH) * 3_000_000_001), 3_000_000_001.0);
}

#[test]
fn intervals_keep_their_rules() {
    assert!(Interval::new(5, 5).is_err());
    assert!(Interval::new(6, 5).is_err());
    assert!(Interval::new(0, DAY_MS).is_ok());
    assert!(Interval::new(0, DAY_MS + 1).is_err());
    assert!(Interval::new(u64::MAX - 1, u64::MAX).is_err());
}

#[test]
fn a_reading_is_borrowed_and_checked() {
    let payload = br#"{"house":"h","community":4,"interval":{"startsAtMs":0,"endsAtMs":60000},
        "consumptionUj":7,"objects":[{"name":"V\u00e9lo","consumptionUj":7,"productionUj":0}],"closes":true}"#;
    let reading = Reading::parse(payload).expect("a reading");
    assert!(matches!(reading.house, Cow::Borrowed("h")));
    assert_eq!(
        (reading.consumption_uj, reading.production_uj),
        (Some(7), None)
    );
    assert_eq!(
        (reading.objects[0].name.as_ref(), reading.closes),
        ("Vélo", true)
    );
    let broken = [
        r#"{"house":"h","community":4,"interval":{"startsAtMs":5,"endsAtMs":5}}"#,
        r#"{"house":"","community":4,"interval":{"startsAtMs":0,"endsAtMs":5}}"#,
        r#"{"house":"h","community":4,"interval":{"startsAtMs":0,"endsAtMs":5},"consumptionUj":-1}"#,
        r#"{"house":"h","community":4}"#,
        "[",
    ];
    for payload in broken {
        assert!(Reading::parse(payload.as_bytes()).is_err(), "{payload}");
    }
}

#[test]
fn the_same_again_changes_nothing_and_a_correction_replaces() {
    let mut state = Map::new();
    let at = slot(0, 1, 1);
    let first = [
        measured(at, "a", Some(5), None),
        measured(at, "b", Some(6), Some(1)),
    ];
    record(&mut state, &first);
    let before = state.clone();
    assert!(
        record(&mut state, &first)
            .iter()
            .all(|touched| !touched.changed)
    );
    assert_eq!(state, before);
    let touched = record(&mut state, &[measured(at, "a", Some(2), None)]);
    assert_eq!(
        touched[0].aggregate.consumption,
        Sum {
            energy_uj: u128::from(8 * WH),
            houses: 2
        }
    );
    assert_eq!(consumption_mw(total_at(&state, 0)), Some(8_000));
}

#[test]
fn a_house_twice_in_one_batch_counts_once() {
    let mut state = Map::new();
    let at = slot(0, 1, 1);
    let touched = record(
        &mut state,
        &[
            measured(at, "a", Some(5), None),
            measured(at, "a", Some(3), Some(9)),
        ],
    );
    assert_eq!(
        touched[0].aggregate.consumption,
        Sum {
            energy_uj: u128::from(3 * WH),
            houses: 1
        }
    );
    assert_eq!(
        (
            touched[0].aggregate.production.houses,
            touched[0].aggregate.houses
        ),
        (1, 1)
    );
}

#[test]
fn production_leaves_consumption_and_its_objects_alone() {
    let mut state = Map::new();
    let at = slot(0, 1, 1);
    let objects = [ObjectReading {
        name: "Car".into(),
        consumption_uj: 5 * WH,
        production_uj: 0,
    }];
    record(
        &mut state,
        &[Measurement {
            objects: &objects,
            ..measured(at, "a", Some(5), None)
        }],
    );
    record(&mut state, &[measured(at, "a", None, Some(2))]);
    let rows = house_at(&state, 0, 1, "a").expect("rows");
    assert_eq!(
        rows[0].power,
        Power {
            consumption_mw: Some(5_000),
            production_mw: Some(2_000)
        }
    );
    assert_eq!(
        rows[0].objects,
        [ObjectPower {
            name: "Car".to_owned(),
            consumption_mw: 5_000
        }]
    );
    record(&mut state, &[measured(at, "b", None, Some(2))]);
    assert_eq!(consumption_mw(community_at(&state, 0, 1)), Some(5_000));
    assert!(house_at(&state, 0, 1, "c").expect("rows").is_empty());
}

#[test]
fn nothing_measured_leaves_no_row() {
    let mut state = Map::new();
    let touched = record(&mut state, &[measured(slot(0, 1, 1), "a", None, None)]);
    assert!(touched.is_empty() && state.is_empty());
}

#[test]
fn a_new_row_costs_one_write_and_no_read() {
    let mut state = Counted::default();
    let houses: Vec<String> = (0..300).map(|house| format!("house-{house}")).collect();
    let at = |house: usize| slot(0, 1, house as u64 / 3);
    let rows: Vec<_> = houses
        .iter()
        .enumerate()
        .map(|(n, name)| measured(at(n), name, Some(1), None))
        .collect();
    record(&mut state, &rows);
    // 100 communities, one total, one longest interval: one read and one write each.
    assert_eq!((state.gets.get(), state.sets), (102, 300 + 102));
    record(&mut state, &[measured(at(0), "late", Some(1), None)]);
    assert_eq!((state.gets.get(), state.sets), (102 + 3, 402 + 3));
}

/// Random upserts against a model that sums its rows from scratch.
#[test]
fn sums_are_those_of_the_rows_whatever_the_order() {
    let mut state = Map::new();
    let mut model: BTreeMap<(Slot, &str), Members> = BTreeMap::new();
    let mut seed = 7_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % below
    };
    for _ in 0..200 {
        let mut batch = Vec::new();
        for _ in 0..random(6) {
            let start = random(3);
            let at = slot(start, start + 1 + random(2), random(2));
            let house = ["a", "b", "c"][random(3) as usize];
            let part = |value: u64| value.checked_sub(1);
            let (drawn, produced) = (part(random(4)), part(random(4)));
            batch.push(measured(at, house, drawn, produced));
            if drawn.is_some() || produced.is_some() {
                let row = model.entry((at, house)).or_default();
                *row = (drawn.or(row.0), produced.or(row.1));
            }
        }
        record(&mut state, &batch);
    }
    let slots: BTreeSet<Slot> = model.keys().map(|(slot, _)| *slot).collect();
    assert!(slots.len() > 8);
    for slot in slots {
        let rows = model
            .iter()
            .filter(|((at, _), _)| *at == slot)
            .map(|(_, row)| *row);
        let (drawn, produced): (Vec<_>, Vec<_>) = rows.clone().unzip();
        let sum = |parts: &[Option<u64>]| Sum {
            energy_uj: parts.iter().flatten().map(|wh| u128::from(wh * WH)).sum(),
            houses: parts.iter().flatten().count() as u32,
        };
        let expected = Aggregate {
            consumption: sum(&drawn),
            production: sum(&produced),
            houses: rows.count() as u32,
            closed: false,
        };
        assert_eq!(aggregate_of(&state, slot), Ok(Some(expected)));
    }
}
