//! What an invocation has read so far: for the check at commit, and so that no key is asked of the
//! store twice. Pure.

use std::collections::HashMap;

use crate::store::{Order, Range, ReadSet, Space, Version};

/// Values read, by key; none where the key is not there.
type Values = HashMap<Vec<u8>, Option<Vec<u8>>>;

/// Keys with their values, and ranges. An invocation touches a handful of spaces, so a list is searched.
#[derive(Debug, Default)]
pub(super) struct Reads {
    keys: Vec<(Space, Values)>,
    ranges: Vec<(Space, Range)>,
}

impl Reads {
    /// What was read under a key: `Some(None)` where nothing is there, `None` where it was not read.
    pub(super) fn get(&self, space: &Space, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        let (_, values) = self.keys.iter().find(|(s, _)| s == space)?;
        values.get(key)
    }

    /// Remembers a key's value.
    pub(super) fn keep(&mut self, space: &Space, key: &[u8], value: Option<Vec<u8>>) {
        let at = self
            .keys
            .iter()
            .position(|(s, _)| s == space)
            .unwrap_or_else(|| {
                self.keys.push((space.clone(), Values::new()));
                self.keys.len() - 1
            });
        self.keys[at].1.insert(key.to_vec(), value);
    }

    /// Remembers what of a range was scanned: all of it, or up to the last key where the scan stopped at its limit.
    pub(super) fn keep_scan(
        &mut self,
        space: &Space,
        range: &Range,
        order: Order,
        last: Option<&[u8]>,
    ) {
        let mut seen = range.clone();
        match (order, last) {
            (_, None) => {}
            (Order::Ascending, Some(key)) => seen.end = Some(successor(key)),
            (Order::Descending, Some(key)) => seen.start = key.to_vec(),
        }
        self.ranges.push((space.clone(), seen));
    }

    /// All of it, as it was read at a version; keys in order, so that equal invocations send the same.
    pub(super) fn into_set(self, version: Version) -> ReadSet {
        let of_space = |(space, values): (Space, Values)| {
            let mut keys: Vec<_> = values.into_keys().collect();
            keys.sort_unstable();
            keys.into_iter().map(move |key| (space.clone(), key))
        };
        ReadSet {
            version,
            keys: self.keys.into_iter().flat_map(of_space).collect(),
            ranges: self.ranges,
        }
    }
}

/// The smallest key after `key`.
fn successor(key: &[u8]) -> Vec<u8> {
    let mut next = key.to_vec();
    next.push(0);
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_remembered_once_with_what_was_read() {
        let (one, other) = (Space::from("one"), Space::from("other"));
        let mut reads = Reads::default();
        reads.keep(&one, b"b", None);
        reads.keep(&one, b"a", Some(b"v".to_vec()));
        reads.keep(&other, b"a", None);
        reads.keep(&one, b"b", None);
        assert_eq!(reads.get(&one, b"a"), Some(&Some(b"v".to_vec())));
        assert_eq!(reads.get(&one, b"b"), Some(&None));
        assert_eq!(reads.get(&other, b"b"), None);
        let set = reads.into_set(7);
        let keys = [
            (one.clone(), b"a".to_vec()),
            (one, b"b".to_vec()),
            (other, b"a".to_vec()),
        ];
        assert_eq!((set.version, set.keys.as_slice()), (7, keys.as_slice()));
    }
}
