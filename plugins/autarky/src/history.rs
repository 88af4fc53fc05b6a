//! The balances as they are kept, and the judgement of each as it comes in. The layout is that of
//! [`leyden_sdk::series`] without its rows, so that its reads and its retention serve here too:
//! `c/<start 8><end 8><community 8>` holds a community's energies; totals are their sums over the
//! communities of a partition, which index the intervals. `s/<community 8>` holds what is kept of a
//! community: its last judgement and how far its history reaches back.
//!
//! A balance replaces the one of the same community and interval, so corrections change every
//! answer. Sums are carried in memory and written once a batch.

use crate::logic::{self, Energies, Judgement};
use leyden_sdk::grid::events::Balance;
use leyden_sdk::series::{
    Aggregate, Interval, Kept, Reader, Result, Slot, State, Sum, Sweep, Totals, aggregate_of,
    intervals_between, keys, put,
};
use std::collections::BTreeMap;

/// Intervals that one answer sums up: half a year of half-hours, and a bound on what it reads.
pub(crate) const INTERVALS_MAX: usize = 10_000;

/// What is kept of a community.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Community {
    judgement: Option<Judgement>,
    kept: Kept,
}

impl Community {
    /// Number of the judgement (0 none, 1 not autarkic, 2 autarkic), its instant, the rest.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(24);
        let autarkic = self.judgement.map(|judgement| judgement.autarkic);
        put(
            &mut bytes,
            autarkic.map_or(0, |autarkic| 1 + u128::from(autarkic)),
        );
        put(
            &mut bytes,
            self.judgement
                .map_or(0, |judgement| judgement.judged_ms.into()),
        );
        self.kept.encode(&mut bytes);
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes, "community");
        let (number, judged_ms) = (reader.u64()?, reader.u64()?);
        let judgement = (number > 0).then_some(Judgement {
            judged_ms,
            autarkic: number == 2,
        });
        Ok(Self {
            judgement,
            kept: Kept::decode(&mut reader)?,
        })
    }
}

/// A community within the batch.
#[derive(Debug)]
struct Entry {
    stored: Option<Community>,
    now: Community,
}

/// Balances of one batch of a partition. Nothing of its sums is in the state before [`Batch::finish`].
#[derive(Debug)]
pub(crate) struct Batch {
    partition: u32,
    communities: BTreeMap<u64, Entry>,
    totals: Totals,
}

impl Batch {
    /// For records of this partition.
    pub(crate) fn new(partition: u32) -> Self {
        Self {
            partition,
            communities: BTreeMap::new(),
            totals: Totals::new(partition),
        }
    }

    /// Reads what recording these balances will need, in one go.
    pub(crate) fn prefetch(
        &self,
        state: &impl State,
        balances: &[(Interval, Balance)],
    ) -> Result<()> {
        let mut keys = vec![keys::longest(self.partition)];
        for (interval, balance) in balances {
            let slot = Slot {
                interval: *interval,
                community: balance.community,
            };
            keys.push(keys::numbered(b's', &[balance.community]));
            keys.push(keys::total(self.partition, *interval));
            keys.push(keys::community(slot));
        }
        state.prefetch(&keys)
    }

    /// Keeps a balance and judges it; returns the new autarky where it changed. A balance older
    /// than what is kept of its community is left out.
    pub(crate) fn record(
        &mut self,
        state: &mut impl State,
        interval: Interval,
        balance: &Balance,
    ) -> Result<Option<bool>> {
        let starts_at_ms = interval.starts_at_ms;
        let entry = self.load(state, balance.community, starts_at_ms)?;
        entry.now.kept.advance(starts_at_ms, starts_at_ms);
        if entry.now.kept.is_expired(starts_at_ms) {
            return Ok(None);
        }
        let judged = logic::judge(entry.now.judgement, balance);
        if let Some((judgement, _)) = judged {
            entry.now.judgement = Some(judgement);
        }
        self.keep(state, interval, balance)?;
        Ok(judged.and_then(|(_, change)| change))
    }

    fn keep(
        &mut self,
        state: &mut impl State,
        interval: Interval,
        balance: &Balance,
    ) -> Result<()> {
        let slot = Slot {
            interval,
            community: balance.community,
        };
        let former = aggregate_of(state, slot)?;
        let now = aggregate(interval, balance);
        if former != Some(now) {
            state.set(&keys::community(slot), &now.encode())?;
            self.totals
                .swap(interval, &former.unwrap_or_default(), &now)?;
        }
        Ok(())
    }

    /// Writes the sums, then removes what is too old.
    pub(crate) fn finish(self, state: &mut impl State) -> Result<()> {
        self.totals.write(state)?;
        let mut sweep = Sweep::new(self.partition);
        for (community, mut entry) in self.communities {
            sweep.run(state, community, &mut entry.now.kept)?;
            if entry.stored != Some(entry.now) {
                state.set(&keys::numbered(b's', &[community]), &entry.now.encode())?;
            }
        }
        Ok(())
    }

    fn load(
        &mut self,
        state: &impl State,
        community: u64,
        starts_at_ms: u64,
    ) -> Result<&mut Entry> {
        use std::collections::btree_map::Entry as Place;
        match self.communities.entry(community) {
            Place::Occupied(entry) => Ok(entry.into_mut()),
            Place::Vacant(place) => {
                let stored = state.get(&keys::numbered(b's', &[community]))?;
                let stored = stored.as_deref().map(Community::decode).transpose()?;
                let first = || Community {
                    judgement: None,
                    kept: Kept::first(starts_at_ms, self.partition),
                };
                Ok(place.insert(Entry {
                    stored,
                    now: stored.unwrap_or_else(first),
                }))
            }
        }
    }
}

/// A balance as energies. A community counts as one: only whether it measured matters here.
fn aggregate(interval: Interval, balance: &Balance) -> Aggregate {
    let length_ms = u128::from(interval.length_ms());
    let sum = |power_mw: Option<u64>| Sum {
        energy_uj: u128::from(power_mw.unwrap_or(0)) * length_ms,
        houses: power_mw.is_some().into(),
    };
    Aggregate {
        consumption: sum(balance.consumption_mw),
        production: sum(balance.production_mw),
        houses: 1,
        closed: balance.closed,
    }
}

/// Energies of a community over the intervals that lie whole in `[from_ms, to_ms)`.
///
/// # Errors
/// More than [`INTERVALS_MAX`] intervals of any community start in that time.
pub(crate) fn energies(
    state: &impl State,
    community: u64,
    from_ms: u64,
    to_ms: u64,
) -> Result<Energies> {
    let mut energies = Energies::default();
    for interval in intervals_between(state, from_ms, to_ms, INTERVALS_MAX)?.into_keys() {
        if interval.ends_at_ms > to_ms {
            continue;
        }
        let slot = Slot {
            interval,
            community,
        };
        if let Some(sums) = aggregate_of(state, slot)? {
            energies.add(
                sums.consumption.measured_uj(),
                sums.production.measured_uj(),
            );
        }
    }
    Ok(energies)
}

#[cfg(test)]
mod tests;
