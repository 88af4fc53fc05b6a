//! Many hosts at once on one store: they take units from each other, apply records, move datapoints and
//! change the same keys. Afterwards every record must have been applied once, in the order of its key, and
//! all sums must be right.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use leyden::ids::StreamName;
use leyden::store::{
    Acknowledgement, Append, Claim, CommitError, Error, Holder, HostInfo, ISSUER, Partition,
    Posting, Range, ReadSet, Record, Space, Store, Subscription, Transaction, Write, partition_of,
};

use crate::numbers::Numbers;

type Shared = Arc<dyn Store>;

/// Hosts, each a task.
const HOSTS: u64 = 8;

/// Records that they apply.
const RECORDS: u64 = 300;

/// Longest run: far longer than it takes.
const RUN_MAX: Duration = Duration::from_secs(120);

const LEASE_MS: u64 = 600_000;

/// Keys whose numbers add up to 0 in every version.
const PAIR: [&[u8]; 2] = [b"left", b"right"];

fn stream(name: &str) -> StreamName {
    StreamName::parse(name).expect("a name")
}

fn space() -> Space {
    Space::from("concurrent")
}

fn append(name: &str, key: String, payload: Vec<u8>) -> Append {
    let stream = stream(name);
    Append {
        stream,
        key,
        payload,
    }
}

struct Worker {
    store: Shared,
    info: HostInfo,
    numbers: Numbers,
    subscriptions: Vec<Subscription>,
    /// Transactions that were refused, and those that were not.
    refused: u64,
    done: u64,
}

/// Runs the hosts on the handles in turn, and checks what they did.
pub(crate) async fn run(handles: &[Shared]) {
    let store = &handles[0];
    for n in 0..RECORDS {
        let append = append(
            "in.put",
            format!("key-{}", n % 12),
            n.to_string().into_bytes(),
        );
        let appends = vec![append];
        let transaction = Transaction {
            appends,
            ..Transaction::default()
        };
        store.commit(transaction).await.expect("committed");
    }
    let partitions = store
        .partitions(&stream("in.put"))
        .await
        .expect("partitions");
    let subscription = |number| Subscription {
        group: "g".into(),
        partition: Partition {
            stream: stream("in.put"),
            number,
        },
    };
    let subscriptions: Vec<_> = (0..partitions).map(subscription).collect();
    for subscription in &subscriptions {
        store.subscribe(subscription).await.expect("subscribed");
    }
    let workers = (0..HOSTS).map(|n| {
        let store = Arc::clone(&handles[n as usize % handles.len()]);
        tokio::spawn(Worker::new(n, store, subscriptions.clone()).work())
    });
    let workers = tokio::time::timeout(RUN_MAX, join_all(workers)).await;
    let workers: Vec<_> = workers
        .expect("in time")
        .into_iter()
        .map(|worker| worker.expect("no panic"))
        .collect();
    let (done, refused): (Vec<_>, Vec<_>) = workers
        .iter()
        .map(|worker| (worker.done, worker.refused))
        .unzip();
    println!("done {done:?}, refused {refused:?}");
    check(store, partitions).await;
    assert!(refused.iter().sum::<u64>() > 0, "nobody met anybody");
}

/// Every record once, each key's in order, and the ledger in balance.
async fn check(store: &Shared, partitions: u16) {
    let mut snapshot = store.snapshot().await.expect("a snapshot");
    for n in 0..RECORDS {
        let account = snapshot
            .account(&format!("record-{n}"))
            .await
            .expect("read");
        assert_eq!(account.credits, 1, "times that record {n} was applied");
    }
    let mut last = BTreeMap::new();
    let mut count = 0;
    for number in 0..partitions {
        let partition = Partition {
            stream: stream("out.put"),
            number,
        };
        let records = store
            .read_log(&partition, 0, usize::MAX, usize::MAX)
            .await
            .expect("read");
        for Record { key, payload, .. } in records {
            assert_eq!(partition_of(&key, partitions), number);
            let n: u64 = String::from_utf8_lossy(&payload).parse().expect("a number");
            let before = last.insert(key.clone(), n);
            assert!(before < Some(n), "{key}: {n} after {before:?}");
            count += 1;
        }
    }
    assert_eq!(count, RECORDS);
    let ledger = store.check_ledger(None).await.expect("checked");
    assert_eq!((ledger.entries, ledger.debits), (RECORDS, ledger.credits));
    assert!(ledger.is_sound(), "{ledger:?}");
}

impl Worker {
    fn new(n: u64, store: Shared, subscriptions: Vec<Subscription>) -> Self {
        let info = HostInfo {
            holder: Holder(format!("host-{n}").into()),
            url: String::new(),
            version: String::new(),
            started_at_ms: n,
            generation: 0,
        };
        Self {
            store,
            info,
            numbers: Numbers(n + 1),
            subscriptions,
            refused: 0,
            done: 0,
        }
    }

    async fn work(mut self) -> Self {
        loop {
            let which = self.numbers.below(self.subscriptions.len() as u64) as usize;
            let subscription = self.subscriptions[which].clone();
            if self.holds(subscription.partition.number).await {
                self.apply(subscription).await;
            }
            self.move_between().await;
            let left = self
                .store
                .backlog(&self.subscriptions)
                .await
                .expect("counted");
            if left == 0 {
                return self;
            }
        }
    }

    /// Whether it believes to hold a unit; now and then it takes one from another, who is not told.
    async fn holds(&mut self, unit: u16) -> bool {
        let members = self.store.beat(&self.info, LEASE_MS).await.expect("told");
        let owner = members.owners[usize::from(unit)].clone();
        if owner.as_ref() == Some(&self.info.holder) {
            return true;
        }
        let takes = owner.is_none() || self.numbers.once_in(3);
        let took = self.store.take(unit, owner.as_ref(), &self.info.holder);
        takes && took.await.expect("asked")
    }

    /// Applies a batch as long as nobody else has: nothing but the fence prevents it from being applied
    /// twice, since movements and appends conflict with nothing.
    async fn apply(&mut self, subscription: Subscription) {
        let claim = Claim {
            subscription,
            holder: self.info.holder.clone(),
        };
        let limit = 1 + self.numbers.below(5) as usize;
        let records = match self.store.fetch(&claim, 0, limit, usize::MAX).await {
            Ok(records) => records,
            Err(Error::Fenced) => {
                self.refused += 1;
                return;
            }
            Err(error) => panic!("fetch: {error:?}"),
        };
        if records.is_empty() {
            return;
        }
        // Others get their chance to take the unit in between.
        for _ in 0..self.numbers.below(4) {
            tokio::task::yield_now().await;
        }
        let transaction = applying(claim, &records);
        self.commit(transaction).await;
    }

    /// Reads a pair of numbers, which must belong together, and changes both.
    async fn move_between(&mut self) {
        let mut snapshot = self.store.snapshot().await.expect("a snapshot");
        let mut numbers = [0_i64; 2];
        for (number, key) in numbers.iter_mut().zip(PAIR) {
            match snapshot.read(&space(), key).await {
                Ok(value) => *number = value.map_or(0, parse),
                Err(Error::Overtaken) => {
                    self.refused += 1;
                    return;
                }
                Err(error) => panic!("read: {error:?}"),
            }
        }
        assert_eq!(numbers[0] + numbers[1], 0, "two versions are mixed");
        let amount = self.numbers.below(9) as i64;
        let written = [numbers[0] - amount, numbers[1] + amount];
        let write = |(key, number): (&[u8], i64)| Write {
            space: space(),
            key: key.to_vec(),
            value: Some(number.to_string().into_bytes()),
        };
        let range = Range {
            start: b"right".to_vec(),
            end: Some(b"s".to_vec()),
        };
        let reads = ReadSet {
            version: snapshot.version(),
            keys: vec![(space(), PAIR[0].to_vec())],
            ranges: vec![(space(), range)],
        };
        let writes = PAIR.into_iter().zip(written).map(write).collect();
        let transaction = Transaction {
            reads,
            writes,
            ..Transaction::default()
        };
        drop(snapshot);
        self.commit(transaction).await;
    }

    async fn commit(&mut self, transaction: Transaction) {
        match self.store.commit(transaction).await {
            Ok(_) => self.done += 1,
            Err(CommitError::Conflict | CommitError::Store(Error::Fenced)) => self.refused += 1,
            Err(error) => panic!("commit: {error:?}"),
        }
    }
}

fn parse(value: Vec<u8>) -> i64 {
    String::from_utf8(value)
        .expect("text")
        .parse()
        .expect("a number")
}

fn applying(claim: Claim, records: &[Record]) -> Transaction {
    let posting = |record: &Record| Posting {
        debit: ISSUER.to_owned(),
        credit: format!("record-{}", String::from_utf8_lossy(&record.payload)),
        amount: 1,
        reference: String::new(),
    };
    let forward = |record: &Record| append("out.put", record.key.clone(), record.payload.clone());
    let offsets = records.iter().map(|record| record.offset).collect();
    Transaction {
        acknowledgement: Some(Acknowledgement { claim, offsets }),
        postings: records.iter().map(posting).collect(),
        appends: records.iter().map(forward).collect(),
        ..Transaction::default()
    }
}
