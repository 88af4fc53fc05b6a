//! Instants as text. An instant is ms since 1970-01-01T00:00:00Z; text is RFC 3339 with ms and `Z`.
//! The time itself comes from [`now_ms`], the host's clock, which stands still during an invocation.

#[cfg(target_arch = "wasm32")]
use crate::bindings::leyden::clock::clock;
#[cfg(not(target_arch = "wasm32"))]
use crate::testing as clock;
use chrono::{DateTime, SecondsFormat, Utc};

/// The last instant that RFC 3339 can write (9999-12-31T23:59:59.999Z), ms.
pub const INSTANT_MS_MAX: u64 = 253_402_300_799_999;

/// The invocation's instant, ms since 1970.
#[must_use]
pub fn now_ms() -> u64 {
    clock::now()
}

/// `2021-11-07T15:58:22.144Z`. An instant after the year 9999 is written as its last one.
#[must_use]
pub fn format_ms(at_ms: u64) -> String {
    let ms = i64::try_from(at_ms.min(INSTANT_MS_MAX)).unwrap_or(i64::MAX);
    DateTime::<Utc>::from_timestamp_millis(ms)
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
        .to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Reads an RFC 3339 instant of any offset, ms since 1970 (finer parts are cut off); none where the
/// text is not one or lies before 1970.
#[must_use]
pub fn parse_ms(text: &str) -> Option<u64> {
    let instant = DateTime::parse_from_rfc3339(text).or_else(|error| {
        repair_plus(text)
            .ok_or(error)
            .and_then(|t| DateTime::parse_from_rfc3339(&t))
    });
    u64::try_from(instant.ok()?.timestamp_millis()).ok()
}

/// A query that was not encoded turns `+01:00` into ` 01:00`.
fn repair_plus(text: &str) -> Option<String> {
    let at = text.len().checked_sub(6)?;
    let (date, offset) = (text.get(..at)?, text.get(at..)?);
    offset
        .strip_prefix(' ')
        .map(|offset| format!("{date}+{offset}"))
}

#[cfg(test)]
mod tests {
    use super::{INSTANT_MS_MAX, format_ms, parse_ms};

    const START_MS: u64 = 1_636_300_702_144;

    #[test]
    fn instants_go_there_and_back() {
        assert_eq!(format_ms(START_MS), "2021-11-07T15:58:22.144Z");
        assert_eq!(parse_ms("2021-11-07T15:58:22.144Z"), Some(START_MS));
        assert_eq!(parse_ms("2021-11-07T16:58:22.144+01:00"), Some(START_MS));
        assert_eq!(parse_ms("2021-11-07T16:58:22.144 01:00"), Some(START_MS));
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "",
            "yesterday",
            "2021-11-07",
            "2021-13-07T15:58:22Z",
            "1969-12-31T23:59:59Z",
            "é",
        ] {
            assert_eq!(parse_ms(text), None, "{text}");
        }
    }

    #[test]
    fn the_far_future_stays_writable() {
        assert_eq!(format_ms(u64::MAX), "9999-12-31T23:59:59.999Z");
        assert_eq!(parse_ms("9999-12-31T23:59:59.999Z"), Some(INSTANT_MS_MAX));
    }
}
