//! A plugin that behaves, run again and again beside those that do not.

use std::time::Instant;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{PAUSE, PERIOD};
use crate::partner::people::{Operator, Partner};
use crate::partner::plugin::{self, Import, Plugin};

/// The name it is run under.
const NAME: &str = "neighbour";

/// How far its partner is trusted: it reads sums.
const TRUST: u32 = 1;

/// Runs before anything is measured.
const WARM: usize = 50;

/// A partner that behaves.
pub struct Neighbour(Partner);

/// How it fared.
#[derive(Debug, Clone, Default)]
pub struct Fared {
    times_ms: Vec<f64>,
    pub errors: usize,
}

impl Fared {
    pub fn runs(&self) -> usize {
        self.times_ms.len()
    }

    /// The time that so many percent of its runs did not exceed, ms.
    pub fn percentile_ms(&self, percent: usize) -> f64 {
        percentile(&mut self.times_ms.clone(), percent)
    }

    /// Adds further runs.
    pub fn add(&mut self, other: Self) {
        self.times_ms.extend(other.times_ms);
        self.errors += other.errors;
    }
}

/// One that runs on its own until it is stopped.
pub struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<Fared>,
}

impl Neighbour {
    /// Registers it and uploads its plugin: it reads a page and says something.
    pub async fn start(operator: &Operator, credit: u64) -> Self {
        let partner = operator.add(NAME, TRUST, credit).await;
        let read = plugin::read(Import::Global, PERIOD, 1_000);
        let plugin = plugin::say(Plugin::new(read)).with(&[Import::Global]);
        let uploaded = partner.upload(NAME, plugin.build()).await;
        uploaded.expect("an answer").expected("the neighbour");
        let neighbour = Self(partner);
        neighbour.alone(WARM).await;
        neighbour
    }

    /// Runs it so often.
    pub async fn alone(&self, runs: usize) -> Fared {
        let (_stop, never) = watch::channel(false);
        go_on(self.0.clone(), runs, never).await
    }

    /// Runs it until it is stopped.
    pub fn beside(&self) -> Running {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(go_on(self.0.clone(), usize::MAX, stopped));
        Running { stop, task }
    }
}

impl Running {
    /// Ends it.
    pub async fn stop(self) -> Fared {
        self.stop.send_replace(true);
        self.task.await.expect("no panic")
    }
}

async fn go_on(partner: Partner, runs: usize, stop: watch::Receiver<bool>) -> Fared {
    let (mut times, mut errors) = (Vec::new(), 0);
    while times.len() < runs && !*stop.borrow() {
        let since = Instant::now();
        let answer = partner.run(NAME, b"{}".to_vec(), None).await;
        times.push(since.elapsed().as_secs_f64() * 1e3);
        if !answer
            .as_ref()
            .is_some_and(|answer| answer.status.is_success())
        {
            eprintln!("    the neighbour was answered {answer:?}");
            errors += 1;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Fared {
        times_ms: times,
        errors,
    }
}

/// The smallest value that so many percent of all are not above.
fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * percent).div_ceil(100);
    let value = values.get(rank.saturating_sub(1));
    value.copied().unwrap_or(f64::NAN)
}
