//! A host is stopped past its lease, others take its partitions over, and it wakes with work in hand.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::books::{Audit, Expected, audit};
use crate::kills::{HOSTS, PROMISE};
use crate::load::{Load, PARTITIONS, Repeat};
use crate::proof::{Proof, Random, Size};
use crate::rig::{LEASE_MS, Rig, Way};

pub async fn prove(size: Size) -> Proof {
    let started = Instant::now();
    let pauses = size.of(6, 50);
    let (expected, audit, fenced) = run(pauses, None).await;
    let tried = format!(
        "{pauses} times a host stopped (SIGSTOP) until others held all its partitions, then woken, under {} records",
        expected.published()
    );
    Proof {
        name: "pause".to_owned(),
        promise: format!("a host that wakes after its lease is refused; {PROMISE}"),
        tried,
        found: format!("{fenced} commits refused, {}", audit.words()),
        held: audit.is_clean() && fenced > 0,
        seconds: started.elapsed().as_secs_f64(),
    }
}

/// Stops and wakes hosts, then compares; also how many commits were refused.
pub async fn run(pauses: usize, mutation: Option<&str>) -> (Expected, Audit, u64) {
    let mut random = Random::seeded();
    let rig = Rig::start(HOSTS, Way::Direct, mutation).await;
    let load = Load::start(&rig, Repeat::UnderAKey);
    for _ in 0..pauses {
        tokio::time::sleep(Duration::from_millis(50 + random.below(200))).await;
        let stopped = random.below(HOSTS as u64) as usize;
        let other = (stopped + 1) % HOSTS;
        rig.wait_for("an even share", async |rig| {
            units(rig, other, stopped)
                .await
                .is_some_and(|units| units > 0)
        })
        .await;
        signal(&rig, stopped, "-STOP");
        tokio::time::sleep(Duration::from_millis(LEASE_MS)).await;
        rig.wait_for("a takeover", async |rig| {
            let left = HOSTS.saturating_sub(1);
            let mut held = 0;
            for host in (0..HOSTS).filter(|host| *host != stopped) {
                held += units(rig, other, host).await.unwrap_or(0);
            }
            left > 0 && held == usize::from(PARTITIONS)
        })
        .await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        signal(&rig, stopped, "-CONT");
    }
    let expected = load.stop().await;
    let audit = audit(&rig, &expected).await;
    let mut fenced = 0;
    for host in 0..HOSTS {
        fenced += metric(&rig, host, "leyden_fenced_total").await;
    }
    (expected, audit, fenced)
}

/// How many units a host holds, as another one sees it.
async fn units(rig: &Rig, asked: usize, of: usize) -> Option<usize> {
    let url = format!("{}/admin/hosts", rig.host(asked).url);
    let answer = reqwest::get(url).await.ok()?.json::<Value>().await.ok()?;
    let hosts = answer["hosts"].as_array().or(answer.as_array())?;
    let host = hosts.iter().find(|host| host["url"] == rig.host(of).url)?;
    host["units"].as_array().map(Vec::len)
}

fn signal(rig: &Rig, host: usize, signal: &str) {
    let id = rig.host(host).id().to_string();
    let sent = Command::new("kill").args([signal, &id]).status();
    assert!(sent.expect("kill").success());
}

/// A counter of one host, over all its labels.
pub async fn metric(rig: &Rig, host: usize, name: &str) -> u64 {
    let url = format!("{}/metrics", rig.host(host).url);
    let answer = reqwest::get(url).await.expect("an answer");
    let text = answer.text().await.expect("a body");
    let lines = text.lines().filter(|line| line.starts_with(name));
    let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.sum::<f64>() as u64
}
