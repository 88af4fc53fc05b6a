//! Who holds what, in memory only: the hosts that beat, the one unit, and the records that were fetched.
//! One process has the store open, so nobody else can hold anything when it starts.
//!
//! **Invariant.** The writer asks here whether an acknowledgement is its holder's, under the same lock
//! that [`Claims::take`] changes the holder under. So once the unit is taken no commit of the former
//! holder that is still to be judged passes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::runs::Runs;
use crate::clock::{self, Monotonic};
use crate::store::{
    Acknowledgement, Claim, Error, Holder, HostInfo, Member, Members, Offset, Record, Result,
    Subscription,
};

/// Number of the one unit.
const UNIT: u16 = 0;

/// Longest lease, ms: a day, so that its end can be computed.
const LEASE_MS_MAX: u64 = 86_400_000;

/// Hosts that beat at most: this store has one, and tests a handful.
const HOSTS_MAX: usize = 64;

#[derive(Default)]
struct State {
    owner: Option<Holder>,
    hosts: BTreeMap<Holder, (HostInfo, Monotonic)>,
    /// Runs for each subscription that was ever fetched.
    fetched: HashMap<Subscription, Runs>,
}

impl State {
    fn holds(&self, claim: &Claim) -> bool {
        claim.subscription.partition.number == UNIT && self.owner.as_ref() == Some(&claim.holder)
    }

    /// Forgets the hosts that are not alive and hold nothing.
    fn bury(&mut self, now: Monotonic) {
        let owner = self.owner.as_ref();
        self.hosts
            .retain(|holder, (_, end)| *end > now || owner == Some(holder));
    }
}

/// All claims.
#[derive(Default)]
pub(super) struct Claims(Mutex<State>);

impl Claims {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn beat(&self, info: &HostInfo, lease_ms: u64) -> Result<Members> {
        let now = clock::monotonic();
        let end = now + Duration::from_millis(lease_ms.min(LEASE_MS_MAX));
        let mut state = self.state();
        state.bury(now);
        if state.hosts.len() >= HOSTS_MAX && !state.hosts.contains_key(&info.holder) {
            return Err(Error::Unavailable("too many hosts share the store"));
        }
        state.hosts.insert(info.holder.clone(), (info.clone(), end));
        let member = |(info, end): &(HostInfo, Monotonic)| {
            // Rounded up, so that 0 means that it is over.
            let left = end
                .saturating_duration_since(now)
                .as_nanos()
                .div_ceil(1_000_000);
            Member {
                info: info.clone(),
                lease_ms: u64::try_from(left).unwrap_or(LEASE_MS_MAX),
            }
        };
        Ok(Members {
            hosts: state.hosts.values().map(member).collect(),
            owners: vec![state.owner.clone()],
        })
    }

    pub(super) fn take(&self, unit: u16, from: Option<&Holder>, to: &Holder) -> bool {
        let mut state = self.state();
        let taken = unit == UNIT && state.owner.as_ref() == from;
        if taken {
            state.owner = Some(to.clone());
        }
        taken
    }

    pub(super) fn release(&self, holder: &Holder, unit: Option<u16>) {
        let mut state = self.state();
        if unit.is_none_or(|unit| unit == UNIT) && state.owner.as_ref() == Some(holder) {
            state.owner = None;
        }
        if unit.is_none() {
            state.hosts.remove(holder);
        }
    }

    /// Whether the unit is the holder's.
    pub(super) fn check(&self, claim: &Claim) -> Result<()> {
        self.state().holds(claim).then_some(()).ok_or(Error::Fenced)
    }

    /// Gives records to a holder who has just read them; `done` is up to where the group has acknowledged.
    /// Nobody else can acknowledge them without fetching them again.
    pub(super) fn give(&self, claim: &Claim, done: Offset, records: &[Record]) -> Result<()> {
        let mut state = self.state();
        if !state.holds(claim) {
            return Err(Error::Fenced);
        }
        if let (Some(first), Some(last)) = (records.first(), records.last()) {
            let fetched = state.fetched.entry(claim.subscription.clone());
            let runs = fetched.or_default();
            runs.give(done, first.offset, last.offset, &claim.holder);
        }
        Ok(())
    }

    /// The bounds of the runs of records that were fetched, both included; some may be acknowledged.
    pub(super) fn fetched(&self, subscription: &Subscription) -> Vec<(Offset, Offset)> {
        let state = self.state();
        let runs = state.fetched.get(subscription);
        runs.map(Runs::bounds).unwrap_or_default()
    }

    /// Whether the records are the holder's to acknowledge; their order is the writer's to judge.
    pub(super) fn allows(&self, acknowledgement: &Acknowledgement) -> bool {
        let state = self.state();
        let claim = &acknowledgement.claim;
        let runs = state.fetched.get(&claim.subscription);
        state.holds(claim)
            && runs.is_some_and(|runs| runs.are_of(&claim.holder, &acknowledgement.offsets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(name: &str) -> Holder {
        Holder(name.into())
    }

    fn info(name: &str) -> HostInfo {
        HostInfo {
            holder: holder(name),
            url: String::new(),
            version: String::new(),
            started_at_ms: 0,
            generation: 0,
        }
    }

    #[test]
    fn the_unit_goes_only_from_who_holds_it() {
        let claims = Claims::default();
        let (a, b) = (holder("a"), holder("b"));
        assert!(!claims.take(1, None, &a), "there is one unit");
        assert!(claims.take(0, None, &a));
        assert!(!claims.take(0, None, &b), "it is held");
        assert!(claims.take(0, Some(&a), &b));
        claims.release(&a, None);
        assert!(!claims.take(0, None, &a), "another's is not released");
        claims.release(&b, Some(0));
        assert!(claims.take(0, None, &a));
    }

    #[test]
    fn the_dead_are_listed_as_long_as_they_hold_something() {
        let claims = Claims::default();
        assert!(claims.take(0, None, &holder("a")));
        claims.beat(&info("a"), 0).expect("beaten");
        claims.beat(&info("b"), 0).expect("beaten");
        let members = claims.beat(&info("c"), 60_000).expect("beaten");
        let listed: Vec<_> = members.hosts.iter().map(|m| &*m.info.holder.0).collect();
        assert_eq!(listed, ["a", "c"], "b is dead and holds nothing");
        assert_eq!(members.hosts[0].lease_ms, 0);
        assert_eq!(members.owners, [Some(holder("a"))]);
        claims.release(&holder("a"), None);
        let members = claims.beat(&info("c"), u64::MAX).expect("beaten");
        assert_eq!((members.hosts.len(), members.owners), (1, vec![None]));
    }

    #[test]
    fn too_many_hosts_are_refused() {
        let claims = Claims::default();
        for n in 0..HOSTS_MAX {
            claims.beat(&info(&n.to_string()), 60_000).expect("beaten");
        }
        assert!(claims.beat(&info("another"), 60_000).is_err());
        assert!(claims.beat(&info("0"), 60_000).is_ok());
    }
}
