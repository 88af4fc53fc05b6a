//! The same read by native code: the consumption processor's rows and the households' consents, straight from
//! the store, under the same hold and settlement, at the price that the access policy sets.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use leyden::dispatch::work::Work;
use leyden::host::Host;
use leyden::ids::{ComponentName, Digest, PartnerId};
use leyden::metering::{Dataset, ReadEntry, Secrets, Terms};
use leyden::partners::runs::{Error, Ready, Runner};
use leyden::registry::Registry;
use leyden::runtime::run::{Ran, Report, RunInput};
use leyden::store::{Order, Range, Space};

use super::super::partner::ground::PERIOD;
use super::super::redis::rows;
use super::town::ROWS;

/// What a read costs, datapoints, as the access policy has it that comes with a host.
pub(super) const PRICE: u64 = 100;

/// Makes reads of native code.
pub(super) struct Native {
    registry: Registry,
    terms: Terms,
}

/// A reading as a plugin gets it.
#[derive(Debug)]
#[expect(dead_code, reason = "it is made, as for a plugin, and not looked at")]
struct Reading {
    household: String,
    interval: rows::Interval,
    power_w: f64,
    objects: Vec<(String, f64)>,
    is_complete: bool,
}

impl Native {
    pub(super) async fn new(host: &Host) -> Self {
        let terms = host.policy.terms(3).await.expect("an answer");
        Self {
            registry: host.registry.clone(),
            terms: terms.expect("a policy"),
        }
    }
}

impl Runner for Native {
    fn ready<'a>(
        &'a self,
        _partner: &'a PartnerId,
        plugin: &'a ComponentName,
        _trust_level: u32,
        _work: Box<Work>,
    ) -> BoxFuture<'a, Result<Ready, Error>> {
        let ready = Ready {
            digest: Digest::of(plugin.as_str().as_bytes()),
            generation: self.registry.generation(),
            terms: self.terms.clone(),
            imports: Dataset::ALL.to_vec(),
            run: Arc::new(|input| run(input).boxed()),
        };
        async move { Ok(ready) }.boxed()
    }
}

async fn run(mut input: RunInput) -> Ran {
    let _place = input.enter().await.expect("room");
    let readings = read(&mut input.work).await;
    assert_eq!(readings.len(), ROWS as usize);
    Ran {
        outcome: Ok(Report {
            media_type: "text/plain".into(),
            body: b"text/plain".to_vec(),
        }),
        fuel: 0,
        log: Vec::new(),
        work: Some(input.work),
        memory_high_bytes: 0,
    }
}

/// Reads a page: who consents, what they drew, whether it is complete, and what it costs.
async fn read(work: &mut Work) -> Vec<Reading> {
    let space = Space::from("consumption");
    let bound = |at_ms: u64| [b"r/".as_slice(), &at_ms.to_be_bytes()].concat();
    let range = Range {
        start: bound(PERIOD.0),
        end: Some(bound(PERIOD.1)),
    };
    let limit = ROWS as usize + 1;
    let entries = work.scan(&space, range, Order::Ascending, limit).await;
    let stored: Vec<_> = entries
        .expect("rows")
        .iter()
        .map(|entry| rows::stored(&entry.key, &entry.value))
        .collect();
    let withheld = withheld(work, &stored).await;
    let communities = communities(work, &space, &stored).await;
    let meter = work.meter.as_mut().expect("a meter");
    meter.begin().expect("within bounds");
    let secrets = Secrets::new(&meter.partner.secret);
    let entry = ReadEntry {
        dataset: Dataset::DetailedConsumption,
        from_ms: PERIOD.0,
        to_ms: PERIOD.1,
        rows: ROWS,
        datapoints: PRICE,
    };
    meter.tab.charge(entry).expect("it is held");
    let mut names = HashMap::new();
    let consenting = stored
        .into_iter()
        .filter(|row| !withheld.contains(&row.house));
    let reading = |row: rows::Stored| {
        let name = names
            .entry(row.house)
            .or_insert_with_key(|house| secrets.pseudonym(house));
        let watts =
            |energy_uj: u64| energy_uj as f64 / 1_000.0 / row.slot.interval.length_ms() as f64;
        Reading {
            household: name.clone(),
            interval: row.slot.interval,
            power_w: watts(row.energy_uj),
            objects: row
                .objects
                .into_iter()
                .map(|(name, energy_uj)| (name, watts(energy_uj)))
                .collect(),
            is_complete: communities[&row.slot.community].is_closed(row.slot.interval),
        }
    };
    consenting.map(reading).collect()
}

/// Households of these rows that withhold the dataset.
async fn withheld(work: &mut Work, stored: &[rows::Stored]) -> HashSet<String> {
    let houses = stored.iter().map(|row| row.house.as_str());
    let (Some(first), Some(last)) = (houses.clone().min(), houses.max()) else {
        return HashSet::new();
    };
    let key = |house: &str| [b"c/\x03", house.as_bytes()].concat();
    let range = Range {
        start: key(first),
        end: Some([key(last).as_slice(), &[0]].concat()),
    };
    let space = Space::from("client-database");
    let found = work
        .scan(&space, range, Order::Ascending, stored.len())
        .await;
    let house = |key: &[u8]| String::from_utf8_lossy(&key[3..]).into_owned();
    found
        .expect("consents")
        .iter()
        .map(|entry| house(&entry.key))
        .collect()
}

/// What is remembered of the communities of these rows.
async fn communities(
    work: &mut Work,
    space: &Space,
    stored: &[rows::Stored],
) -> BTreeMap<u64, rows::Community> {
    let mut communities = BTreeMap::new();
    for row in stored {
        let community = row.slot.community;
        if let Entry::Vacant(place) = communities.entry(community) {
            let found = work.read(space, &rows::community_key(community)).await;
            let found = found.expect("the store answers").expect("it is there");
            place.insert(rows::Community::decode(&found));
        }
    }
    communities
}
