//! Made-up households, for estimates: what a plugin would read if a community were like these. Nobody's
//! data have a part in them, so an estimate tells nothing and costs nothing. Pure.

use std::sync::Arc;

use super::{Dataset, Interval, Picked, Place, Rows};

/// Length of their intervals, ms: a quarter of an hour, as most meters report.
pub const INTERVAL_MS: u64 = 15 * 60 * 1000;

/// Their communities, where none is asked for.
pub const COMMUNITIES: u64 = 2;

/// Households of each: enough for every profile of groups, and none of them stands out.
pub const HOUSEHOLDS: u64 = 120;

/// One household in so many has a roof that produces.
const PRODUCING_EVERY: u64 = 3;

/// A day, ms.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Rows of a time, from a place on, by place, and where more start.
#[must_use]
pub fn rows(
    dataset: Dataset,
    time: Interval,
    community: Option<u64>,
    start: Option<&Place>,
    limit: usize,
) -> (Rows, Option<Place>) {
    let first_ms = start.map_or(time.starts_at_ms, |place| place.interval.starts_at_ms);
    let intervals = first_ms / INTERVAL_MS..time.ends_at_ms.div_ceil(INTERVAL_MS);
    let communities = match community {
        Some(community) => community..=community,
        None => 1..=COMMUNITIES,
    };
    let places = intervals.flat_map(move |number| {
        let of_community = move |community| (1..=HOUSEHOLDS).map(move |house| (community, house));
        let houses = communities.clone().flat_map(of_community);
        houses.map(move |(community, house)| (number, community, house))
    });
    let rows =
        places.filter_map(|(number, community, house)| row(dataset, number, community, house));
    let mut rows = rows.skip_while(|row| start.is_some_and(|start| row.place < *start));
    let mut page = Picked::default();
    for row in rows.by_ref().take(limit) {
        page.add(&row.place, row.power_mw, row.objects, true);
    }
    (page.into_rows(), rows.next().map(|row| row.place))
}

/// One of them.
struct MadeUp {
    place: Place,
    power_mw: u64,
    objects: Vec<(Arc<str>, u64)>,
}

/// What a household draws or produces in an interval; nothing where it has no roof.
fn row(dataset: Dataset, number: u64, community: u64, house: u64) -> Option<MadeUp> {
    let starts_at_ms = number * INTERVAL_MS;
    let place = Place {
        interval: Interval {
            starts_at_ms,
            ends_at_ms: starts_at_ms + INTERVAL_MS,
        },
        community,
        house: format!("made-up-{community}-{house:03}").into(),
    };
    let quarter = starts_at_ms % DAY_MS / INTERVAL_MS;
    let (power_mw, objects) = match dataset {
        Dataset::Production if !house.is_multiple_of(PRODUCING_EVERY) => return None,
        Dataset::Production => (produced_mw(quarter, house), Vec::new()),
        Dataset::GlobalConsumption | Dataset::DetailedConsumption => drawn_mw(quarter, house),
    };
    Some(MadeUp {
        place,
        power_mw,
        objects,
    })
}

/// A household's base load and its cooking, which rises towards noon and evening.
fn drawn_mw(quarter: u64, house: u64) -> (u64, Vec<(Arc<str>, u64)>) {
    let base = 200_000 + house * 1_000;
    let cooking = match quarter {
        44..52 | 68..80 => 400_000,
        28..36 => 150_000,
        _ => 20_000,
    };
    let objects = vec![("base".into(), base), ("kitchen".into(), cooking)];
    (base + cooking, objects)
}

/// A roof's output: from six to six, highest at noon.
fn produced_mw(quarter: u64, house: u64) -> u64 {
    let from_noon = quarter.abs_diff(48);
    24_u64.saturating_sub(from_noon) * (90_000 + house * 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Interval = Interval {
        starts_at_ms: 1_764_072_000_000,
        ends_at_ms: 1_764_072_000_000 + 4 * INTERVAL_MS,
    };

    /// Each row with its place and its objects' powers.
    fn all(dataset: Dataset, community: Option<u64>, limit: usize) -> Vec<(Place, u64, Vec<u64>)> {
        let (mut all, mut start) = (Vec::new(), None);
        loop {
            let (page, next) = rows(dataset, TIME, community, start.as_ref(), limit);
            assert!(page.rows.len() <= limit && page.is_sound());
            all.extend(page.rows.iter().map(|row| {
                let objects = page.objects_of(row).iter().map(|object| object.power_mw);
                (page.place(row), row.power_mw, objects.collect())
            }));
            start = next;
            if start.is_none() {
                return all;
            }
        }
    }

    #[test]
    fn pages_of_any_length_add_up_to_the_same_rows_in_order() {
        let whole = all(Dataset::DetailedConsumption, None, usize::MAX);
        let expected = 4 * COMMUNITIES * HOUSEHOLDS;
        assert_eq!(whole.len() as u64, expected);
        assert!(whole.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for limit in [1, 7, 1_000] {
            assert_eq!(all(Dataset::DetailedConsumption, None, limit), whole);
        }
    }

    #[test]
    fn a_community_is_like_any_other_and_one_in_three_produces() {
        let drawn = all(Dataset::GlobalConsumption, Some(4711), 500);
        assert!(drawn.iter().all(|(place, ..)| place.community == 4711));
        assert_eq!(drawn.len() as u64, 4 * HOUSEHOLDS);
        let produced = all(Dataset::Production, Some(4711), 500);
        assert_eq!(produced.len() as u64, 4 * HOUSEHOLDS / PRODUCING_EVERY);
    }

    #[test]
    fn objects_make_up_what_a_household_draws_and_none_stands_out() {
        let rows = all(Dataset::DetailedConsumption, Some(1), usize::MAX);
        let sum: u64 = rows.iter().take(120).map(|(_, power_mw, _)| power_mw).sum();
        for (_, power_mw, objects) in &rows {
            assert_eq!(objects.iter().sum::<u64>(), *power_mw);
            assert!(power_mw * 50 < sum, "two in a hundred at most");
        }
    }
}
