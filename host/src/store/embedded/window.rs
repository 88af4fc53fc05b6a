//! Which keys were written lately, and at which version: the memory that the optimistic check
//! looks into. Pure; knows neither SQLite nor threads.
//!
//! **Invariants.** A read set passes only if none of its keys, and no key of its ranges, was
//! written or removed after its version. A version older than what is remembered never passes.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;

use crate::store::{Range, ReadSet, Space, Version, Write};

/// Keys in one generation. Generations are forgotten whole, which costs no bookkeeping per key.
const GENERATION_KEYS_MAX: usize = 16 * 1024;

/// Bytes of keys in one generation, against few but long keys.
const GENERATION_KEY_BYTES_MAX: usize = 2 << 20;

/// Generations kept. All in all 262,144 keys, about 30 MB with keys of 40 bytes, or two seconds
/// (an invocation's default deadline) at 130,000 writes per second.
const GENERATIONS_MAX: usize = 16;

#[derive(Default)]
struct Generation {
    written: HashMap<Space, BTreeMap<Vec<u8>, Version>>,
    keys: usize,
    key_bytes: usize,
    newest: Version,
}

impl Generation {
    fn is_full(&self) -> bool {
        self.keys >= GENERATION_KEYS_MAX || self.key_bytes >= GENERATION_KEY_BYTES_MAX
    }

    fn record(&mut self, version: Version, write: Write) {
        self.newest = version;
        self.keys += 1;
        self.key_bytes += write.key.len();
        if let Some(keys) = self.written.get_mut(&write.space) {
            keys.insert(write.key, version);
        } else {
            self.written
                .insert(write.space, BTreeMap::from([(write.key, version)]));
        }
    }

    fn key_after(&self, space: &Space, key: &[u8], version: Version) -> bool {
        self.written
            .get(space)
            .and_then(|keys| keys.get(key))
            .is_some_and(|written| *written > version)
    }

    fn range_after(&self, space: &Space, range: &Range, version: Version) -> bool {
        let Some(keys) = self.written.get(space) else {
            return false;
        };
        let end = range.end.as_deref();
        if end.is_some_and(|end| end <= range.start.as_slice()) {
            return false;
        }
        let bounds = (
            Bound::Included(range.start.as_slice()),
            end.map_or(Bound::Unbounded, Bound::Excluded),
        );
        keys.range::<[u8], _>(bounds)
            .any(|(_, written)| *written > version)
    }

    fn overlaps(&self, reads: &ReadSet) -> bool {
        let version = reads.version;
        reads
            .keys
            .iter()
            .any(|(space, key)| self.key_after(space, key, version))
            || reads
                .ranges
                .iter()
                .any(|(space, range)| self.range_after(space, range, version))
    }
}

/// The recent writes.
pub(super) struct Window {
    /// Oldest first.
    generations: VecDeque<Generation>,
    /// Reads older than this cannot be judged.
    floor: Version,
}

impl Window {
    /// Remembers nothing up to a version, and everything after it.
    pub(super) fn new(floor: Version) -> Self {
        Self {
            generations: VecDeque::from([Generation::default()]),
            floor,
        }
    }

    /// Whether something that was read has changed since, or may have.
    pub(super) fn conflicts(&self, reads: &ReadSet) -> bool {
        if reads.keys.is_empty() && reads.ranges.is_empty() {
            return false;
        }
        let newer = |generation: &&Generation| generation.newest > reads.version;
        reads.version < self.floor
            || self
                .generations
                .iter()
                .rev()
                .take_while(newer)
                .any(|g| g.overlaps(reads))
    }

    /// Takes in what a version wrote. Versions come in order.
    pub(super) fn record(&mut self, version: Version, writes: Vec<Write>) {
        if self.generations.back().is_none_or(Generation::is_full) {
            self.generations.push_back(Generation::default());
        }
        if self.generations.len() > GENERATIONS_MAX
            && let Some(oldest) = self.generations.pop_front()
        {
            self.floor = oldest.newest;
        }
        if let Some(newest) = self.generations.back_mut() {
            writes
                .into_iter()
                .for_each(|write| newest.record(version, write));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(key: &[u8]) -> Write {
        Write {
            space: Space::from("s"),
            key: key.to_vec(),
            value: None,
        }
    }

    fn read(version: Version, key: &[u8]) -> ReadSet {
        ReadSet {
            version,
            keys: vec![(Space::from("s"), key.to_vec())],
            ranges: vec![],
        }
    }

    fn scan(version: Version, start: &[u8], end: Option<&[u8]>) -> ReadSet {
        let range = Range {
            start: start.to_vec(),
            end: end.map(<[u8]>::to_vec),
        };
        ReadSet {
            version,
            keys: vec![],
            ranges: vec![(Space::from("s"), range)],
        }
    }

    #[test]
    fn a_key_conflicts_only_after_the_snapshot() {
        let mut window = Window::new(0);
        window.record(5, vec![write(b"k")]);
        assert!(window.conflicts(&read(4, b"k")));
        assert!(!window.conflicts(&read(5, b"k")));
        assert!(!window.conflicts(&read(4, b"other")));
    }

    #[test]
    fn a_range_has_an_excluded_end() {
        let mut window = Window::new(0);
        window.record(1, vec![write(b"m")]);
        assert!(window.conflicts(&scan(0, b"m", None)));
        assert!(window.conflicts(&scan(0, b"a", Some(b"n"))));
        assert!(!window.conflicts(&scan(0, b"a", Some(b"m"))));
        assert!(
            !window.conflicts(&scan(0, b"z", Some(b"a"))),
            "an empty range reads nothing"
        );
    }

    #[test]
    fn what_is_forgotten_conflicts_and_the_rest_is_still_judged() {
        let mut window = Window::new(0);
        let versions = (GENERATION_KEYS_MAX * (GENERATIONS_MAX + 1)) as u64;
        for version in 1..=versions {
            window.record(version, vec![write(&version.to_be_bytes())]);
        }
        assert!(
            window.conflicts(&read(0, b"never written")),
            "too old to know"
        );
        assert!(!window.conflicts(&read(versions - 1, b"never written")));
        let old = versions - 3 * GENERATION_KEYS_MAX as u64;
        assert!(
            window.conflicts(&read(old, &(old + 1).to_be_bytes())),
            "several generations back"
        );
        assert!(!window.conflicts(&read(old, &old.to_be_bytes())));
    }

    #[test]
    fn a_transaction_without_reads_never_conflicts() {
        let mut window = Window::new(9);
        window.record(10, vec![write(b"k")]);
        assert!(!window.conflicts(&ReadSet::default()));
    }
}
