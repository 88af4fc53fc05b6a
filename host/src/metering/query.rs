//! What a read asks for: its rules, and the cursors that its pages are joined by. Pure.

use super::secrecy::Secrets;
use super::{Dataset, Interval, Place, Refusal};

/// Longest period of a read, ms: a month. Longer ones are read month by month, so that what one read looks
/// for is bounded.
pub const PERIOD_MS_MAX: u64 = 31 * 24 * 60 * 60 * 1000;

/// Most readings of a page.
pub const PAGE_ROWS_MAX: u32 = 1_000;

/// What a read asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Of what.
    pub dataset: Dataset,
    /// Start of the period, ms since 1970, included.
    pub from_ms: u64,
    /// Its end, excluded.
    pub to_ms: u64,
    /// Only this community; none: all.
    pub community: Option<u64>,
    /// Where a former page ended, as it was handed out; none: from the beginning.
    pub cursor: Option<String>,
    /// Most readings of the page.
    pub limit: u32,
}

impl Query {
    /// Checks the rules, and says where to start.
    ///
    /// # Errors
    /// [`Refusal::Invalid`]: the field and the rule that it breaks.
    pub fn check(&self, secrets: &Secrets) -> Result<Option<Place>, Refusal> {
        let invalid = |rule: &str| Err(Refusal::Invalid(rule.to_owned()));
        if self.to_ms <= self.from_ms {
            return invalid("to-ms must be after from-ms");
        }
        if self.to_ms - self.from_ms > PERIOD_MS_MAX {
            return invalid("to-ms must be at most 31 days after from-ms");
        }
        if !(1..=PAGE_ROWS_MAX).contains(&self.limit) {
            return invalid("limit must be 1 to 1000");
        }
        let Some(cursor) = &self.cursor else {
            return Ok(None);
        };
        let place = secrets.open(&self.context(), cursor);
        match place.as_deref().and_then(decode) {
            Some(place) => Ok(Some(place)),
            None => invalid("cursor must be the next of a former page of the same query"),
        }
    }

    /// A cursor that opens for the same partner and query only; pages may differ in their limit.
    #[must_use]
    pub fn seal(&self, secrets: &Secrets, place: &Place) -> String {
        secrets.seal(&self.context(), &encode(place))
    }

    fn context(&self) -> String {
        let Self {
            dataset,
            from_ms,
            to_ms,
            community,
            ..
        } = self;
        format!("{dataset} {from_ms} {to_ms} {community:?}")
    }
}

/// Start, end and community as 8 bytes each, then the house.
fn encode(place: &Place) -> Vec<u8> {
    let Interval {
        starts_at_ms,
        ends_at_ms,
    } = place.interval;
    let numbers = [starts_at_ms, ends_at_ms, place.community].map(u64::to_be_bytes);
    [&numbers.concat(), place.house.as_bytes()].concat()
}

fn decode(bytes: &[u8]) -> Option<Place> {
    let (starts_at, rest) = bytes.split_first_chunk()?;
    let (ends_at, rest) = rest.split_first_chunk()?;
    let (community, house) = rest.split_first_chunk()?;
    Some(Place {
        interval: Interval {
            starts_at_ms: u64::from_be_bytes(*starts_at),
            ends_at_ms: u64::from_be_bytes(*ends_at),
        },
        community: u64::from_be_bytes(*community),
        house: std::str::from_utf8(house).ok()?.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query() -> Query {
        Query {
            dataset: Dataset::Production,
            from_ms: 1_000,
            to_ms: 2_000,
            community: None,
            cursor: None,
            limit: 10,
        }
    }

    fn secrets() -> Secrets {
        Secrets::new(&[1; 32])
    }

    fn refused(query: &Query) -> String {
        match query.check(&secrets()) {
            Err(Refusal::Invalid(rule)) => rule,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    #[test]
    fn a_query_names_the_field_that_breaks_a_rule() {
        assert_eq!(query().check(&secrets()), Ok(None));
        let to = |to_ms| refused(&Query { to_ms, ..query() });
        assert_eq!(to(1_000), "to-ms must be after from-ms");
        assert!(to(1_001 + PERIOD_MS_MAX).starts_with("to-ms must be at most"));
        assert!(to(u64::MAX).starts_with("to-ms must be at most"));
        for limit in [0, 1_001, u32::MAX] {
            let limited = Query { limit, ..query() };
            assert_eq!(refused(&limited), "limit must be 1 to 1000");
        }
        for cursor in ["", "00", "nonsense"] {
            let cursor = Some(cursor.to_owned());
            let rule = refused(&Query { cursor, ..query() });
            assert!(rule.starts_with("cursor must be"), "{rule}");
        }
    }

    #[test]
    fn a_cursor_opens_for_its_partner_and_query_only() {
        let place = Place {
            interval: Interval {
                starts_at_ms: 5,
                ends_at_ms: 6,
            },
            community: 7,
            house: "hé".into(),
        };
        let cursor = Some(query().seal(&secrets(), &place));
        let same = Query {
            cursor,
            limit: 99,
            ..query()
        };
        assert_eq!(same.check(&secrets()), Ok(Some(place)));
        let others = [
            Query {
                dataset: Dataset::DetailedConsumption,
                ..same.clone()
            },
            Query {
                from_ms: 1_001,
                ..same.clone()
            },
            Query {
                community: Some(0),
                ..same.clone()
            },
        ];
        for other in &others {
            assert!(refused(other).starts_with("cursor"), "{other:?}");
        }
        let elsewhere = same.check(&Secrets::new(&[2; 32]));
        assert!(matches!(elsewhere, Err(Refusal::Invalid(_))));
    }
}
