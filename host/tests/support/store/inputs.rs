//! What the random sequences are made of: few names and short keys, so that they meet often.

use std::sync::Arc;

use leyden::ids::StreamName;
use leyden::store::{
    Append, Entry, Holder, HostInfo, Order, Posting, Range, SUM_MAX, Space, Write,
};

use crate::numbers::Numbers;

pub(crate) const SPACES: [&str; 3] = ["house", "consumption", "leyden.streams"];
pub(crate) const STREAMS: [&str; 3] = ["clock.ticks", "house.readings", "community.balance"];
pub(crate) const ACCOUNTS: [&str; 4] = ["issuer", "partner-1", "partner-2", "fees"];
const GROUPS: [&str; 2] = ["consumption", "client-notifier"];
const HOLDERS: [&str; 3] = ["host-a-1", "host-b-1", "host-a-2"];
/// Keys of records: enough to meet every partition.
const KEYS: u64 = 8;
/// Few letters, so that keys meet; the ends of the range of a byte, where encodings go wrong.
const LETTERS: [u8; 4] = [0x00, b'a', b'b', 0xFF];

impl Numbers {
    pub(crate) fn space(&mut self) -> Space {
        Space::from(*self.pick(&SPACES))
    }

    pub(crate) fn stream(&mut self) -> StreamName {
        let name = *self.pick(&STREAMS);
        StreamName::parse(name).expect("a name")
    }

    pub(crate) fn key(&mut self) -> Vec<u8> {
        (0..1 + self.below(3))
            .map(|_| *self.pick(&LETTERS))
            .collect()
    }

    pub(crate) fn range(&mut self) -> Range {
        let start = if self.once_in(4) {
            Vec::new()
        } else {
            self.key()
        };
        let end = if self.once_in(3) {
            None
        } else {
            Some(self.key())
        };
        Range { start, end }
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = match self.below(200) {
            0 => 100_000,
            1..4 => 6000,
            _ => self.below(40),
        };
        vec![self.next() as u8; length as usize]
    }

    pub(crate) fn write(&mut self) -> Write {
        let value = if self.once_in(3) {
            None
        } else {
            Some(self.bytes())
        };
        Write {
            space: self.space(),
            key: self.key(),
            value,
        }
    }

    pub(crate) fn append(&mut self) -> Append {
        let key = format!("key-{}", self.below(KEYS));
        Append {
            stream: self.stream(),
            key,
            payload: self.bytes(),
        }
    }

    pub(crate) fn group(&mut self) -> Arc<str> {
        (*self.pick(&GROUPS)).into()
    }

    pub(crate) fn holder(&mut self) -> Holder {
        Holder((*self.pick(&HOLDERS)).into())
    }

    pub(crate) fn host(&mut self, holder: Holder) -> HostInfo {
        HostInfo {
            url: format!("http://{holder}:3000"),
            holder,
            version: "0.1.0".to_owned(),
            started_at_ms: self.below(1 << 40),
            generation: self.below(1000),
        }
    }

    pub(crate) fn posting(&mut self) -> Posting {
        let debit = (*self.pick(&ACCOUNTS)).to_owned();
        let credit = (*self.pick(&ACCOUNTS)).to_owned();
        // The greatest sum ends all further issues: it must come late.
        let amount = match self.below(8000) {
            0 => SUM_MAX,
            1..100 => u64::MAX,
            100..200 => SUM_MAX + 1,
            _ => self.below(60),
        };
        Posting {
            debit,
            credit,
            amount,
            reference: format!("a read ☀ {amount}"),
        }
    }
}

/// The part of a range that a scan has seen: as far as its last entry, where it stopped at its limit.
pub(crate) fn seen(range: Range, order: Order, limit: usize, entries: &[Entry]) -> Range {
    if limit == 0 {
        let end = Some(range.start.clone());
        return Range { end, ..range };
    }
    let last = entries.last().filter(|_| entries.len() == limit);
    let Some(last) = last.map(|entry| entry.key.clone()) else {
        return range;
    };
    match order {
        Order::Ascending => Range {
            start: range.start,
            end: Some([last, vec![0]].concat()),
        },
        Order::Descending => Range {
            start: last,
            end: range.end,
        },
    }
}
