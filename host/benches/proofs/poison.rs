//! One partition gets a record that no delivery survives; the others are measured beside it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use redis::streams::StreamInfoGroupsReply;

use crate::load::{PARTITIONS, fill, stream_key};
use crate::proof::{Proof, Size};
use crate::rig::{Rig, Way};

/// The partition with the poison.
const POISONED: u16 = 0;

/// Least share of their rate that the others keep.
const KEPT_MIN: f64 = 0.95;

pub async fn prove(size: Size) -> Proof {
    let started = Instant::now();
    let (rounds, records) = (size.of(3, 7), size.of(2_000, 6_000) as u64);
    let rig = Rig::start(1, Way::Direct, None).await;
    let (mut clean, mut beside) = (Vec::new(), Vec::new());
    let mut from = 1;
    for round in 0..=rounds {
        // The first round warms up. Both kinds in turn, so that a busy machine slows both.
        let without = measure(&rig, from, records, None).await;
        let with = measure(&rig, from + records, records, Some("poison")).await;
        from += 2 * records;
        if round > 0 {
            clean.push(without);
            beside.push(with);
        }
    }
    rig.settle().await;
    let letters = rig.get("/admin/dead-letters").await;
    let buried = letters["letters"]
        .as_array()
        .or(letters.as_array())
        .map_or(0, Vec::len);
    let report = rig.get("/tally/report").await;
    let in_order = report["wrong"].as_array().is_some_and(Vec::is_empty);
    let kept = median(&mut beside) / median(&mut clean);
    Proof {
        name: "poison".to_owned(),
        promise: format!(
            "a poison record in one partition leaves the others ≥ {:.0} % of their rate",
            KEPT_MIN * 100.0
        ),
        tried: format!(
            "{rounds} rounds with and without a record that traps, {records} records in each of {} other partitions",
            PARTITIONS - 1
        ),
        found: format!(
            "{:.1} % of {:.0} records/s kept (medians), {buried} of {} poison records are dead letters, order {}",
            kept * 100.0,
            median(&mut clean),
            rounds + 1,
            if in_order { "kept" } else { "BROKEN" }
        ),
        held: kept >= KEPT_MIN && buried == rounds + 1 && in_order,
        seconds: started.elapsed().as_secs_f64(),
    }
}

/// Fills the partitions and waits until those without poison are through; their records a second.
async fn measure(rig: &Rig, from: u64, records: u64, poison: Option<&str>) -> f64 {
    rig.settle().await;
    let others: BTreeMap<u16, u64> = (0..PARTITIONS)
        .filter(|partition| *partition != POISONED)
        .map(|partition| (partition, records))
        .collect();
    let started = Instant::now();
    fill(
        rig,
        &others,
        from,
        poison.map(|payload| (POISONED, payload)),
    )
    .await;
    let client = redis::Client::open(rig.redis.url()).expect("a url");
    let mut connection = client
        .get_multiplexed_async_connection()
        .await
        .expect("a connection");
    for partition in others.keys() {
        let key = stream_key("proof.in", *partition);
        while open(&mut connection, &key).await > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    (records * others.len() as u64) as f64 / started.elapsed().as_secs_f64()
}

/// Records that the group has not acknowledged.
async fn open(connection: &mut redis::aio::MultiplexedConnection, key: &str) -> usize {
    let groups: StreamInfoGroupsReply = redis::cmd("XINFO")
        .arg(&["GROUPS", key])
        .query_async(connection)
        .await
        .expect("groups");
    let open = groups
        .groups
        .iter()
        .map(|group| group.pending + group.lag.unwrap_or(1));
    open.sum()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
