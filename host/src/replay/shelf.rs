//! A snapshot that answers from a record. What the record does not tell it does not know, and says which that was.
//!
//! **Invariant.** It never guesses: an answer is what the store said, or follows from it (a key inside a range that
//! was read whole).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;

use super::differences::shown;
use crate::dispatch::notes::{Noted, Scanned};
use crate::store::{self, Account, Entry, Order, Range, Snapshot, Space, Version};

/// A range that was read, and what was in it.
struct Stretch {
    space: Space,
    /// As far as the scan got.
    range: Range,
    /// Ascending.
    entries: Vec<Entry>,
}

/// What was asked for first of all that the record does not hold, in words.
#[derive(Debug, Clone, Default)]
pub(super) struct Missing(Arc<Mutex<Option<String>>>);

impl Missing {
    pub(super) fn told(&self) -> Option<String> {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.clone()
    }

    fn tell(&self, what: String) -> store::Error {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.get_or_insert(what);
        store::Error::Unavailable("the record does not hold it")
    }
}

/// The answers of one invocation's record.
pub(super) struct Shelf {
    keys: HashMap<(Space, Vec<u8>), Option<Vec<u8>>>,
    scans: HashMap<(Space, Range, bool, usize), Vec<Entry>>,
    stretches: Vec<Stretch>,
    accounts: HashMap<String, Account>,
    missing: Missing,
}

impl Shelf {
    pub(super) fn new(answers: impl IntoIterator<Item = Noted>, missing: Missing) -> Self {
        let mut shelf = Self {
            keys: HashMap::new(),
            scans: HashMap::new(),
            stretches: Vec::new(),
            accounts: HashMap::new(),
            missing,
        };
        answers.into_iter().for_each(|answer| shelf.put(answer));
        shelf
    }

    fn put(&mut self, answer: Noted) {
        match answer {
            Noted::Key(space, key, value) => {
                self.keys.insert((space, key), value);
            }
            Noted::Account(name, sums) => {
                self.accounts.insert(name, sums);
            }
            Noted::Scan(scanned, entries) => {
                self.stretches.push(stretch(&scanned, &entries));
                let key = (
                    scanned.space,
                    scanned.range,
                    scanned.order == Order::Descending,
                    scanned.limit,
                );
                self.scans.insert(key, entries);
            }
        }
    }

    fn value(&self, space: &Space, key: &[u8]) -> store::Result<Option<Vec<u8>>> {
        if let Some(value) = self.keys.get(&(space.clone(), key.to_vec())) {
            return Ok(value.clone());
        }
        let inside = |stretch: &&Stretch| stretch.space == *space && stretch.range.has(key);
        let Some(stretch) = self.stretches.iter().find(inside) else {
            let what = format!("reads {} '{}'", space.0, shown(key));
            return Err(self.missing.tell(what));
        };
        let found = stretch.entries.iter().find(|entry| entry.key == key);
        Ok(found.map(|entry| entry.value.clone()))
    }

    fn entries(
        &self,
        space: &Space,
        range: &Range,
        order: Order,
        limit: usize,
    ) -> store::Result<Vec<Entry>> {
        let is_descending = order == Order::Descending;
        let asked = (space.clone(), range.clone(), is_descending, limit);
        if let Some(entries) = self.scans.get(&asked) {
            return Ok(entries.clone());
        }
        let stretches = self.stretches.iter().filter(|one| one.space == *space);
        let follows = stretches.filter_map(|stretch| stretch.part(range, order, limit));
        follows.into_iter().next().ok_or_else(|| {
            let (start, end) = (shown(&range.start), range.end.as_deref().map(shown));
            let end = end.unwrap_or_default();
            let what = format!("scans {} from '{start}' to '{end}'", space.0);
            self.missing.tell(what)
        })
    }
}

/// As far as a scan got: to the end of its range, or to its last entry where it stopped at its limit.
fn stretch(scanned: &Scanned, entries: &[Entry]) -> Stretch {
    let mut range = scanned.range.clone();
    let mut entries = entries.to_vec();
    let last = entries.last().filter(|_| entries.len() >= scanned.limit);
    match (scanned.order, last.map(|entry| entry.key.clone())) {
        (_, None) => {}
        (Order::Ascending, Some(mut last)) => {
            last.push(0);
            range.end = Some(last);
        }
        (Order::Descending, Some(last)) => range.start = last,
    }
    if scanned.order == Order::Descending {
        entries.reverse();
    }
    Stretch {
        space: scanned.space.clone(),
        range,
        entries,
    }
}

impl Range {
    fn has(&self, key: &[u8]) -> bool {
        *self.start <= *key && self.end.as_deref().is_none_or(|end| key < end)
    }

    fn begins_within(&self, whole: &Self) -> bool {
        let end = whole.end.as_ref();
        whole.start <= self.start && end.is_none_or(|end| self.start <= *end)
    }

    fn ends_within(&self, whole: &Self) -> bool {
        match (&self.end, &whole.end) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(own), Some(end)) => own <= end,
        }
    }
}

impl Stretch {
    /// What a scan of part of it finds, if that can be told.
    fn part(&self, range: &Range, order: Order, limit: usize) -> Option<Vec<Entry>> {
        let (begins, ends) = (
            range.begins_within(&self.range),
            range.ends_within(&self.range),
        );
        let within = self.entries.iter().filter(|entry| range.has(&entry.key));
        let found: Vec<Entry> = match order {
            Order::Ascending => within.take(limit).cloned().collect(),
            Order::Descending => within.rev().take(limit).cloned().collect(),
        };
        let is_full = found.len() == limit;
        let is_known = match order {
            Order::Ascending => begins && (ends || is_full),
            Order::Descending => ends && (begins || is_full),
        };
        is_known.then_some(found)
    }
}

impl Snapshot for Shelf {
    fn version(&self) -> Version {
        0
    }

    fn read<'a>(
        &'a mut self,
        space: &'a Space,
        key: &'a [u8],
    ) -> BoxFuture<'a, store::Result<Option<Vec<u8>>>> {
        Box::pin(std::future::ready(self.value(space, key)))
    }

    fn scan<'a>(
        &'a mut self,
        space: &'a Space,
        range: &'a Range,
        order: Order,
        limit: usize,
    ) -> BoxFuture<'a, store::Result<Vec<Entry>>> {
        Box::pin(std::future::ready(self.entries(space, range, order, limit)))
    }

    fn account<'a>(&'a mut self, account: &'a str) -> BoxFuture<'a, store::Result<Account>> {
        let known = self.accounts.get(account).copied();
        let known = known.ok_or_else(|| self.missing.tell(format!("asks for account '{account}'")));
        Box::pin(std::future::ready(known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str) -> Entry {
        Entry {
            key: key.into(),
            value: key.to_uppercase().into(),
        }
    }

    fn range(start: &str, end: Option<&str>) -> Range {
        Range {
            start: start.into(),
            end: end.map(Into::into),
        }
    }

    fn shelf(order: Order, limit: usize, keys: &[&str]) -> Shelf {
        let scanned = Scanned {
            space: Space::from("s"),
            range: range("b", Some("x")),
            order,
            limit,
        };
        let entries = keys.iter().map(|key| entry(key)).collect();
        Shelf::new([Noted::Scan(scanned, entries)], Missing::default())
    }

    fn keys(found: store::Result<Vec<Entry>>) -> Option<String> {
        let text = |entry: Entry| String::from_utf8(entry.key).expect("text");
        found
            .ok()
            .map(|found| found.into_iter().map(text).collect())
    }

    #[test]
    fn what_follows_from_a_range_is_known_and_nothing_else() {
        use Order::{Ascending, Descending};
        let space = Space::from("s");
        // Stopped at its limit: known up to `d`.
        let cut = shelf(Ascending, 2, &["c", "d"]);
        let scan =
            |start, end, order, limit| keys(cut.entries(&space, &range(start, end), order, limit));
        assert_eq!(scan("b", Some("x"), Ascending, 2).as_deref(), Some("cd"));
        assert_eq!(scan("b", Some("d"), Ascending, 9).as_deref(), Some("c"));
        assert_eq!(scan("c", None, Ascending, 1).as_deref(), Some("c"));
        assert_eq!(scan("b", Some("x"), Ascending, 3), None, "beyond `d`");
        assert_eq!(scan("a", Some("d"), Ascending, 1), None, "before `b`");
        assert_eq!(scan("b", Some("d"), Descending, 1).as_deref(), Some("c"));
        assert_eq!(scan("b", Some("e"), Descending, 1), None);
        assert_eq!(cut.value(&space, b"c").expect("known"), Some(b"C".to_vec()));
        assert_eq!(cut.value(&space, b"cc").expect("known"), None);
        assert!(cut.value(&space, b"e").is_err());
        assert!(cut.value(&Space::from("t"), b"c").is_err());
        let told = cut.missing.told().expect("told");
        assert_eq!(told, "scans s from 'b' to 'x'", "the first of all");
    }

    #[test]
    fn a_scan_from_above_is_known_down_to_where_it_stopped() {
        let space = Space::from("s");
        let cut = shelf(Order::Descending, 2, &["d", "c"]);
        let known = cut.entries(&space, &range("b", Some("x")), Order::Descending, 1);
        assert_eq!(keys(known).as_deref(), Some("d"));
        let known = cut.entries(&space, &range("c", Some("x")), Order::Ascending, 9);
        assert_eq!(keys(known).as_deref(), Some("cd"));
        assert!(cut.value(&space, b"bb").is_err());
    }
}
