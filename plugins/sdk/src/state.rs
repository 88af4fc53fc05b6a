//! The component's own state: bytes under bytes, ordered. Numbers in keys are big-endian, so that
//! ranges come in the order of the numbers. A value that does not decode was written by a broken
//! version of the component itself; that traps, so that nothing is built on it.

use crate::Result;
#[cfg(target_arch = "wasm32")]
use crate::bindings::leyden::state::store as backend;
#[cfg(not(target_arch = "wasm32"))]
use crate::testing as backend;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::bindings::leyden::state::store::{Block, Entry, KeyRange, Order};

/// Entries that one scan returns at most; the host enforces it.
pub const SCAN_ENTRIES_MAX: u32 = 10_000;

/// The value under `key`.
///
/// # Errors
/// As all of this module: a key or value over the host's limits or a used-up budget is refused, a
/// store that cannot answer is tried again.
pub fn get(key: &[u8]) -> Result<Option<Vec<u8>>> {
    Ok(backend::get(key)?)
}

/// Reads keys in one go, so that a [`get`] of each of them takes no time any more.
pub fn prefetch(keys: &[Vec<u8>]) -> Result<()> {
    Ok(backend::prefetch(keys)?)
}

/// Puts `value` under `key`.
pub fn set(key: &[u8], value: &[u8]) -> Result<()> {
    Ok(backend::set(key, value)?)
}

/// Removes `key`; it need not exist.
pub fn delete(key: &[u8]) -> Result<()> {
    Ok(backend::delete(key)?)
}

/// The number under `key`.
///
/// # Panics
/// Where the value is not one that [`set_u64`] wrote.
pub fn get_u64(key: &[u8]) -> Result<Option<u64>> {
    Ok(get(key)?
        .map(|value| u64::from_be_bytes(value.try_into().expect("state holds a number here"))))
}

/// Puts a number under `key`.
pub fn set_u64(key: &[u8], value: u64) -> Result<()> {
    set(key, &value.to_be_bytes())
}

/// The JSON document under `key`.
///
/// # Panics
/// Where the value is not a `T` that [`set_json`] wrote.
pub fn get_json<T: DeserializeOwned>(key: &[u8]) -> Result<Option<T>> {
    Ok(get(key)?
        .map(|value| serde_json::from_slice(&value).expect("state holds such a document here")))
}

/// Puts a JSON document under `key`.
///
/// # Panics
/// Where `value` cannot be JSON.
pub fn set_json(key: &[u8], value: &impl Serialize) -> Result<()> {
    set(key, &serde_json::to_vec(value).expect("the type is JSON"))
}

/// Up to `limit` entries from `start` (included) to `end` (excluded; none is the very end).
pub fn scan(start: &[u8], end: Option<&[u8]>, order: Order, limit: u32) -> Result<Vec<Entry>> {
    let range = KeyRange {
        start: start.to_vec(),
        end: end.map(<[u8]>::to_vec),
    };
    Ok(backend::scan(&range, order, limit)?)
}

/// The same in one piece, smallest key first: where entries are many and each is only looked at.
pub fn scan_block(start: &[u8], end: &[u8], limit: u32) -> Result<Block> {
    let range = KeyRange {
        start: start.to_vec(),
        end: Some(end.to_vec()),
    };
    Ok(backend::scan_block(&range, limit)?)
}

impl Block {
    /// Appends an entry.
    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        for part in [key, value] {
            self.bytes.extend_from_slice(part);
            // The host bounds keys and values far below.
            self.lengths.push(part.len() as u32);
        }
    }

    /// How many entries it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lengths.len() / 2
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Its entries, each as its key and its value.
    ///
    /// # Panics
    /// Where the lengths are not those of the bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = self.bytes.as_slice();
        let mut part = move |length: u32| {
            let (part, after) = rest.split_at(length as usize);
            rest = after;
            part
        };
        let pairs = self.lengths.chunks_exact(2);
        pairs.map(move |lengths| (part(lengths[0]), part(lengths[1])))
    }
}

/// Up to `limit` entries whose keys start with `prefix`.
pub fn scan_prefix(prefix: &[u8], order: Order, limit: u32) -> Result<Vec<Entry>> {
    scan(prefix, prefix_end(prefix).as_deref(), order, limit)
}

/// The first key after all that start with `prefix`; none where there is no such key.
#[must_use]
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// The first key after `key` itself: where a scan goes on that had reached it.
#[must_use]
pub fn key_after(key: &[u8]) -> Vec<u8> {
    let mut next = key.to_vec();
    next.push(0);
    next
}

/// Builds a key part by part: `Key::new("c/").u64(start).u64(end).text(house)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl Key {
    /// A key that starts with `prefix`.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self(prefix.as_bytes().to_vec())
    }

    /// Appends a number, 8 bytes.
    #[must_use]
    pub fn u64(mut self, value: u64) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Appends a number, 4 bytes.
    #[must_use]
    pub fn u32(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Appends text; only as the last part, for nothing marks its end.
    #[must_use]
    pub fn text(mut self, value: &str) -> Self {
        self.0.extend_from_slice(value.as_bytes());
        self
    }

    /// Appends bytes; only as the last part, for nothing marks their end.
    #[must_use]
    pub fn bytes(mut self, value: &[u8]) -> Self {
        self.0.extend_from_slice(value);
        self
    }
}

impl std::ops::Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Reads a key or a binary value part by part; each part is none where the bytes end too early.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads `bytes` from their start.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    /// One byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    /// A big-endian number of 4 bytes.
    pub fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// A big-endian number of 8 bytes.
    pub fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    /// All that is left.
    #[must_use]
    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{Block, Key, Reader, key_after, prefix_end};

    #[test]
    fn a_block_tells_its_entries_apart() {
        let mut block = Block::default();
        assert!(block.is_empty());
        let entries: [(&[u8], &[u8]); 3] = [(b"a", b"one"), (b"bc", b""), (b"d", b"two")];
        for (key, value) in entries {
            block.push(key, value);
        }
        assert_eq!(block.iter().collect::<Vec<_>>(), entries);
        assert_eq!(block.len(), 3);
    }

    #[test]
    fn the_end_of_a_prefix_is_the_next_key_without_it() {
        assert_eq!(prefix_end(b"a/"), Some(b"a0".to_vec()));
        assert_eq!(prefix_end(&[1, 255]), Some(vec![2]));
        assert_eq!(prefix_end(&[255, 255]), None);
        assert_eq!(prefix_end(b""), None);
        assert!(key_after(b"a").as_slice() > b"a".as_slice());
    }

    #[test]
    fn keys_sort_as_their_numbers_do() {
        assert!(*Key::new("c").u64(255) < *Key::new("c").u64(256));
    }

    #[test]
    fn a_key_reads_back() {
        let key = Key::new("c/").u64(7).u32(8).text("h");
        let mut reader = Reader::new(&key);
        assert_eq!(reader.take(2), Some(b"c/".as_slice()));
        assert_eq!((reader.u64(), reader.u32()), (Some(7), Some(8)));
        assert_eq!((reader.u64(), reader.rest()), (None, b"h".as_slice()));
    }
}
