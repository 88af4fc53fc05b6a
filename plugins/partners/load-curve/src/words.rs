//! Quantities and instants as people read them, and text that is safe inside HTML.

use crate::time;

/// From here on a prefix is used: 1,000 W are 1 kW.
const PREFIX_FROM: f64 = 1_000.0;

/// Prefixes of the International System, each a thousand of the one before.
const PREFIXES: [&str; 4] = ["", "k", "M", "G"];

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A unit with the prefix that suits a value, and what the value is divided by.
pub(crate) fn scaled(value: f64, unit: &str) -> (f64, String) {
    let mut divisor = 1.0;
    let mut prefix = PREFIXES[0];
    for next in &PREFIXES[1..] {
        if value.abs() / divisor < PREFIX_FROM {
            break;
        }
        divisor *= PREFIX_FROM;
        prefix = next;
    }
    (divisor, format!("{prefix}{unit}"))
}

/// `13.1 kW`: three digits that count, or all before the point.
pub(crate) fn quantity(value: f64, unit: &str) -> String {
    let (divisor, unit) = scaled(value, unit);
    let scaled = value / divisor;
    let decimals = match scaled.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    format!("{scaled:.decimals$} {unit}")
}

/// `7 Nov`.
pub(crate) fn day(at_ms: u64) -> String {
    let text = time::format_ms(at_ms);
    let month = text.get(5..7).and_then(|month| month.parse::<usize>().ok());
    let month = month.and_then(|month| MONTHS.get(month.wrapping_sub(1)));
    let day = text.get(8..10).unwrap_or_default().trim_start_matches('0');
    format!("{day} {}", month.unwrap_or(&""))
}

/// `16:30`.
pub(crate) fn clock(at_ms: u64) -> String {
    let text = time::format_ms(at_ms);
    text.get(11..16).unwrap_or_default().to_owned()
}

/// `7 Nov 2021, 16:30`.
pub(crate) fn instant(at_ms: u64) -> String {
    let text = time::format_ms(at_ms);
    let year = text.get(..4).unwrap_or_default();
    format!("{} {year}, {}", day(at_ms), clock(at_ms))
}

/// Text that means nothing to HTML, in content and in quoted attributes.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\'' => safe += "&#39;",
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_have_the_prefix_that_suits_them() {
        for (value, expected) in [
            (0.0, "0.00 W"),
            (61.25, "61.2 W"),
            (999.4, "999 W"),
            (13_100.0, "13.1 kW"),
            (2_500_000.0, "2.50 MW"),
            (7e12, "7000 GW"),
            (-1_500.0, "-1.50 kW"),
        ] {
            assert_eq!(quantity(value, "W"), expected);
        }
    }

    #[test]
    fn instants_are_short() {
        let at_ms = 1_636_302_600_000;
        assert_eq!(instant(at_ms), "7 Nov 2021, 16:30");
        assert_eq!(day(0), "1 Jan");
    }

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escaped("<b a='\"'>&"), "&lt;b a=&#39;&quot;&#39;&gt;&amp;");
    }
}
