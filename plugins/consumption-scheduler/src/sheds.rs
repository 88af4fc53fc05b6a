//! When loads were last shed, for shed policies that let households take turns. It is kept apart from the plan,
//! which forgets a load as soon as it is charged: turns go over days.
//!
//! State: `s/<community 8><house>/<object>` holds the instant (8 bytes, ms since 1970), numbers big-endian. A load
//! that is gone is forgotten like one that is not shed any more.

use std::collections::BTreeMap;

use crate::logic::{LOADS_MAX, Planned};
use leyden_sdk::Result;
use leyden_sdk::state::{self, Key, Order};

/// How long it is known that a load was shed, ms: 30 days, longer than households remember.
const KEPT_MS: u64 = 30 * 24 * 3_600_000;

/// Loads of one community of which it is known: twice a full plan, because loads come and go. Beyond it the
/// oldest are forgotten first.
const KNOWN_MAX: usize = 2 * LOADS_MAX;

/// When loads of a community were last shed, ms since 1970, by [`Planned::name`].
pub(crate) type Sheds = BTreeMap<String, u64>;

/// What is known of a community.
pub(crate) fn read(community: u64) -> Result<Sheds> {
    let prefix = prefix(community);
    let end = state::prefix_end(&prefix);
    let limit = u32::try_from(KNOWN_MAX).unwrap_or(u32::MAX);
    let entries = state::scan(&prefix, end.as_deref(), Order::Ascending, limit)?;
    let shed = |entry: &state::Entry| {
        let name = String::from_utf8(entry.key[prefix.len()..].to_vec()).ok()?;
        let at_ms = entry.value.as_slice().try_into().ok()?;
        Some((name, u64::from_be_bytes(at_ms)))
    };
    Ok(entries
        .iter()
        .map(|entry| shed(entry).expect("state holds when a load was shed here"))
        .collect())
}

/// Forgets what is too old, and the oldest where there would be too many once `coming` more are noted.
pub(crate) fn make_room(community: u64, known: &Sheds, coming: usize, now_ms: u64) -> Result<()> {
    let forgotten = forgotten(known, coming, now_ms);
    forgotten
        .into_iter()
        .try_for_each(|name| state::delete(&prefix(community).text(name)))
}

/// Names of the loads to forget.
fn forgotten(known: &Sheds, coming: usize, now_ms: u64) -> Vec<&str> {
    let mut by_age: Vec<_> = known.iter().map(|(name, &at_ms)| (at_ms, name)).collect();
    by_age.sort_unstable();
    let old = by_age.partition_point(|(at_ms, _)| at_ms.saturating_add(KEPT_MS) < now_ms);
    let surplus = (known.len() + coming).saturating_sub(KNOWN_MAX);
    let names = by_age.into_iter().take(old.max(surplus));
    names.map(|(_, name)| name.as_str()).collect()
}

/// Notes that a load is shed now.
pub(crate) fn note(community: u64, load: &Planned, now_ms: u64) -> Result<()> {
    state::set_u64(&prefix(community).text(&load.name()), now_ms)
}

fn prefix(community: u64) -> Key {
    Key::new("s/").u64(community)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(house: &str) -> Planned {
        Planned {
            house: house.to_owned(),
            object: "Car / left".to_owned(),
            power_w: 1.0,
            starts_at_ms: 0,
            ends_at_ms: 1,
        }
    }

    #[test]
    fn what_is_noted_is_known_in_its_community_only() {
        note(4, &load("a"), 1_000).expect("noted");
        note(4, &load("b"), 2_000).expect("noted");
        note(4, &load("a"), 3_000).expect("noted again");
        note(5, &load("a"), 4_000).expect("noted");
        let expected = [("a/Car / left", 3_000), ("b/Car / left", 2_000)];
        let expected = expected.map(|(name, at_ms)| (name.to_owned(), at_ms));
        assert_eq!(read(4), Ok(Sheds::from(expected)));
        assert_eq!(read(6), Ok(Sheds::new()));
    }

    #[test]
    fn what_is_forgotten_is_gone_and_the_rest_stays() {
        note(4, &load("a"), 1_000).expect("noted");
        note(4, &load("b"), 2_000).expect("noted");
        let known = read(4).expect("read");
        make_room(4, &known, 1, 1_001 + KEPT_MS).expect("made");
        let left = Sheds::from([("b/Car / left".to_owned(), 2_000)]);
        assert_eq!(read(4), Ok(left));
    }

    #[test]
    fn after_thirty_days_it_is_forgotten() {
        let known = Sheds::from([("a".to_owned(), 5), ("b".to_owned(), 6)]);
        assert!(forgotten(&known, 1, 5 + KEPT_MS).is_empty());
        assert_eq!(forgotten(&known, 1, 6 + KEPT_MS), ["a"]);
        assert_eq!(forgotten(&known, 1, 7 + KEPT_MS), ["a", "b"]);
    }

    #[test]
    fn beyond_the_bound_the_oldest_are_forgotten() {
        let name = |n: usize| format!("{n:04}");
        let known: Sheds = (0..KNOWN_MAX)
            .map(|n| (name(n), 10_000 - n as u64))
            .collect();
        assert!(forgotten(&known, 0, 10_000).is_empty());
        let oldest = [name(KNOWN_MAX - 1), name(KNOWN_MAX - 2)];
        assert_eq!(forgotten(&known, 2, 10_000), oldest);
    }
}
