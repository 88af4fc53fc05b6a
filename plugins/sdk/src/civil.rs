//! What clocks on the wall show: the weekday and the time of day in Central European Time, for rules that
//! follow people's days. Pure: it needs no table of time zones, so a policy gives the same answer on any host.
//!
//! Central European Time is UTC+1. Summer time, UTC+2, lasts from the last Sunday of March to the last Sunday
//! of October, both at 01:00 UTC (Directive 2000/84/EC). That rule is taken to hold in every year, before 1996
//! too, and holidays are ordinary days.

use chrono::{DateTime, Datelike as _, NaiveDate, Timelike as _, Utc};

/// Standard time is ahead of UTC by this, ms.
const OFFSET_MS: u64 = 3_600_000;

/// Summer time is ahead of standard time by this, ms.
const SUMMER_MS: u64 = 3_600_000;

/// Summer time begins and ends at this hour UTC.
const CHANGE_HOUR: u32 = 1;

/// Months in which summer time begins and ends, both of 31 days.
const SUMMER_MONTHS: (u32, u32) = (3, 10);

/// An instant as people there see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Days since Monday, 0 to 6.
    pub weekday: u32,
    /// Hour of the day, 0 to 23.
    pub hour: u32,
    /// Minute of the hour, 0 to 59.
    pub minute: u32,
}

impl Civil {
    /// What clocks show at an instant, ms since 1970. An instant beyond every calendar counts as the last one.
    #[must_use]
    pub fn at_ms(at_ms: u64) -> Self {
        let ahead_ms = OFFSET_MS + if is_summer(at_ms) { SUMMER_MS } else { 0 };
        let local = utc(at_ms.saturating_add(ahead_ms));
        Self {
            weekday: local.weekday().num_days_from_monday(),
            hour: local.hour(),
            minute: local.minute(),
        }
    }

    /// Whether it is Monday to Friday.
    #[must_use]
    pub fn is_workday(self) -> bool {
        self.weekday < 5
    }

    /// Whether the time of day lies in `[from_hour, to_hour)`; the span goes over midnight where `to_hour` is
    /// the smaller one.
    #[must_use]
    pub fn is_within(self, from_hour: u32, to_hour: u32) -> bool {
        if from_hour <= to_hour {
            (from_hour..to_hour).contains(&self.hour)
        } else {
            self.hour >= from_hour || self.hour < to_hour
        }
    }
}

fn utc(at_ms: u64) -> DateTime<Utc> {
    let ms = i64::try_from(at_ms).unwrap_or(i64::MAX);
    DateTime::from_timestamp_millis(ms).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

fn is_summer(at_ms: u64) -> bool {
    let now = utc(at_ms);
    let change = |month| change(now.year(), month);
    match (change(SUMMER_MONTHS.0), change(SUMMER_MONTHS.1)) {
        (Some(begins), Some(ends)) => begins <= now && now < ends,
        // Only at the end of the calendar, where no summer follows.
        _ => false,
    }
}

/// The last Sunday of a month of 31 days, at the hour of the change.
fn change(year: i32, month: u32) -> Option<DateTime<Utc>> {
    let last = NaiveDate::from_ymd_opt(year, month, 31)?;
    let sunday = 31 - last.weekday().num_days_from_sunday();
    let at = NaiveDate::from_ymd_opt(year, month, sunday)?.and_hms_opt(CHANGE_HOUR, 0, 0)?;
    Some(at.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::parse_ms;

    /// Checks what clocks show at an instant: days since Monday, hour and minute.
    fn check(instant: &str, weekday: u32, hour: u32, minute: u32) {
        let shown = Civil::at_ms(parse_ms(instant).expect("an instant"));
        let expected = Civil {
            weekday,
            hour,
            minute,
        };
        assert_eq!(shown, expected, "{instant}");
    }

    #[test]
    fn winter_is_an_hour_ahead_and_summer_two() {
        check("2021-11-08T16:50:00Z", 0, 17, 50);
        check("2021-11-07T23:00:00Z", 0, 0, 0);
        check("2021-11-07T22:59:59.999Z", 6, 23, 59);
        check("2021-07-14T16:50:00Z", 2, 18, 50);
    }

    #[test]
    fn summer_time_changes_on_the_last_sundays() {
        check("2021-03-28T00:59:59.999Z", 6, 1, 59);
        check("2021-03-28T01:00:00Z", 6, 3, 0);
        check("2021-10-31T00:59:59.999Z", 6, 2, 59);
        check("2021-10-31T01:00:00Z", 6, 2, 0);
        // The 31st of March 2024 was itself the Sunday; the 25th of October 2026 is the earliest there can be.
        check("2024-03-31T00:59:00Z", 6, 1, 59);
        check("2024-03-31T01:00:00Z", 6, 3, 0);
        check("2026-10-25T00:59:00Z", 6, 2, 59);
        check("2026-10-25T01:00:00Z", 6, 2, 0);
    }

    #[test]
    fn a_span_has_its_start_and_not_its_end() {
        let at = |hour| Civil {
            weekday: 0,
            hour,
            minute: 0,
        };
        let within = |from, to| -> Vec<u32> {
            (0..24)
                .filter(|&hour| at(hour).is_within(from, to))
                .collect()
        };
        assert_eq!(within(17, 21), [17, 18, 19, 20]);
        assert_eq!(within(22, 6), [0, 1, 2, 3, 4, 5, 22, 23]);
        assert!(within(7, 7).is_empty());
    }

    #[test]
    fn the_end_of_the_calendar_is_no_end() {
        let last = Civil::at_ms(u64::MAX);
        assert_eq!(last, Civil::at_ms(u64::MAX - 1));
        assert_eq!(Civil::at_ms(0).hour, 1);
    }
}
