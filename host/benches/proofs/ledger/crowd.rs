//! More runs at once than an account can pay for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use leyden::partners::Runs;
use leyden::partners::runs::Error;

use super::client;
use crate::proof::Proof;
use crate::scripts::{Bench, partner};

/// Runs at the same time.
const RUNS: usize = 500;

/// How many of them the account can pay for.
const PAID: usize = 100;

/// What each costs, datapoints.
const PRICE: u64 = 50;

/// Before a run that found no place is asked for again.
const PAUSE: Duration = Duration::from_millis(10);

/// How one ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Paid,
    OutOfCredit,
}

pub async fn prove(store: &str, bench: &Bench, hosts: &[Runs]) -> Proof {
    let started = Instant::now();
    client::write_scripts(bench);
    bench.add("crowd", 3, PAID as u64 * PRICE).await;
    let id = Arc::new(partner("crowd"));
    let tasks: Vec<_> = (0..RUNS)
        .map(|number| {
            let (runs, id) = (hosts[number % hosts.len()].clone(), id.clone());
            tokio::spawn(async move { insist(&runs, &id, number).await })
        })
        .collect();
    let mut ends = Vec::new();
    for task in tasks {
        ends.push(task.await.expect("no panic"));
    }
    let count = |end| ends.iter().filter(|other| **other == end).count();
    let (paid, refused) = (count(End::Paid), count(End::OutOfCredit));
    let (balance, held) = (bench.balance("crowd").await, bench.held("crowd").await);
    let receipts = bench.receipts("crowd").await.len();
    Proof {
        name: format!("ledger crowd, {store}"),
        promise: format!("of {RUNS} runs at once with credit for {PAID} exactly {PAID} are paid"),
        tried: format!(
            "{RUNS} runs of {PRICE} datapoints each at once, on an account of {}",
            PAID as u64 * PRICE
        ),
        found: format!(
            "{paid} paid, {refused} refused, {receipts} receipts, {balance} left, {held} held"
        ),
        held: (paid, refused, receipts) == (PAID, RUNS - PAID, PAID) && balance + held == 0,
        seconds: started.elapsed().as_secs_f64(),
    }
}

/// Asks until it is paid or refused for lack of credit.
async fn insist(runs: &Runs, id: &Arc<leyden::ids::PartnerId>, number: usize) -> End {
    loop {
        match client::pay(runs, id, PRICE, &format!("run-{number}")).await {
            Ok(_) => return End::Paid,
            Err(Error::OutOfCredit(_)) => return End::OutOfCredit,
            Err(Error::Full(_) | Error::Unready(_)) => tokio::time::sleep(PAUSE).await,
            Err(other) => panic!("run {number}: {other:?}"),
        }
    }
}
