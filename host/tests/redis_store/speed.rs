//! What commits cost the server. Run with `--ignored --nocapture`; it prints and judges nothing.

use super::*;

/// Microseconds of the server per call since the last reset, by command.
fn costs(rig: &Rig) -> String {
    let stats = rig.ask("INFO commandstats");
    let useful = stats.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(':')?;
        let field = |name: &str| {
            let part = rest.split(',').find_map(|part| part.strip_prefix(name))?;
            part.strip_prefix('=')?.parse::<f64>().ok()
        };
        let (calls, each) = (field("calls")?, field("usec_per_call")?);
        (calls * each > 1_000.0).then(|| format!("{name} {calls} x {each:.0} us"))
    });
    useful.collect::<Vec<_>>().join(", ")
}

/// A batch as the consumption processor commits it: 1,000 readings that read 1,500 keys, write as many
/// and publish 100 records.
fn batch(number: u64, version: Version) -> Transaction {
    let key =
        |n: u64| format!("reading/{:08}/{n:06}", (number * 7919 + n * 31) % 100_000).into_bytes();
    let keys: Vec<_> = (0..1_500).map(key).collect();
    let value = "v".repeat(60);
    let mut transaction = writes(
        keys.iter()
            .map(|key| put("consumption", key, Some(&value)))
            .collect(),
    );
    transaction.reads.version = version;
    transaction.reads.keys = keys
        .iter()
        .map(|key| (Space::from("consumption"), key.clone()))
        .collect();
    let payload = "p".repeat(150);
    transaction.appends = appends(&[payload.as_str(); 100]).appends;
    transaction
}

#[tokio::test]
#[ignore = "prints what the server takes; run alone"]
async fn what_a_batch_costs_the_server() {
    let rig = Rig::start().await;
    for (what, stale) in [("fresh snapshots", 0), ("snapshots one commit old", 1)] {
        rig.ask("CONFIG RESETSTAT");
        let mut version: u64 = rig.ask("GET {t}:version").parse().unwrap_or(0);
        for number in 0..200 {
            let base = version.saturating_sub(stale);
            let started = std::time::Instant::now();
            match rig.commit(batch(number, base)).await {
                Ok(committed) => version = committed,
                Err(CommitError::Conflict) => {}
                Err(error) => panic!("{error}"),
            }
            if number == 199 {
                println!(
                    "{what}: the last took {:?} with everything",
                    started.elapsed()
                );
            }
        }
        println!("{what}: {}", costs(&rig));
    }
}

#[tokio::test]
#[ignore = "prints what the server takes; run alone"]
async fn what_reading_a_batch_costs() {
    let rig = Rig::start().await;
    let version = rig.commit(batch(1, 0)).await.expect("committed");
    let keys: Vec<_> = batch(1, version)
        .reads
        .keys
        .into_iter()
        .map(|(_, key)| key)
        .collect();
    let claim = rig.claim(0, "host-1").await;
    rig.commit(appends(&["x"; 1_000])).await.expect("committed");
    rig.ask("CONFIG RESETSTAT");
    let started = std::time::Instant::now();
    let mut snapshot = rig.store.snapshot().await.expect("a snapshot");
    let values = snapshot.read_many(&Space::from("consumption"), &keys).await;
    assert_eq!(values.expect("values").len(), 1_500);
    println!("1,500 keys at once: {:?}", started.elapsed());
    let started = std::time::Instant::now();
    for key in &keys {
        snapshot
            .read(&Space::from("consumption"), key)
            .await
            .expect("a value");
    }
    println!("1,500 keys one by one: {:?}", started.elapsed());
    let started = std::time::Instant::now();
    assert_eq!(rig.fetch(&claim, 0, 1_000).await.len(), 1_000);
    println!("a fetch of 1,000: {:?}", started.elapsed());
    println!("{}", costs(&rig));
}
