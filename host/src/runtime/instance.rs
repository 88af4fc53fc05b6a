//! Instances of a component: made, kept for reuse, given a call and relieved of it.
//!
//! Services reuse instances, since their state lies in the store, unless their manifest says how long, and policies do,
//! since they have none.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use wasmtime::{Store, UpdateDeadline};

use super::bindings::{events, http, rows};
use super::failure::PastDeadline;
use super::guest::{Call, Guest};
use super::loaded::{Code, Loaded};
use crate::clock::{self, Monotonic};
use crate::dispatch::Notes;

/// Most calls that one instance serves where no manifest says it: bounds what a leak in a guest can add up to.
const USES_MAX: u32 = 100_000;

/// Most idle instances kept of one component.
const IDLE_MAX: usize = 32;

/// What an instance is given of fuel for each call where fuel is counted: more than any deadline lets it burn.
const FUEL: u64 = u64::MAX;

/// An instance of a component with its handlers.
pub(super) struct Instance {
    pub(super) store: Store<Guest>,
    pub(super) instance: wasmtime::component::Instance,
    pub(super) http: Option<http::Http>,
    pub(super) rows: Option<rows::Rows>,
    pub(super) events: Option<events::Events>,
    pub(super) grid: super::grid::Exports,
    uses: u32,
    made: Monotonic,
}

impl Instance {
    /// Has the fuel that is burnt from now on counted for an invocation.
    pub(super) fn count_fuel(&mut self, notes: Option<Arc<Notes>>) -> wasmtime::Result<()> {
        self.store.data_mut().burns_for = notes;
        self.store.set_fuel(FUEL)
    }

    /// Tells what was burnt.
    fn tell_fuel(&mut self) {
        if let Some(notes) = self.store.data_mut().burns_for.take() {
            notes.burnt(FUEL - self.store.get_fuel().unwrap_or(FUEL));
        }
    }
}

/// What a call burnt that ended in a trap counts as well.
impl Drop for Instance {
    fn drop(&mut self) {
        self.tell_fuel();
    }
}

impl Loaded {
    /// An idle instance or a new one, serving `call`. If none can be made, the call is lost and with it
    /// its effects.
    pub(super) async fn enter(&self, call: Box<Call>) -> wasmtime::Result<Instance> {
        let mut instance = match self.idle() {
            Some(instance) => instance,
            None => self.instantiate().await?,
        };
        if self.counts_fuel {
            instance.count_fuel(call.work.notes().cloned())?;
        }
        instance.store.data_mut().call = Some(call);
        instance.begin();
        Ok(instance)
    }

    /// An instance that has served before and may serve again.
    pub(super) fn idle(&self) -> Option<Instance> {
        let idle = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            std::iter::from_fn(|| idle.pop()).find(|instance| self.may_serve(instance))
        };
        if idle.is_some() {
            self.stats.reused.add();
        }
        idle
    }

    /// Takes the call back from an instance that served it without a trap, and keeps the instance
    /// if it may be reused.
    pub(super) fn leave(&self, mut instance: Instance) -> Option<Box<Call>> {
        let call = instance.store.data_mut().call.take();
        self.keep(instance);
        call
    }

    /// Keeps an instance that has served without a trap, if it may be reused.
    pub(super) fn keep(&self, mut instance: Instance) {
        instance.tell_fuel();
        if self.may_serve(&instance) {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < IDLE_MAX {
                idle.push(instance);
            }
        }
    }

    /// Whether an instance has neither served often enough nor grown too old.
    fn may_serve(&self, instance: &Instance) -> bool {
        let Some(reuse) = self.identity.manifest.reuse else {
            return instance.uses < USES_MAX;
        };
        let age = || clock::monotonic().saturating_duration_since(instance.made);
        instance.uses < reuse.count && age() < Duration::from_secs(reuse.age_s)
    }

    pub(super) async fn instantiate(&self) -> wasmtime::Result<Instance> {
        let Code::Own(pre) = &self.code else {
            return Err(wasmtime::Error::msg(
                "is a function and called like a service",
            ));
        };
        self.stats.made.add();
        let guest = Guest::new(self.identity.clone(), self.stats.clone());
        let mut store = Store::new(&self.engine, guest);
        store.limiter(|guest| &mut guest.limits);
        store.epoch_deadline_callback(|context| match context.data().is_over() {
            true => Err(PastDeadline.into()),
            // The thread looks for what has come in before it computes on.
            false => Ok(UpdateDeadline::YieldCustom(
                1,
                Box::pin(tokio::task::yield_now()),
            )),
        });
        store.set_epoch_deadline(1);
        if self.counts_fuel {
            store.set_fuel(FUEL)?;
        }
        let instance = pre.instantiate_async(&mut store).await?;
        let handlers = &self.handlers;
        let http = handlers
            .http
            .as_ref()
            .map(|i| i.load(&mut store, &instance))
            .transpose()?;
        let rows = handlers
            .rows
            .as_ref()
            .map(|i| i.load(&mut store, &instance))
            .transpose()?;
        let events = handlers
            .events
            .as_ref()
            .map(|i| i.load(&mut store, &instance))
            .transpose()?;
        let grid = handlers.grid.load(&mut store, &instance);
        Ok(Instance {
            store,
            instance,
            http,
            rows,
            events,
            grid,
            uses: 0,
            made: clock::monotonic(),
        })
    }
}

impl Instance {
    /// Counts one more use. The epoch's callback looks at once whether time is over.
    pub(super) fn begin(&mut self) {
        self.store.set_epoch_deadline(1);
        self.uses += 1;
    }
}
