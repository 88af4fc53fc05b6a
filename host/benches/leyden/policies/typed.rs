//! A policy called through typed bindings, in an engine that is set as the host's: what a call costs at least.

use std::hint::black_box;
use std::time::Instant;

use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, Store, UpdateDeadline};

use super::built;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "package leyden:bench; world peak { export leyden:policy/peak-limit@0.2.0; }",
        exports: { default: async },
    });
}

use bindings::exports::leyden::policy0_2_0::peak_limit::Input;

/// How long each of so many calls of one instance takes, ns.
pub(super) async fn call(calls: usize) -> Vec<f64> {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.concurrency_support(false);
    config.allocation_strategy(InstanceAllocationStrategy::pooling());
    let engine = Engine::new(&config).expect("an engine");
    let component = Component::new(&engine, built("plugins/peak-limit")).expect("a component");
    let linker = Linker::new(&engine);
    let mut store = Store::new(&engine, ());
    store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
    store.set_epoch_deadline(1);
    let peak = bindings::Peak::instantiate_async(&mut store, &component, &linker).await;
    let peak = peak.expect("an instance");
    let policy = peak.leyden_policy0_2_0_peak_limit();
    let mut took = Vec::with_capacity(calls);
    for community in 0..calls as u64 {
        let input = Input {
            community,
            at_ms: community,
            houses: 3,
        };
        let began = Instant::now();
        let limits = policy.call_limit(&mut store, input).await;
        took.push(began.elapsed().as_nanos() as f64);
        black_box(limits.expect("limits"));
    }
    took
}
