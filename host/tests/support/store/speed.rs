//! What the embedded store costs. Not a test of anything: run it with
//! `cargo test --release -p leyden --test store_conformance -- --ignored --nocapture speed`.

use std::sync::Arc;
use std::time::Instant;

use leyden::ids::StreamName;
use leyden::store::embedded::{Embedded, Options};
use leyden::store::{Append, Order, Range, Space, Store, Transaction, Write};

use crate::numbers::Numbers;

fn write(key: u64, bytes: usize) -> Write {
    let space = Space::from("speed");
    Write {
        space,
        key: key.to_be_bytes().to_vec(),
        value: Some(vec![7; bytes]),
    }
}

fn small(numbers: &mut Numbers, keys: u64) -> Transaction {
    let writes = (0..3).map(|_| write(numbers.below(keys), 150)).collect();
    Transaction {
        writes,
        ..Transaction::default()
    }
}

async fn small_transactions(store: &Arc<dyn Store>, keys: u64, tasks: usize, each: usize) -> f64 {
    let began = Instant::now();
    let running = (0..tasks).map(|task| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let mut numbers = Numbers(task as u64);
            for _ in 0..each {
                store
                    .commit(small(&mut numbers, keys))
                    .await
                    .expect("committed");
            }
        })
    });
    for task in running.collect::<Vec<_>>() {
        task.await.expect("finished");
    }
    (tasks * each) as f64 / began.elapsed().as_secs_f64()
}

async fn large_transactions(store: &Arc<dyn Store>, count: u64) -> f64 {
    let stream = StreamName::parse("speed.log").expect("a name");
    let mut spent = 0.0;
    for round in 0..count {
        let writes = (0..1000)
            .map(|n| write((1 << 40) + round * 1000 + n, 150))
            .collect();
        let append = || Append {
            stream: stream.clone(),
            key: "house-1".into(),
            payload: vec![b'x'; 150],
        };
        let appends = (0..500).map(|_| append()).collect();
        let transaction = Transaction {
            writes,
            appends,
            ..Transaction::default()
        };
        let began = Instant::now();
        store.commit(transaction).await.expect("committed");
        spent += began.elapsed().as_secs_f64();
    }
    spent * 1e6 / (count as f64 * 1500.0)
}

async fn reads(store: &Arc<dyn Store>, keys: u64) -> (f64, f64, f64) {
    let space = Space::from("speed");
    let mut numbers = Numbers(1);
    let began = Instant::now();
    for _ in 0..20_000 {
        store.snapshot().await.expect("a snapshot");
    }
    let snapshot_us = began.elapsed().as_secs_f64() * 1e6 / 20_000.0;
    let mut snapshot = store.snapshot().await.expect("a snapshot");
    let began = Instant::now();
    for _ in 0..100_000 {
        let key = numbers.below(keys).to_be_bytes();
        snapshot.read(&space, &key).await.expect("read");
    }
    let read_us = began.elapsed().as_secs_f64() * 1e6 / 100_000.0;
    let began = Instant::now();
    let mut rows = 0;
    for _ in 0..1000 {
        let range = Range {
            start: numbers.below(keys).to_be_bytes().to_vec(),
            end: None,
        };
        rows += snapshot
            .scan(&space, &range, Order::Ascending, 100)
            .await
            .expect("scanned")
            .len();
    }
    (
        snapshot_us,
        read_us,
        began.elapsed().as_secs_f64() * 1e6 / rows as f64,
    )
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    let directory = tempfile::tempdir().expect("a directory");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let store: Arc<dyn Store> = Arc::new(Embedded::open(Options::new(directory.path())).expect("a store"));
        for keys in [10_000, 1_000_000] {
            for (tasks, each) in [(1, 500), (32, 1000), (256, 600), (1024, 150)] {
                let rate = small_transactions(&store, keys, tasks, each).await;
                println!("{tasks:>5} at a time, 3 writes of 150 bytes in {keys:>7} keys: {rate:>8.0} per second");
            }
        }
        println!("1,000 writes and 500 appends: {:.2} us each", large_transactions(&store, 100).await);
        let (snapshot_us, read_us, scan_us) = reads(&store, 1_000_000).await;
        println!("snapshot {snapshot_us:.2} us, read {read_us:.2} us, scanned row {scan_us:.2} us");
    });
}
