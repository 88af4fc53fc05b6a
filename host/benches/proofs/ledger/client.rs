//! One of those who move datapoints, and what it was told.

use std::sync::Arc;

use leyden::dispatch;
use leyden::ids::{ComponentName, PartnerId};
use leyden::metering::Dataset;
use leyden::operators::Operator;
use leyden::partners::runs::{Ended, Error};
use leyden::partners::{Accounts, RunRequest, Runs, Started};
use leyden::runtime::run::RunError;

use crate::proof::Random;
use crate::scripts::{self, Bench, partner};

/// The most that one run reads for, datapoints.
const PRICE_MAX: u64 = 400;

/// What was done, and told.
#[derive(Debug, Default)]
pub struct Done {
    pub holds: usize,
    pub posts: usize,
    pub voids: usize,
    pub refunds: usize,
    pub retries: usize,
    /// Datapoints that were paid.
    pub paid: u64,
    /// Datapoints that were given back by refunds.
    pub refunded: u64,
    /// Runs that were answered.
    pub ids: Vec<String>,
}

impl Done {
    fn operations(&self) -> usize {
        self.holds + self.posts + self.voids + self.refunds + self.retries
    }

    pub fn add(&mut self, other: Self) {
        self.holds += other.holds;
        self.posts += other.posts;
        self.voids += other.voids;
        self.refunds += other.refunds;
        self.retries += other.retries;
        self.paid += other.paid;
        self.refunded += other.refunded;
        self.ids.extend(other.ids);
    }
}

/// The plugins: one reads for as much as its parameters say, one is lost by the host after its read.
pub fn write_scripts(bench: &Bench) {
    let pays = scripts::script(|input, tab| async move {
        let price = input.params.json.parse().expect("a number");
        scripts::read(&tab, Dataset::Production, price).expect("it is held");
        scripts::report("paid")
    });
    bench.script("pays", pays);
    let lost = scripts::script(|_, tab| async move {
        scripts::read(&tab, Dataset::Production, 1).expect("it is held");
        Err(RunError::HostFault(dispatch::Error::Stopping))
    });
    bench.script("lost", lost);
}

/// One task.
pub struct Client {
    runs: Runs,
    accounts: Accounts,
    partner: PartnerId,
    task: usize,
    random: Random,
    done: Done,
    /// Runs that it may repeat or have refunded: key, price, held, and what was answered.
    past: Vec<(String, u64, u64, Ended)>,
}

impl Client {
    pub fn new(bench: &Bench, id: &str, task: usize, random: Random) -> Self {
        Self {
            runs: bench.runs.clone(),
            accounts: Accounts::new(bench.store.clone(), bench.clock.clone()),
            partner: partner(id),
            task,
            random,
            done: Done::default(),
            past: Vec::new(),
        }
    }

    /// Does so many operations.
    pub async fn work(mut self, operations: usize) -> Done {
        let mut number = 0;
        while self.done.operations() < operations {
            number += 1;
            match self.random.below(10) {
                0 => self.lose().await,
                1 => self.repeat().await,
                2 => self.refund(number).await,
                _ => self.pay(number).await,
            }
        }
        self.done
    }

    /// A run that is paid for; what is held and not used goes back.
    async fn pay(&mut self, number: usize) {
        let price = 1 + self.random.below(PRICE_MAX);
        let held = price + self.random.below(100);
        let key = format!("{}-{number}", self.task);
        let ended = self.run("pays", request(price, held, Some(&key))).await;
        let ended = ended.expect("a report");
        self.done.holds += 1;
        self.done.posts += 1;
        self.done.paid += price;
        self.done.ids.push(ended.run.clone());
        if self.past.len() == 16 {
            self.past.remove(0);
        }
        self.past.push((key, price, held, ended));
    }

    /// A run that the host loses: what was held goes back.
    async fn lose(&mut self) {
        let lost = self.run("lost", request(1, 100, None)).await;
        assert!(matches!(lost, Err(Error::Lost { .. })), "{lost:?}");
        self.done.holds += 1;
        self.done.voids += 1;
    }

    /// Asks for a run again, several times at once.
    async fn repeat(&mut self) {
        let Some((key, price, held, ended)) = self.past.last().cloned() else {
            return;
        };
        let again = || self.run("pays", request(price, held, Some(&key)));
        let (one, other) = tokio::join!(again(), again());
        for again in [one, other] {
            assert_eq!(again.expect("the same answer"), ended);
            self.done.retries += 1;
        }
    }

    /// Gives back what a run cost, twice under the same reference: it counts once.
    async fn refund(&mut self, number: usize) {
        if self.past.is_empty() {
            return;
        }
        let at = number % self.past.len();
        let (_, price, _, ended) = self.past.remove(at);
        let reference = format!("refund of run {}", ended.run);
        let by = Operator::local();
        let refund = || {
            let (accounts, partner) = (&self.accounts, &self.partner);
            accounts.credit(&by, partner, price, &reference)
        };
        let (one, other) = tokio::join!(refund(), refund());
        let repeated = [one, other].map(|refund| refund.expect("a refund").repeated);
        assert_eq!(repeated.iter().filter(|repeated| !**repeated).count(), 1);
        self.done.refunds += 1;
        self.done.retries += 1;
        self.done.refunded += price;
    }

    /// Runs a plugin, again where there was no place for it.
    async fn run(&self, plugin: &str, request: RunRequest) -> Result<Ended, Error> {
        let plugin = ComponentName::parse(plugin).expect("a name");
        loop {
            match self.runs.run(&self.partner, &plugin, request.clone()).await {
                Err(Error::Full(_)) => tokio::task::yield_now().await,
                ended => return ended,
            }
        }
    }
}

fn request(price: u64, max_spend: u64, key: Option<&str>) -> RunRequest {
    RunRequest {
        params: price.to_string(),
        max_spend: Some(max_spend),
        key: key.map(str::to_owned),
        started: Started::ByRequest,
    }
}

/// Shared by the crowd: a run that holds and pays so much.
pub async fn pay(runs: &Runs, id: &Arc<PartnerId>, price: u64, key: &str) -> Result<Ended, Error> {
    let plugin = ComponentName::parse("pays").expect("a name");
    runs.run(id, &plugin, request(price, price, Some(key)))
        .await
}
