//! Every store against the same contract: the rules one by one, then random sequences compared with a
//! model, then many hosts at once. Stores: the model itself, which may be made wrong on purpose, the embedded
//! one, Redis, and a Redis cluster. What a disk adds is in `durability`; figures are in `speed`.

#![allow(
    clippy::disallowed_methods,
    reason = "tests measure, wait and read their own settings"
)]
#![allow(missing_docs, reason = "a test")]

#[path = "support/store/backends.rs"]
mod backends;
#[path = "support/store/concurrent.rs"]
mod concurrent;
#[path = "support/store/crashes.rs"]
mod crashes;
#[path = "support/store/durability.rs"]
mod durability;
#[path = "support/store/inputs.rs"]
mod inputs;
#[path = "support/store/model.rs"]
mod model;
#[path = "support/store/model_groups.rs"]
mod model_groups;
#[path = "support/store/model_log.rs"]
mod model_log;
#[path = "support/store/model_store.rs"]
mod model_store;
#[path = "support/store/numbers.rs"]
mod numbers;
#[path = "support/store/random.rs"]
mod random;
#[path = "support/store/random_commits.rs"]
mod random_commits;
#[path = "support/store/random_groups.rs"]
mod random_groups;
#[path = "support/redis.rs"]
mod redis;
#[path = "support/store/rules.rs"]
mod rules;
#[path = "support/store/rules_groups.rs"]
mod rules_groups;
#[path = "support/store/rules_log.rs"]
mod rules_log;
#[path = "support/store/speed.rs"]
mod speed;
#[path = "support/store/tampering.rs"]
mod tampering;

use crate::backends::{InMemory, Narrow, OnDisk, OnRedis, Wide, roomy};
use crate::model::Flaw;
use crate::random::{Backend, Mismatch, Tally, run};
use crate::redis::{Cluster, Kept, Server};

/// Steps of a full run, over all seeds; `LEYDEN_TEST_STORE_STEPS` overrides it.
const STEPS: u64 = 120_000;

/// On a cluster, which differs in how it is reached only.
const CLUSTER_STEPS: u64 = 10_000;

/// Steps that show every flaw.
const FLAW_STEPS: u64 = 20_000;

fn steps(most: u64) -> u64 {
    let given = std::env::var("LEYDEN_TEST_STORE_STEPS").ok();
    let given = given.and_then(|steps| steps.parse().ok());
    given.map_or(most, |steps: u64| steps * most / STEPS)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

fn run_seed(backend: &dyn Backend, seed: u64, steps: u64) -> Result<Tally, Mismatch> {
    runtime().block_on(run(backend, seed, steps))
}

/// Runs each seed on a thread and a store of its own.
fn run_seeds<B: Backend + Send + 'static>(stores: Vec<B>, steps: u64) {
    let each = steps / stores.len() as u64;
    let threads = (1..).zip(stores).map(|(seed, store)| {
        std::thread::spawn(move || (store.kind(), run_seed(&store, seed, each)))
    });
    let threads: Vec<_> = threads.collect();
    for thread in threads {
        let (kind, tally) = thread.join().expect("finished");
        let tally = tally.unwrap_or_else(|mismatch| panic!("{}", mismatch.0));
        println!("{tally:?}");
        if each >= 20_000 {
            assert!(
                tally.rarest(kind.extends) >= 20,
                "the run met too little: {tally:?}"
            );
        }
    }
}

#[test]
fn the_embedded_store_does_what_the_model_does() {
    let stores = (0..4).map(|_| OnDisk::new()).collect();
    run_seeds(stores, steps(STEPS));
}

/// One of the servers is killed and started again now and then.
#[test]
fn redis_does_what_the_model_does() {
    let stores = vec![
        OnRedis::alone(Kept::Nothing),
        OnRedis::alone(Kept::Eventually),
    ];
    run_seeds(stores, steps(STEPS));
}

#[test]
fn a_redis_cluster_does_what_the_model_does() {
    let cluster = Cluster::start(Kept::Nothing);
    let stores = vec![
        OnRedis::at(cluster.url(), "seed-1"),
        OnRedis::at(cluster.url(), "seed-2"),
    ];
    run_seeds(stores, steps(CLUSTER_STEPS));
}

/// The suite itself: it passes a sound store and notices every flaw.
#[test]
fn the_suite_notices_flaws() {
    for kind in [Narrow::KIND, Wide::KIND] {
        let sound = InMemory::new(kind, Flaw::None);
        run_seed(&sound, 1, FLAW_STEPS).expect("the model agrees with itself");
    }
    for flaw in backends::FLAWS {
        let outcome = run_seed(&InMemory::new(Narrow::KIND, flaw), 1, FLAW_STEPS);
        assert!(outcome.is_err(), "{flaw:?} went unnoticed");
    }
    for flaw in backends::FLAWS.into_iter().chain(backends::WIDE_FLAWS) {
        let outcome = run_seed(&InMemory::new(Wide::KIND, flaw), 1, FLAW_STEPS);
        assert!(outcome.is_err(), "{flaw:?} went unnoticed");
    }
}

mod many_hosts {
    use super::*;

    /// On one handle, or on two where a store can be opened twice.
    async fn run(backend: &dyn Backend, handles: u32) {
        let mut stores = Vec::new();
        for _ in 0..handles {
            stores.push(backend.open().await);
        }
        concurrent::run(&stores).await;
    }

    fn on_redis_at(url: String) -> OnRedis {
        let mut backend = OnRedis::at(url, "hosts");
        backend.kind = roomy(backend.kind);
        backend
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn on_disk() {
        let mut backend = OnDisk::new();
        backend.kind = roomy(backend.kind);
        run(&backend, 1).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn on_redis() {
        let server = Server::start(Kept::Nothing);
        run(&on_redis_at(server.url()), 2).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn on_a_cluster() {
        let cluster = Cluster::start(Kept::Nothing);
        run(&on_redis_at(cluster.url()), 2).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn in_memory() {
        run(&InMemory::new(roomy(Wide::KIND), Flaw::None), 2).await;
    }

    /// The test itself: it notices a store without a fence.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[should_panic = "times that record"]
    async fn without_a_fence() {
        run(&InMemory::new(roomy(Wide::KIND), Flaw::IgnoresFence), 2).await;
    }
}

/// One test per rule and store; on the cluster one for all, since it takes long to start.
macro_rules! rules {
    ($($from:ident: $($rule:ident),*;)*) => {
        mod on_disk {
            use super::*;
            $($(#[tokio::test]
            async fn $rule() {
                let backend = OnDisk::new();
                $from::$rule(backend.open().await).await;
            })*)*
        }
        mod in_memory {
            use super::*;
            $($(#[tokio::test]
            async fn $rule() {
                for kind in [Narrow::KIND, Wide::KIND] {
                    $from::$rule(InMemory::new(kind, Flaw::None).open().await).await;
                }
            })*)*
        }
        mod on_redis {
            use super::*;
            $($(#[tokio::test]
            async fn $rule() {
                let server = Server::start(Kept::Nothing);
                let backend = OnRedis::at(server.url(), stringify!($rule));
                $from::$rule(backend.open().await).await;
            })*)*
        }
        #[test]
        fn every_rule_holds_on_a_cluster() {
            let cluster = Cluster::start(Kept::Nothing);
            $($({
                println!("{}", stringify!($rule));
                let backend = OnRedis::at(cluster.url(), stringify!($rule));
                runtime().block_on(async { $from::$rule(backend.open().await).await });
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
        a_snapshot_goes_on_beside_other_changes,
        a_removed_key_is_a_change,
        versions_grow_by_one_and_reads_follow_writes,
        the_last_write_of_a_key_counts,
        scans_obey_order_limit_and_bounds,
        large_values_come_back;
    rules_log:
        a_log_keeps_the_order_of_commits,
        records_of_a_key_stay_together,
        log_reads_obey_both_limits,
        a_tail_is_told_before_the_commit_returns,
        trimmed_offsets_are_not_used_again,
        records_are_taken_out_by_transactions,
        a_full_log_refuses_appends,
        an_overdraft_is_refused_alone,
        purchases_at_once_do_not_overdraw,
        postings_are_judged_in_order,
        what_is_committed_ahead_counts_at_once,
        invalid_postings_are_refused;
    rules_groups:
        records_stay_until_they_are_acknowledged,
        records_are_acknowledged_in_their_order,
        a_refused_commit_acknowledges_nothing,
        a_former_holder_is_fenced,
        only_who_fetched_acknowledges,
        groups_do_not_see_each_other,
        a_group_begins_with_the_oldest_record_kept,
        fetches_obey_both_limits,
        a_group_that_lost_records_says_so_and_goes_on,
        a_unit_is_taken_from_its_holder_only,
        members_come_and_go,
        a_silent_host_is_not_alive,
        streams_are_known_by_records_and_groups;
);
