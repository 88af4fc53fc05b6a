//! An invocation's own writes, laid over what it reads. Pure.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::store::{Entry, Order, Range, Space, Write};

/// Keys written by the invocation; `None` is a removal.
type Written = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Own writes by space. An invocation touches a handful of spaces, so a list is searched.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    spaces: Vec<(Space, Written)>,
    len: usize,
}

impl Overlay {
    /// How many keys are written.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// What was written under a key: `Some(None)` is a removal, `None` not written.
    pub(super) fn get(&self, space: &Space, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        self.written(space)?.get(key)
    }

    /// Writes a key.
    pub(super) fn put(&mut self, space: &Space, key: Vec<u8>, value: Option<Vec<u8>>) {
        let at = self
            .spaces
            .iter()
            .position(|(s, _)| s == space)
            .unwrap_or_else(|| {
                self.spaces.push((space.clone(), Written::new()));
                self.spaces.len() - 1
            });
        if self.spaces[at].1.insert(key, value).is_none() {
            self.len += 1;
        }
    }

    /// Own writes inside a range, ascending.
    pub(super) fn range(&self, space: &Space, range: &Range) -> Vec<(&Vec<u8>, &Option<Vec<u8>>)> {
        let Some(written) = self.written(space) else {
            return Vec::new();
        };
        let end = range.end.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        written
            .range::<Vec<u8>, _>((Bound::Included(&range.start), end))
            .collect()
    }

    /// All writes so far, as [`Overlay::into_writes`] has them.
    pub(super) fn writes(&self) -> Vec<Write> {
        let of_space = |(space, written): &(Space, Written)| {
            let write = |(key, value): (&Vec<u8>, &Option<Vec<u8>>)| Write {
                space: space.clone(),
                key: key.clone(),
                value: value.clone(),
            };
            written.iter().map(write).collect::<Vec<_>>()
        };
        self.spaces.iter().flat_map(of_space).collect()
    }

    /// All writes, by space and key.
    pub(super) fn into_writes(self) -> Vec<Write> {
        let of_space = |(space, written): (Space, Written)| {
            written.into_iter().map(move |(key, value)| Write {
                space: space.clone(),
                key,
                value,
            })
        };
        self.spaces.into_iter().flat_map(of_space).collect()
    }

    fn written(&self, space: &Space) -> Option<&Written> {
        self.spaces
            .iter()
            .find(|(s, _)| s == space)
            .map(|(_, written)| written)
    }
}

/// What a scan of `limit` sees: `stored` (in `order`) with own writes (ascending) laid over. Correct if
/// `stored` has `limit + own.len()` entries or is the whole range.
pub(super) fn merge(
    stored: Vec<Entry>,
    own: &[(&Vec<u8>, &Option<Vec<u8>>)],
    order: Order,
    limit: usize,
) -> Vec<Entry> {
    if own.is_empty() {
        return stored.into_iter().take(limit).collect();
    }
    let mut all: BTreeMap<Vec<u8>, Vec<u8>> =
        stored.into_iter().map(|e| (e.key, e.value)).collect();
    for (key, value) in own {
        match value {
            Some(value) => all.insert((*key).clone(), value.clone()),
            None => all.remove(*key),
        };
    }
    let entry = |(key, value)| Entry { key, value };
    match order {
        Order::Ascending => all.into_iter().take(limit).map(entry).collect(),
        Order::Descending => all.into_iter().rev().take(limit).map(entry).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str) -> Entry {
        Entry {
            key: key.into(),
            value: b"stored".to_vec(),
        }
    }

    fn keys(entries: &[Entry]) -> String {
        entries
            .iter()
            .map(|e| String::from_utf8_lossy(&e.key))
            .collect()
    }

    #[test]
    fn own_writes_cover_and_own_removals_hide_what_is_stored() {
        let space = Space::from("s");
        let mut overlay = Overlay::default();
        overlay.put(&space, b"b".to_vec(), None);
        overlay.put(&space, b"c".to_vec(), Some(b"own".to_vec()));
        overlay.put(&space, b"z".to_vec(), Some(b"own".to_vec()));
        let range = Range {
            start: b"a".to_vec(),
            end: Some(b"y".to_vec()),
        };
        let own = overlay.range(&space, &range);
        let stored = || vec![entry("a"), entry("b"), entry("d")];
        assert_eq!(keys(&merge(stored(), &own, Order::Ascending, 2)), "ac");
        let down = vec![entry("d"), entry("b"), entry("a")];
        assert_eq!(keys(&merge(down, &own, Order::Descending, 2)), "dc");
    }

    #[test]
    fn own_entries_past_the_stored_part_are_not_mixed_in() {
        // Stored has `limit + own` entries, so an own key beyond its end lies beyond the limit too.
        let space = Space::from("s");
        let mut overlay = Overlay::default();
        overlay.put(&space, b"x".to_vec(), Some(b"own".to_vec()));
        let range = Range {
            start: b"a".to_vec(),
            end: None,
        };
        let own = overlay.range(&space, &range);
        let stored = vec![entry("a"), entry("b"), entry("c")];
        assert_eq!(keys(&merge(stored, &own, Order::Ascending, 2)), "ab");
    }
}
