//! Pages of houses over a time: the right rows, each once and in order, whatever the limit, the lengths of
//! intervals and the partitions they came by; and never more work than a page may do.

use super::*;

/// Reads all pages of a span, each of at most `limit` rows.
fn all(state: &impl State, span: Span<'_>, wanted: fn(&Row<'_>) -> bool) -> Vec<Place> {
    let (mut start, mut rows, mut pages) = (None, Vec::new(), 0);
    loop {
        let page = houses_between(
            state,
            &Span {
                start: start.as_ref(),
                ..span
            },
            wanted,
        );
        let page = page.expect("a page");
        assert!(page.rows.len() <= span.limit);
        rows.extend(page.rows.iter().map(|at| Place {
            interval: at.interval,
            community: at.community,
            house: page.houses[at.house as usize].clone(),
        }));
        pages += 1;
        assert!(pages < 10_000, "pages come to an end");
        start = page.next;
        if start.is_none() {
            return rows;
        }
    }
}

fn span(from_ms: u64, to_ms: u64, community: Option<u64>, limit: usize) -> Span<'static> {
    Span {
        from_ms,
        to_ms,
        community,
        start: None,
        limit,
        objects: false,
    }
}

fn drew(row: &Row<'_>) -> bool {
    row.consumption_uj.is_some()
}

#[test]
fn pages_follow_each_other_without_gap() {
    let mut state = Map::new();
    let names: Vec<String> = (0..2_500).map(|house| format!("{house:05}")).collect();
    let long = slot(0, 2, 1);
    record(&mut state, &[measured(long, "long", Some(1), None)]);
    let rows: Vec<_> = names
        .iter()
        .map(|name| measured(slot(1, 2, 1), name, Some(1), None))
        .collect();
    record(&mut state, &rows);
    let producer = [measured(slot(1, 2, 1), "producer", None, Some(1))];
    record(&mut state, &producer);
    let found = all(&state, span(HOUR_MS, HOUR_MS + 1, None, 700), drew);
    let houses: Vec<_> = found.into_iter().map(|place| place.house).collect();
    let expected: Vec<String> = std::iter::once("long".to_owned()).chain(names).collect();
    assert_eq!(houses, expected);
}

#[test]
fn the_last_page_has_no_next_even_if_it_is_full() {
    let mut state = Map::new();
    let at = slot(0, 1, 1);
    record(
        &mut state,
        &[
            measured(at, "a", Some(1), None),
            measured(at, "b", Some(1), None),
            measured(at, "c", None, Some(1)),
        ],
    );
    let page = houses_between(&state, &span(0, 1, None, 2), drew).expect("a page");
    assert_eq!((page.rows.len(), page.next), (2, None));
}

#[test]
fn intervals_count_where_they_overlap_the_time_half_open() {
    let mut state = Map::new();
    for (start, end, house) in [
        (0, 1, "before"),
        (0, 2, "into"),
        (1, 2, "in"),
        (2, 3, "after"),
    ] {
        record(
            &mut state,
            &[measured(slot(start, end, 1), house, Some(1), None)],
        );
    }
    for community in [None, Some(1)] {
        let within = |from_ms, to_ms| -> Vec<String> {
            let found = all(&state, span(from_ms, to_ms, community, 9), drew);
            found.into_iter().map(|place| place.house).collect()
        };
        assert_eq!(within(HOUR_MS, 2 * HOUR_MS), ["into", "in"]);
        assert_eq!(within(HOUR_MS + 1, HOUR_MS + 2), ["into", "in"]);
        assert_eq!(within(HOUR_MS - 1, HOUR_MS), ["before", "into"]);
        assert!(within(HOUR_MS, HOUR_MS).is_empty());
        assert!(within(2 * HOUR_MS, HOUR_MS).is_empty());
    }
    assert!(all(&state, span(0, DAY_MS, Some(2), 9), drew).is_empty());
}

/// Random rows, spans and limits, against a filter over all rows.
#[test]
fn pages_are_the_rows_that_a_filter_finds() {
    let mut state = Map::new();
    let mut rows = BTreeSet::new();
    let mut seed = 11_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % below
    };
    for _ in 0..400 {
        let start = random(60);
        let at = slot(start, start + 1 + random(3) * random(8), random(4));
        let house = ["a", "b", "c", "d"][random(4) as usize];
        let partition = [0, 2, 9][at.community as usize % 3];
        record_in(partition, &mut state, &[measured(at, house, Some(1), None)]);
        rows.insert(Place {
            interval: at.interval,
            community: at.community,
            house: house.to_owned(),
        });
    }
    for _ in 0..300 {
        let from_ms = random(70) * HOUR_MS;
        let to_ms = from_ms + random(30) * HOUR_MS;
        let community = random(6).checked_sub(2);
        let overlaps = |place: &&Place| {
            let Interval {
                starts_at_ms,
                ends_at_ms,
            } = place.interval;
            from_ms < to_ms && starts_at_ms < to_ms && ends_at_ms > from_ms
        };
        let expected: Vec<Place> = rows
            .iter()
            .filter(overlaps)
            .filter(|place| community.is_none_or(|id| id == place.community))
            .cloned()
            .collect();
        let limit = 1 + random(40) as usize;
        let found = all(&state, span(from_ms, to_ms, community, limit), drew);
        assert_eq!(found, expected, "{from_ms} to {to_ms} of {community:?}");
    }
}

#[test]
fn a_page_can_start_at_the_beginning_of_any_interval() {
    let mut state = Map::new();
    for hour in 0..4 {
        let at = slot(hour, hour + 1, 7);
        record(
            &mut state,
            &[
                measured(at, "a", Some(1), None),
                measured(at, "b", Some(1), None),
            ],
        );
    }
    let third = Place::beginning(slot(2, 3, 7).interval);
    for community in [None, Some(7)] {
        let from = Span {
            start: Some(&third),
            ..span(0, DAY_MS, community, 9)
        };
        let page = houses_between(&state, &from, drew).expect("a page");
        assert_eq!(page.rows.len(), 4);
        assert_eq!(page.rows[0].interval, third.interval);
    }
}

#[test]
fn objects_come_where_they_are_asked_for_each_with_its_row() {
    let mut state = Map::new();
    let object = |name: &'static str, consumption_wh: u64| ObjectReading {
        name: name.into(),
        consumption_uj: consumption_wh * WH,
        production_uj: 0,
    };
    let (one, two) = ([object("Car", 5)], [object("Oven", 2), object("Car", 1)]);
    for (house, objects) in [("a", one.as_slice()), ("b", &[]), ("c", &two)] {
        for hour in 0..2 {
            let with_objects = Measurement {
                objects,
                ..measured(slot(hour, hour + 1, 1), house, Some(5), None)
            };
            record(&mut state, &[with_objects]);
        }
    }
    let page = |objects| {
        let span = Span {
            objects,
            ..span(0, DAY_MS, None, 9)
        };
        houses_between(&state, &span, drew).expect("a page")
    };
    let bare = page(false);
    assert_eq!((bare.rows.len(), bare.objects.len()), (6, 0));
    assert!(bare.rows.iter().all(|row| row.objects == 0));
    let page = page(true);
    assert_eq!(page.houses, ["a", "b", "c"]);
    let mut objects = page.objects.iter();
    let told = page.rows.iter().map(|row| {
        let of_row = objects.by_ref().take(row.objects as usize);
        let named = of_row.map(|object| {
            let name = &page.object_names[object.name as usize];
            (name.as_str(), object.consumption_mw)
        });
        (row.house, named.collect::<Vec<_>>())
    });
    let hour = [
        (0, vec![("Car", 5_000)]),
        (1, vec![]),
        (2, vec![("Oven", 2_000), ("Car", 1_000)]),
    ];
    assert_eq!(told.collect::<Vec<_>>(), [hour.clone(), hour].concat());
    assert!(objects.next().is_none());
}

#[test]
fn rows_that_are_not_wanted_bound_a_page_too() {
    let mut state = Map::new();
    let names: Vec<String> = (0..10_001).map(|house| format!("{house:05}")).collect();
    let at = slot(0, 1, 1);
    let rows: Vec<_> = names
        .iter()
        .map(|name| measured(at, name, None, Some(1)))
        .collect();
    record(&mut state, &rows);
    let page = houses_between(&state, &span(0, 1, None, 5), drew).expect("a page");
    let next = page.next.expect("a next");
    assert_eq!((page.rows.len(), next.house.as_str()), (0, "10000"));
}

#[test]
fn a_community_is_looked_for_in_a_bounded_number_of_intervals() {
    let mut state = Map::new();
    for start in 0..2_500 {
        let of = |community| Slot {
            interval: Interval::new(start, start + 1).expect("an interval"),
            community,
        };
        record(&mut state, &[measured(of(1), "a", Some(1), None)]);
        if start == 2_400 {
            record(&mut state, &[measured(of(2), "b", Some(1), None)]);
        }
    }
    let page = houses_between(&state, &span(0, 2_500, Some(2), 5), drew).expect("a page");
    let next = page.next.expect("a next");
    assert_eq!((page.rows.len(), next.interval.starts_at_ms), (0, 1_000));
    let found = all(&state, span(0, 2_500, Some(2), 5), drew);
    assert_eq!(found.len(), 1);
}
