//! The host ends abruptly at every point between the steps of a run; another start takes over. In the end the
//! books are those of runs without a fault. Needs a host built with the feature `failpoints`.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use leyden::partners::failpoints::POINTS;
use leyden::partners::receipts::{Chain, PublicKey, Receipt};
use reqwest::Method;
use serde_json::Value;

use crate::partner::ground::{self, PERIOD};
use crate::partner::people::{Answer, Operator, Partner};
use crate::partner::plugin::{self, Import, Plugin};
use crate::process::Process;
use crate::proof::{Proof, Size};
use crate::redis_server::{Kept, Server};

/// Installations that are faulted at the same time, each at points of its own: most of a fault is waiting until the
/// dead host's holds are voided.
const LANES: usize = 4;

/// Houses whose sums may be told.
const HOUSES: usize = 240;

/// Minutes that were measured.
const MINUTES: u64 = 5;

/// What the partner is given.
const CREDIT: u64 = 1_000_000;

/// What a read of sums costs under the access policy that comes with a host.
const PRICE: u64 = 50;

/// How far the partner is trusted.
const TRUST: u32 = 1;

/// Lease of hosts on Redis, ms: what a survivor waits before it takes over.
const LEASE: &str = "1000ms";

/// Longest wait for what a dead host held to come back.
const WAIT_MAX: Duration = Duration::from_secs(90);

/// Plugins and whether each returns a report. All read once and are charged for it.
const PLUGINS: [(&str, bool); 3] = [("reports", true), ("traps", false), ("gives-up", false)];

pub async fn prove(size: Size) -> Vec<Proof> {
    let rounds = size.of(1, 9);
    vec![
        on("embedded", rounds, || None).await,
        on("redis", rounds, || Some(Server::start(Kept::Always))).await,
    ]
}

async fn on(store: &str, rounds: usize, redis: impl Fn() -> Option<Server>) -> Proof {
    let started = Instant::now();
    let lanes = (0..LANES).map(|lane| faults(store, lane, rounds, redis()));
    let mut found = Found::default();
    for lane in join_all(lanes).await {
        found.add(lane);
    }
    let first = found.wrong.first().map_or(String::new(), |wrong| {
        format!("; {} WRONG, first {wrong}", found.wrong.len())
    });
    let missed: Vec<_> = POINTS
        .iter()
        .filter(|point| !found.died_at.contains(*point))
        .collect();
    Proof {
        name: format!("failpoints {store}"),
        promise: "a host that dies between any two steps of a run leaves the books of runs without a fault".to_owned(),
        tried: format!(
            "{rounds} abrupt ends at each of {} points in {LANES} installations, at its first passage and later ones, under {} plugins at once; each time another start and a retry under the same keys",
            POINTS.len(),
            PLUGINS.len()
        ),
        found: format!(
            "{} deaths, {} runs, all paid once, {} receipts that verify and add up{first}{}",
            found.deaths,
            found.runs,
            found.receipts,
            if missed.is_empty() { String::new() } else { format!("; never died at {missed:?}") },
        ),
        held: found.wrong.is_empty() && missed.is_empty(),
        seconds: started.elapsed().as_secs_f64(),
    }
}

/// What becomes of one of [`LANES`] installations, which share the points.
async fn faults(store: &str, lane: usize, rounds: usize, redis: Option<Server>) -> Found {
    let bench = Bench::prepare(redis).await;
    let mut found = Found::default();
    for point in POINTS.into_iter().skip(lane).step_by(LANES) {
        for round in 0..rounds {
            bench.fault(point, round, &mut found).await;
        }
        eprintln!("  {store}: {point}: {} deaths so far", found.deaths);
    }
    bench.compare(&mut found).await;
    found
}

#[derive(Debug, Default)]
struct Found {
    deaths: usize,
    died_at: std::collections::BTreeSet<&'static str>,
    runs: u64,
    receipts: usize,
    wrong: Vec<String>,
}

impl Found {
    fn add(&mut self, other: Self) {
        self.deaths += other.deaths;
        self.died_at.extend(other.died_at);
        self.runs += other.runs;
        self.receipts += other.receipts;
        self.wrong.extend(other.wrong);
    }

    fn check(&mut self, is_right: bool, wrong: impl FnOnce() -> String) {
        if !is_right {
            let wrong = wrong();
            eprintln!("    WRONG {wrong}");
            self.wrong.push(wrong);
        }
    }
}

/// An installation with a partner and its plugins, between starts.
struct Bench {
    folder: tempfile::TempDir,
    redis: Option<Server>,
    partner: Partner,
}

impl Bench {
    async fn prepare(redis: Option<Server>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let host = start(folder.path(), redis.as_ref(), &[]).await;
        let operator = Operator::of(&host.url);
        ground::measure(&operator, HOUSES, MINUTES).await;
        let partner = operator.add("acme", TRUST, CREDIT).await;
        for (name, _) in PLUGINS {
            let uploaded = partner.upload(name, plugin_of(name).build()).await;
            uploaded.expect("an answer").expected(name);
        }
        Self {
            folder,
            redis,
            partner,
        }
    }

    async fn start(&self, variables: &[(&str, String)]) -> Process {
        start(self.folder.path(), self.redis.as_ref(), variables).await
    }

    /// Runs all plugins on a host that dies at a point, then again on one that does not.
    async fn fault(&self, point: &'static str, round: usize, found: &mut Found) {
        // Each plugin passes a point once at least.
        let passage = round % PLUGINS.len() + 1;
        let variables = [("LEYDEN_FAILPOINT", format!("{point}:{passage}"))];
        let mut doomed = self.start(&variables).await;
        let first = self.run_all(&doomed.url, point, round).await;
        if first.iter().any(Option::is_none) {
            found.deaths += 1;
            found.died_at.insert(point);
        }
        doomed.kill();
        let host = self.start(&[]).await;
        let again = self.run_all(&host.url, point, round).await;
        for (((name, reports), first), again) in PLUGINS.iter().zip(first).zip(again) {
            found.runs += 1;
            let Some(again) = again else {
                found.check(false, || {
                    format!("{point}: {name} is not answered after it")
                });
                continue;
            };
            let is_right = again.status.is_success() == *reports;
            found.check(is_right, || {
                format!("{point}: {name}: {} {}", again.status, again.text)
            });
            if let Some(first) = first {
                let is_same = first.text == again.text;
                found.check(is_same, || {
                    format!(
                        "{point}: {name} was answered {} and then {}",
                        first.text, again.text
                    )
                });
            }
        }
    }

    /// Runs every plugin at once, each under a key of this fault.
    async fn run_all(&self, url: &str, point: &str, round: usize) -> Vec<Option<Answer>> {
        let partner = self.partner.at(url);
        let runs = PLUGINS.map(|(name, _)| {
            let partner = partner.clone();
            let key = format!("{point}-{round}-{name}");
            tokio::spawn(async move { partner.run(name, b"{}".to_vec(), Some(&key)).await })
        });
        let mut answers = Vec::new();
        for run in runs {
            answers.push(run.await.expect("no panic"));
        }
        answers
    }

    /// Waits until nothing is held any more, then compares account, receipts and ledger with the runs.
    async fn compare(&self, found: &mut Found) {
        let host = self.start(&[]).await;
        let operator = Operator::of(&host.url);
        let info = settled(&operator).await;
        let (runs, balance) = (found.runs, info["balance"].as_u64());
        let due = CREDIT - runs * PRICE;
        found.check(info["held"] == 0, || format!("still held: {info}"));
        found.check(balance == Some(due), || {
            format!("the account holds {balance:?} and not {due} after {runs} runs")
        });
        let ledger = operator.get("/admin/ledger").await;
        found.check(ledger["sound"] == true, || format!("the ledger: {ledger}"));
        let receipts = self.receipts(&operator, &host.url).await;
        let paid: u64 = receipts.iter().map(|receipt| receipt.total).sum();
        found.check(paid == runs * PRICE, || {
            format!("receipts add up to {paid}")
        });
        let charged = receipts.iter().filter(|receipt| receipt.total > 0).count();
        found.check(charged as u64 == runs, || {
            format!("{charged} receipts for {runs} runs")
        });
        found.receipts = receipts.len();
    }

    /// All receipts, verified as a chain with the host's public key.
    async fn receipts(&self, operator: &Operator, url: &str) -> Vec<Receipt> {
        let pem = operator.request(Method::GET, "/partners/receipt-key");
        let pem = Answer::of(pem).await.expect("an answer").text;
        let key = PublicKey::from_pem(&pem).expect("a key");
        let (mut chain, mut all, mut after) = (Chain::new(&key), Vec::new(), String::new());
        let partner = self.partner.at(url);
        loop {
            let request = partner.request(Method::GET, &format!("/receipts?limit=100{after}"));
            let answer = request
                .header("accept", "application/x-ndjson")
                .send()
                .await;
            let answer = answer.expect("an answer");
            let next = answer.headers().get("leyden-next").cloned();
            let lines = answer.text().await.expect("receipts");
            for line in lines.lines() {
                all.push(chain.next(line.as_bytes()).expect("a sound receipt"));
            }
            match next {
                Some(next) => after = format!("&after={}", next.to_str().expect("text")),
                None => return all,
            }
        }
    }
}

/// What a plugin does after its read.
fn plugin_of(name: &str) -> Plugin {
    let read = plugin::read(Import::Global, PERIOD, 1_000);
    let plugin = match name {
        "traps" => Plugin::new(format!("{read} (unreachable)")),
        "gives-up" => plugin::give_up(&read),
        _ => plugin::say(Plugin::new(read)),
    };
    plugin.with(&[Import::Global])
}

async fn start(folder: &Path, redis: Option<&Server>, variables: &[(&str, String)]) -> Process {
    let url = redis.map(Server::url);
    let mut more = vec!["--log", "error"];
    if let Some(url) = &url {
        more.extend(["--store", url, "--lease", LEASE]);
    }
    Process::start_in(folder, &more, variables).await
}

/// The partner, once nothing is held for it.
async fn settled(operator: &Operator) -> Value {
    let started = Instant::now();
    loop {
        let info = operator.get("/admin/partners/acme").await;
        if info["held"] == 0 || started.elapsed() > WAIT_MAX {
            return info;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
