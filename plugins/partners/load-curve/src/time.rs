//! Instants as text: RFC 3339 in UTC.

use chrono::{DateTime, SecondsFormat, Utc};

/// `2021-11-07T15:58:22.144Z`; what no calendar can write is its last instant.
pub(crate) fn format_ms(at_ms: u64) -> String {
    let instant = i64::try_from(at_ms)
        .ok()
        .and_then(DateTime::<Utc>::from_timestamp_millis);
    let instant = instant.unwrap_or(DateTime::<Utc>::MAX_UTC);
    instant.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Reads an instant of any offset; none where the text is not one or lies before 1970.
pub(crate) fn parse_ms(text: &str) -> Option<u64> {
    let instant = DateTime::parse_from_rfc3339(text).ok()?;
    u64::try_from(instant.timestamp_millis()).ok()
}
