//! The entries' hashes, recomputed one after the other and compared with those that are kept.

use super::super::Version;
use super::super::chain::{self, Head};
use super::{Broken, Cut, Flaw, LedgerCheck, Row};
use crate::ids::Digest;

/// The chain, as far as it was read.
pub(super) struct Chain {
    cut: Cut,
    /// Rows read, those after the cut as well.
    rows: u64,
    /// After the last commit that was read to its end.
    head: Head,
    /// The last row, until it is known whether another one of its commit follows.
    last: Option<Last>,
    broken: Option<Broken>,
    /// A head that the chain has to pass through, until it has.
    noted: Option<Head>,
    /// Where the entry stands that this head is of.
    noted_place: Option<(Version, u64)>,
}

/// A row whose hash is still to be compared.
struct Last {
    entry: u64,
    place: (Version, u64),
    /// What the rows of its commit make so far.
    part: Digest,
    kept: Option<Digest>,
}

impl Chain {
    pub(super) fn new(cut: &Cut, noted: Option<Head>) -> Self {
        Self {
            cut: cut.clone(),
            rows: 0,
            head: Head::default(),
            last: None,
            broken: None,
            noted: noted.filter(|noted| *noted != Head::default()),
            noted_place: None,
        }
    }

    fn broken(&mut self, entry: u64, place: Option<(Version, u64)>, flaw: Flaw) {
        let broken = Broken { entry, place, flaw };
        self.broken.get_or_insert(broken);
    }

    /// The next row, read when the store was at a version.
    pub(super) fn row(&mut self, row: &Row, version: Version) {
        self.rows += 1;
        let place = (row.version, row.position);
        if row.version <= self.cut.version {
            self.link(row, place);
        } else if row.version > version {
            // Those between are commits that came meanwhile.
            self.broken(self.rows, Some(place), Flaw::Surplus);
        }
    }

    fn link(&mut self, row: &Row, place: (Version, u64)) {
        let before = self.close_last(Some(row.version));
        self.head.entries += 1;
        if self
            .noted
            .is_some_and(|noted| noted.entries == self.head.entries)
        {
            self.noted_place = Some(place);
        }
        let Some(entry) = &row.entry else {
            return self.broken(self.head.entries, Some(place), Flaw::Unreadable);
        };
        if self.head.entries > self.cut.head.entries {
            self.broken(self.head.entries, Some(place), Flaw::Surplus);
        }
        self.last = Some(Last {
            entry: self.head.entries,
            place,
            part: chain::part(before.as_ref(), &entry.posting, entry.at),
            kept: entry.chain,
        });
    }

    /// Compares the last row's hash, now that it is known what follows: a row of a commit, or none. What its commit
    /// makes so far, where it goes on.
    fn close_last(&mut self, next: Option<Version>) -> Option<Digest> {
        let last = self.last.take()?;
        let goes_on = next == Some(last.place.0);
        let hash = match goes_on {
            true => last.part,
            false => chain::link(&self.head.hash, &last.part),
        };
        if !goes_on {
            self.head.hash = hash;
            self.noted = self.noted.filter(|noted| *noted != self.head);
        }
        let expected = (last.entry > self.cut.unchained).then_some(hash);
        let is_cut_off = next.is_none() && last.entry < self.cut.head.entries;
        // One that is not its commit's last shows that what followed is gone; that is told of what is missing.
        if last.kept != expected && !(is_cut_off && last.kept == Some(last.part)) {
            self.broken(last.entry, Some(last.place), Flaw::Hash);
        }
        goes_on.then_some(last.part)
    }

    pub(super) fn close(mut self, report: &mut LedgerCheck) {
        self.close_last(None);
        let (head, kept) = (self.head, self.cut.head);
        if head.entries < kept.entries {
            self.broken(head.entries + 1, None, Flaw::Missing);
        } else if head != kept {
            self.broken(head.entries, None, Flaw::Head);
        }
        if let Some(noted) = self.noted {
            self.broken(noted.entries, self.noted_place, Flaw::Noted);
        }
        report.head = head;
        report.broken = self.broken;
    }
}
