//! Instances of a function: made, and kept for the next request where its manifest says so.

use std::sync::PoisonError;
use std::time::Duration;

use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi_http::p2::bindings::Proxy;

use super::Function;
use super::run::Task;
use super::state::State;
use crate::clock::{self, Monotonic};
use crate::runtime::failure::PastDeadline;

/// Most idle instances kept of one function.
const IDLE_MAX: usize = 32;

/// Bytes that one call into the host may hand over: the longest value that a function may keep, and what a body takes at
/// a time or header fields many times over.
const HANDED_OVER_BYTES_MAX: usize = 8 << 20;

/// Epochs until a run is first looked at. The next one may begin at any moment, so with one of them some short run would be
/// interrupted at every tick, and its answer sent in pieces.
const FIRST_EPOCHS: u64 = 2;

/// An instance of a function.
pub(super) struct Instance {
    pub(super) store: Store<State>,
    pub(super) proxy: Proxy,
    /// Requests that it was given.
    uses: u32,
    made: Monotonic,
}

impl Function {
    /// An instance for one request: an idle one, or a new one.
    pub(super) async fn enter(&self, task: Task) -> wasmtime::Result<Instance> {
        let mut instance = match self.idle() {
            Some(mut idle) => {
                self.stats.reused.add();
                idle.store.data_mut().begin(task);
                idle
            }
            None => self.instantiate(task).await?,
        };
        instance.store.set_epoch_deadline(FIRST_EPOCHS);
        instance.uses += 1;
        Ok(instance)
    }

    async fn instantiate(&self, task: Task) -> wasmtime::Result<Instance> {
        let told = self.surroundings.get().cloned();
        let surroundings = told.ok_or_else(|| wasmtime::Error::msg("its secrets are not known"))?;
        self.stats.made.add();
        let state = State::new(
            &self.identity,
            surroundings,
            &self.outbound,
            &self.stats,
            task,
        );
        let mut store = Store::new(self.pre.engine(), state);
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(HANDED_OVER_BYTES_MAX);
        store.epoch_deadline_callback(|context| match context.data().time.is_over() {
            true => Err(PastDeadline.into()),
            false => {
                let next = context.data().slice.clone().next();
                Ok(UpdateDeadline::YieldCustom(1, Box::pin(next)))
            }
        });
        store.set_epoch_deadline(FIRST_EPOCHS);
        let instance = self.pre.instantiate_async(&mut store).await?;
        let proxy = self.indices.load(&mut store, &instance)?;
        Ok(Instance {
            store,
            proxy,
            uses: 0,
            made: clock::monotonic(),
        })
    }

    /// An instance that has served before and may serve again.
    fn idle(&self) -> Option<Instance> {
        let reuse = self.identity.manifest.reuse?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // The last one is the youngest by use, whose memory is most likely still at hand.
        std::iter::from_fn(|| idle.pop()).find(|instance| instance.is_young(reuse.age_s))
    }

    /// Keeps an instance whose run has returned and whose answer was read, if it may serve again.
    pub(super) fn keep(&self, instance: Instance) {
        let Some(reuse) = self.identity.manifest.reuse else {
            return;
        };
        if instance.uses >= reuse.count || !instance.is_young(reuse.age_s) {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(instance);
        }
    }
}

impl Instance {
    fn is_young(&self, age_s: u64) -> bool {
        let age = clock::monotonic().saturating_duration_since(self.made);
        age < Duration::from_secs(age_s)
    }
}
