//! Several hosts on one Redis: they share the partitions evenly, hand them over and take them over, serve
//! what any of them activates, and live in one time. Hosts that end cleanly run in this process, those
//! that are killed in their own.
//!
//! Nothing is asserted about how long something takes; what never happens fails after [`WAIT_MAX`].
#![allow(
    clippy::disallowed_methods,
    reason = "tests wait and read their own settings"
)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop"
)]

#[path = "support/process.rs"]
mod process;
#[path = "support/redis.rs"]
mod redis_server;
mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use leyden::config::{self, Config};
use leyden::dispatch::types::{Request, RequestHead};
use leyden::host::Host;
use leyden::ids::StreamName;
use leyden::operators::Operator;
use leyden::store::redis::Options;
use leyden::store::{Append, Partition, Transaction, partition_of};
use process::Process;
use redis_server::{Kept, Server};
use serde_json::{Value, json};
use support::{built, guest, name};

/// Longest wait for something that has to happen: far more than a busy machine needs.
const WAIT_MAX: Duration = Duration::from_secs(120);

/// Between two looks at whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Partitions of every stream, and units.
const PARTITIONS: u16 = 8;

/// How long a host counts as alive, ms: short, so that takeovers are.
const LEASE_MS: u64 = 1_500;

/// Keys whose records are counted.
const KEYS: u64 = 24;

/// Hosts of one installation.
struct Hosts {
    server: Server,
    data: tempfile::TempDir,
}

impl Hosts {
    fn new() -> Self {
        let server = Server::start(Kept::Nothing);
        let data = tempfile::tempdir().expect("a folder");
        Self { server, data }
    }

    fn url(&self) -> String {
        self.server.url()
    }

    fn config(&self) -> Config {
        let options = Options {
            partitions: PARTITIONS,
            ..Options::new(self.url())
        };
        Config {
            store: config::Store::Redis(options),
            lease_ms: LEASE_MS,
            ..support::config(self.data.path(), &built("plugins"))
        }
    }

    /// Starts a host in this process.
    async fn start(&self) -> Host {
        Host::start(&self.config()).await.expect("a host")
    }

    /// Starts a host in a process of its own.
    async fn spawn(&self) -> Process {
        let (url, partitions, lease) =
            (self.url(), PARTITIONS.to_string(), format!("{LEASE_MS}ms"));
        let options = [
            "--store",
            &url,
            "--partitions",
            &partitions,
            "--lease",
            &lease,
        ];
        Process::start_with(self.data.path(), &options).await
    }
}

/// Waits until something is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < WAIT_MAX, "never: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// How many units each holds, and that nobody sees it otherwise.
fn shares(hosts: &[&Host]) -> Option<Vec<usize>> {
    let seen = |host: &&Host| {
        let mut held: Vec<_> = host.streams.hosts();
        held.retain(|status| status.alive);
        held.iter().map(|status| status.units.len()).collect()
    };
    let views: Vec<Vec<usize>> = hosts.iter().map(seen).collect();
    let mut held: Vec<_> = hosts.iter().map(|host| host.streams.units_held()).collect();
    held.sort_unstable();
    let agree = views.into_iter().all(|mut view| {
        view.sort_unstable();
        view == held
    });
    agree.then_some(held)
}

async fn until_shared(hosts: &[&Host], expected: &[usize]) {
    until("even shares", async || {
        shares(hosts).is_some_and(|shares| shares == expected)
    })
    .await;
}

/// Publishes the numbers `from` to `to` under every key, as an outside producer would.
async fn publish(host: &Host, numbers: std::ops::RangeInclusive<u64>) {
    let stream = StreamName::parse("proof.in").expect("a name");
    for number in numbers {
        let append = |key: u64| Append {
            stream: stream.clone(),
            key: format!("k{key}"),
            payload: number.to_string().into_bytes(),
        };
        let transaction = Transaction {
            appends: (0..KEYS).map(append).collect(),
            at: host.clock.now().0,
            ..Transaction::default()
        };
        host.store.commit(transaction).await.expect("published");
    }
}

async fn get(host: &Host, component: &str, path: &str) -> Value {
    let head = RequestHead {
        method: "GET".into(),
        route: path.into(),
        path: path.into(),
        params: Vec::new(),
        query: None,
        headers: Vec::new(),
    };
    let request = Request {
        head,
        body: Vec::new(),
    };
    let (generation, component) = (host.registry.generation(), name(component));
    let answer = host.dispatch.http(&generation, &component, request, None);
    let answer = answer.await.expect("an answer");
    serde_json::from_slice(&answer.body).expect("JSON")
}

/// That every key was counted up to `last` in both stages: nothing lost, doubled or out of order.
fn check_report(report: &Value, last: u64) {
    let keys = |suffix: &str| {
        let counted = (0..KEYS).map(|key| (format!("k{key}{suffix}"), last));
        serde_json::to_value(counted.collect::<BTreeMap<_, _>>()).expect("JSON")
    };
    assert_eq!(report["wrong"], json!([]));
    assert_eq!(report["in"], keys(""));
    assert_eq!(report["out"], keys("-on"));
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_share_the_units_as_they_come_and_go_and_nothing_is_lost() {
    let hosts = Hosts::new();
    let first = hosts.start().await;
    assert_eq!(
        first.streams.units_held(),
        8,
        "a host alone holds everything"
    );
    first
        .registry
        .deploy(&Operator::host(), &name("tally"), guest("tally"))
        .await
        .expect("deployed");
    publish(&first, 1..=20).await;
    let second = hosts.start().await;
    publish(&second, 21..=40).await;
    until_shared(&[&first, &second], &[4, 4]).await;
    let third = hosts.start().await;
    publish(&first, 41..=60).await;
    until_shared(&[&first, &second, &third], &[2, 3, 3]).await;
    publish(&third, 61..=80).await;
    second.stop().await;
    until_shared(&[&first, &third], &[4, 4]).await;
    publish(&first, 81..=100).await;
    third.streams.settle().await.expect("settled");
    let report = get(&first, "tally", "/tally/report").await;
    check_report(&report, 100);
    assert_eq!(report, get(&third, "tally", "/tally/report").await);
    let handled = |host: &Host| {
        let batches = &host.streams.counters().deliveries;
        batches.load(std::sync::atomic::Ordering::Relaxed)
    };
    assert!(handled(&first) > 0 && handled(&third) > 0, "both took part");
    let listed = first.streams.list().await.expect("streams");
    let stream = listed.iter().find(|info| info.stream == "proof.in");
    let stream = stream.expect("it is there");
    assert_eq!((stream.length, stream.groups[0].lag), (100 * KEYS, 0));
    assert_eq!(stream.partitions.len(), usize::from(PARTITIONS));
    third.stop().await;
    first.stop().await;
    let left = hosts.server.ask(&["HLEN", "{leyden}:owners"]);
    assert_eq!(left.expect("a reply"), "0", "everything is given up");
}

/// A component without the custom section that carries its manifest: sections are a number, a length in LEB128
/// and a body, after a preamble of 8 bytes.
fn without_manifest(component: &[u8]) -> Vec<u8> {
    let (mut kept, mut at) = (component[..8].to_vec(), 8);
    while at < component.len() {
        let (mut length, mut digits, mut body) = (0_usize, 0, at + 1);
        loop {
            let byte = component[body];
            length |= usize::from(byte & 0x7f) << (7 * digits);
            (digits, body) = (digits + 1, body + 1);
            if byte & 0x80 == 0 {
                break;
            }
        }
        let section = &component[body..body + length];
        let marked = section.windows(15).take(8).any(|w| w == b"leyden:manifest");
        if !(component[at] == 0 && marked) {
            kept.extend_from_slice(&component[at..body + length]);
        }
        at = body + length;
    }
    assert!(kept.len() < component.len(), "there was one");
    kept
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_host_activates_serves_on_all() {
    let hosts = Hosts::new();
    let (one, two) = tokio::join!(hosts.start(), hosts.start());
    assert_eq!(
        one.registry.generation().number,
        two.registry.generation().number
    );
    let before = one.registry.generation().number;
    let deploy = |host: &Host, as_name: &str, of: &str| {
        let (registry, as_name, bytes) = (host.registry.clone(), name(as_name), guest(of));
        async move {
            registry
                .deploy(&Operator::host(), &as_name, bytes)
                .await
                .expect("deployed")
        }
    };
    // At the same time on both: neither undoes the other.
    let (echo, tally) = tokio::join!(deploy(&one, "echo", "echo"), deploy(&two, "tally", "tally"));
    assert_eq!(echo.generation.max(tally.generation), before + 2);
    let serve = async |host: &Host| {
        let generation = host.registry.generation();
        let names = ["echo", "tally"].map(name);
        generation.number == before + 2
            && names
                .iter()
                .all(|name| generation.components.contains_key(name))
    };
    until("both on both", async || {
        serve(&one).await && serve(&two).await
    })
    .await;
    // A version without a manifest of its own has that of the one before it, on every host.
    let bare = without_manifest(&guest("echo"));
    let deployed = one
        .registry
        .deploy(&Operator::host(), &name("echo"), bare)
        .await;
    let digest = deployed.expect("deployed").digest;
    until("the third generation", async || {
        two.registry.generation().number == before + 3
    })
    .await;
    let echo_of = |host: &Host| host.registry.generation().components[&name("echo")].clone();
    assert_eq!(echo_of(&two).digest.to_string(), digest);
    assert!(!echo_of(&one).manifest.routes.is_empty());
    assert_eq!(echo_of(&two).manifest, echo_of(&one).manifest);
    // One that comes later begins with it.
    let three = hosts.start().await;
    assert_eq!(three.registry.generation().number, before + 3);
    assert_eq!(echo_of(&three).manifest, echo_of(&one).manifest);
    for host in [one, two, three] {
        host.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_tick_at_once_move_time_once_for_each() {
    let hosts = Hosts::new();
    let (one, two) = (hosts.start().await, hosts.start().await);
    let start = one.clock.now();
    assert_eq!(start, two.clock.now());
    let ticks = async |host: &Host| {
        for _ in 0..5 {
            host.streams.tick().await.expect("a tick");
        }
    };
    tokio::join!(ticks(&one), ticks(&two));
    let end = start.0 + 10 * one.clock.tick_ms();
    until("one time", async || {
        one.clock.now().0 == end && two.clock.now().0 == end
    })
    .await;
    let partition = Partition {
        stream: StreamName::parse("clock.ticks").expect("a name"),
        number: 0,
    };
    let log = one.store.read_log(&partition, 0, 100, 1 << 20).await;
    let at: Vec<u64> = log
        .expect("the ticks")
        .iter()
        .map(|tick| serde_json::from_slice::<Value>(&tick.payload).expect("JSON"))
        .map(|tick| tick["atMs"].as_u64().expect("a time"))
        .collect();
    let expected: Vec<u64> = (1..=10)
        .map(|n| start.0 + n * one.clock.tick_ms())
        .collect();
    assert_eq!(at, expected);
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_kept_retried_and_dropped_on_any_host() {
    let hosts = Hosts::new();
    let (one, two) = (hosts.start().await, hosts.start().await);
    one.registry
        .deploy(&Operator::host(), &name("tally"), guest("tally"))
        .await
        .expect("deployed");
    let append = |key: &str, payload: &str| Append {
        stream: StreamName::parse("proof.in").expect("a name"),
        key: key.into(),
        payload: payload.into(),
    };
    let records = vec![
        append("k", "1"),
        append("k", "nonsense"),
        append("k", "2"),
        append("l", "poison"),
    ];
    let published = Transaction {
        appends: records,
        at: one.clock.now().0,
        ..Transaction::default()
    };
    one.store.commit(published).await.expect("published");
    two.streams.settle().await.expect("settled");
    let report = get(&two, "tally", "/tally/report").await;
    assert_eq!(
        (&report["in"], &report["wrong"]),
        (&json!({"k": 2}), &json!([]))
    );
    let letters = two.streams.dead_letters(0).await.expect("letters");
    let told = |payload: &str| {
        let letter = letters.iter().find(|letter| letter.payload == payload);
        letter.expect("it is there")
    };
    assert_eq!(
        (told("nonsense").deliveries, told("poison").deliveries),
        (1, 5)
    );
    assert_eq!(told("poison").partition, partition_of("l", PARTITIONS));
    let active = one.registry.generation();
    let version = active.components[&name("tally")].digest.to_string();
    assert_eq!(told("poison").component, version);
    let poison = told("poison").id.0;
    let again = one.streams.retry_dead(poison).await;
    assert!(again.is_err(), "it fails again");
    assert!(one.streams.dead_letter(poison).await.is_ok(), "and stays");
    one.streams.drop_dead(poison).await.expect("dropped");
    assert!(two.streams.drop_dead(poison).await.is_err());
    // Another version handles what this one refused; of two that try, one does.
    one.registry
        .deploy(&Operator::host(), &name("tally"), guest("probe"))
        .await
        .expect("deployed");
    let nonsense = told("nonsense").id.0;
    let generation = one.registry.generation().number;
    until("the other host follows", async || {
        two.registry.generation().number == generation
    })
    .await;
    let both = tokio::join!(
        one.streams.retry_dead(nonsense),
        two.streams.retry_dead(nonsense)
    );
    assert!(both.0.is_ok() != both.1.is_ok(), "{both:?}");
    assert!(
        two.streams
            .dead_letters(0)
            .await
            .expect("letters")
            .is_empty()
    );
    one.stop().await;
    two.stop().await;
}

/// The hosts' processes are killed one after the other under load, and others take over.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_host_held_is_taken_over_and_nothing_is_lost_or_doubled() {
    let hosts = Hosts::new();
    let mut running = vec![hosts.spawn().await, hosts.spawn().await];
    running[0].deploy("tally").await;
    // Publishes and looks on; it dies as well in a way: by leaving without a word at the end.
    let watcher = hosts.start().await;
    let mut last = 0;
    for _ in 0..4 {
        publish(&watcher, last + 1..=last + 15).await;
        last += 15;
        let mut victim = running.remove(0);
        let holder = |status: &leyden::streams::status::HostStatus| status.url == victim.url;
        until("the victim is seen", async || {
            watcher.streams.hosts().iter().any(holder)
        })
        .await;
        let listed = watcher.streams.hosts();
        let victims = listed.into_iter().find(holder).expect("seen").holder;
        victim.kill();
        running.push(hosts.spawn().await);
        publish(&watcher, last + 1..=last + 15).await;
        last += 15;
        until("its units are held elsewhere", async || {
            let listed = watcher.streams.hosts();
            let held: usize = listed
                .iter()
                .filter(|status| status.alive && status.holder != victims)
                .map(|status| status.units.len())
                .sum();
            held == usize::from(PARTITIONS)
        })
        .await;
    }
    running[1].settle().await;
    let report = running[1].get_json("/tally/report").await;
    check_report(&report, last);
    let lag = watcher.streams.list().await.expect("streams");
    let lag: u64 = lag
        .iter()
        .flat_map(|info| &info.groups)
        .map(|g| g.lag)
        .sum();
    assert_eq!(lag, 0);
    watcher.stop().await;
}
