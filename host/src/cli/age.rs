//! Spans of time for people: one unit, as exact as an eye needs it. Pure.

/// Seconds of a minute, an hour and a day.
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A span (ms) in words, such as `350 ms`, `3.2 s`, `5 min`.
pub(crate) fn words(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0 => format!("{ms} ms"),
        1..10 => format!("{seconds}.{} s", ms % 1_000 / 100),
        10..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        HOUR..DAY => format!("{} h", seconds / HOUR),
        DAY.. => format!("{} d", seconds / DAY),
    }
}

/// Reads a span such as `500ms`, `3s`, `10m` (or `10min`), `2h` or `1d`; a number alone is seconds. In ms.
///
/// # Errors
/// The rule that the text breaks.
pub(crate) fn parse_ms(text: &str) -> Result<u64, String> {
    let rule = || format!("{text}: must be a whole number with ms, s, m, h or d, such as 3s");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_ms = match &text[digits.len()..] {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" | "min" => 1_000 * MINUTE,
        "h" => 1_000 * HOUR,
        "d" => 1_000 * DAY,
        _ => return Err(rule()),
    };
    let number: u64 = digits.parse().map_err(|_| rule())?;
    number.checked_mul(unit_ms).ok_or_else(rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_the_unit_that_fits() {
        for (ms, expected) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (3_250, "3.2 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (7_200_000, "2 h"),
            (172_800_000, "2 d"),
        ] {
            assert_eq!(words(ms), expected);
        }
    }

    #[test]
    fn spans_are_read_with_their_unit() {
        assert_eq!(parse_ms("500ms"), Ok(500));
        assert_eq!(parse_ms("3s"), Ok(3_000));
        assert_eq!(parse_ms("3"), Ok(3_000));
        assert_eq!(parse_ms("2min"), Ok(120_000));
        assert_eq!(parse_ms("10m"), Ok(600_000));
        assert_eq!(parse_ms("1h"), Ok(3_600_000));
        assert_eq!(parse_ms("7d"), Ok(604_800_000));
        for wrong in [
            "",
            "s",
            "3w",
            "-1s",
            "1.5s",
            "99999999999999999999s",
            "18446744073709551615",
        ] {
            assert!(parse_ms(wrong).is_err(), "{wrong}");
        }
    }
}
