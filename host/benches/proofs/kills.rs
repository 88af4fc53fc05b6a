//! Hosts and Redis are killed at random moments under load.

use std::time::{Duration, Instant};

use crate::books::{Audit, Expected, audit};
use crate::load::{Load, Repeat};
use crate::proof::{Proof, Random, Size};
use crate::rig::{Rig, Way};

/// Hosts over one Redis.
pub const HOSTS: usize = 3;

/// So many kills of each.
#[derive(Debug, Clone, Copy)]
pub struct Kills {
    pub hosts: usize,
    pub redis: usize,
}

/// What is promised under all faults.
pub const PROMISE: &str = "nothing acknowledged is lost, nothing applied twice, the ledger sums to 0, each key keeps its order";

pub async fn prove(size: Size) -> Proof {
    let started = Instant::now();
    let kills = Kills {
        hosts: size.of(30, 1_000),
        redis: size.of(10, 300),
    };
    let (expected, audit) = run(kills, None).await;
    let Kills { hosts, redis } = kills;
    let tried = format!(
        "{hosts} kill -9 of a host and {redis} of Redis (appendfsync always) with {HOSTS} hosts under {} records and {} requests",
        expected.published(),
        expected.answered()
    );
    Proof {
        name: "kills".to_owned(),
        promise: PROMISE.to_owned(),
        tried,
        found: audit.words(),
        held: audit.is_clean(),
        seconds: started.elapsed().as_secs_f64(),
    }
}

/// Kills, then compares.
pub async fn run(kills: Kills, mutation: Option<&str>) -> (Expected, Audit) {
    let mut random = Random::seeded();
    let mut rig = Rig::start(HOSTS, Way::Direct, mutation).await;
    let load = Load::start(&rig, Repeat::UnderAKey);
    let mut left = kills;
    let mut told = Instant::now();
    while left.hosts + left.redis > 0 {
        tokio::time::sleep(Duration::from_millis(20 + random.below(300))).await;
        if (random.below((left.hosts + left.redis) as u64) as usize) < left.hosts {
            left.hosts -= 1;
            let host = random.below(rig.hosts() as u64) as usize;
            rig.kill_host(host);
            rig.start_host(host).await;
        } else {
            left.redis -= 1;
            tokio::task::block_in_place(|| rig.redis.restart());
        }
        if told.elapsed() > Duration::from_secs(30) {
            told = Instant::now();
            eprintln!(
                "  {} kills of hosts and {} of Redis to go",
                left.hosts, left.redis
            );
        }
    }
    let expected = load.stop().await;
    let audit = audit(&rig, &expected).await;
    (expected, audit)
}
