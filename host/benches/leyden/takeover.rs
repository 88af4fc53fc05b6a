//! How long the partitions of a host that is killed stand still: from `kill -9` until records that were
//! published to every partition after it are handled by the other host.

use std::sync::Arc;
use std::time::{Duration, Instant};

use leyden::ids::StreamName;
use leyden::store::redis::{Options, Redis};
use leyden::store::{Append, Store, Subscription, partition_of};
use serde_json::Value;

use super::figure::{Figure, percentile};
use super::process::Process;
use super::redis::workload::{self, READINGS};
use super::redis_server::{Kept, Server};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Longest wait for hosts to share, or to take over.
const WAIT_MAX: Duration = Duration::from_secs(120);

/// Runs the benchmark.
pub(crate) fn run(quick: bool) -> Vec<Figure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(measure(if quick { 3 } else { 20 }))
}

async fn measure(kills: usize) -> Vec<Figure> {
    let server = Server::start(Kept::EverySecond);
    let folder = tempfile::tempdir().expect("a folder");
    let start = || async {
        let url = server.url();
        Process::start_with(folder.path(), &["--store", &url, "--log", "error"]).await
    };
    let (mut stays, mut dies) = (start().await, start().await);
    let bench = Bench::open(&server).await;
    let mut times = Vec::new();
    for kill in 0..kills {
        bench.shared(&stays).await;
        bench.publish(kill).await;
        bench.handled().await;
        let killed = Instant::now();
        dies.kill();
        bench.publish(kill).await;
        bench.handled().await;
        times.push(killed.elapsed().as_secs_f64());
        eprintln!(
            "takeover: {} of {kills} after {:.2} s",
            kill + 1,
            times[kill]
        );
        // The one that took over is the next to die.
        dies = start().await;
        std::mem::swap(&mut stays, &mut dies);
    }
    vec![
        Figure::plain(
            format!("takeover: {kills} kills, median"),
            percentile(&mut times, 50),
            "s",
        ),
        Figure::at_most(
            format!("takeover: {kills} kills, p99"),
            percentile(&mut times, 99),
            "s",
            5.0,
        ),
    ]
}

/// What the benchmark sees of the installation.
struct Bench {
    store: Arc<dyn Store>,
    stream: StreamName,
    subscriptions: Vec<Subscription>,
}

impl Bench {
    async fn open(server: &Server) -> Self {
        let store = Redis::open(Options::new(server.url())).await;
        let store: Arc<dyn Store> = Arc::new(store.expect("a store"));
        Self {
            subscriptions: workload::subscriptions(store.as_ref()).await,
            stream: StreamName::parse(READINGS).expect("a name"),
            store,
        }
    }

    /// Waits until both hosts hold half of the units.
    async fn shared(&self, host: &Process) {
        let half = usize::from(self.store.units()) / 2;
        let until = Instant::now() + WAIT_MAX;
        loop {
            let told = host.get_json("/admin/hosts").await;
            let hosts = told["hosts"].as_array().expect("hosts").iter();
            let units = |host: &Value| host["units"].as_array().map_or(0, Vec::len);
            if hosts
                .filter(|host| host["alive"] == true && units(host) == half)
                .count()
                == 2
            {
                return;
            }
            assert!(Instant::now() < until, "the hosts do not share: {told}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Publishes a reading to every partition.
    async fn publish(&self, minute: usize) {
        let partitions = u16::try_from(self.subscriptions.len()).expect("few");
        let append = |number: u16| {
            let in_it =
                |community: &u64| partition_of(&community.to_string(), partitions) == number;
            let community = (1..).find(in_it).expect("one of many");
            let starts_at_ms = minute as u64 * 60_000;
            let payload = serde_json::json!({
                "house": format!("house-{community}"), "community": community,
                "interval": { "startsAtMs": starts_at_ms, "endsAtMs": starts_at_ms + 60_000 },
                "consumptionUj": 1_000_000, "closes": true,
            });
            Append {
                stream: self.stream.clone(),
                key: community.to_string(),
                payload: payload.to_string().into_bytes(),
            }
        };
        workload::commit(self.store.as_ref(), (0..partitions).map(append).collect()).await;
    }

    /// Waits until all are handled.
    async fn handled(&self) {
        let until = Instant::now() + WAIT_MAX;
        while self
            .store
            .backlog(&self.subscriptions)
            .await
            .expect("a number")
            > 0
        {
            assert!(Instant::now() < until, "nobody took over");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
