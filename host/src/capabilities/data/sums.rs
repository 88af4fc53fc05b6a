//! Reads of sums: all rows of an interval, gathered into one value, where it tells nothing of a household.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::leyden::data::global_consumption::{Page, Reading};
use super::read::{PAGES_MAX, Read, check_first, decide, give_way, meter, work};
use super::stop::Stop;
use super::{quality, to_wit};
use crate::metering::cohorts::{self, Outcome, Past};
use crate::metering::{
    Dataset, Decision, Gathered, Gathering, Member, Place, Purse, Query, Refusal, Row, Rule,
};
use crate::runtime::{Call, ROWS_MAX};

/// What a reading takes in a guest's memory.
const READING_BYTES: usize = 48;

/// Intervals of a page, and what was left out of it.
#[derive(Default)]
struct Judged {
    told: Vec<Gathered>,
    suppressed: u32,
    rule: Option<Rule>,
}

/// Reads one page of sums.
pub(super) async fn read(call: &mut Option<Box<Call>>, query: Query) -> Result<Page, Stop> {
    let mut read = Read::begin(call, query).await?;
    let (groups, next) = gather(&mut read).await?;
    let next = next.map(|place| read.query.seal(&read.secrets, &place));
    let is_withheld = !groups.is_empty();
    let mut past = past(&mut read, &groups).await?;
    let judged = judge(&mut read, &mut past, groups).await?;
    let empty = Page {
        readings: Vec::new(),
        suppressed: judged.suppressed,
        next,
        price: 0,
    };
    if judged.told.is_empty() {
        let is_first = read.start.is_none() && empty.next.is_none();
        return match judged.rule {
            Some(rule) if is_first => Err(Refusal::Suppressed(rule).into()),
            Some(_) => Ok(empty),
            None => {
                read.check_empty(is_withheld, empty.next.is_some())?;
                Ok(empty)
            }
        };
    }
    pay(&mut read, past, &judged.told).await?;
    Ok(Page {
        readings: judged.told.iter().map(reading).collect(),
        price: read.price,
        ..empty
    })
}

/// All rows of the page's intervals, and where the next page starts. An interval is gathered whole or not
/// at all.
async fn gather(read: &mut Read<'_>) -> Result<(Vec<Gathered>, Option<Place>), Stop> {
    let mut gathering = Gathering::new(read.limit);
    let mut members = Members::new(read).await?;
    let mut start = read.start.clone();
    for page in 0..PAGES_MAX {
        if !read.may_look()? {
            check_first(page)?;
            break;
        }
        let looked = read.look(start, ROWS_MAX as usize).await?;
        members.learn(read, &looked.rows.houses).await?;
        for row in &looked.rows.rows {
            let member = (!looked.withheld[row.house as usize]).then(|| members.of(row));
            if let Err(interval) = gathering.add(row, member) {
                let next = Place::beginning(interval);
                return Ok((gathering.into_groups(), Some(next)));
            }
        }
        start = looked.next;
        if start.is_none() {
            return Ok((gathering.into_groups(), None));
        }
    }
    Ok(cut(gathering, start)?)
}

/// Ends a page early: an interval whose rows were not all looked at is left to the next one.
///
/// # Errors
/// It is the only one: no read can look at all of it.
fn cut(
    mut gathering: Gathering,
    next: Option<Place>,
) -> Result<(Vec<Gathered>, Option<Place>), Refusal> {
    let missing = next.as_ref().map(|place| place.interval);
    if gathering.last() != missing {
        return Ok((gathering.into_groups(), next));
    }
    let begun = gathering.drop_last();
    let groups = gathering.into_groups();
    if groups.is_empty() {
        let most = PAGES_MAX * ROWS_MAX as usize;
        let rule = format!("an interval has more households than a read looks at ({most})");
        return Err(Refusal::Limit(rule));
    }
    Ok((groups, begun.map(Place::beginning)))
}

/// Who households are in the partner's cohorts. To a partner who reads details too, whoever does not
/// withhold them is no secret.
struct Members {
    ids: HashMap<Arc<str>, u64>,
    reads_details: bool,
    /// The houses of the rows that were looked at last: what each is called, and whether it is hidden.
    known: Vec<(u64, bool)>,
}

impl Members {
    async fn new(read: &mut Read<'_>) -> Result<Self, Stop> {
        let details = decide(read.call, Dataset::DetailedConsumption).await?;
        Ok(Self {
            ids: HashMap::new(),
            reads_details: matches!(details, Decision::Granted(_)),
            known: Vec::new(),
        })
    }

    /// Learns who the houses of some rows are.
    async fn learn(&mut self, read: &mut Read<'_>, houses: &[Arc<str>]) -> Result<(), Stop> {
        let withheld = match self.reads_details {
            true => read.withheld(Dataset::DetailedConsumption, houses).await?,
            false => HashSet::new(),
        };
        self.known.clear();
        for house in houses {
            let id = match self.ids.get(house) {
                Some(id) => *id,
                None => *self
                    .ids
                    .entry(house.clone())
                    .or_insert(read.secrets.member(house)),
            };
            let hidden = !self.reads_details || withheld.contains(&**house);
            self.known.push((id, hidden));
        }
        Ok(())
    }

    /// Who one of these rows is of.
    fn of(&self, row: &Row) -> Member {
        let (id, hidden) = self.known[row.house as usize];
        Member {
            id,
            power_mw: row.power_mw,
            hidden,
        }
    }
}

async fn past(read: &mut Read<'_>, groups: &[Gathered]) -> Result<Past, Stop> {
    let call = read.call.as_ref();
    let profile = call.map_or_else(Default::default, |call| call.generation.privacy);
    let partner = read.partner.id.clone();
    Ok(Past::load(work(read.call)?, &partner, profile, groups).await?)
}

/// Which intervals may be told. One that everybody withholds counts as not measured.
async fn judge(
    read: &mut Read<'_>,
    past: &mut Past,
    groups: Vec<Gathered>,
) -> Result<Judged, Stop> {
    let mut judged = Judged::default();
    for group in groups.into_iter().filter(|group| !group.members.is_empty()) {
        give_way().await;
        match past.judge(work(read.call)?, &group).await? {
            Ok(()) => judged.told.push(group),
            Err(rule) => {
                judged.suppressed += 1;
                judged.rule.get_or_insert(rule);
            }
        }
    }
    Ok(judged)
}

/// Takes the price, and keeps what is told of groups: with a service's own transaction, with a run on its
/// tab until it is settled. The run's transaction is never committed; it is written to all the same, so
/// that the run's next read knows.
async fn pay(read: &mut Read<'_>, past: Past, told: &[Gathered]) -> Result<(), Stop> {
    read.check_credit().await?;
    let news = past.into_told();
    let partner = read.partner.id.clone();
    match cohorts::keep(work(read.call)?, &partner, &news).await? {
        Outcome::Kept => {}
        Outcome::NoRoom => {
            let rule = "overlap: what was read of this time is not remembered any more";
            return Err(Refusal::Suppressed(Rule(rule.to_owned())).into());
        }
        Outcome::Overtaken => {
            let overtaken = crate::dispatch::work::Error::Store(crate::store::Error::Overtaken);
            return Err(overtaken.into());
        }
    }
    read.charge(told.len(), told.len() * READING_BYTES).await?;
    if let Some(meter) = meter(read.call)?
        && meter.purse == Purse::Hold
    {
        meter.tab.tell(news);
    }
    Ok(())
}

fn reading(group: &Gathered) -> Reading {
    let sum = group.group();
    Reading {
        interval: to_wit(group.interval),
        // Exact up to 2^53 mW.
        power_w: sum.sum_mw as f64 / 1_000.0,
        households: u32::try_from(sum.households).unwrap_or(u32::MAX),
        quality: quality(group.complete),
    }
}
