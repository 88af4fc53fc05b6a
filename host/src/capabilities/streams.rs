//! `leyden:streams`: publishing to the streams that the manifest grants.

use super::leyden::streams::publisher::{Error, Host};
use crate::runtime::Guest;

/// Longest key, bytes.
const KEY_BYTES_MAX: usize = 512;

/// Longest payload, bytes: records are small; large things belong into state.
const PAYLOAD_BYTES_MAX: usize = 256 << 10;

impl Host for Guest {
    fn publish(
        &mut self,
        stream: String,
        key: String,
        payload: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        if key.len() > KEY_BYTES_MAX {
            return Ok(Err(Error::TooLarge(KEY_BYTES_MAX as u32)));
        }
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Ok(Err(Error::TooLarge(PAYLOAD_BYTES_MAX as u32)));
        }
        let Some(granted) = self.publishes(&stream) else {
            return Ok(Err(Error::NotGranted(stream)));
        };
        let published = self.work()?.publish(granted, key, payload);
        Ok(published.map_err(|error| Error::Budget(error.to_string())))
    }
}
