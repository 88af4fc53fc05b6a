//! A stand-in for the host in native tests: state, publishing, clock and randomness of one thread,
//! in memory. It commits nothing and enforces no budget; a test that needs those runs the host.
//! Components do not contain it.

use crate::bindings::leyden::state::store::{Block, Entry, Error, KeyRange, Order};
use crate::bindings::leyden::streams::publisher;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Bound;

/// A record that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its stream.
    pub stream: String,
    /// What it is about.
    pub key: String,
    /// Its content.
    pub payload: Vec<u8>,
}

thread_local! {
    static STATE: RefCell<BTreeMap<Vec<u8>, Vec<u8>>> = const { RefCell::new(BTreeMap::new()) };
    static PUBLISHED: RefCell<Vec<Published>> = const { RefCell::new(Vec::new()) };
    static NOW_MS: Cell<u64> = const { Cell::new(0) };
    static RANDOM: Cell<u64> = const { Cell::new(0) };
}

/// Moves the clock (ms since 1970).
pub fn set_now_ms(now_ms: u64) {
    NOW_MS.set(now_ms);
}

/// Takes the records published since the last call, in their order.
#[must_use]
pub fn take_published() -> Vec<Published> {
    PUBLISHED.take()
}

pub(crate) fn now() -> u64 {
    NOW_MS.get()
}

/// Different numbers, the same in each run: the finalizer of SplitMix64 over a counter.
pub(crate) fn get_u64() -> u64 {
    let count = RANDOM.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    RANDOM.set(count);
    let mixed = (count ^ (count >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

pub(crate) fn publish(stream: &str, key: &str, payload: &[u8]) -> Result<(), publisher::Error> {
    let record = Published {
        stream: stream.to_owned(),
        key: key.to_owned(),
        payload: payload.to_vec(),
    };
    PUBLISHED.with_borrow_mut(|all| all.push(record));
    Ok(())
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it has the signature of the host's function"
)]
pub(crate) fn prefetch(_keys: &[Vec<u8>]) -> Result<(), Error> {
    Ok(())
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it has the signature of the host's function"
)]
pub(crate) fn get(key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    Ok(STATE.with_borrow(|state| state.get(key).cloned()))
}

pub(crate) fn set(key: &[u8], value: &[u8]) -> Result<(), Error> {
    STATE.with_borrow_mut(|state| state.insert(key.to_vec(), value.to_vec()));
    Ok(())
}

pub(crate) fn delete(key: &[u8]) -> Result<(), Error> {
    STATE.with_borrow_mut(|state| state.remove(key));
    Ok(())
}

pub(crate) fn scan_block(range: &KeyRange, limit: u32) -> Result<Block, Error> {
    let mut block = Block::default();
    for entry in scan(range, Order::Ascending, limit)? {
        block.push(&entry.key, &entry.value);
    }
    Ok(block)
}

pub(crate) fn scan(range: &KeyRange, order: Order, limit: u32) -> Result<Vec<Entry>, Error> {
    let end = range.end.as_deref();
    if end.is_some_and(|end| end <= range.start.as_slice()) {
        return Ok(Vec::new());
    }
    let bounds = (
        Bound::Included(range.start.as_slice()),
        end.map_or(Bound::Unbounded, Bound::Excluded),
    );
    let entry = |(key, value): (&Vec<u8>, &Vec<u8>)| Entry {
        key: key.clone(),
        value: value.clone(),
    };
    let limit = limit.min(crate::state::SCAN_ENTRIES_MAX) as usize;
    Ok(STATE.with_borrow(|state| {
        let entries = state.range::<[u8], _>(bounds);
        match order {
            Order::Ascending => entries.take(limit).map(entry).collect(),
            Order::Descending => entries.rev().take(limit).map(entry).collect(),
        }
    }))
}
