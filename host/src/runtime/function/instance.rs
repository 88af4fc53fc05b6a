//! Instances of a function: made, and kept for the next request where its manifest says so.

use std::sync::{Arc, PoisonError, Weak};
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

/// What an instance is given of fuel for each call where fuel is counted: more than any deadline lets it burn.
const FUEL: u64 = u64::MAX;

/// Epochs until a run is first looked at. The next one may begin at any moment, so with one of them some short run would be
/// interrupted at every tick, and its answer sent in pieces.
const FIRST_EPOCHS: u64 = 2;

/// An instance of a function.
pub(super) struct Instance {
    pub(super) store: Store<State>,
    pub(super) proxy: Proxy,
    uses: u32,
    made: Monotonic,
}

/// What a call burnt counts however it ends.
impl Drop for Instance {
    fn drop(&mut self) {
        if let (Some(notes), Ok(left)) = (&self.store.data().notes, self.store.get_fuel()) {
            notes.burnt(FUEL - left);
        }
    }
}

/// Instances that may serve again.
#[derive(Default)]
pub(super) struct Idle {
    #[expect(
        clippy::vec_box,
        reason = "an instance goes to and fro, and is not to be copied each time"
    )]
    instances: Vec<Box<Instance>>,
    /// Whether somebody looks after their age.
    is_watched: bool,
}

impl Function {
    /// An instance for one request: an idle one, or a new one.
    pub(super) async fn enter(&self, task: Task) -> wasmtime::Result<Box<Instance>> {
        // What came before is not in a record, so an invocation that is recorded begins anew.
        let idle = match &task.notes {
            None => self.idle(),
            Some(_) => None,
        };
        let mut instance = match idle {
            Some(mut idle) => {
                self.stats.reused.add();
                idle.store.data_mut().begin(task);
                idle
            }
            None => self.instantiate(task).await?,
        };
        if self.counts_fuel {
            instance.store.set_fuel(FUEL)?;
        }
        instance.store.set_epoch_deadline(FIRST_EPOCHS);
        instance.uses += 1;
        Ok(instance)
    }

    async fn instantiate(&self, task: Task) -> wasmtime::Result<Box<Instance>> {
        let told = self.surroundings.get().cloned();
        let surroundings = told.ok_or_else(|| wasmtime::Error::msg("its secrets are not known"))?;
        let code = self.code.get();
        let code = code.ok_or_else(|| wasmtime::Error::msg("its code is not loaded"))?;
        self.stats.made.add();
        let state = State::new(
            &self.identity,
            surroundings,
            &self.outbound,
            &self.stats,
            task,
        );
        let mut store = Store::new(code.pre.engine(), state);
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(HANDED_OVER_BYTES_MAX);
        store.epoch_deadline_callback(|context| match context.data().time.is_over() {
            true => Err(PastDeadline.into()),
            // Where a guest is interrupted shows in what it finds written of its answer.
            false if context.data().is_replay() => Ok(UpdateDeadline::Continue(1)),
            false => {
                let next = context.data().slice.clone().next();
                Ok(UpdateDeadline::YieldCustom(1, Box::pin(next)))
            }
        });
        if self.counts_fuel {
            store.set_fuel(FUEL)?;
        }
        store.set_epoch_deadline(FIRST_EPOCHS);
        let instance = code.pre.instantiate_async(&mut store).await?;
        let proxy = code.indices.load(&mut store, &instance)?;
        Ok(Box::new(Instance {
            store,
            proxy,
            uses: 0,
            made: clock::monotonic(),
        }))
    }

    /// An instance that has served before and may serve again.
    fn idle(&self) -> Option<Box<Instance>> {
        let reuse = self.identity.manifest.reuse?;
        if !self.again.is_tried() {
            return None;
        }
        let age_max = Duration::from_secs(reuse.age_s);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // The last one is the youngest by use, whose memory is most likely still at hand.
        std::iter::from_fn(|| idle.instances.pop()).find(|instance| instance.age() < age_max)
    }

    /// Keeps an instance whose run has returned and whose answer was read, if it may serve again.
    pub(super) fn keep(self: &Arc<Self>, instance: Box<Instance>) {
        if instance.store.data().notes.is_some() {
            return;
        }
        let Some(reuse) = self.identity.manifest.reuse else {
            // Giving its memory back takes a while, which nobody is to wait for.
            return self.pauses.afterwards(async move { drop(instance) });
        };
        if instance.uses > 1 {
            self.again.prove();
        }
        let age_max = Duration::from_secs(reuse.age_s);
        if instance.uses >= reuse.count || instance.age() >= age_max || !self.again.is_tried() {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.instances.len() < IDLE_MAX {
            idle.instances.push(instance);
        }
        if !std::mem::replace(&mut idle.is_watched, true) {
            tokio::spawn(watch(Arc::downgrade(self), age_max));
        }
    }

    /// Instances that wait to serve again.
    pub(in crate::runtime) fn instances_idle(&self) -> usize {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.instances.len()
    }

    /// Drops idle instances that are too old; how long until the next one is, if there are others.
    fn expire(&self, age_max: Duration) -> Option<Duration> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let instances = &mut idle.instances;
        let old: Vec<_> = instances
            .extract_if(.., |instance| instance.age() >= age_max)
            .collect();
        let left = instances.iter().map(|i| age_max.saturating_sub(i.age()));
        let next = left.min();
        idle.is_watched = next.is_some();
        drop(idle);
        // Giving memory back takes a while, which no request is to wait for.
        drop(old);
        next
    }
}

/// Drops a function's idle instances in time, where no request comes that would find them too old.
async fn watch(function: Weak<Function>, age_max: Duration) {
    let mut next = age_max;
    loop {
        clock::sleep(next).await;
        let left = function
            .upgrade()
            .and_then(|function| function.expire(age_max));
        match left {
            Some(left) => next = left,
            None => return,
        }
    }
}

impl Instance {
    /// Requests that it was given.
    pub(super) fn uses(&self) -> u32 {
        self.uses
    }

    fn age(&self) -> Duration {
        clock::monotonic().saturating_duration_since(self.made)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use bytes::Bytes;
    use http::Request;
    use http_body_util::Empty;

    use super::*;
    use crate::dispatch::Culprit;
    use crate::ids::{ComponentName, Digest};
    use crate::registry::manifest::Manifest;
    use crate::runtime::{Loaded, Options, Runtime};

    /// The component `hello` with this manifest, in a runtime of its own.
    pub(in super::super) fn hello(manifest: &str) -> (Runtime, Loaded) {
        let hello = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../target/guests/alternatives/hello.wasm"
        );
        let bytes = std::fs::read(hello).expect("cargo xtask build");
        let options = Options {
            compiles_here: true,
            ..Options::default()
        };
        let runtime = Runtime::start(&options).expect("an engine");
        let component = ComponentName::parse("hello").expect("a name");
        let version = Digest::of(&bytes);
        let manifest = Manifest::parse(manifest).expect("a manifest");
        let culprit = Culprit { component, version };
        let loaded = runtime.load(culprit, &bytes, Some(manifest));
        (runtime, loaded.expect("a function"))
    }

    #[tokio::test]
    async fn idle_instances_go_though_nobody_asks() {
        let (_runtime, loaded) = hello("[reuse]\nage-s = 1\n");
        let function = loaded.as_function().expect("a function");
        let request = Request::builder().uri("http://localhost/");
        let request = request.body(Empty::<Bytes>::new()).expect("a request");
        loaded.answer(request, None, ()).await.expect("an answer");
        assert_eq!(loaded.instances_idle(), 1);
        tokio::time::sleep(Duration::from_millis(1_300)).await;
        assert_eq!(loaded.instances_idle(), 0);
        assert!(!function.idle.lock().expect("a lock").is_watched);
    }
}
