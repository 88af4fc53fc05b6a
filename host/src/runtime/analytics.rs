//! A partner's component, ready to run: compiled, and linked once for each set of datasets that it is
//! run with. Each run gets a fresh instance, which no other run sees.
//!
//! **Invariants.** What is not granted is not in the linker. A run is over by its deadline, whatever it
//! does: guest code is interrupted by epochs, waiting by a timeout around the whole. What ends a run is
//! explained in words; nothing of the host's internals is told.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime::{Store, UpdateDeadline};

use super::analyst::Analyst;
use super::bindings::{self, reports};
use super::failure::{PastDeadline, explain_run};
use super::guest::Call;
use super::inspect::Inspection;
use super::partner::Weighed;
use super::run::{Datasets, Ran, Report, RunError, RunInput, RunParams};
use super::thread::{self, Lost};
use super::wasi;
use crate::capabilities;
use crate::clock;
use crate::dispatch;
use crate::dispatch::work::Work;
use crate::metering::Dataset;

/// Most handles of resources that a guest holds at once; only WASI's streams are resources.
pub(super) const HANDLES_MAX: usize = 1_000;

/// What a guest may hand over at once beside a report of the largest size: its media type, or a log line.
const CALL_BYTES_SLACK: usize = 16 << 10;

/// Units of fuel after which a run has computed for long, and lets others go first: some 20 ms. Compiled code keeps
/// its count to itself until it has used up so much; so this is also how far the count lags behind at most.
const FUEL_SHORT: u64 = 30_000_000;

/// Calls into the host after which a run has kept the host busy for long, and lets others go first.
const CALLS_SHORT: u32 = 100;

/// A partner's component.
pub struct Analytics {
    component: Component,
    inspection: Inspection,
    linked: [OnceLock<Result<Linked, String>>; Datasets::SETS],
}

/// Linked with some set of datasets.
struct Linked {
    pre: InstancePre<Analyst>,
    report: reports::ReportsIndices,
}

impl Weighed for Analytics {
    fn bytes(&self) -> usize {
        self.inspection.bytes
    }
}

impl Analytics {
    /// Links a component with every dataset, which shows whether it fits at all.
    ///
    /// # Errors
    /// It imports something with other types than the host's, or does not export a report.
    pub(super) fn link(component: Component, inspection: Inspection) -> wasmtime::Result<Self> {
        let all = link(&component, Datasets::all())?;
        let linked = std::array::from_fn(|_| OnceLock::new());
        let this = Self {
            component,
            inspection,
            linked,
        };
        // Just made, so it is empty.
        let _ = this.linked[Datasets::all().index()].set(Ok(all));
        Ok(this)
    }

    /// What the pass over its binary found.
    #[must_use]
    pub fn inspection(&self) -> &Inspection {
        &self.inspection
    }

    /// The interfaces that it imports, each with the dataset that it reads by it and that this set does not have.
    pub fn missing(&self, granted: Datasets) -> impl Iterator<Item = (&str, Dataset)> {
        let reads = self.inspection.reads();
        reads.filter(move |(_, dataset)| !granted.contains(*dataset))
    }

    /// Runs it once, on a thread of its own. Whatever ends the run, it has ended when this returns; a
    /// caller that stops waiting ends it as well.
    pub async fn run(self: &Arc<Self>, input: RunInput) -> Ran {
        if let Err(error) = self.linked(input.granted) {
            return Ran::not(error, Some(input.work));
        }
        let this = self.clone();
        let ran = thread::on_own(thread::RUN, async move { this.run_here(input).await });
        ran.await.unwrap_or_else(|lost| {
            let fault = match lost {
                Lost::NoThread => dispatch::Error::Busy,
                Lost::Panicked => dispatch::Error::Stopping,
            };
            tracing::error!(digest = %self.inspection.digest, ?lost, "a run was lost");
            Ran::not(RunError::HostFault(fault), None)
        })
    }

    /// Runs it once on the thread of whoever asks, as replays do, which have one of their own.
    pub(crate) async fn run_here(&self, mut input: RunInput) -> Ran {
        let _place = match input.enter().await {
            Ok(place) => place,
            Err(error) => return Ran::not(error, Some(input.work)),
        };
        let linked = match self.linked(input.granted) {
            Ok(linked) => linked,
            Err(error) => return Ran::not(error, Some(input.work)),
        };
        let fuel = input.fuel_max.min(input.limits.fuel);
        let params = input.params.clone();
        let mut store = self.store(input, fuel);
        let wait = store
            .data()
            .deadline
            .saturating_duration_since(clock::monotonic());
        let reported = tokio::time::timeout(wait, linked.report(&mut store, fuel, &params)).await;
        let reported = reported.unwrap_or_else(|_| Err(PastDeadline.into()));
        ended(store, fuel, reported)
    }

    fn linked(&self, granted: Datasets) -> Result<&Linked, RunError> {
        let missing = self.missing(granted).map(|(import, _)| import.to_owned());
        let missing: Vec<String> = missing.collect();
        if !missing.is_empty() {
            return Err(RunError::NotGranted(missing));
        }
        let slot = &self.linked[granted.index()];
        let linked = slot
            .get_or_init(|| link(&self.component, granted).map_err(|error| format!("{error:#}")));
        linked.as_ref().map_err(|why| {
            tracing::error!(digest = %self.inspection.digest, why, "a component that was linked with everything does not link with less");
            RunError::HostFault(dispatch::Error::Busy)
        })
    }

    fn store(&self, input: RunInput, fuel: u64) -> Store<Analyst> {
        let limits = input.limits;
        let patience = input.work.patience();
        let deadline = clock::monotonic() + Duration::from_millis(limits.deadline_ms * patience);
        // A replay is as far behind as whoever replays has it.
        let mut is_long = input.work.notes().is_some_and(|notes| notes.is_replay());
        let call = Box::new(Call {
            work: input.work,
            generation: input.generation,
            deadline,
            deadline_ms: limits.deadline_ms,
            depth: 0,
        });
        let analyst = Analyst::new(call, limits, deadline);
        let mut store = Store::new(self.component.engine(), analyst);
        store.limiter(|analyst| analyst);
        store.set_hostcall_fuel(limits.report_bytes + CALL_BYTES_SLACK);
        store.set_max_component_handles(HANDLES_MAX);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |context| {
            if clock::monotonic() >= context.data().deadline {
                return Err(PastDeadline.into());
            }
            let used = fuel.saturating_sub(context.get_fuel()?);
            let calls = context.data().calls();
            if (used >= FUEL_SHORT || calls > CALLS_SHORT) && !std::mem::replace(&mut is_long, true)
            {
                thread::step_back_for_long();
            }
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }
}

impl Linked {
    async fn report(
        &self,
        store: &mut Store<Analyst>,
        fuel: u64,
        params: &RunParams,
    ) -> wasmtime::Result<Result<Report, RunError>> {
        store.set_fuel(fuel)?;
        store.fuel_async_yield_interval(Some(FUEL_SHORT))?;
        let instance = self.pre.instantiate_async(&mut *store).await?;
        let report = self.report.load(&mut *store, &instance)?;
        bindings::call_report(report.leyden_data_reports(), store, params).await
    }
}

impl Ran {
    /// A run that did not begin.
    fn not(error: RunError, work: Option<Box<Work>>) -> Self {
        Self {
            outcome: Err(error),
            fuel: 0,
            log: Vec::new(),
            work,
            memory_high_bytes: 0,
        }
    }
}

fn link(component: &Component, datasets: Datasets) -> wasmtime::Result<Linked> {
    let mut linker = Linker::new(component.engine());
    capabilities::add_to_partner_linker(&mut linker, datasets)?;
    wasi::add_to_linker(&mut linker, component)?;
    let pre = linker.instantiate_pre(component)?;
    let report = reports::ReportsIndices::new(&pre)?;
    Ok(Linked { pre, report })
}

/// What became of a run, once its guest runs no more.
fn ended(
    store: Store<Analyst>,
    fuel: u64,
    reported: wasmtime::Result<Result<Report, RunError>>,
) -> Ran {
    let fuel_left = store.get_fuel().unwrap_or(0);
    let mut analyst = store.into_data();
    let outcome = match reported {
        Ok(outcome) => outcome.and_then(|report| report.check(&analyst.limits)),
        Err(error) => Err(explain_run(error, &analyst, fuel)),
    };
    let hosts_fault = matches!(outcome, Err(RunError::HostFault(_)));
    let log = if hosts_fault {
        Vec::new()
    } else {
        analyst.take_log()
    };
    Ran {
        outcome,
        fuel: fuel.saturating_sub(fuel_left),
        log,
        memory_high_bytes: analyst.memory_bytes_high(),
        work: analyst.call.map(|call| call.work),
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::Engine;

    use super::super::partner::compiling;
    use super::*;

    /// Every set of datasets against every import.
    #[test]
    fn a_dataset_is_linked_exactly_where_it_is_granted() {
        let engine = Engine::new(&compiling()).expect("an engine");
        for needed in Dataset::ALL {
            // Its type is another one, so it never fits; what is not there at all is told apart from that.
            let import = format!(
                r#"(import "leyden:data/{needed}@0.1.0" (instance (export "read" (func))))"#
            );
            let bytes = wat::parse_str(format!("(component {import})")).expect("a component");
            let component = Component::new(&engine, bytes).expect("it compiles");
            for set in 0..Datasets::SETS {
                let bits = Dataset::ALL.into_iter().enumerate();
                let granted = bits.filter(|(bit, _)| set >> bit & 1 == 1);
                let granted: Datasets = granted.map(|(_, dataset)| dataset).collect();
                let mut linker = Linker::new(&engine);
                let added = capabilities::add_to_partner_linker(&mut linker, granted);
                added.expect("each once");
                let refused = linker
                    .instantiate_pre(&component)
                    .err()
                    .expect("it never fits");
                let said = format!("{refused:#}");
                let is_linked = said.contains("type mismatch");
                assert_eq!(is_linked, granted.contains(needed), "{granted:?}: {said}");
            }
        }
    }
}
