//! A partner's receipts, page by page in the order of its chain.

use std::fmt;

use super::notary::month_prefix;
use super::{Error, RECEIPTS, record};
use crate::dispatch::work::Work;
use crate::ids::{Invalid, PartnerId};
use crate::store::{Entry, Order, Range, Space};

/// Most receipts of a page: the longest has some 130 KB.
pub const PAGE_MAX: usize = 100;

/// A place between two receipts: after the one of this month and sequence. As text `2026-11.42`, which
/// whoever has a receipt can write down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    month: Month,
    sequence: u64,
}

/// A month, UTC: `2026-11`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(String);

impl Month {
    /// Reads a month.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let rule = Invalid("must be a month, such as 2026-11");
        let (year, month) = text.split_once('-').ok_or(rule.clone())?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let shaped = year.len() == 4 && month.len() == 2 && digits(year) && digits(month);
        match shaped && ("01"..="12").contains(&month) {
            true => Ok(Self(text.to_owned())),
            false => Err(rule),
        }
    }

    /// The month.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Cursor {
    /// Reads a place.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let rule = Invalid("must be a month and a sequence, such as 2026-11.42");
        let (month, sequence) = text.split_once('.').ok_or(rule.clone())?;
        let month = Month::parse(month).map_err(|_| rule.clone())?;
        let is_number = sequence.bytes().all(|byte| byte.is_ascii_digit());
        let sequence = sequence.parse().ok().filter(|_| is_number).ok_or(rule)?;
        Ok(Self { month, sequence })
    }

    /// The place after an entry.
    fn after(partner: &PartnerId, entry: &Entry) -> Option<Self> {
        let rest = entry.key.get(partner.as_str().len() + 1..)?;
        let (month, sequence) = rest.split_at_checked(rest.len().checked_sub(8)?)?;
        let month = std::str::from_utf8(month).ok()?.strip_suffix('\0')?;
        Some(Self {
            month: Month::parse(month).ok()?,
            sequence: u64::from_be_bytes(sequence.try_into().ok()?),
        })
    }

    /// The first key after the place.
    fn key(&self, partner: &PartnerId) -> Vec<u8> {
        let mut key = month_prefix(partner, self.month.as_str());
        key.extend_from_slice(&self.sequence.to_be_bytes());
        key.push(0);
        key
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.month.as_str(), self.sequence)
    }
}

/// A page of receipts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Their exact bytes, in the order of the chain.
    pub receipts: Vec<Vec<u8>>,
    /// Where the next page begins; none at the end.
    pub next: Option<Cursor>,
}

/// Receipts of a partner after a place, of one month or of all, at most `limit` of them.
///
/// # Errors
/// The partner is unknown, or the store did not answer.
pub(crate) async fn page(
    work: &mut Work,
    partner: &PartnerId,
    month: Option<&Month>,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page, Error> {
    let known = record::find(work, partner).await?;
    known.ok_or_else(|| Error::UnknownPartner(partner.clone()))?;
    let limit = limit.min(PAGE_MAX);
    let range = range(partner, month, after);
    let space = Space::from(RECEIPTS);
    let entries = work.scan(&space, range, Order::Ascending, limit).await?;
    let last = entries.last().filter(|_| entries.len() == limit);
    Ok(Page {
        next: last.and_then(|last| Cursor::after(partner, last)),
        receipts: entries.into_iter().map(|entry| entry.value).collect(),
    })
}

fn range(partner: &PartnerId, month: Option<&Month>, after: Option<&Cursor>) -> Range {
    let (first, end) = match month {
        Some(month) => {
            let first = month_prefix(partner, month.as_str());
            let end = format!("{partner}\0{}\x01", month.as_str()).into_bytes();
            (first, end)
        }
        None => (
            format!("{partner}\0").into_bytes(),
            format!("{partner}\x01").into_bytes(),
        ),
    };
    let start = after.map(|after| after.key(partner)).unwrap_or_default();
    Range {
        start: start.max(first),
        end: Some(end),
    }
}

#[cfg(test)]
mod tests {
    use super::super::notary::receipt_key;
    use super::*;
    use crate::ids::Instant;

    fn partner(id: &str) -> PartnerId {
        PartnerId::parse(id).expect("an id")
    }

    #[test]
    fn months_and_places_are_read_as_they_are_written() {
        for text in ["2026-11.42", "0000-01.0", "9999-12.18446744073709551615"] {
            assert_eq!(Cursor::parse(text).expect("a place").to_string(), text);
        }
        for wrong in [
            "",
            "42",
            "2026-11",
            "2026-13.1",
            "2026-00.1",
            "2026-1.1",
            "2026-11.+1",
            "2026-11.",
            "2026-11.x",
        ] {
            assert!(Cursor::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_range_has_the_partners_own_receipts_after_the_place() {
        let (acme, other) = (partner("acme"), partner("acme2"));
        let november = Instant::parse("2026-11-30T23:59:59Z").expect("an instant");
        let december = Instant::parse("2026-12-01T00:00:00Z").expect("an instant");
        let in_range = |range: &Range, key: &Vec<u8>| {
            *key >= range.start && range.end.as_ref().is_none_or(|end| key < end)
        };
        let all = range(&acme, None, None);
        assert!(in_range(&all, &receipt_key(&acme, november, 1)));
        assert!(in_range(&all, &receipt_key(&acme, december, u64::MAX)));
        assert!(!in_range(&all, &receipt_key(&other, november, 1)));
        let after = Cursor::parse("2026-11.7").expect("a place");
        let rest = range(&acme, None, Some(&after));
        assert!(!in_range(&rest, &receipt_key(&acme, november, 7)));
        assert!(in_range(&rest, &receipt_key(&acme, november, 8)));
        assert!(in_range(&rest, &receipt_key(&acme, december, 1)));
        let month = Month::parse("2026-12").expect("a month");
        let of_month = range(&acme, Some(&month), Some(&after));
        assert!(!in_range(&of_month, &receipt_key(&acme, november, 8)));
        assert!(in_range(&of_month, &receipt_key(&acme, december, 1)));
    }

    #[test]
    fn the_place_after_an_entry_is_read_off_its_key() {
        let id = partner("2026-11");
        let at = Instant::parse("2026-11-30T23:59:59Z").expect("an instant");
        let entry = Entry {
            key: receipt_key(&id, at, 258),
            value: Vec::new(),
        };
        let cursor = Cursor::after(&id, &entry).expect("a place");
        assert_eq!(cursor.to_string(), "2026-11.258");
        assert!(cursor.key(&id) > entry.key);
    }
}
