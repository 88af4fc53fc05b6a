//! What the random sequences are made of: few names and short keys, so that they meet often.

use leyden::ids::StreamName;
use leyden::store::{Append, Order, Posting, Range, Space, Write};

use crate::numbers::Numbers;

pub(crate) const SPACES: [&str; 3] = ["house", "consumption", "leyden.streams"];
pub(crate) const STREAMS: [&str; 3] = ["clock.ticks", "house.readings", "community.balance"];
pub(crate) const ACCOUNTS: [&str; 4] = ["issuer", "partner-1", "partner-2", "fees"];
/// Few letters, so that keys meet; the ends of the range of a byte, where encodings go wrong.
const LETTERS: [u8; 4] = [0x00, b'a', b'b', 0xFF];

impl Numbers {
    pub(crate) fn space(&mut self) -> Space {
        Space::from(*self.pick(&SPACES))
    }

    pub(crate) fn stream(&mut self) -> StreamName {
        StreamName::parse(STREAMS[self.below(3) as usize]).expect("a name")
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
        let key = format!("key-{}", self.below(5));
        Append {
            stream: self.stream(),
            key,
            payload: self.bytes(),
        }
    }

    pub(crate) fn posting(&mut self) -> Posting {
        let debit = (*self.pick(&ACCOUNTS)).to_owned();
        let credit = (*self.pick(&ACCOUNTS)).to_owned();
        let amount = match self.below(40) {
            0 => u64::MAX,
            1 => i64::MAX as u64,
            _ => self.below(60),
        };
        Posting {
            debit,
            credit,
            amount,
            reference: "a read".to_owned(),
        }
    }
}

/// The part of a range that a scan which stopped at a key has seen.
pub(crate) fn seen(range: Range, order: Order, reached: Option<Vec<u8>>) -> Range {
    match (order, reached) {
        (_, None) => range,
        (Order::Ascending, Some(mut last)) => {
            last.push(0);
            Range {
                start: range.start,
                end: Some(last),
            }
        }
        (Order::Descending, Some(last)) => Range {
            start: last,
            end: range.end,
        },
    }
}
