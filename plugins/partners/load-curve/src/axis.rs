//! Ticks of the two axes: few, on round values.

/// Most ticks above 0 on the axis of power: enough to read values off, few enough to keep lines apart.
const POWER_TICKS_MAX: f64 = 7.0;

/// Room above the highest value for its label, as a part of it.
const HEADROOM: f64 = 1.12;

/// Most ticks on the axis of time: their labels must not touch.
const TIME_TICKS_MAX: u64 = 12;

/// One minute, hour and day, ms.
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Distances between ticks of time that people count in, ms.
const TIME_STEPS_MS: [u64; 13] = [
    MINUTE_MS,
    5 * MINUTE_MS,
    15 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
    2 * HOUR_MS,
    3 * HOUR_MS,
    6 * HOUR_MS,
    12 * HOUR_MS,
    DAY_MS,
    2 * DAY_MS,
    4 * DAY_MS,
    7 * DAY_MS,
];

/// Values with ticks from 0 up; the last is the axis' end and leaves room above `highest`.
pub(crate) fn power(highest: f64) -> Vec<f64> {
    let end = if highest > 0.0 {
        highest * HEADROOM
    } else {
        1.0
    };
    let step = round(end / POWER_TICKS_MAX);
    let count = (end / step).ceil() as u32;
    (0..=count).map(|n| f64::from(n) * step).collect()
}

/// The next of 1, 2 and 5 times a power of ten.
fn round(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0].map(|factor| factor * power);
    let fits = steps.into_iter().find(|step| *step >= least);
    fits.unwrap_or(10.0 * power)
}

/// Instants with ticks inside a period, ms since 1970, and whether they are whole days.
pub(crate) fn time(from_ms: u64, to_ms: u64) -> (Vec<u64>, bool) {
    let few = |step: &&u64| (to_ms - from_ms) / **step <= TIME_TICKS_MAX;
    let step_ms = *TIME_STEPS_MS.iter().find(few).unwrap_or(&(7 * DAY_MS));
    let first = from_ms.div_ceil(step_ms);
    let ticks = (first..=to_ms / step_ms).map(|n| n * step_ms).collect();
    (ticks, step_ms >= DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_of_power_are_round_and_end_above_the_highest() {
        assert_eq!(power(13_100.0), [0.0, 5_000.0, 10_000.0, 15_000.0],);
        assert_eq!(power(90.0).last(), Some(&120.0));
        for highest in [0.0, 0.003, 1.0, 999.0, 123_456_789.0] {
            let ticks = power(highest);
            assert!((3..=8).contains(&ticks.len()), "{highest}: {ticks:?}");
            assert!(*ticks.last().expect("some") > highest);
        }
    }

    #[test]
    fn ticks_of_time_are_inside_and_few() {
        let (ticks, days) = time(HOUR_MS / 2, 5 * HOUR_MS);
        assert_eq!((ticks.first(), days), (Some(&(HOUR_MS / 2)), false));
        let (ticks, days) = time(0, 31 * DAY_MS);
        assert_eq!((ticks.len(), days), (8, true));
        for minutes in 1..3_000 {
            let (ticks, _) = time(7, 7 + minutes * MINUTE_MS);
            assert!(ticks.len() <= 13, "{minutes}: {}", ticks.len());
        }
    }
}
