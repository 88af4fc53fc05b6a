//! The desk of the running system: what a sale needs, from state, policy, registry, measurements
//! and ledger. Everything here happens in the invocation's one transaction.

use crate::logic::{self, Desk, Partner, Total};
use crate::secrecy;
use leyden_sdk::grid::{client_registry, consumption, production};
use leyden_sdk::ledger::{self, Transfer};
use leyden_sdk::policy::access::{self, Dataset, Decision};
use leyden_sdk::state::{self, Key};
use leyden_sdk::{Error, Result, time};

/// The account that takes what partners pay.
const REVENUE: &str = "revenue";

/// Households that one call to another capability may return.
const PAGE_HOUSES: u32 = 1_000;

/// Pages that one read goes through: two hundred thousand households, with which the budget of an
/// invocation is used up.
const PAGES_MAX: usize = 200;

/// What a partner asks for.
#[derive(Debug)]
pub(crate) struct Query {
    /// Who asks.
    pub(crate) partner_id: String,
    /// What is read.
    pub(crate) dataset: Dataset,
    /// The instant of interest, ms since 1970.
    pub(crate) at_ms: u64,
    /// Most rows of the answer.
    pub(crate) limit: u32,
    /// Where a former answer ended, as it was handed out.
    pub(crate) cursor: Option<String>,
}

impl Query {
    /// What a cursor is bound to, so that one of another read does not open.
    fn context(&self) -> String {
        format!("{} at {}", logic::name(self.dataset), self.at_ms)
    }
}

/// Rows of an answer and where the next one starts.
#[derive(Debug)]
pub(crate) struct Rows<T> {
    /// One row per household, in the order of their pseudonyms: any other order would be the same
    /// for every partner and so let two of them match their rows.
    pub(crate) rows: Vec<(String, T)>,
    /// The sealed cursor; none at the end.
    pub(crate) next: Option<String>,
}

/// A row that a capability measured.
pub(crate) trait Row: Sized {
    /// The dataset it belongs to.
    const DATASET: client_registry::Dataset;

    /// The house it is about.
    fn house(&self) -> &str;

    /// One page of rows and where the next starts.
    fn page(at_ms: u64, cursor: Option<&str>, limit: u32) -> Result<(Vec<Self>, Option<String>)>;
}

impl Row for production::HousePower {
    const DATASET: client_registry::Dataset = client_registry::Dataset::Production;

    fn house(&self) -> &str {
        &self.house
    }

    fn page(at_ms: u64, cursor: Option<&str>, limit: u32) -> Result<(Vec<Self>, Option<String>)> {
        let page = production::houses_at(at_ms, cursor, limit)?;
        Ok((page.houses, page.next))
    }
}

impl Row for consumption::HousePower {
    const DATASET: client_registry::Dataset = client_registry::Dataset::DetailedConsumption;

    fn house(&self) -> &str {
        &self.house
    }

    fn page(at_ms: u64, cursor: Option<&str>, limit: u32) -> Result<(Vec<Self>, Option<String>)> {
        let page = consumption::houses_at(at_ms, cursor, limit)?;
        Ok((page.houses, page.next))
    }
}

/// The desk that sells goods of type `T`: rows, or their sum.
#[derive(Debug)]
pub(crate) struct Counter<'q, T> {
    query: &'q Query,
    goods: std::marker::PhantomData<T>,
}

impl<'q, T> Counter<'q, T> {
    /// A desk for one query.
    pub(crate) fn new(query: &'q Query) -> Self {
        Self {
            query,
            goods: std::marker::PhantomData,
        }
    }
}

/// Goods that a query can be answered with.
pub(crate) trait Goods: Sized {
    /// Reads them, without the households that withhold them; none where nothing is left.
    fn read(query: &Query, partner: &Partner) -> Result<Option<Self>>;
}

impl<T: Goods> Desk for Counter<'_, T> {
    type Goods = T;

    fn identify(&mut self) -> Result<Partner> {
        partner(&self.query.partner_id)
    }

    fn decide(&mut self, trust_level: u32) -> Decision {
        let dataset = self.query.dataset;
        access::decide(access::Input {
            dataset,
            trust_level,
            at_ms: time::now_ms(),
        })
    }

    fn consented(&mut self, partner: &Partner) -> Result<Option<T>> {
        T::read(self.query, partner)
    }

    fn balance(&mut self) -> Result<u64> {
        Ok(ledger::balance(&logic::account(&self.query.partner_id))?)
    }

    fn charge(&mut self, price: u64) -> Result<()> {
        Ok(ledger::post(&Transfer {
            debit: logic::account(&self.query.partner_id),
            credit: REVENUE.to_owned(),
            amount: price,
            reference: format!("read {}", logic::name(self.query.dataset)),
        })?)
    }
}

impl<T: Row> Goods for Rows<T> {
    fn read(query: &Query, partner: &Partner) -> Result<Option<Self>> {
        let cursor = opened(query, partner)?;
        let (rows, next) = consented_rows::<T>(query.at_ms, cursor, query.limit, T::DATASET)?;
        if rows.is_empty() {
            return Ok(None);
        }
        let named = |row: T| (secrecy::pseudonym(&partner.key, row.house()), row);
        let mut rows: Vec<_> = rows.into_iter().map(named).collect();
        rows.sort_by(|(one, _), (other, _)| one.cmp(other));
        let next = next.map(|next| secrecy::seal(&partner.key, &query.context(), &next));
        Ok(Some(Self { rows, next }))
    }
}

/// The cursor that the partner handed back.
fn opened(query: &Query, partner: &Partner) -> Result<Option<String>> {
    let Some(sealed) = &query.cursor else {
        return Ok(None);
    };
    let cursor = secrecy::open(&partner.key, &query.context(), sealed);
    let cursor = cursor.ok_or_else(|| {
        Error::invalid(
            "cursor",
            "must be one that a former answer to the same request gave",
        )
    })?;
    Ok(Some(cursor))
}

/// Rows of consenting households from a cursor on, at most `limit`, and where the next start. A page
/// may come back short of what was asked without being the last.
fn consented_rows<T: Row>(
    at_ms: u64,
    mut cursor: Option<String>,
    limit: u32,
    dataset: client_registry::Dataset,
) -> Result<(Vec<T>, Option<String>)> {
    let mut rows = Vec::new();
    for _ in 0..PAGES_MAX {
        let taken = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        let wanted = limit.saturating_sub(taken).min(PAGE_HOUSES);
        if wanted == 0 {
            break;
        }
        let (page, next) = T::page(at_ms, cursor.as_deref(), wanted)?;
        rows.extend(without_withholding(page, dataset)?);
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    Ok((rows, cursor))
}

fn without_withholding<T: Row>(page: Vec<T>, dataset: client_registry::Dataset) -> Result<Vec<T>> {
    let houses: Vec<_> = page.iter().map(|row| row.house().to_owned()).collect();
    let withheld = client_registry::withheld(dataset, &houses)?;
    Ok(logic::consenting(page, T::house, &withheld))
}

impl Goods for Total {
    fn read(query: &Query, _partner: &Partner) -> Result<Option<Self>> {
        let dataset = client_registry::Dataset::GlobalConsumption;
        let (mut total, mut cursor) = (Self::default(), None);
        for _ in 0..PAGES_MAX {
            let (page, next) =
                consumption::HousePower::page(query.at_ms, cursor.as_deref(), PAGE_HOUSES)?;
            let rows = without_withholding(page, dataset)?;
            rows.iter().for_each(|row| total.add(row.power_w));
            cursor = next;
            if cursor.is_none() {
                return Ok((total.households > 0).then_some(total));
            }
        }
        Err(Error::invalid(
            "date",
            "must have data of fewer households than one read goes through",
        ))
    }
}

/// The registered partner.
///
/// # Errors
/// 404 where there is none of this id.
pub(crate) fn partner(id: &str) -> Result<Partner> {
    let unknown = || Error::not_found("partnerID", format!("No partner has the id `{id}`."));
    find(id)?.ok_or_else(unknown)
}

/// The registered partner, if there is one.
pub(crate) fn find(id: &str) -> Result<Option<Partner>> {
    let stored = state::get(&Key::new("p/").text(id))?;
    Ok(stored.map(|bytes| Partner::decode(&bytes).expect("state holds a partner here")))
}

/// Keeps a partner.
pub(crate) fn put(id: &str, partner: &Partner) -> Result<()> {
    state::set(&Key::new("p/").text(id), &partner.encode())
}
