//! `wasi:keyvalue` (0.2.0-draft2): a function's own bucket, which is the function's space of the store. What it writes
//! becomes durable with its answer, in the transaction of the request.

use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

use super::end;
use super::state::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use crate::dispatch::work::{self, Work};
use crate::store::{Order, Range, Space};

#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    reason = "generated from the WIT package, which is documented"
)]
mod bindings {
    wasmtime::component::bindgen!({
        path: "wit/keyvalue.wit",
        imports: { default: async | trappable },
        with: {
            "wasi:keyvalue/store.bucket": super::Bucket,
            "wasi:keyvalue/atomics.cas": super::Cas,
        },
    });
}

use bindings::wasi::keyvalue::{atomics, batch, store};
use store::Error;

/// What is linked by this package, without the version.
pub(crate) const INTERFACES: [&str; 3] = [
    "wasi:keyvalue/store",
    "wasi:keyvalue/atomics",
    "wasi:keyvalue/batch",
];

/// The version that is served.
pub(crate) const VERSION: &str = "0.2.0-draft2";

/// The bucket's name; the draft leaves names to hosts, and this is what others call it.
const BUCKET: &str = "default";

/// Keys of one listing.
const LISTED_MAX: usize = 1_000;

/// Most keys of one batch: each is a call of its own to the transaction's budget.
const BATCH_MAX: usize = 10_000;

/// Bytes of a number.
const NUMBER_BYTES: usize = 8;

/// The function's bucket. It has only one, so nothing needs to be known of it.
#[expect(unreachable_pub, reason = "the bindings export it again")]
pub struct Bucket;

/// A value as it was.
#[expect(unreachable_pub, reason = "the bindings export it again")]
pub struct Cas {
    key: String,
    seen: Option<Vec<u8>>,
}

/// What a function's calls are carried out with.
pub(crate) struct KeyValueView<'a> {
    /// The function's space.
    pub(crate) space: &'a Space,
    /// The request's transaction; none while the instance is being made.
    pub(crate) work: Option<&'a mut Work>,
    pub(crate) table: &'a mut ResourceTable,
}

struct HasKeyValue;

impl HasData for HasKeyValue {
    type Data<'a> = KeyValueView<'a>;
}

/// Links the package for functions with the grant `keyvalue`.
pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> KeyValueView<'_>,
) -> wasmtime::Result<()> {
    store::add_to_linker::<T, HasKeyValue>(linker, view)?;
    atomics::add_to_linker::<T, HasKeyValue>(linker, view)?;
    batch::add_to_linker::<T, HasKeyValue>(linker, view)
}

type Answer<T> = wasmtime::Result<Result<T, Error>>;

/// The one place where a failure becomes the guest's error.
fn answer<T>(result: Result<T, work::Error>) -> Answer<T> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(work::Error::Budget(budget)) => Ok(Err(Error::Other(format!("too many {budget}")))),
        Err(other) => Err(end(other)),
    }
}

fn checked_key(key: &str) -> Result<Vec<u8>, Error> {
    match (1..=KEY_BYTES_MAX).contains(&key.len()) {
        true => Ok(key.as_bytes().to_vec()),
        false => Err(Error::Other(format!(
            "a key has 1 to {KEY_BYTES_MAX} bytes"
        ))),
    }
}

impl KeyValueView<'_> {
    fn work(&mut self) -> wasmtime::Result<(&Space, &mut Work)> {
        match self.work.as_deref_mut() {
            Some(work) => Ok((self.space, work)),
            None => Err(wasmtime::Error::msg("called the host outside a request")),
        }
    }

    async fn read(&mut self, key: &str) -> Answer<Option<Vec<u8>>> {
        let key = match checked_key(key) {
            Ok(key) => key,
            Err(rule) => return Ok(Err(rule)),
        };
        let (space, work) = self.work()?;
        answer(work.read(space, &key).await)
    }

    fn write(&mut self, key: &str, value: Option<Vec<u8>>) -> Answer<()> {
        let key = match checked_key(key) {
            Ok(key) => key,
            Err(rule) => return Ok(Err(rule)),
        };
        if value
            .as_ref()
            .is_some_and(|value| value.len() > VALUE_BYTES_MAX)
        {
            let rule = format!("a value has at most {VALUE_BYTES_MAX} bytes");
            return Ok(Err(Error::Other(rule)));
        }
        let (space, work) = self.work()?;
        answer(work.write(space, key, value))
    }
}

/// The keys from `start` on, as many as one listing has; the last one is where the next listing goes on.
async fn page(
    space: &Space,
    work: &mut Work,
    mut start: Vec<u8>,
) -> Result<store::KeyResponse, work::Error> {
    loop {
        let range = Range { start, end: None };
        let found = work
            .scan(space, range, Order::Ascending, LISTED_MAX)
            .await?;
        let last = found.last().filter(|_| found.len() == LISTED_MAX);
        let next = last.map(|entry| [&entry.key[..], &[0]].concat());
        // A service of the same name may have left keys that are no text. They are not listed, and end no listing.
        let keys = found.into_iter().map(|entry| String::from_utf8(entry.key));
        let keys: Vec<String> = keys.filter_map(Result::ok).collect();
        match next {
            Some(next) if keys.is_empty() => start = next,
            next => {
                let cursor = next.and_then(|_| keys.last().cloned());
                return Ok(store::KeyResponse { keys, cursor });
            }
        }
    }
}

fn check_batch(keys: usize) -> Result<(), Error> {
    match keys <= BATCH_MAX {
        true => Ok(()),
        false => Err(Error::Other(format!(
            "a batch has at most {BATCH_MAX} keys"
        ))),
    }
}

impl store::Host for KeyValueView<'_> {
    async fn open(&mut self, identifier: String) -> Answer<Resource<Bucket>> {
        match identifier == BUCKET {
            true => Ok(Ok(self.table.push(Bucket)?)),
            false => Ok(Err(Error::NoSuchStore)),
        }
    }
}

impl store::HostBucket for KeyValueView<'_> {
    async fn get(&mut self, _: Resource<Bucket>, key: String) -> Answer<Option<Vec<u8>>> {
        self.read(&key).await
    }

    async fn set(&mut self, _: Resource<Bucket>, key: String, value: Vec<u8>) -> Answer<()> {
        self.write(&key, Some(value))
    }

    async fn delete(&mut self, _: Resource<Bucket>, key: String) -> Answer<()> {
        self.write(&key, None)
    }

    async fn exists(&mut self, _: Resource<Bucket>, key: String) -> Answer<bool> {
        Ok(self.read(&key).await?.map(|value| value.is_some()))
    }

    async fn list_keys(
        &mut self,
        _: Resource<Bucket>,
        cursor: Option<String>,
    ) -> Answer<store::KeyResponse> {
        // What follows a key directly is the key with a zero behind it.
        let start = cursor.map_or_else(|| vec![0], |last| [last.as_bytes(), &[0]].concat());
        let (space, work) = self.work()?;
        answer(page(space, work, start).await)
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for KeyValueView<'_> {
    async fn increment(&mut self, _: Resource<Bucket>, key: String, delta: i64) -> Answer<i64> {
        let value = match self.read(&key).await? {
            Ok(value) => value,
            Err(error) => return Ok(Err(error)),
        };
        let number = match value.as_deref().map(<[u8; NUMBER_BYTES]>::try_from) {
            None => 0,
            Some(Ok(bytes)) => i64::from_le_bytes(bytes),
            Some(Err(_)) => {
                let rule = format!("the value is no number of {NUMBER_BYTES} bytes");
                return Ok(Err(Error::Other(rule)));
            }
        };
        let Some(sum) = number.checked_add(delta) else {
            return Ok(Err(Error::Other("the sum is no number of 64 bits".into())));
        };
        let written = self.write(&key, Some(sum.to_le_bytes().to_vec()))?;
        Ok(written.map(|()| sum))
    }

    async fn swap(
        &mut self,
        cas: Resource<Cas>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), atomics::CasError>> {
        let Cas { key, seen } = self.table.delete(cas)?;
        let failed = atomics::CasError::StoreError;
        match self.read(&key).await? {
            Err(error) => Ok(Err(failed(error))),
            Ok(present) if present == seen => Ok(self.write(&key, Some(value))?.map_err(failed)),
            Ok(present) => {
                let next = self.table.push(Cas { key, seen: present })?;
                Ok(Err(atomics::CasError::CasFailed(next)))
            }
        }
    }
}

impl atomics::HostCas for KeyValueView<'_> {
    async fn new(&mut self, _: Resource<Bucket>, key: String) -> Answer<Resource<Cas>> {
        match self.read(&key).await? {
            Err(error) => Ok(Err(error)),
            Ok(seen) => Ok(Ok(self.table.push(Cas { key, seen })?)),
        }
    }

    async fn current(&mut self, cas: Resource<Cas>) -> Answer<Option<Vec<u8>>> {
        Ok(Ok(self.table.get(&cas)?.seen.clone()))
    }

    async fn drop(&mut self, cas: Resource<Cas>) -> wasmtime::Result<()> {
        self.table.delete(cas)?;
        Ok(())
    }
}

impl batch::Host for KeyValueView<'_> {
    async fn get_many(
        &mut self,
        _: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Answer<Vec<(String, Option<Vec<u8>>)>> {
        if let Err(rule) = check_batch(keys.len()) {
            return Ok(Err(rule));
        }
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            match self.read(&key).await? {
                Ok(value) => values.push((key, value)),
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(values))
    }

    async fn set_many(
        &mut self,
        _: Resource<Bucket>,
        key_values: Vec<(String, Vec<u8>)>,
    ) -> Answer<()> {
        if let Err(rule) = check_batch(key_values.len()) {
            return Ok(Err(rule));
        }
        for (key, value) in key_values {
            if let Err(error) = self.write(&key, Some(value))? {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    async fn delete_many(&mut self, _: Resource<Bucket>, keys: Vec<String>) -> Answer<()> {
        if let Err(rule) = check_batch(keys.len()) {
            return Ok(Err(rule));
        }
        for key in keys {
            if let Err(error) = self.write(&key, None)? {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }
}
