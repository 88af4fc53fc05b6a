//! What an instance of a function carries: who it is, its limits, and what is behind the interfaces that it imports.

use std::sync::Arc;

use wasmtime::StoreLimitsBuilder;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_config::WasiConfig;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::log::{Log, Output, Stream};
use super::noted;
use super::outgoing::Outgoing;
use super::run::Task;
use super::slice::Slice;
use super::surroundings::Surroundings;
use super::time::Time;
use crate::capabilities::keyvalue::KeyValueView;
use crate::dispatch::Notes;
use crate::dispatch::work::Work;
use crate::outbound::Outbound;
use crate::runtime::guest::{Identity, Limits};
use crate::store::Space;
use crate::telemetry::Stats;

/// Most resources that an instance holds: header fields, bodies, streams, what it waits for.
const RESOURCES_MAX: usize = 10_000;

/// Most bytes of header fields that it may put together.
const FIELDS_BYTES_MAX: usize = 128 << 10;

/// Most random bytes of one call.
const RANDOM_BYTES_MAX: u64 = 1 << 20;

/// Most core instances of one component: an interpreter comes in one for each shared library.
const INSTANCES_MAX: usize = 64;

/// Most tables and memories of one component.
const TABLES_MAX: usize = 32;
const MEMORIES_MAX: usize = 8;

/// Most table elements of one table: an interpreter has some ten thousand functions.
const TABLE_ELEMENTS_MAX: usize = 100_000;

/// The data of an instance's store.
pub(super) struct State {
    pub(super) limits: Limits,
    /// The time of the request that it is serving.
    pub(super) time: Arc<Time>,
    /// Its turn at computing.
    pub(super) slice: Slice,
    /// The transaction of that request, where the function may keep values.
    pub(super) work: Option<Box<Work>>,
    /// What it is told from outside, where its invocation is recorded or replayed. Such an instance serves no other.
    pub(super) notes: Option<Arc<Notes>>,
    space: Space,
    pub(super) log: Arc<Log>,
    surroundings: Arc<Surroundings>,
    /// Goes before the table, so that bodies in there that have not been finished do not look it.
    outgoing: Outgoing,
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
}

impl State {
    pub(super) fn new(
        identity: &Arc<Identity>,
        surroundings: Arc<Surroundings>,
        outbound: &Outbound,
        stats: &Arc<Stats>,
        task: Task,
    ) -> Self {
        let Task {
            time,
            slice,
            work,
            notes,
        } = task;
        let log = Arc::new(Log::new(identity.clone(), surroundings.clone()));
        let outgoing = Outgoing::new(
            identity.clone(),
            outbound.clone(),
            log.clone(),
            notes.clone(),
        );
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES_MAX);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(FIELDS_BYTES_MAX);
        Self {
            limits: limits(identity, stats),
            time,
            slice,
            work,
            space: identity.space.clone(),
            wasi: wasi(&log, &surroundings, notes.as_ref()),
            notes,
            log,
            surroundings,
            outgoing,
            table,
            http,
        }
    }

    /// Begins with another request, whose invocation is not recorded.
    pub(super) fn begin(&mut self, task: Task) {
        (self.time, self.slice, self.work) = (task.time, task.slice, task.work);
    }

    /// Whether its invocation is a replay.
    pub(super) fn is_replay(&self) -> bool {
        self.notes.as_ref().is_some_and(|notes| notes.is_replay())
    }

    /// What `wasi:keyvalue` is carried out with.
    pub(super) fn keyvalue(&mut self) -> KeyValueView<'_> {
        if let Some(work) = &self.work {
            self.time.stored(work.waited());
        }
        KeyValueView {
            space: &self.space,
            work: self.work.as_deref_mut(),
            table: &mut self.table,
        }
    }

    /// What `wasi:config` tells.
    pub(super) fn config(&mut self) -> WasiConfig<'_> {
        WasiConfig::from(self.surroundings.config())
    }
}

/// No files, no sockets, no arguments, no input; clocks and randomness as they are, or as they are noted.
fn wasi(log: &Arc<Log>, surroundings: &Surroundings, notes: Option<&Arc<Notes>>) -> WasiCtx {
    let stream = |output| Stream {
        log: log.clone(),
        output,
    };
    let mut builder = WasiCtx::builder();
    if let Some(notes) = notes {
        noted::add_to(&mut builder, notes);
    }
    builder
        .stdout(stream(Output::Out))
        .stderr(stream(Output::Err))
        .envs(surroundings.variables())
        .max_random_size(RANDOM_BYTES_MAX)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .build()
}

fn limits(identity: &Identity, stats: &Arc<Stats>) -> Limits {
    let limits = StoreLimitsBuilder::new()
        .memory_size(identity.manifest.limits.memory_bytes)
        .table_elements(TABLE_ELEMENTS_MAX)
        .instances(INSTANCES_MAX)
        .tables(TABLES_MAX)
        .memories(MEMORIES_MAX)
        .build();
    Limits::new(limits, stats.clone())
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.outgoing,
        }
    }
}
