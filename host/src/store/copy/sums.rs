//! What a store's content adds up to: rows, bytes and SHA-256 of each part, computed alike for both
//! stores. Pure.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::{LedgerEntry, Sum};
use crate::ids::Digest;
use crate::store::{Account, Entry, Partition, Record, Space};

/// Rows in their order.
#[derive(Debug, Clone, Default)]
struct Tally {
    rows: u64,
    bytes: u64,
    hash: Sha256,
}

impl Tally {
    /// Adds a row; each field is preceded by its length, so that no two rows look alike.
    fn add(&mut self, fields: &[&[u8]]) {
        self.rows += 1;
        for field in fields {
            let length = field.len() as u64;
            self.bytes += length;
            self.hash.update(length.to_be_bytes());
            self.hash.update(field);
        }
    }

    fn close(self) -> Sum {
        Sum {
            rows: self.rows,
            bytes: self.bytes,
            digest: Digest::of(&self.hash.finalize()),
        }
    }
}

/// The parts of a store.
#[derive(Debug, Clone, Default)]
pub(super) struct Sums {
    state: Tally,
    /// Each partition for itself, since one store has them one after the other and the other mixed.
    log: BTreeMap<Partition, Tally>,
    ledger: Tally,
}

impl Sums {
    /// Entries come by space, and by key.
    pub(super) fn entry(&mut self, space: &Space, entry: &Entry) {
        self.state
            .add(&[space.0.as_bytes(), &entry.key, &entry.value]);
    }

    /// Records of a partition come by offset.
    pub(super) fn record(&mut self, partition: &Partition, record: &Record) {
        let tally = match self.log.get_mut(partition) {
            Some(tally) => tally,
            None => self.log.entry(partition.clone()).or_default(),
        };
        tally.add(&[
            &record.offset.to_be_bytes(),
            record.key.as_bytes(),
            &record.payload,
            &record.published_at.0.to_be_bytes(),
        ]);
    }

    /// Accounts come by name, before the entries.
    pub(super) fn account(&mut self, name: &str, account: &Account) {
        self.ledger.add(&[
            name.as_bytes(),
            &account.debits.to_be_bytes(),
            &account.credits.to_be_bytes(),
        ]);
    }

    /// Entries of the ledger come in their order.
    pub(super) fn ledger_entry(&mut self, entry: &LedgerEntry) {
        let posting = &entry.posting;
        self.ledger.add(&[
            &entry.version.to_be_bytes(),
            &entry.position.to_be_bytes(),
            posting.debit.as_bytes(),
            posting.credit.as_bytes(),
            &posting.amount.to_be_bytes(),
            posting.reference.as_bytes(),
            &entry.at.to_be_bytes(),
            entry.chain.bytes(),
        ]);
    }

    /// The sums of state, log and ledger.
    pub(super) fn close(self) -> [Sum; 3] {
        let mut log = Tally::default();
        let (mut rows, mut bytes) = (0, 0);
        for (partition, tally) in self.log {
            let sum = tally.close();
            let digest = sum.digest.to_string();
            log.add(&[
                partition.stream.as_str().as_bytes(),
                &partition.number.to_be_bytes(),
                digest.as_bytes(),
            ]);
            rows += sum.rows;
            bytes += sum.bytes;
        }
        let log = Sum {
            rows,
            bytes,
            ..log.close()
        };
        [self.state.close(), log, self.ledger.close()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum_of(entries: &[(&str, &str)]) -> Sum {
        let mut sums = Sums::default();
        for (key, value) in entries {
            let entry = Entry {
                key: (*key).into(),
                value: (*value).into(),
            };
            sums.entry(&Space::from("s"), &entry);
        }
        sums.close()[0]
    }

    #[test]
    fn every_difference_shows() {
        let sum = sum_of(&[("a", "1"), ("b", "2")]);
        assert_eq!((sum.rows, sum.bytes), (2, 6));
        assert_eq!(sum, sum_of(&[("a", "1"), ("b", "2")]));
        for other in [
            &[("b", "2"), ("a", "1")][..],
            &[("a", "1"), ("b", "3")],
            &[("a1", ""), ("b", "2")],
            &[("a", "1")],
        ] {
            assert_ne!(sum.digest, sum_of(other).digest, "{other:?}");
        }
    }
}
