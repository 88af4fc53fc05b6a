//! What a run is asked for: `{"from": …, "to": …, "community": …, "title": …}`, all of it optional.

use crate::time;
use serde::Deserialize;

/// One day, ms.
pub(crate) const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Longest period, ms: what one query may ask for.
const PERIOD_MS_MAX: u64 = 31 * DAY_MS;

/// Longest title, characters: it stands on one or two lines.
const TITLE_CHARS_MAX: usize = 100;

/// The parameters as they come. An unknown name is most likely a typing error, so it is one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    from: Option<String>,
    to: Option<String>,
    community: Option<u64>,
    title: Option<String>,
}

/// What the report is about.
#[derive(Debug, PartialEq)]
pub(crate) struct Params {
    /// Start of the period, ms since 1970, included.
    pub(crate) from_ms: u64,
    /// Its end, ms since 1970, excluded.
    pub(crate) to_ms: u64,
    /// One community; none: all together.
    pub(crate) community: Option<u64>,
    /// What stands above the report.
    pub(crate) title: String,
}

impl Params {
    /// Reads the parameters of a run at `now_ms`; the period is the day before unless they name one.
    ///
    /// # Errors
    /// The parameter and the rule that it breaks.
    pub(crate) fn parse(json: &str, now_ms: u64) -> Result<Self, String> {
        let raw: Raw = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let instant = |name: &str, text: Option<String>, default: u64| match text {
            None => Ok(default),
            Some(text) => time::parse_ms(&text)
                .ok_or_else(|| format!("{name}: must be an instant such as 2021-11-07T15:00:00Z")),
        };
        let to_ms = instant("to", raw.to, now_ms)?;
        let from_ms = instant("from", raw.from, to_ms.saturating_sub(DAY_MS))?;
        check_period(from_ms, to_ms)?;
        let title = raw.title.unwrap_or_else(|| title(raw.community));
        if title.chars().count() > TITLE_CHARS_MAX {
            return Err(format!(
                "title: must have {TITLE_CHARS_MAX} characters at most"
            ));
        }
        Ok(Self {
            from_ms,
            to_ms,
            community: raw.community,
            title,
        })
    }
}

fn check_period(from_ms: u64, to_ms: u64) -> Result<(), String> {
    if from_ms >= to_ms {
        return Err("to: must be after from".to_owned());
    }
    if to_ms - from_ms > PERIOD_MS_MAX {
        return Err("to: must be at most 31 days after from".to_owned());
    }
    Ok(())
}

fn title(community: Option<u64>) -> String {
    match community {
        Some(id) => format!("Load curve of community {id}"),
        None => "Load curve of all communities".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON_MS: u64 = 1_636_286_400_000;

    #[test]
    fn nothing_given_is_the_last_day_of_all_communities() {
        let params = Params::parse("{}", NOON_MS).expect("valid");
        assert_eq!((params.from_ms, params.to_ms), (NOON_MS - DAY_MS, NOON_MS));
        assert_eq!(params.community, None);
    }

    #[test]
    fn a_period_is_read_with_its_offset() {
        let json = r#"{"from": "2021-11-07T13:00:00+01:00", "to": "2021-11-08T12:00:00Z", "community": 4}"#;
        let params = Params::parse(json, 0).expect("valid");
        assert_eq!((params.from_ms, params.to_ms), (NOON_MS, NOON_MS + DAY_MS));
        assert_eq!(params.title, "Load curve of community 4");
    }

    #[test]
    fn what_breaks_a_rule_is_refused_by_name() {
        for (json, names) in [
            (r#"{"to": "today"}"#, "to:"),
            (r#"{"from": "2021-11-07T13:00:00Z"}"#, "to:"),
            (r#"{"from": "2021-10-01T00:00:00Z"}"#, "31 days"),
            (r#"{"community": -1}"#, "u64"),
            (r#"{"communty": 1}"#, "communty"),
            ("[]", "struct"),
        ] {
            let refused = Params::parse(json, NOON_MS).expect_err(json);
            assert!(refused.contains(names), "{json}: {refused}");
        }
        let long = format!(r#"{{"title": "{}"}}"#, "x".repeat(TITLE_CHARS_MAX + 1));
        assert!(Params::parse(&long, NOON_MS).is_err());
    }
}
