//! `leyden:state`: the component's own map, inside its own space of the store.

use super::leyden::state::store::{Block, Entry, Error, Host, KeyRange, Order};
use crate::dispatch::work;
use crate::runtime::Guest;
use crate::store;

/// Longest key, bytes: keys are compared and copied on every access.
pub(super) const KEY_BYTES_MAX: usize = 1024;

/// Longest value, bytes: a value is read and written whole.
pub(super) const VALUE_BYTES_MAX: usize = 4 << 20;

/// The one place where a failure becomes the guest's error. What the store fails at is none of the
/// guest's business: it ends the invocation.
fn answer<T>(result: Result<T, work::Error>) -> wasmtime::Result<Result<T, Error>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(work::Error::Budget(budget)) => Ok(Err(Error::Budget(budget.to_string()))),
        Err(other) => Err(super::end(other)),
    }
}

fn check_key(key: &[u8]) -> Result<(), Error> {
    let rule = Error::KeySize(KEY_BYTES_MAX as u32);
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        Err(rule)
    } else {
        Ok(())
    }
}

fn check_value(value: &[u8]) -> Result<(), Error> {
    let rule = Error::ValueSize(VALUE_BYTES_MAX as u32);
    if value.len() > VALUE_BYTES_MAX {
        Err(rule)
    } else {
        Ok(())
    }
}

impl Host for Guest {
    async fn get(&mut self, key: Vec<u8>) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        if let Err(rule) = check_key(&key) {
            return Ok(Err(rule));
        }
        let (space, work) = self.space_and_work()?;
        answer(work.read(space, &key).await)
    }

    async fn prefetch(&mut self, keys: Vec<Vec<u8>>) -> wasmtime::Result<Result<(), Error>> {
        if let Err(rule) = keys.iter().try_for_each(|key| check_key(key)) {
            return Ok(Err(rule));
        }
        let (space, work) = self.space_and_work()?;
        answer(work.prefetch(space, keys).await)
    }

    fn set(&mut self, key: Vec<u8>, value: Vec<u8>) -> wasmtime::Result<Result<(), Error>> {
        if let Err(rule) = check_key(&key).and_then(|()| check_value(&value)) {
            return Ok(Err(rule));
        }
        let (space, work) = self.space_and_work()?;
        answer(work.write(space, key, Some(value)))
    }

    fn delete(&mut self, key: Vec<u8>) -> wasmtime::Result<Result<(), Error>> {
        if let Err(rule) = check_key(&key) {
            return Ok(Err(rule));
        }
        let (space, work) = self.space_and_work()?;
        answer(work.write(space, key, None))
    }

    async fn scan(
        &mut self,
        range: KeyRange,
        order: Order,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<Entry>, Error>> {
        let order = match order {
            Order::Ascending => store::Order::Ascending,
            Order::Descending => store::Order::Descending,
        };
        let (space, work) = self.space_and_work()?;
        let found = work.scan(space, range.into(), order, limit as usize).await;
        let entry = |e: store::Entry| Entry {
            key: e.key,
            value: e.value,
        };
        answer(found.map(|entries| entries.into_iter().map(entry).collect()))
    }

    async fn scan_block(
        &mut self,
        range: KeyRange,
        limit: u32,
    ) -> wasmtime::Result<Result<Block, Error>> {
        let (space, work) = self.space_and_work()?;
        let found = work.scan_block(space, range.into(), limit as usize).await;
        let block = |store::Block { bytes, lengths }| Block { bytes, lengths };
        answer(found.map(block))
    }
}

impl From<KeyRange> for store::Range {
    fn from(KeyRange { start, end }: KeyRange) -> Self {
        Self { start, end }
    }
}
