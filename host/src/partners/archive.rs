//! A partner's receipts, page by page in the order of its chain.

use std::fmt;

use super::notary::receipt_key;
use super::{Error, RECEIPT_MONTHS, RECEIPTS, record};
use crate::dispatch::work::{self, Work};
use crate::ids::{Instant, Invalid, PartnerId};
use crate::store::{Entry, Order, Range, Space};

/// Most receipts of a page: the longest has some 130 KB.
pub const PAGE_MAX: usize = 100;

/// Characters of a month.
const MONTH_CHARS: usize = 7;

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

    /// The month of an instant.
    #[must_use]
    pub fn of(at: Instant) -> Self {
        let mut text = at.to_string();
        text.truncate(MONTH_CHARS);
        Self(text)
    }

    /// The month.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A page of receipts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Their exact bytes, in the order of the chain.
    pub receipts: Vec<Vec<u8>>,
    /// The receipt that the next page comes after; none at the end.
    pub next: Option<u64>,
}

/// Notes that a partner's month begins with a receipt.
///
/// # Errors
/// The transaction's budget is used up.
pub(crate) fn begin_month(
    work: &mut Work,
    partner: &PartnerId,
    month: &Month,
    sequence: u64,
) -> Result<(), work::Error> {
    let first = sequence.to_be_bytes().to_vec();
    work.write(
        &RECEIPT_MONTHS.into(),
        month_key(partner, month),
        Some(first),
    )
}

/// Receipts of a partner after the one of this place (0: from the first), of one month or of all, at most
/// `limit` of them.
///
/// # Errors
/// The partner is unknown, or the store did not answer.
pub(crate) async fn page(
    work: &mut Work,
    partner: &PartnerId,
    month: Option<&Month>,
    after: u64,
    limit: usize,
) -> Result<Page, Error> {
    let known = record::find(work, partner).await?;
    known.ok_or_else(|| Error::UnknownPartner(partner.clone()))?;
    let limit = limit.min(PAGE_MAX);
    let places = match month {
        None => Places::ALL,
        Some(month) => of_month(work, partner, month).await?,
    };
    let (space, range) = (Space::from(RECEIPTS), places.after(after).range(partner));
    let entries = work.scan(&space, range, Order::Ascending, limit).await?;
    let last = entries.last().filter(|_| entries.len() == limit);
    Ok(Page {
        next: last.and_then(sequence_of),
        receipts: entries.into_iter().map(|entry| entry.value).collect(),
    })
}

/// Places of a chain from the first on, up to the end where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Places {
    first: u64,
    end: Option<u64>,
}

impl Places {
    const ALL: Self = Self {
        first: 0,
        end: None,
    };
    const NONE: Self = Self {
        first: 0,
        end: Some(0),
    };

    fn after(self, after: u64) -> Self {
        Self {
            first: self.first.max(after.saturating_add(1)),
            ..self
        }
    }

    fn range(self, partner: &PartnerId) -> Range {
        let end = match self.end {
            Some(end) => receipt_key(partner, end),
            None => format!("{partner}\x01").into_bytes(),
        };
        Range {
            start: receipt_key(partner, self.first),
            end: Some(end),
        }
    }
}

/// The places of a month's receipts: from its first to the first of the next month that has any.
async fn of_month(
    work: &mut Work,
    partner: &PartnerId,
    month: &Month,
) -> Result<Places, work::Error> {
    let range = Range {
        start: month_key(partner, month),
        end: Some(format!("{partner}\x01").into_bytes()),
    };
    let space = Space::from(RECEIPT_MONTHS);
    let begun = work.scan(&space, range, Order::Ascending, 2).await?;
    let place = |entry: &Entry| Some(u64::from_be_bytes(entry.value.as_slice().try_into().ok()?));
    match begun.first().filter(|e| e.key == month_key(partner, month)) {
        None => Ok(Places::NONE),
        Some(first) => Ok(Places {
            first: place(first).unwrap_or(0),
            end: begun.get(1).and_then(place),
        }),
    }
}

fn sequence_of(entry: &Entry) -> Option<u64> {
    let (_, sequence) = entry.key.split_last_chunk()?;
    Some(u64::from_be_bytes(*sequence))
}

fn month_key(partner: &PartnerId, month: &Month) -> Vec<u8> {
    format!("{partner}\0{month}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_read_as_they_are_written() {
        for text in ["2026-11", "0000-01", "9999-12"] {
            assert_eq!(Month::parse(text).expect("a month").as_str(), text);
        }
        for wrong in [
            "",
            "2026",
            "2026-13",
            "2026-00",
            "2026-1",
            "+026-11",
            "2026-11-1",
        ] {
            assert!(Month::parse(wrong).is_err(), "{wrong}");
        }
        let at = Instant::parse("2026-11-30T23:59:59.999Z").expect("an instant");
        assert_eq!(Month::of(at).as_str(), "2026-11");
    }

    #[test]
    fn a_range_has_the_partners_own_receipts_after_a_place() {
        let partner = |id| PartnerId::parse(id).expect("an id");
        let (acme, other) = (partner("acme"), partner("acme2"));
        let has = |range: &Range, key: Vec<u8>| {
            key >= range.start && range.end.as_ref().is_none_or(|end| key < *end)
        };
        let all = Places::ALL.after(0).range(&acme);
        assert!(has(&all, receipt_key(&acme, 1)) && has(&all, receipt_key(&acme, u64::MAX)));
        assert!(!has(&all, receipt_key(&other, 1)));
        let month = Places {
            first: 5,
            end: Some(9),
        };
        let places = |after| {
            let range = month.after(after).range(&acme);
            (1..=10)
                .filter(|n| has(&range, receipt_key(&acme, *n)))
                .collect::<Vec<_>>()
        };
        assert_eq!(places(0), [5, 6, 7, 8]);
        assert_eq!(places(6), [7, 8]);
        assert!(places(8).is_empty());
        assert!(places(u64::MAX).is_empty());
    }
}
