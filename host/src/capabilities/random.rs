//! `leyden:random`: numbers from the invocation's seed.

use super::leyden::random::random::Host;
use crate::runtime::Guest;

impl Host for Guest {
    fn get_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.work()?.random())
    }
}
