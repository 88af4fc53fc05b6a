//! Reads of rows, and what all reads have in common: trust and price, consent, payment. The decisions are
//! made in `metering/`; here they are carried out, in this order: bounds, the query's rules, trust, whether the
//! price can be paid, consent, payment.
//!
//! **Invariants.** What can be refused without looking at a row is refused before one is looked at, so that a
//! refusal is cheap. A read lets its run's deadline cut it off at least once for each page of rows.

use std::collections::HashSet;
use std::sync::Arc;

use super::stop::Stop;
use crate::dispatch::work::{self, Work};
use crate::metering::{
    Dataset, Decision, Known, Meter, Picked, Place, Purse, Query, ReadEntry, Refusal, Row, Rows,
    Secrets, veiled,
};
use crate::partners::{self, Partner};
use crate::runtime::{self, Ask, Call, ROWS_MAX};
use crate::store::Posting;

/// Pages of rows that one read looks at, whatever it finds: 100,000 rows. With more, its own page ends
/// early and has a next.
pub(super) const PAGES_MAX: usize = 100;

/// Rows looked at in one go at least: where many are withheld, a short page does not look at them one by one.
const LOOKED_MIN: usize = 100;

/// Bytes of one page: lists are copied into the guest's memory whole.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// What a reading takes in a guest's memory besides its texts.
const READING_BYTES: usize = 96;

/// What an object of a reading takes besides its name.
const OBJECT_BYTES: usize = 24;

/// What a page of rows may take of the invocation's budget of calls: two for each row's community, and as
/// many for its household's consent.
const PAGE_CALLS: u32 = 5 * ROWS_MAX;

/// What a page of rows may take of the invocation's budget of bytes read.
const PAGE_READ_BYTES: usize = 4 << 20;

/// One page of a dataset of rows.
#[derive(Default)]
pub(super) struct Page {
    /// As the partner gets them.
    pub(super) readings: Rows,
    /// Where the next page starts, sealed; none at the end.
    pub(super) next: Option<String>,
    /// What this one cost.
    pub(super) price: u64,
}

/// Rows of consenting households, and what was passed over on the way.
#[derive(Default)]
struct Found {
    rows: Picked,
    bytes: usize,
    /// Rows of whoever, consenting or not.
    looked: usize,
    next: Option<Place>,
}

/// Rows that were looked at.
pub(super) struct Looked {
    pub(super) rows: Rows,
    /// Of each of their houses: whether it withholds the dataset.
    pub(super) withheld: Vec<bool>,
    /// Where more start; none at the end.
    pub(super) next: Option<Place>,
}

/// A read that has passed its checks up to price.
pub(super) struct Read<'a> {
    pub(super) call: &'a mut Option<Box<Call>>,
    pub(super) query: Query,
    pub(super) partner: Arc<Partner>,
    pub(super) secrets: Secrets,
    /// Where it starts; none: at the beginning.
    pub(super) start: Option<Place>,
    /// Most readings.
    pub(super) limit: usize,
    bytes_max: usize,
    pub(super) price: u64,
}

impl<'a> Read<'a> {
    /// Checks bounds, the query's rules, trust, and whether the price can be paid: this tells nothing of
    /// anybody's data.
    pub(super) async fn begin(call: &'a mut Option<Box<Call>>, query: Query) -> Result<Self, Stop> {
        let meter = meter(call)?.ok_or_else(nobody)?;
        meter.begin()?;
        let partner = meter.partner.clone();
        let limit = query.limit.min(meter.rows_left) as usize;
        let bytes_left = usize::try_from(meter.bytes_left).unwrap_or(usize::MAX);
        let secrets = Secrets::new(&partner.secret);
        let start = query.check(&secrets)?;
        let price = match decide(call, query.dataset).await? {
            Decision::Granted(price) => price,
            Decision::NotTrusted(needed) => return Err(Refusal::NotTrusted(needed).into()),
        };
        let mut read = Self {
            call,
            query,
            partner,
            secrets,
            start,
            limit,
            bytes_max: PAGE_BYTES_MAX.min(bytes_left),
            price,
        };
        read.check_credit().await?;
        Ok(read)
    }

    /// Reads a page of rows, as readings under their households' pseudonyms.
    pub(super) async fn rows(call: &'a mut Option<Box<Call>>, query: Query) -> Result<Page, Stop> {
        let mut read = Self::begin(call, query).await?;
        let found = read.find().await?;
        let next = found.next.as_ref();
        let next = next.map(|place| read.query.seal(&read.secrets, place));
        if found.rows.count() == 0 {
            read.check_empty(found.looked > 0, next.is_some())?;
            return Ok(Page {
                next,
                ..Page::default()
            });
        }
        read.charge(found.rows.count(), found.bytes).await?;
        Ok(Page {
            readings: veiled(&read.secrets, found.rows.into_rows()),
            next,
            price: read.price,
        })
    }

    /// What an empty page means: an answer where the caller can go on or has seen others, else an error.
    pub(super) fn check_empty(&self, is_withheld: bool, has_next: bool) -> Result<(), Refusal> {
        match (has_next || self.start.is_some(), is_withheld) {
            (true, _) => Ok(()),
            (false, true) => Err(Refusal::NotConsented),
            (false, false) => Err(Refusal::NoData),
        }
    }

    async fn find(&mut self) -> Result<Found, Stop> {
        let mut found = Found {
            next: self.start.clone(),
            ..Found::default()
        };
        for page in 0..PAGES_MAX {
            if !self.may_look()? {
                check_first(page)?;
                break;
            }
            let start = found.next.take();
            let missing = self.limit - found.rows.count();
            let looked = self.look(start, missing.max(LOOKED_MIN)).await?;
            let is_full = self.take(&mut found, looked)?;
            if is_full || found.rows.count() == self.limit || found.next.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// Keeps the rows of consenting households as far as the page has room for them; whether it is full.
    fn take(&self, found: &mut Found, looked: Looked) -> Result<bool, Refusal> {
        let Looked {
            rows,
            withheld,
            next,
        } = looked;
        found.looked += rows.rows.len();
        let room = self.limit - found.rows.count();
        found
            .rows
            .reserve(rows.rows.len().min(room), rows.objects.len());
        let mut known = Known::of(&rows);
        for row in &rows.rows {
            if withheld[row.house as usize] {
                continue;
            }
            if found.rows.count() == self.limit {
                found.next = Some(rows.place(row));
                return Ok(true);
            }
            let bytes = bytes_of(&rows, row);
            if found.bytes + bytes > self.bytes_max {
                found.next = Some(rows.place(row));
                let too_long = "bytes are used up: the next reading is too long".to_owned();
                return match found.rows.count() {
                    0 => Err(Refusal::Limit(too_long)),
                    _ => Ok(true),
                };
            }
            found.bytes += bytes;
            found.rows.pick(&rows, &mut known, row);
        }
        found.next = next;
        Ok(false)
    }

    /// The next rows, and who of their households withholds the dataset.
    pub(super) async fn look(
        &mut self,
        start: Option<Place>,
        limit: usize,
    ) -> Result<Looked, Stop> {
        give_way().await;
        let Query {
            dataset,
            from_ms,
            to_ms,
            community,
            ..
        } = self.query;
        let ask = Ask {
            from_ms,
            to_ms,
            community,
            start,
            limit: u32::try_from(limit).unwrap_or(ROWS_MAX).min(ROWS_MAX),
        };
        let runtime::Page { rows, next } = runtime::rows(self.call, dataset, ask).await?;
        let withheld = self.withheld(dataset, &rows.houses).await?;
        let withheld = rows.houses.iter().map(|house| withheld.contains(&**house));
        Ok(Looked {
            withheld: withheld.collect(),
            rows,
            next,
        })
    }

    /// Those of these households that withhold a dataset.
    pub(super) async fn withheld(
        &mut self,
        dataset: Dataset,
        houses: &[Arc<str>],
    ) -> Result<HashSet<String>, Stop> {
        Ok(runtime::withheld(self.call, dataset, houses).await?)
    }

    /// Whether the invocation's budget is enough for another page of rows.
    pub(super) fn may_look(&mut self) -> Result<bool, Stop> {
        Ok(work(self.call)?.has_left(PAGE_CALLS, PAGE_READ_BYTES))
    }

    /// Whether the price can be paid.
    pub(super) async fn check_credit(&mut self) -> Result<(), Stop> {
        let left = left(self.call).await?;
        if left < self.price {
            return Err(short(self.price, left).into());
        }
        Ok(())
    }

    /// Takes the price, and counts what is handed over for it.
    pub(super) async fn charge(&mut self, rows: usize, bytes: usize) -> Result<(), Stop> {
        let entry = ReadEntry {
            dataset: self.query.dataset,
            from_ms: self.query.from_ms,
            to_ms: self.query.to_ms,
            rows: u32::try_from(rows).unwrap_or(u32::MAX),
            datapoints: self.price,
        };
        let purse = meter(self.call)?.map(|meter| meter.purse);
        if purse == Some(Purse::Account) && self.price > 0 {
            let posting = self.posting();
            let posted = work(self.call)?.post(posting).await;
            posted.map_err(|error| match error {
                work::Error::Insufficient(left) => short(self.price, left).into(),
                other => Stop::from(other),
            })?;
        }
        let meter = meter(self.call)?.ok_or_else(nobody)?;
        let charged = meter.tab.charge(entry);
        charged.map_err(|left| short(self.price, left))?;
        meter.hand_over(rows, bytes);
        Ok(())
    }

    fn posting(&self) -> Posting {
        Posting {
            debit: partners::account(self.partner.id.as_str()),
            credit: partners::REVENUE.to_owned(),
            amount: self.price,
            reference: format!("read {}", self.query.dataset),
        }
    }
}

/// Returns to whoever drives the run, who ends it here if its deadline has passed. The embedded store and the
/// components that data come from may answer without ever waiting, and what never waits cannot be cut off.
pub(super) async fn give_way() {
    tokio::task::yield_now().await;
}

fn short(price: u64, left: u64) -> Refusal {
    Refusal::OutOfCredit { price, left }
}

/// A budget that is not enough for the first page is told; a later page only ends early.
pub(super) fn check_first(page: usize) -> Result<(), Refusal> {
    match page {
        0 => Err(Refusal::Limit(
            "what one run may have looked up is used up".to_owned(),
        )),
        _ => Ok(()),
    }
}

fn bytes_of(rows: &Rows, row: &Row) -> usize {
    let names = rows.objects_of(row).iter();
    let names = names.map(|object| rows.object_names[object.name as usize].len());
    let objects: usize = names.map(|name| name + OBJECT_BYTES).sum();
    READING_BYTES + objects
}

/// What the access policy says; it is asked once in an invocation.
pub(super) async fn decide(
    call: &mut Option<Box<Call>>,
    dataset: Dataset,
) -> Result<Decision, Stop> {
    let meter = meter(call)?.ok_or_else(nobody)?;
    let (tab, trust_level) = (meter.tab.clone(), meter.partner.trust_level);
    if let Some(decision) = tab.decision(dataset) {
        return Ok(decision);
    }
    let (decision, policy) = runtime::decide(call, dataset, trust_level).await?;
    tab.decided_by(policy);
    tab.decide(dataset, decision);
    Ok(decision)
}

/// What may still be spent; 0 where the invocation reads for nobody.
pub(super) async fn left(call: &mut Option<Box<Call>>) -> wasmtime::Result<u64> {
    let Some(meter) = meter(call)? else {
        return Ok(0);
    };
    if meter.purse != Purse::Account {
        return Ok(meter.tab.left());
    }
    let account = partners::account(meter.partner.id.as_str());
    work(call)?
        .balance(&account)
        .await
        .map_err(crate::capabilities::end)
}

/// The invocation's meter; none where it reads for nobody.
pub(super) fn meter(call: &mut Option<Box<Call>>) -> wasmtime::Result<Option<&mut Meter>> {
    Ok(work(call)?.meter.as_deref_mut())
}

/// The invocation's transaction.
pub(super) fn work(call: &mut Option<Box<Call>>) -> wasmtime::Result<&mut Work> {
    match call {
        Some(call) => Ok(&mut call.work),
        None => Err(wasmtime::Error::msg("reads data outside an invocation")),
    }
}

/// Only the operator's own components can be without a partner.
fn nobody() -> Refusal {
    Refusal::Invalid("partner must be named first (leyden:partners/accounts.act-for)".to_owned())
}
