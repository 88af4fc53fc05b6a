//! Schedules: cron expressions of five fields in UTC, and when they are due. Pure.

use std::fmt;

use chrono::{DateTime, Utc};
use croner::parser::{CronParser, Seconds, Year};

use crate::ids::{Instant, Invalid};

/// Longest cron expression, bytes.
pub const CRON_BYTES_MAX: usize = 100;

/// Most instants of a schedule that are run after a host has looked away for a while: an hour of minutes.
const LATE_MAX: usize = 60;

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron(croner::Cron);

impl Cron {
    /// Reads a cron expression: minute, hour, day of month, month, day of week.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let rule = Invalid(
            "must be a cron expression of five fields in UTC, such as '30 6 * * 1-5', of at most 100 bytes",
        );
        if text.len() > CRON_BYTES_MAX {
            return Err(rule);
        }
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let cron = parser.parse(text).map(Self).map_err(|_| rule)?;
        match cron.next(Instant(0)) {
            Some(_) => Ok(cron),
            None => Err(Invalid("must be due at some time")),
        }
    }

    /// The first instant after another.
    #[must_use]
    pub fn next(&self, after: Instant) -> Option<Instant> {
        let next = self.0.find_next_occurrence(&date(after)?, false).ok()?;
        instant(next).filter(|next| *next <= Instant::MAX)
    }

    /// The last instant up to another, included.
    #[must_use]
    pub fn last(&self, up_to: Instant) -> Option<Instant> {
        let last = self.0.find_previous_occurrence(&date(up_to)?, true);
        last.ok().and_then(instant)
    }

    /// What is due now of a schedule that has been run up to `run` and looked after up to `seen`: everything
    /// since it was looked after, and of what was missed before that the last.
    pub(crate) fn due(&self, run: Instant, seen: Instant, now: Instant) -> Vec<Instant> {
        let missed = self.last(seen.min(now)).filter(|last| *last > run);
        let mut due: Vec<Instant> = missed.into_iter().collect();
        let mut at = run.max(seen);
        while let Some(next) = self.next(at).filter(|next| *next <= now) {
            due.push(next);
            at = next;
            if due.len() > LATE_MAX {
                due.remove(0);
            }
        }
        due
    }
}

/// As it was written, in capital letters.
impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

fn date(at: Instant) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(i64::try_from(at.0).ok()?)
}

fn instant(date: DateTime<Utc>) -> Option<Instant> {
    u64::try_from(date.timestamp_millis()).ok().map(Instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(&format!("2026-11-{text}Z")).expect("an instant")
    }

    fn cron(text: &str) -> Cron {
        Cron::parse(text).expect("a cron expression")
    }

    #[test]
    fn expressions_have_five_fields_and_are_due_at_some_time() {
        for sound in [
            "* * * * *",
            "30 6 * * 1-5",
            "*/15 8-18 1,15 * *",
            "0 0 29 2 *",
            "@daily",
            "0 6 * * MON",
        ] {
            assert!(Cron::parse(sound).is_ok(), "{sound}");
        }
        let long = format!("{} * * * *", "1,".repeat(60));
        for wrong in [
            "",
            "* * * *",
            "* * * * * *",
            "61 * * * *",
            "0 0 30 2 *",
            "x * * * *",
            "* * * * * 2030 1",
            &long,
        ] {
            assert!(Cron::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn instants_are_whole_minutes_in_utc() {
        let daily = cron("30 6 * * *");
        assert_eq!(
            daily.next(at("25T06:29:59.999")),
            Some(at("25T06:30:00.000"))
        );
        assert_eq!(
            daily.next(at("25T06:30:00.000")),
            Some(at("26T06:30:00.000"))
        );
        assert_eq!(
            daily.last(at("25T06:30:00.000")),
            Some(at("25T06:30:00.000"))
        );
        assert_eq!(
            daily.last(at("25T06:29:59.999")),
            Some(at("24T06:30:00.000"))
        );
        assert_eq!(
            daily.last(at("25T06:31:12.345")),
            Some(at("25T06:30:00.000"))
        );
    }

    #[test]
    fn every_instant_is_due_once_while_somebody_looks() {
        let minutes = cron("*/10 * * * *");
        let (run, seen) = (at("25T06:00:00"), at("25T06:05:00"));
        assert_eq!(minutes.due(run, seen, at("25T06:09:59")), []);
        assert_eq!(
            minutes.due(run, seen, at("25T06:10:00")),
            [at("25T06:10:00")]
        );
        let three = [at("25T06:10:00"), at("25T06:20:00"), at("25T06:30:00")];
        assert_eq!(minutes.due(run, seen, at("25T06:34:00")), three);
        assert_eq!(minutes.due(at("25T06:30:00"), seen, at("25T06:34:00")), []);
    }

    #[test]
    fn of_what_was_missed_only_the_last_is_made_up_for() {
        let minutes = cron("*/10 * * * *");
        let (run, started) = (at("23T06:00:00"), at("25T06:05:00"));
        assert_eq!(minutes.due(run, started, started), [at("25T06:00:00")]);
        let both = [at("25T06:00:00"), at("25T06:10:00")];
        assert_eq!(minutes.due(run, started, at("25T06:10:00")), both);
        // The clock may stand before what was seen, when it was set back before the first tick.
        assert_eq!(minutes.due(run, started, at("23T06:00:00")), []);
    }

    #[test]
    fn a_long_absence_ends_with_a_bounded_number_of_runs() {
        let due = cron("* * * * *").due(at("01T00:00:00"), at("01T00:00:00"), at("25T00:00:00"));
        assert_eq!(
            (due.len(), due.last()),
            (LATE_MAX, Some(&at("25T00:00:00")))
        );
    }
}
