//! Batches of rows: duplicates, corrections, merging of consumption and production, all or none.

use leyden_sdk::Error;
use leyden_sdk::http::Problem;

use super::*;

const HALF_HOUR_MS: u64 = 1_800_000;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

fn homes() -> Homes {
    let house = |name: &str, id: &str, community| {
        let household = Some(name.to_owned());
        (
            name.to_owned(),
            House {
                id: id.to_owned(),
                client_name: name.to_owned(),
                community,
                household,
            },
        )
    };
    Homes::from([house("ausgrid-12", "id-a", 1), house("sgsc-1", "id-s", 2)])
}

fn row(household: &'static str, half_hour: u64, kind: Kind, energy_uj: u64) -> Row<'static> {
    let start = half_hour * HALF_HOUR_MS;
    let interval = Interval::new(start, start + HALF_HOUR_MS).expect("an interval");
    Row {
        number: half_hour + 1,
        household: household.into(),
        interval,
        kind,
        energy_uj,
    }
}

fn drew(household: &'static str, half_hour: u64, energy_uj: u64) -> Row<'static> {
    row(household, half_hour, Kind::Consumption, energy_uj)
}

fn produced(household: &'static str, half_hour: u64, energy_uj: u64) -> Row<'static> {
    row(household, half_hour, Kind::Production, energy_uj)
}

/// House, interval's number and both energies of every reading told.
type Told = (String, u64, Option<u64>, Option<u64>);

fn taken(state: &mut Map, rows: &[Row<'_>]) -> (Tallies, Vec<Told>) {
    let mut faults = Faults::default();
    let (tallies, readings) =
        take_in(state, rows, &homes(), &mut faults).expect("they are taken in");
    assert_eq!(faults.into_result(), Ok(()));
    let told = readings.into_iter().map(|reading| {
        assert!(!reading.closes);
        let half_hour = reading.interval.starts_at_ms / HALF_HOUR_MS;
        (
            reading.house,
            half_hour,
            reading.consumption_uj,
            reading.production_uj,
        )
    });
    (tallies, told.collect())
}

fn refused(state: &mut Map, rows: &[Row<'_>]) -> Problem {
    let mut faults = Faults::default();
    take_in(state, rows, &homes(), &mut faults).expect("the state answers");
    match faults.into_result() {
        Err(Error::Reject(problem)) => problem,
        other => panic!("a refusal, not {other:?}"),
    }
}

fn counts(rows: u64, new: u64, replaced: u64, unchanged: u64) -> Tallies {
    Tallies {
        rows,
        new,
        replaced,
        unchanged,
    }
}

#[test]
fn both_kinds_of_an_interval_are_one_reading() {
    let mut state = Map::new();
    let rows = [
        drew("sgsc-1", 1, 3),
        produced("ausgrid-12", 0, 0),
        drew("ausgrid-12", 0, 5),
    ];
    let (tallies, told) = taken(&mut state, &rows);
    assert_eq!(tallies, counts(3, 3, 0, 0));
    assert_eq!(
        told,
        [
            ("id-a".to_owned(), 0, Some(5), Some(0)),
            ("id-s".to_owned(), 1, Some(3), None)
        ]
    );
}

#[test]
fn the_same_file_twice_counts_once() {
    let mut state = Map::new();
    let rows = [
        drew("ausgrid-12", 0, 5),
        drew("ausgrid-12", 1, 6),
        produced("ausgrid-12", 1, 2),
    ];
    taken(&mut state, &rows);
    let saved = state.clone();
    assert_eq!(taken(&mut state, &rows), (counts(3, 0, 0, 3), Vec::new()));
    assert_eq!(state, saved);
}

#[test]
fn a_correction_tells_only_what_changed() {
    let mut state = Map::new();
    taken(
        &mut state,
        &[drew("ausgrid-12", 0, 5), produced("ausgrid-12", 0, 1)],
    );
    let (tallies, told) = taken(
        &mut state,
        &[drew("ausgrid-12", 0, 7), produced("ausgrid-12", 0, 1)],
    );
    assert_eq!(tallies, counts(2, 0, 1, 1));
    assert_eq!(told, [("id-a".to_owned(), 0, Some(7), None)]);
}

#[test]
fn rows_of_one_interval_in_one_batch_are_taken_in_order() {
    let mut state = Map::new();
    let rows = [
        drew("sgsc-1", 0, 5),
        drew("sgsc-1", 0, 5),
        drew("sgsc-1", 0, 6),
    ];
    let (tallies, told) = taken(&mut state, &rows);
    assert_eq!(tallies, counts(3, 1, 1, 1));
    assert_eq!(told, [("id-s".to_owned(), 0, Some(6), None)]);
}

#[test]
fn late_rows_fill_gaps() {
    let mut state = Map::new();
    taken(&mut state, &[drew("sgsc-1", 0, 5), drew("sgsc-1", 9, 5)]);
    let (tallies, told) = taken(&mut state, &[drew("sgsc-1", 4, 1)]);
    assert_eq!((tallies, told.len()), (counts(1, 1, 0, 0), 1));
}

#[test]
fn one_fault_leaves_no_row() {
    let mut state = Map::new();
    let problem = refused(&mut state, &[drew("sgsc-1", 0, 5), drew("nobody", 1, 5)]);
    assert_eq!(problem.kind, ProblemKind::NotFound);
    assert_eq!(
        (problem.errors[0].row, problem.errors[0].field.as_str()),
        (Some(2), "household")
    );
    assert!(state.is_empty());
}

#[test]
fn an_overlap_names_the_recorded_interval() {
    let mut state = Map::new();
    taken(&mut state, &[drew("sgsc-1", 0, 5)]);
    let interval = Interval::new(0, 2 * HALF_HOUR_MS).expect("an interval");
    let problem = refused(
        &mut state,
        &[Row {
            interval,
            ..drew("sgsc-1", 0, 5)
        }],
    );
    assert_eq!(problem.kind, ProblemKind::Conflict);
    let rule = "overlaps a recorded consumption interval, 1970-01-01T00:00:00.000Z to 1970-01-01T00:30:00.000Z";
    assert_eq!(problem.errors[0].rule, rule);
    taken(
        &mut state,
        &[Row {
            interval,
            ..produced("sgsc-1", 0, 5)
        }],
    );
}

#[test]
fn names_are_asked_once_each() {
    let rows = [drew("b", 0, 1), drew("a", 1, 1), drew("b", 2, 1)];
    assert_eq!(names(&rows), ["a", "b"]);
}

#[test]
fn what_is_told_adds_up_to_what_was_sent() {
    let mut state = Map::new();
    let mut sum_uj = 0;
    for batch in 0..31 {
        let rows: Vec<_> = (0..48)
            .map(|half| drew("sgsc-1", batch * 48 + half, half * 36))
            .collect();
        let (tallies, told) = taken(&mut state, &rows);
        assert_eq!(tallies.new, 48);
        sum_uj += told.iter().filter_map(|one| one.2).sum::<u64>();
    }
    assert_eq!(sum_uj, 31 * 36 * (47 * 48 / 2));
    let series = Series {
        house: "id-s",
        kind: Kind::Consumption,
    };
    let month = (0, 31 * 48 * HALF_HOUR_MS);
    assert_eq!(
        crate::days::between(&state, series, month, 10_000).map(|all| all.len()),
        Ok(31 * 48)
    );
    assert_eq!(state.len(), 31, "one chunk a day");
}
