//! `leyden:clock`: the invocation's instant.

use super::leyden::clock::clock::Host;
use crate::runtime::{Analyst, Guest};

impl Host for Guest {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.work()?.now().0)
    }
}

impl Host for Analyst {
    fn now(&mut self) -> wasmtime::Result<u64> {
        self.count_call()?;
        Ok(Analyst::now(self).0)
    }
}
