//! Readings of a community's houses, minute after minute, published on Redis as the `house` component does;
//! and how fast a group gets through them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use leyden::ids::StreamName;
use leyden::store::{Append, Partition, Store, Subscription, Transaction};

use super::rows::{Interval, Object, Reading, Slot};

/// The stream that is consumed.
pub(crate) const READINGS: &str = "house.readings";

/// The stream that the consumer writes.
pub(crate) const BALANCES: &str = "community.balance";

/// Who consumes, and the space of its rows.
pub(crate) const GROUP: &str = "consumption";

/// Houses of a community.
const COMMUNITY_HOUSES: usize = 50;

/// Length of an interval, ms.
const MINUTE_MS: u64 = 60_000;

/// Start of the first interval, ms: 2021-11-07T15:58:00Z.
const START_MS: u64 = 1_636_300_680_000;

/// Records of one commit.
const PUBLISHED_MAX: usize = 1_000;

/// Longest wait for a backlog to be gone.
const DRAINED_WITHIN: Duration = Duration::from_secs(600);

/// The part of the backlog (%) between which a rate is taken: not while consumers start, nor when some
/// partitions are done already.
const WARM_PERCENT: u64 = 90;
const ENDING_PERCENT: u64 = 25;

/// All houses' readings in order: minute by minute, community by community.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    houses: usize,
    next: usize,
}

impl Workload {
    /// From the first minute.
    pub(crate) fn new(houses: usize) -> Self {
        Self { houses, next: 0 }
    }

    /// Publishes the next readings; the last of them, by slot and house.
    pub(crate) async fn publish(&mut self, store: &dyn Store, count: usize) -> (Slot, String) {
        let stream = StreamName::parse(READINGS).expect("a name");
        let mut last = None;
        for first in (0..count).step_by(PUBLISHED_MAX) {
            let numbers = self.next..self.next + PUBLISHED_MAX.min(count - first);
            self.next = numbers.end;
            let mut appends = Vec::with_capacity(numbers.len());
            for number in numbers {
                let house = house_id(number % self.houses);
                let reading = self.reading(number, &house);
                appends.push(Append {
                    stream: stream.clone(),
                    key: reading.community.to_string(),
                    payload: serde_json::to_vec(&reading).expect("plain"),
                });
                last = Some((reading.slot(), house));
            }
            commit(store, appends).await;
        }
        last.expect("one reading or more")
    }

    fn reading<'h>(&self, number: usize, house_id: &'h str) -> Reading<'h> {
        let (minute, house) = (number / self.houses, number % self.houses);
        let starts_at_ms = START_MS + minute as u64 * MINUTE_MS;
        let consumption_uj = (500 + (number % 97) as u64) * MINUTE_MS * 1_000;
        Reading {
            house: house_id,
            community: (house / COMMUNITY_HOUSES) as u64 + 1,
            interval: Interval {
                starts_at_ms,
                ends_at_ms: starts_at_ms + MINUTE_MS,
            },
            consumption_uj,
            objects: vec![Object {
                name: "Mixer",
                consumption_uj,
                production_uj: 0,
            }],
            closes: house % COMMUNITY_HOUSES == COMMUNITY_HOUSES - 1 || house + 1 == self.houses,
        }
    }
}

/// An id as long as those that the registry gives.
fn house_id(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

/// Publishes records in one commit.
pub(crate) async fn commit(store: &dyn Store, appends: Vec<Append>) {
    let transaction = Transaction {
        appends,
        at: now_ms(),
        ..Transaction::default()
    };
    store.commit(transaction).await.expect("published");
}

/// Now by the system's clock, ms since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

/// The group's interest in every partition.
pub(crate) async fn subscriptions(store: &dyn Store) -> Vec<Subscription> {
    let stream = StreamName::parse(READINGS).expect("a name");
    let count = store.partitions(&stream).await.expect("a number");
    let of = |number| Subscription {
        group: GROUP.into(),
        partition: Partition {
            stream: stream.clone(),
            number,
        },
    };
    (0..count).map(of).collect()
}

/// Waits until the group has handled everything, and looks now and then; how many records a second it did
/// in between.
pub(crate) async fn drained(store: &dyn Store, total: usize, look_every: Duration) -> f64 {
    let subscriptions = subscriptions(store).await;
    let (started, total) = (Instant::now(), total as u64);
    let mut looks: Vec<(f64, u64)> = Vec::new();
    loop {
        let left = store.backlog(&subscriptions).await.expect("a number");
        let now = started.elapsed();
        looks.push((now.as_secs_f64(), left));
        if left == 0 {
            return rate(&looks, total);
        }
        assert!(
            now < DRAINED_WITHIN,
            "{left} of {total} records are not handled"
        );
        tokio::time::sleep(look_every).await;
    }
}

/// The rate between two looks: the first of a warm consumer and the last before it ends.
fn rate(looks: &[(f64, u64)], total: u64) -> f64 {
    let is_warm = |look: &&(f64, u64)| look.1 <= total * WARM_PERCENT / 100;
    let from = looks.iter().find(is_warm).or(looks.first());
    let ending = looks
        .iter()
        .rev()
        .find(|look| look.1 >= total * ENDING_PERCENT / 100);
    match (from, ending.or(looks.last())) {
        (Some(from), Some(to)) if to.0 > from.0 => (from.1 - to.1) as f64 / (to.0 - from.0),
        // Too short for that: over all of it.
        _ => total as f64 / looks.last().map_or(f64::NAN, |look| look.0),
    }
}
