//! What the store holds (keys, records, accounts), and the transaction that changes it.

use std::sync::Arc;

#[cfg(doc)]
use super::CommitError;
use super::{Acknowledgement, Offset, Partition, Version};
use crate::ids::{Instant, StreamName};

/// A part of the ordered map with one owner: a component's name, or `leyden.<what>` for the host's
/// own (a component's name has no dot, so the two never meet).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Space(pub Arc<str>);

impl From<&str> for Space {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key, 1 byte or more.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
}

/// Entries in one piece, for many of them that are only handed on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Block {
    /// The first key, its value, the second key, and so on.
    pub bytes: Vec<u8>,
    /// How many bytes each of them has.
    pub lengths: Vec<u32>,
}

impl Block {
    /// Appends an entry. Keys and values are far shorter than a length can tell.
    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        for part in [key, value] {
            self.bytes.extend_from_slice(part);
            self.lengths.push(part.len() as u32);
        }
    }

    /// How many entries it has.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lengths.len() / 2
    }

    /// The key of the last entry.
    #[must_use]
    pub fn last_key(&self) -> Option<&[u8]> {
        let &[.., key, value] = self.lengths.as_slice() else {
            return None;
        };
        let end = self.bytes.len() - value as usize;
        Some(&self.bytes[end - key as usize..end])
    }
}

impl FromIterator<Entry> for Block {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut block = Self::default();
        for Entry { key, value } in entries {
            block.push(&key, &value);
        }
        block
    }
}

/// Keys from `start` (included) to `end` (excluded; none: no upper bound), by their bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Range {
    /// First key.
    pub start: Vec<u8>,
    /// First key after it.
    pub end: Option<Vec<u8>>,
}

/// Which end a scan starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Smallest key first.
    Ascending,
    /// Greatest key first.
    Descending,
}

/// A record of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place.
    pub offset: Offset,
    /// What it is about.
    pub key: String,
    /// Its content.
    pub payload: Vec<u8>,
    /// When it was published, by the host's clock.
    pub published_at: Instant,
}

/// What an account has seen. Both sums only grow; the balance is `credits - debits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// Datapoints that left.
    pub debits: u64,
    /// Datapoints that came.
    pub credits: u64,
}

impl Account {
    /// What the account holds; 0 for the issuer, who owes.
    #[must_use]
    pub fn balance(&self) -> u64 {
        self.credits.saturating_sub(self.debits)
    }
}

/// A write: the new value, or `None` to remove the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Whose key.
    pub space: Space,
    /// The key.
    pub key: Vec<u8>,
    /// Its new value.
    pub value: Option<Vec<u8>>,
}

/// A record to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// To which stream.
    pub stream: StreamName,
    /// What it is about.
    pub key: String,
    /// Its content.
    pub payload: Vec<u8>,
}

/// A movement of datapoints: one entry that debits one account and credits another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// Who gives.
    pub debit: String,
    /// Who receives; not the giver.
    pub credit: String,
    /// How much, more than 0.
    pub amount: u64,
    /// What for.
    pub reference: String,
}

/// What a transaction has read, for the check at commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadSet {
    /// Version of the snapshot that was read.
    pub version: Version,
    /// Keys read, present or not.
    pub keys: Vec<(Space, Vec<u8>)>,
    /// Ranges scanned, as far as the scan got.
    pub ranges: Vec<(Space, Range)>,
}

/// Everything one invocation changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transaction {
    /// What it stands on.
    pub reads: ReadSet,
    /// Its writes; the last one of a key counts.
    pub writes: Vec<Write>,
    /// Its records, in order.
    pub appends: Vec<Append>,
    /// Records that are taken out of the log (dead letters that are dealt with). One that is not there
    /// any more is a [`CommitError::Conflict`], so that nothing is dealt with twice.
    pub removals: Vec<(Partition, Offset)>,
    /// The input it is done with: checked before anything else, and moved by the same commit.
    pub acknowledgement: Option<Acknowledgement>,
    /// Its movements, in order: each is judged on what those before it left.
    pub postings: Vec<Posting>,
    /// The instant it is stamped with.
    pub at: u64,
    /// Whether it may wait a few ms for others, to be made durable together with them.
    pub patient: bool,
}

impl Transaction {
    /// Whether committing would change nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
            && self.appends.is_empty()
            && self.postings.is_empty()
            && self.removals.is_empty()
            && self.acknowledgement.is_none()
    }
}
