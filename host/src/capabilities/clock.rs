//! `leyden:clock`: the invocation's instant.

use super::leyden::clock::clock::Host;
use crate::runtime::Guest;

impl Host for Guest {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.work()?.now().0)
    }
}
