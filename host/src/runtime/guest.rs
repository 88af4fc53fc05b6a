//! What a component instance carries: who it is, its limits, and the call it is serving.

use std::sync::Arc;

use wasmtime::{ResourceLimiter, StoreLimits, StoreLimitsBuilder};

use crate::clock::{self, Monotonic};
use crate::dispatch::work::Work;
use crate::dispatch::{Culprit, Notes};
use crate::ids::StreamName;
use crate::logs::Log;
use crate::registry::Generation;
use crate::registry::manifest::Manifest;
use crate::store::Space;
use crate::telemetry::Stats;

/// Deepest chain of calls between components; a cycle ends here.
pub(super) const DEPTH_MAX: u32 = 8;

/// Most core instances of one component: adapters and shims included.
const INSTANCES_MAX: usize = 16;

/// Most table elements of one component; a large Rust component has a few thousand functions.
const TABLE_ELEMENTS_MAX: usize = 100_000;

/// Who a component is, the same for all its instances.
pub(super) struct Identity {
    pub(super) culprit: Culprit,
    pub(super) space: Space,
    pub(super) manifest: Manifest,
    /// Where its lines are kept for whoever looks.
    pub(super) log: Arc<Log>,
}

/// One invocation on its way through components: handed from caller to callee and back.
pub(crate) struct Call {
    pub(crate) work: Box<Work>,
    pub(crate) generation: Arc<Generation>,
    pub(super) deadline: Monotonic,
    pub(super) deadline_ms: u64,
    pub(super) depth: u32,
}

impl Call {
    /// Whether the components' own time is used up. Time spent waiting for the store is not theirs: a slow
    /// store must not make sound records look broken; it has a bound of its own.
    pub(super) fn is_over(&self) -> bool {
        clock::monotonic() >= self.deadline + self.work.waited()
    }
}

/// An instance's limits. They note how much memory it has.
pub(super) struct Limits {
    limits: StoreLimits,
    /// Of all its memories together.
    memory_bytes: usize,
    stats: Arc<Stats>,
}

impl Limits {
    pub(super) fn new(limits: StoreLimits, stats: Arc<Stats>) -> Self {
        Self {
            limits,
            memory_bytes: 0,
            stats,
        }
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let may_grow = self.limits.memory_growing(current, desired, maximum)?;
        if may_grow {
            self.memory_bytes += desired.saturating_sub(current);
            self.stats.memory_high_bytes.raise(self.memory_bytes as u64);
        }
        Ok(may_grow)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.limits.memory_grow_failed(error)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.limits.table_growing(current, desired, maximum)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.limits.table_grow_failed(error)
    }

    fn instances(&self) -> usize {
        self.limits.instances()
    }

    fn tables(&self) -> usize {
        self.limits.tables()
    }

    fn memories(&self) -> usize {
        self.limits.memories()
    }
}

/// The data of an instance's store.
pub struct Guest {
    pub(super) identity: Arc<Identity>,
    pub(super) limits: Limits,
    /// Present while an invocation runs, absent while this guest waits for one it calls.
    pub(crate) call: Option<Box<Call>>,
    /// When a decision must be made; of policies only, which get no invocation.
    pub(super) until: Option<Monotonic>,
    /// Whom the fuel is told that it burns, where fuel is counted.
    pub(super) burns_for: Option<Arc<Notes>>,
}

impl Guest {
    pub(super) fn new(identity: Arc<Identity>, stats: Arc<Stats>) -> Self {
        let limits = StoreLimitsBuilder::new()
            .memory_size(identity.manifest.limits.memory_bytes)
            .table_elements(TABLE_ELEMENTS_MAX)
            .instances(INSTANCES_MAX)
            .memories(INSTANCES_MAX)
            .tables(INSTANCES_MAX)
            .build();
        Self {
            identity,
            limits: Limits::new(limits, stats),
            call: None,
            until: None,
            burns_for: None,
        }
    }

    /// Whether the time for what it does is over.
    pub(super) fn is_over(&self) -> bool {
        match &self.call {
            Some(call) => call.is_over(),
            None => self.until.is_some_and(|until| clock::monotonic() >= until),
        }
    }

    /// The component's name, for its log.
    pub(crate) fn name(&self) -> &str {
        self.identity.culprit.component.as_str()
    }

    /// Where its lines are kept for whoever looks.
    pub(crate) fn log(&self) -> &Log {
        &self.identity.log
    }

    /// The invocation's transaction. A guest that calls the host outside an invocation (while it is
    /// being instantiated) traps.
    pub(crate) fn work(&mut self) -> wasmtime::Result<&mut Work> {
        Ok(self.space_and_work()?.1)
    }

    /// The component's space in the store and the invocation's transaction.
    pub(crate) fn space_and_work(&mut self) -> wasmtime::Result<(&Space, &mut Work)> {
        match &mut self.call {
            Some(call) => Ok((&self.identity.space, &mut call.work)),
            None => Err(wasmtime::Error::msg(
                "called the host outside an invocation",
            )),
        }
    }

    /// The stream, if the manifest grants publishing to it.
    pub(crate) fn publishes(&self, stream: &str) -> Option<StreamName> {
        self.identity
            .manifest
            .publish
            .iter()
            .find(|granted| granted.as_str() == stream)
            .cloned()
    }
}
