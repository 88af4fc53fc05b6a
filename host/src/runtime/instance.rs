//! Instances of a component: made, kept for reuse, given a call and relieved of it.
//!
//! Services reuse instances, since their state lies in the store, and policies do, since they have none.

use std::sync::PoisonError;

use wasmtime::{Store, UpdateDeadline};

use super::bindings::{events, http, rows};
use super::failure::PastDeadline;
use super::guest::{Call, Guest};
use super::loaded::Loaded;

/// Most calls that one instance serves: bounds what a leak in a guest can add up to.
const USES_MAX: u32 = 100_000;

/// Most idle instances kept of one component.
const IDLE_MAX: usize = 32;

/// An instance of a component with its handlers.
pub(super) struct Instance {
    pub(super) store: Store<Guest>,
    pub(super) instance: wasmtime::component::Instance,
    pub(super) http: Option<http::Http>,
    pub(super) rows: Option<rows::Rows>,
    pub(super) events: Option<events::Events>,
    pub(super) grid: super::grid::Exports,
    uses: u32,
}

impl Loaded {
    /// An idle instance or a new one, serving `call`. If none can be made, the call is lost and with it
    /// its effects.
    pub(super) async fn enter(&self, call: Box<Call>) -> wasmtime::Result<Instance> {
        let mut instance = match self.idle() {
            Some(instance) => instance,
            None => self.instantiate().await?,
        };
        instance.store.data_mut().call = Some(call);
        instance.begin();
        Ok(instance)
    }

    /// An instance that has served before and may serve again.
    pub(super) fn idle(&self) -> Option<Instance> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.pop()
    }

    /// Takes the call back from an instance that served it without a trap, and keeps the instance
    /// if it may be reused.
    pub(super) fn leave(&self, mut instance: Instance) -> Option<Box<Call>> {
        let call = instance.store.data_mut().call.take();
        self.keep(instance);
        call
    }

    /// Keeps an instance that has served without a trap, if it may be reused.
    pub(super) fn keep(&self, instance: Instance) {
        if instance.uses < USES_MAX {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < IDLE_MAX {
                idle.push(instance);
            }
        }
    }

    pub(super) async fn instantiate(&self) -> wasmtime::Result<Instance> {
        let mut store = Store::new(&self.engine, Guest::new(self.identity.clone()));
        store.limiter(|guest| &mut guest.limits);
        store.epoch_deadline_callback(|context| match context.data().is_over() {
            true => Err(PastDeadline.into()),
            false => Ok(UpdateDeadline::Yield(1)),
        });
        store.set_epoch_deadline(1);
        let instance = self.pre.instantiate_async(&mut store).await?;
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
