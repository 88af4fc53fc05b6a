//! A proxy between hosts and Redis delays, cuts and drops replies at random.

use std::time::{Duration, Instant};

use crate::books::{Audit, Expected, audit};
use crate::kills::{HOSTS, PROMISE};
use crate::load::{Load, Repeat};
use crate::proof::{Proof, Random, Size};
use crate::proxy::Fault;
use crate::rig::{Rig, Way};

/// Longest delay, ms.
const DELAY_MS_MAX: u64 = 200;

pub async fn prove(size: Size) -> Proof {
    let started = Instant::now();
    let count = size.of(1_000, 10_000);
    let (expected, audit) = run(count, None).await;
    let tried = format!(
        "{count} delays, cuts and dropped replies between {HOSTS} hosts and Redis under {} records and {} requests that were sent once each",
        expected.published(),
        expected.answered()
    );
    Proof {
        name: "faults".to_owned(),
        promise: PROMISE.to_owned(),
        tried,
        found: audit.words(),
        held: audit.is_clean(),
        seconds: started.elapsed().as_secs_f64(),
    }
}

/// Injects so many faults, then compares.
pub async fn run(count: usize, mutation: Option<&str>) -> (Expected, Audit) {
    let mut random = Random::seeded();
    let rig = Rig::start(HOSTS, Way::Proxied, mutation).await;
    let proxy = rig.proxy.clone().expect("it has one");
    let load = Load::start(&rig, Repeat::Never);
    let mut told = Instant::now();
    for number in 0..count {
        // No more than one waits, so that none is left at the end.
        while proxy.done() < number as u64 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(random.below(30))).await;
        proxy.inject(match random.below(3) {
            0 => Fault::Delay(Duration::from_millis(random.below(DELAY_MS_MAX))),
            1 => Fault::Cut,
            _ => Fault::DropReply,
        });
        if told.elapsed() > Duration::from_secs(30) {
            told = Instant::now();
            eprintln!("  {} faults to go", count - number);
        }
    }
    let expected = load.stop().await;
    let audit = audit(&rig, &expected).await;
    (expected, audit)
}
