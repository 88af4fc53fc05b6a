//! Every store against the same contract: the rules one by one, then random sequences compared
//! with a model. What a disk adds is in `durability`; figures are in `speed`.

#![allow(
    clippy::disallowed_methods,
    reason = "tests measure, wait and read their own settings"
)]
#![allow(missing_docs, reason = "a test")]

#[path = "support/store/crashes.rs"]
mod crashes;
#[path = "support/store/durability.rs"]
mod durability;
#[path = "support/store/inputs.rs"]
mod inputs;
#[path = "support/store/model.rs"]
mod model;
#[path = "support/store/numbers.rs"]
mod numbers;
#[path = "support/store/random.rs"]
mod random;
#[path = "support/store/rules.rs"]
mod rules;
#[path = "support/store/rules_log.rs"]
mod rules_log;
#[path = "support/store/speed.rs"]
mod speed;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use leyden::store::Store;
use leyden::store::embedded::{Embedded, Options};

use crate::model::{Flaw, Model};
use crate::random::{Backend, Mismatch, Tally, run};

/// Steps of a full run, over all seeds; `LEYDEN_TEST_STORE_STEPS` overrides it.
const STEPS: u64 = 120_000;

/// Each seed runs on its own thread, with a store of its own.
const SEEDS: [u64; 4] = [1, 2, 3, 4];

/// The embedded store in a directory.
struct OnDisk(PathBuf);

impl Backend for OnDisk {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(Embedded::open(Options::new(&self.0)).expect("opened"))
    }
}

/// The model with a flaw, in the place of a store.
struct InMemory(Mutex<Arc<Model>>);

impl InMemory {
    fn new(flaw: Flaw) -> Self {
        Self(Mutex::new(Arc::new(Model::new(flaw))))
    }
}

impl Backend for InMemory {
    fn open(&self) -> Arc<dyn Store> {
        let mut model = self.0.lock().expect("not poisoned");
        if model.flaw() == Flaw::ForgetsOnReopen {
            *model = Arc::new(Model::new(Flaw::ForgetsOnReopen));
        }
        Arc::<Model>::clone(&model)
    }
}

fn steps() -> u64 {
    std::env::var("LEYDEN_TEST_STORE_STEPS")
        .ok()
        .and_then(|steps| steps.parse().ok())
        .unwrap_or(STEPS)
}

fn run_seed(backend: &dyn Backend, seed: u64, steps: u64) -> Result<Tally, Mismatch> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(run(backend, seed, steps))
}

#[test]
fn the_embedded_store_does_what_the_model_does() {
    let each = steps() / SEEDS.len() as u64;
    let threads = SEEDS.map(|seed| {
        std::thread::spawn(move || {
            let directory = tempfile::tempdir().expect("a directory");
            run_seed(&OnDisk(directory.path().join("data")), seed, each)
        })
    });
    for thread in threads {
        let tally = thread
            .join()
            .expect("finished")
            .unwrap_or_else(|mismatch| panic!("{}", mismatch.0));
        println!("{tally:?}");
        if each >= 5000 {
            let Tally {
                committed,
                conflicts,
                overdrawn,
                invalid,
                reads,
                trims,
                reopened,
            } = tally;
            let rarest = [
                committed,
                conflicts,
                overdrawn,
                invalid,
                reads,
                trims,
                reopened * 20,
            ]
            .into_iter()
            .min();
            assert!(rarest >= Some(20), "the run met too little: {tally:?}");
        }
    }
}

/// The suite itself: it passes a sound store and notices every flaw.
#[test]
fn the_suite_notices_flaws() {
    run_seed(&InMemory::new(Flaw::None), 1, 10_000).expect("the model agrees with itself");
    for flaw in [
        Flaw::IgnoresKeysRead,
        Flaw::IgnoresRangesRead,
        Flaw::IgnoresRemovalsInRanges,
        Flaw::IgnoresOverdraft,
        Flaw::KeepsHalfOfARefusedTransaction,
        Flaw::IncludesTheEndOfARange,
        Flaw::ReusesTrimmedOffsets,
        Flaw::ForgetsOnReopen,
    ] {
        let outcome = run_seed(&InMemory::new(flaw), 1, 10_000);
        assert!(outcome.is_err(), "{flaw:?} went unnoticed");
    }
}

/// One test per rule and store.
macro_rules! rules {
    ($($from:ident: $($rule:ident),*;)*) => {
        mod on_disk {
            use super::*;
            $($(#[tokio::test]
            async fn $rule() {
                let directory = tempfile::tempdir().expect("a directory");
                $from::$rule(OnDisk(directory.path().to_owned()).open()).await;
            })*)*
        }
        mod in_memory {
            use super::*;
            $($(#[tokio::test]
            async fn $rule() {
                $from::$rule(InMemory::new(Flaw::None).open()).await;
            })*)*
        }
    };
}

rules!(
    rules:
        a_changed_key_conflicts,
        phantoms_conflict,
        write_skew_is_refused,
        blind_writes_commute,
        a_snapshot_never_changes,
        versions_grow_by_one_and_reads_follow_writes,
        the_last_write_of_a_key_counts,
        scans_obey_order_limit_and_bounds,
        large_values_come_back;
    rules_log:
        a_log_has_no_gaps,
        log_reads_obey_both_limits,
        a_tail_is_told_before_the_commit_returns,
        trimmed_offsets_are_not_used_again,
        an_overdraft_is_refused_alone,
        postings_are_judged_in_order,
        invalid_postings_are_refused;
);
