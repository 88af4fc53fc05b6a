//! A component that the host calls inside an invocation: it is handed the invocation's transaction, and
//! gives it back.

use std::sync::Arc;

use crate::dispatch::{Culprit, Error};
use crate::registry::Active;
use crate::runtime::failure::explain;
use crate::runtime::guest::{Call, DEPTH_MAX};
use crate::runtime::instance::Instance;

/// A component while the host calls it.
pub(super) struct Callee {
    active: Arc<Active>,
    interface: &'static str,
    deadline_ms: u64,
    pub(super) instance: Box<Instance>,
}

impl Callee {
    /// Hands the invocation to the active component that exports an interface. Until it is taken back the
    /// invocation is not with whoever called.
    pub(super) async fn enter(
        call: &mut Option<Box<Call>>,
        interface: &'static str,
    ) -> wasmtime::Result<Self> {
        let Some(mut handed) = call.take() else {
            return Err(wasmtime::Error::msg("reads data outside an invocation"));
        };
        let Some(active) = handed.generation.interface(interface).cloned() else {
            return Err(wasmtime::Error::new(Error::NotServed(interface)));
        };
        if handed.depth >= DEPTH_MAX {
            let rule = format!("is called more than {DEPTH_MAX} components deep");
            return Err(misbehaved(active.culprit(), rule));
        }
        handed.depth += 1;
        handed.work.used.note(&active);
        let deadline_ms = handed.deadline_ms;
        let entered = active.loaded.enter(handed).await;
        match entered {
            Ok(instance) => Ok(Self {
                active,
                interface,
                deadline_ms,
                instance,
            }),
            Err(error) => Err(explained(error, &active.culprit(), deadline_ms)),
        }
    }

    /// What a typed interface of the instance is called with, or the error that it does not have it.
    pub(super) fn missing(&self) -> wasmtime::Error {
        let rule = format!("exports {}, but not all of it", self.interface);
        misbehaved(self.active.culprit(), rule)
    }

    /// Takes the invocation back. When the callee has failed, the invocation is over, and its effects are
    /// dropped: that is no fault of whoever called.
    pub(super) fn leave<T>(
        self,
        call: &mut Option<Box<Call>>,
        outcome: wasmtime::Result<T>,
    ) -> wasmtime::Result<(T, Arc<Active>)> {
        let culprit = self.active.culprit();
        let value = outcome.map_err(|error| explained(error, &culprit, self.deadline_ms))?;
        let Some(mut handed) = self.active.loaded.leave(self.instance) else {
            return Err(misbehaved(culprit, "lost its invocation".into()));
        };
        handed.depth -= 1;
        *call = Some(handed);
        Ok((value, self.active))
    }
}

fn explained(error: wasmtime::Error, culprit: &Culprit, deadline_ms: u64) -> wasmtime::Error {
    wasmtime::Error::new(explain(error, culprit, deadline_ms))
}

fn misbehaved(culprit: Culprit, rule: String) -> wasmtime::Error {
    wasmtime::Error::new(Error::Misbehaved(culprit, rule))
}
