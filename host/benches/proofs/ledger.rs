//! Partners' datapoints, moved by many at once: held, paid, given back, refunded and asked for again, by the
//! code that runs use, while what plugins do is scripted. In the end the books are compared with what
//! everybody was told.

mod client;
mod crowd;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use leyden::partners::{REVENUE, account, hold_account};
use leyden::store::Store;
use leyden::store::embedded::{self, Embedded};
use leyden::store::redis::{self, Redis};

use crate::proof::{Proof, Random, Size};
use crate::redis_server::{Kept, Server};
use crate::scripts::{Bench, partner};
use client::{Client, Done};

/// Tasks at the same time.
const TASKS: usize = 64;

/// Partners that they share.
const PARTNERS: usize = 16;

/// What each is given.
const CREDIT: u64 = 1_000_000_000;

pub async fn prove(size: Size) -> Vec<Proof> {
    let mut proofs = Vec::new();
    let (bench, _folder) = embedded().await;
    proofs.push(operations("embedded", &bench, size.of(20_000, 1_000_000)).await);
    let (bench, _folder) = embedded().await;
    proofs.push(crowd::prove("embedded", &bench, std::slice::from_ref(&bench.runs)).await);
    let (bench, _server) = in_redis().await;
    proofs.push(operations("redis", &bench, size.of(4_000, 100_000)).await);
    let (bench, _server) = in_redis().await;
    let hosts = [bench.runs.clone(), bench.host("second").await];
    proofs.push(crowd::prove("redis, two hosts", &bench, &hosts).await);
    proofs
}

async fn embedded() -> (Bench, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Embedded::open(embedded::Options::new(folder.path())).expect("a store");
    (Bench::over(Arc::new(store), false, "first").await, folder)
}

async fn in_redis() -> (Bench, Server) {
    let server = Server::start(Kept::EverySecond);
    let store = Redis::open(redis::Options::new(server.url())).await;
    let store = Arc::new(store.expect("a store"));
    (Bench::over(store, true, "first").await, server)
}

fn name(number: usize) -> String {
    format!("partner-{number}")
}

async fn operations(store: &str, bench: &Bench, count: usize) -> Proof {
    let started = Instant::now();
    client::write_scripts(bench);
    for number in 0..PARTNERS {
        bench.add(&name(number), 3, CREDIT).await;
    }
    let watcher = Watcher::start(bench.store.clone());
    let mut random = Random::seeded();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let client = Client::new(bench, &name(task % PARTNERS), task, random.fork());
            tokio::spawn(client.work(count / TASKS))
        })
        .collect();
    let mut done: Vec<Done> = (0..PARTNERS).map(|_| Done::default()).collect();
    for (task, running) in tasks.into_iter().enumerate() {
        done[task % PARTNERS].add(running.await.expect("no panic"));
    }
    let looks = watcher.stop().await;
    let mut wrong: Vec<String> = looks.1;
    for (number, done) in done.iter().enumerate() {
        wrong.extend(compare(bench, &name(number), done).await);
    }
    wrong.extend(ledger(bench, &done).await);
    report(store, started, &done, looks.0, &wrong)
}

fn report(store: &str, started: Instant, done: &[Done], looks: usize, wrong: &[String]) -> Proof {
    wrong
        .iter()
        .for_each(|wrong| eprintln!("    WRONG {wrong}"));
    let sum = |of: fn(&Done) -> usize| done.iter().map(of).sum::<usize>();
    let (holds, posts, voids) = (sum(|d| d.holds), sum(|d| d.posts), sum(|d| d.voids));
    let (refunds, retries) = (sum(|d| d.refunds), sum(|d| d.retries));
    let first = wrong.first().map_or(String::new(), |wrong| {
        format!("; {} WRONG, first {wrong}", wrong.len())
    });
    Proof {
        name: format!("ledger operations, {store}"),
        promise: "the sum is 0, nothing is negative, each id is there once, and accounts are what everybody was told".to_owned(),
        tried: format!(
            "{} operations of {TASKS} tasks on {PARTNERS} partners: {holds} holds, {posts} paid, {voids} voided, {refunds} refunds, {retries} retries",
            holds + posts + voids + refunds + retries
        ),
        found: format!("sum 0 and all accounts as told, receipts verify and add up, {looks} looks at accounts meanwhile{first}"),
        held: wrong.is_empty(),
        seconds: started.elapsed().as_secs_f64(),
    }
}

/// What a partner's account and receipts must be after all that was done.
async fn compare(bench: &Bench, id: &str, done: &Done) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |what: &str, is: u64, due: u64| {
        if is != due {
            wrong.push(format!("{id}: {what} {is} where {due} is due"));
        }
    };
    check(
        "the account holds",
        bench.balance(id).await,
        CREDIT + done.refunded - done.paid,
    );
    check("the hold holds", bench.held(id).await, 0);
    let receipts = bench.receipts(id).await;
    let total = receipts.iter().map(|receipt| receipt.total).sum();
    check("receipts add up to", total, done.paid);
    let runs = done.posts + done.voids;
    check("receipts are", receipts.len() as u64, runs as u64);
    let ids: HashSet<_> = receipts.iter().map(|receipt| &receipt.id).collect();
    check("different ids are", ids.len() as u64, runs as u64);
    let is_known = |id: &&String| !ids.contains(id);
    check(
        "answered runs without a receipt are",
        done.ids.iter().filter(is_known).count() as u64,
        0,
    );
    wrong
}

async fn ledger(bench: &Bench, done: &[Done]) -> Vec<String> {
    let mut wrong = Vec::new();
    let check = bench.store.check_ledger(None).await.expect("a ledger");
    if !check.is_sound() {
        wrong.push(format!("the ledger: {check:?}"));
    }
    let paid: u64 = done.iter().map(|done| done.paid).sum();
    let revenue = bench.sums(REVENUE).await.balance();
    if revenue != paid {
        wrong.push(format!("revenue is {revenue} where {paid} is due"));
    }
    wrong
}

/// Looks at all accounts over and over: none may ever be below zero.
struct Watcher {
    stop: tokio::sync::watch::Sender<bool>,
    task: tokio::task::JoinHandle<(usize, Vec<String>)>,
}

impl Watcher {
    fn start(store: Arc<dyn Store>) -> Self {
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let task = tokio::spawn(async move {
            let (mut looks, mut wrong) = (0, Vec::new());
            while !*stopped.borrow() {
                wrong.extend(look(store.as_ref()).await);
                looks += 1;
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            (looks, wrong)
        });
        Self { stop, task }
    }

    async fn stop(self) -> (usize, Vec<String>) {
        self.stop.send_replace(true);
        self.task.await.expect("no panic")
    }
}

async fn look(store: &dyn Store) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut snapshot = store.snapshot().await.expect("a snapshot");
    for number in 0..PARTNERS {
        let id = partner(&name(number));
        for of in [account(id.as_str()), hold_account(id.as_str())] {
            let sums = snapshot.account(&of).await.expect("an account");
            if sums.debits > sums.credits {
                wrong.push(format!("{of} is below zero: {sums:?}"));
            }
        }
    }
    wrong
}
