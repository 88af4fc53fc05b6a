//! One step of a tick: reads up to 500 simulated houses in the order of their communities,
//! publishes a reading for each, and hands the rest on as the next step. The step writes no state,
//! so it conflicts with nobody; its progress is the cursor in the record that starts the next one.

use crate::codec;
use crate::logic::{self, STEP_HOUSES};
use leyden_sdk::grid::events::{Interval, Reading, Tick};
use leyden_sdk::state::{self, Entry, Order};
use leyden_sdk::streams::{self, Event};
use leyden_sdk::{Error, Result};

/// Where readings go, one per house and tick. Their key is the community, so that its readings stay in
/// order: the last one closes it.
const READINGS: &str = "house.readings";

/// Where the next step of the same tick is announced. One key: steps stay in order.
const STEPS: &str = "house.tick-steps";

/// Handles a tick or a further step of one.
pub(crate) fn handle(event: &Event) -> Result<()> {
    let tick: Tick = streams::decode(event)?;
    let interval = interval(&tick)?;
    let start = start(&tick)?;
    let end = state::prefix_end(codec::SIMULATED.as_bytes());
    let limit = u32::try_from(STEP_HOUSES + 1).unwrap_or(u32::MAX);
    let houses = state::scan(&start, end.as_deref(), Order::Ascending, limit)?;
    let step = logic::step_len(houses.iter().map(|house| house.value.len()));
    for (at, house) in houses.iter().enumerate().take(step) {
        publish(house, houses.get(at + 1), interval)?;
    }
    match houses.get(step) {
        Some(next) => streams::publish(STEPS, "tick", &next_step(&tick, &next.key)),
        None => Ok(()),
    }
}

/// What the tick's readings cover: from its instant to the next tick's.
fn interval(tick: &Tick) -> Result<Interval> {
    let ends_at_ms = tick.at_ms.checked_add(tick.tick_ms);
    let ends_at_ms = ends_at_ms.filter(|ends_at_ms| *ends_at_ms > tick.at_ms);
    let ends_at_ms = ends_at_ms.ok_or_else(|| Error::invalid("tickMs", "must be more than 0"))?;
    Ok(Interval {
        starts_at_ms: tick.at_ms,
        ends_at_ms,
    })
}

/// The first key of the step.
fn start(tick: &Tick) -> Result<Vec<u8>> {
    match &tick.cursor {
        None => Ok(codec::SIMULATED.as_bytes().to_vec()),
        Some(cursor) => parse_cursor(cursor)
            .ok_or_else(|| Error::invalid("cursor", "must be `community/house`")),
    }
}

fn parse_cursor(cursor: &str) -> Option<Vec<u8>> {
    let (community, house) = cursor.split_once('/')?;
    let place = codec::Place {
        community: community.parse().ok()?,
        simulated: true,
    };
    Some(codec::objects_key(place, house).to_vec())
}

fn next_step(tick: &Tick, key: &[u8]) -> Tick {
    let (community, house) = decode_key(key);
    Tick {
        cursor: Some(format!("{community}/{house}")),
        ..tick.clone()
    }
}

fn decode_key(key: &[u8]) -> (u64, &str) {
    codec::decode_simulated_key(key).expect("state holds a house here")
}

/// Publishes the reading of a house; it closes its community where the next house is in another.
fn publish(house: &Entry, next: Option<&Entry>, interval: Interval) -> Result<()> {
    let (community, id) = decode_key(&house.key);
    let objects = codec::decode_objects(&house.value).expect("state holds objects here");
    let closes = next.is_none_or(|next| decode_key(&next.key).0 != community);
    let reading = Reading {
        closes,
        ..logic::reading(id, community, &objects, interval)
    };
    streams::publish(READINGS, &community.to_string(), &reading)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::houses;
    use leyden_sdk::testing;

    fn tick(tick_ms: u64, cursor: Option<&str>) -> Tick {
        Tick {
            at_ms: 1_000,
            tick_ms,
            cursor: cursor.map(str::to_owned),
        }
    }

    #[test]
    fn a_reading_covers_the_time_until_the_next_tick() {
        let interval = interval(&tick(60_000, None)).expect("it has a length");
        assert_eq!(
            (interval.starts_at_ms, interval.ends_at_ms),
            (1_000, 61_000)
        );
        assert!(super::interval(&tick(0, None)).is_err());
        assert!(super::interval(&tick(u64::MAX, None)).is_err());
    }

    #[test]
    fn the_next_step_starts_where_this_one_ended() {
        let place = codec::Place {
            community: 4,
            simulated: true,
        };
        let key = codec::objects_key(place, "f3b8a521-70a9-48a0-b2d3-f7c87bc52a94").to_vec();
        let next = next_step(&tick(60_000, None), &key);
        assert_eq!(start(&next).ok(), Some(key));
        assert_eq!((next.at_ms, next.tick_ms), (1_000, 60_000));
    }

    fn house_id(number: usize) -> String {
        leyden_sdk::uuid::from_bits(number as u64, 0)
    }

    /// Runs a tick to its end; the readings in their order and how many steps it took.
    fn run(tick: &Tick) -> (Vec<Reading>, usize) {
        let (mut readings, mut steps, mut next) = (Vec::new(), 0, Some(tick.clone()));
        while let Some(tick) = next.take() {
            let payload = serde_json::to_vec(&tick).expect("a tick is JSON");
            let event = Event {
                partition: 0,
                offset: 0,
                key: String::new(),
                payload,
                published_at_ms: 0,
            };
            handle(&event).expect("the step is done");
            steps += 1;
            for record in testing::take_published() {
                let read = "it is what its stream carries";
                match record.stream.as_str() {
                    READINGS => readings.push(serde_json::from_slice(&record.payload).expect(read)),
                    _ => next = Some(serde_json::from_slice(&record.payload).expect(read)),
                }
            }
        }
        (readings, steps)
    }

    /// Puts `sizes[n]` houses into the community `n + 1`.
    fn settle(sizes: &[usize]) {
        for (at, size) in sizes.iter().enumerate() {
            let place = codec::Place {
                community: at as u64 + 1,
                simulated: true,
            };
            for house in 0..*size {
                houses::make_room(&house_id(house), place).expect("there is room");
            }
        }
    }

    /// A community may end with a step, before it, or span several: it closes once, at its end.
    #[test]
    fn each_house_reads_once_and_each_community_closes_at_its_last() {
        let sizes = [3, STEP_HOUSES - 3, 1, 2 * STEP_HOUSES, 7];
        settle(&sizes);
        let (readings, steps) = run(&tick(60_000, None));
        assert_eq!(readings.len(), sizes.iter().sum::<usize>());
        assert_eq!(steps, readings.len().div_ceil(STEP_HOUSES));
        let mut rest = readings.as_slice();
        for (at, size) in sizes.iter().enumerate() {
            let (community, others) = rest.split_at(*size);
            assert!(
                community
                    .iter()
                    .all(|reading| reading.community == at as u64 + 1)
            );
            let closing: Vec<_> = community.iter().map(|reading| reading.closes).collect();
            assert!(
                closing[size - 1] && !closing[..size - 1].contains(&true),
                "community {at}"
            );
            rest = others;
        }
    }

    #[test]
    fn without_houses_a_tick_does_nothing() {
        assert_eq!(run(&tick(60_000, None)), (Vec::new(), 1));
    }

    #[test]
    fn a_house_with_a_real_meter_is_not_simulated() {
        let place = codec::Place {
            community: 1,
            simulated: false,
        };
        houses::make_room(&house_id(0), place).expect("there is room");
        assert_eq!(run(&tick(60_000, None)).0, Vec::new());
    }

    #[test]
    fn a_broken_cursor_is_refused() {
        for cursor in ["", "4", "x/h"] {
            assert!(start(&tick(1, Some(cursor))).is_err(), "{cursor}");
        }
    }
}
