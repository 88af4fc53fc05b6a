//! Instances of a component: made, kept for reuse, given a call and relieved of it.
//!
//! Services reuse instances, since their state lies in the store, unless their manifest says how long, and policies do,
//! since they have none. While the host is not busy, one that will not serve again is dropped after the answer, and a *spare*
//! is made in its place, which has served nobody: both take longer than a short call, and nobody has to wait for either.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
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

/// An instance of a component with its handlers. It is large and goes from hand to hand, so it lies in a box.
pub(super) struct Instance {
    pub(super) store: Store<Guest>,
    pub(super) instance: wasmtime::component::Instance,
    pub(super) http: Option<http::Http>,
    pub(super) rows: Option<rows::Rows>,
    pub(super) events: Option<events::Events>,
    pub(super) grid: super::grid::Exports,
    uses: u32,
    made: Monotonic,
    /// Its place among the spares of the host, until it serves.
    spare: Option<OwnedSemaphorePermit>,
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
    pub(super) async fn enter(&self, call: Box<Call>) -> wasmtime::Result<Box<Instance>> {
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
    pub(super) fn idle(&self) -> Option<Box<Instance>> {
        let idle = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            std::iter::from_fn(|| idle.pop()).find(|instance| self.may_serve(instance))
        };
        match &idle {
            // A spare counts once it is of use.
            Some(idle) if idle.uses == 0 => self.stats.made.add(),
            Some(_) => self.stats.reused.add(),
            None => {}
        }
        idle
    }

    /// Takes the call back from an instance that served it without a trap, and keeps the instance
    /// if it may be reused.
    pub(super) fn leave(self: &Arc<Self>, mut instance: Box<Instance>) -> Option<Box<Call>> {
        let call = instance.store.data_mut().call.take();
        if let Some(spent) = self.keep(instance) {
            let loaded = self.clone();
            self.pauses.afterwards(async move {
                drop(spent);
                loaded.make_spare().await;
            });
        }
        call
    }

    /// Keeps an instance that has served without a trap. It comes back if it may not be reused.
    pub(super) fn keep(&self, mut instance: Box<Instance>) -> Option<Box<Instance>> {
        instance.tell_fuel();
        if !self.may_serve(&instance) {
            return Some(instance);
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() >= IDLE_MAX {
            return Some(instance);
        }
        idle.push(instance);
        None
    }

    /// Makes an instance ahead of the next call, unless one waits for it already or the host has enough of them. Where that
    /// fails, the next call makes one itself and is told why.
    async fn make_spare(&self) {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // A replay makes its instances when it needs them, since it counts what that burns.
        if self.counts_fuel || !idle().is_empty() {
            return;
        }
        let Ok(place) = self.spares.clone().try_acquire_owned() else {
            return;
        };
        let limit = Duration::from_millis(self.identity.manifest.limits.deadline_ms);
        if let Ok(Ok(mut spare)) = timeout(limit, self.make()).await {
            spare.spare = Some(place);
            idle().push(spare);
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

    pub(super) async fn instantiate(&self) -> wasmtime::Result<Box<Instance>> {
        self.stats.made.add();
        self.make().await
    }

    async fn make(&self) -> wasmtime::Result<Box<Instance>> {
        let Code::Own(pre) = &self.code else {
            return Err(wasmtime::Error::msg(
                "is a function and called like a service",
            ));
        };
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
        Ok(Box::new(Instance {
            store,
            instance,
            http,
            rows,
            events,
            grid,
            uses: 0,
            made: clock::monotonic(),
            spare: None,
        }))
    }
}

impl Instance {
    /// Counts one more use. The epoch's callback looks at once whether time is over.
    pub(super) fn begin(&mut self) {
        self.store.set_epoch_deadline(1);
        self.uses += 1;
        self.spare = None;
    }
}

/// Whether the runtime's threads have paused since they were last looked at: how often they had by then.
#[derive(Default)]
pub(super) struct Pauses(AtomicU64);

impl Pauses {
    /// Has something done next on this thread, when the answer that is being made has been sent. Without a runtime, and while its
    /// threads go from one request to the next, it is dropped at once instead: what has been touched a moment ago goes quicker
    /// now than when the processor's cache has forgotten it, which counts where others wait.
    pub(super) fn afterwards(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Ok(runtime) = Handle::try_current()
            && self.are_new(&runtime)
        {
            runtime.spawn(work);
        }
    }

    fn are_new(&self, runtime: &Handle) -> bool {
        let metrics = runtime.metrics();
        let threads = 0..metrics.num_workers();
        let pauses = threads
            .map(|thread| metrics.worker_park_count(thread))
            .sum();
        self.0.swap(pauses, Ordering::Relaxed) != pauses
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::Culprit;
    use crate::ids::{ComponentName, Digest};
    use crate::registry::manifest::Manifest;
    use crate::runtime::{Options, Runtime};

    fn greeting(runtime: &Runtime) -> Arc<Loaded> {
        let file = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../target/guests/alternatives/greeting.wasm"
        );
        let bytes = std::fs::read(file).expect("cargo xtask build");
        let culprit = Culprit {
            component: ComponentName::parse("greeting").expect("a name"),
            version: Digest::of(&bytes),
        };
        let once = Manifest::parse("[reuse]\ncount = 1\n").expect("a manifest");
        Arc::new(
            runtime
                .load(culprit, &bytes, Some(once))
                .expect("a component"),
        )
    }

    #[tokio::test]
    async fn while_there_is_time_one_that_has_served_goes_and_one_that_has_not_waits_in_its_place()
    {
        let runtime = Runtime::start(&Options::default()).expect("an engine");
        let loaded = greeting(&runtime);
        let waiting = || loaded.idle.lock().expect("a lock").len();
        let places = runtime.spares.available_permits();
        let mut first = loaded.instantiate().await.expect("an instance");
        first.begin();
        tokio::time::sleep(Duration::from_millis(1)).await;
        loaded.leave(first);
        assert_eq!(waiting(), 0, "it is for after the answer");
        let made = async {
            while waiting() == 0 {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), made)
            .await
            .expect("a spare");
        loaded.make_spare().await;
        assert_eq!(
            (waiting(), runtime.spares.available_permits()),
            (1, places - 1)
        );
        let mut spare = loaded.idle().expect("a spare");
        assert_eq!(spare.uses, 0);
        spare.begin();
        assert_eq!(runtime.spares.available_permits(), places);
        assert!(loaded.keep(spare).is_some(), "it has served");
        assert_eq!((loaded.stats.made.get(), loaded.stats.reused.get()), (2, 0));
        // Nothing has paused since then.
        let mut next = loaded.instantiate().await.expect("an instance");
        next.begin();
        loaded.leave(next);
        tokio::task::yield_now().await;
        assert_eq!(waiting(), 0);
    }
}
