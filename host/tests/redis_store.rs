//! What the store keeps in Redis, seen from outside: by an operator's tools, by producers that know
//! nothing of Leyden, and by copies of commits that arrive again or too late. What every store does alike is in
//! `store_conformance`, and what happens to the connection in `redis_link`.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on should stop, and threads of tests wait"
)]

#[path = "redis_store/commits.rs"]
mod commits;
#[path = "redis_store/groups.rs"]
mod groups;
#[path = "redis_store/recorder.rs"]
mod recorder;
#[path = "support/redis.rs"]
mod server;
#[path = "redis_store/speed.rs"]
mod speed;
#[path = "redis_store/state.rs"]
mod state;

use leyden::ids::{Instant, StreamName};
use leyden::store::redis::{Options, Redis};
use leyden::store::{
    Acknowledgement, Append, Claim, CommitError, Holder, HostInfo, Offset, Partition, Posting,
    ReadSet, Record, Space, Store as _, Subscription, Transaction, Version, Write,
};
use server::{Kept, Server};

/// A store on a server of its own.
struct Rig {
    server: Server,
    store: Redis,
}

impl Rig {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let server = Server::start(Kept::Nothing);
        let mut options = options(&server.url());
        change(&mut options);
        let store = Redis::open(options).await.expect("a store");
        Self { server, store }
    }

    /// What the server answers to a command, words separated by spaces.
    fn ask(&self, command: &str) -> String {
        let words: Vec<_> = command.split(' ').collect();
        self.server.ask(&words).expect(command)
    }

    async fn commit(&self, transaction: Transaction) -> Result<Version, CommitError> {
        self.store.commit(transaction).await
    }

    /// Makes a group of `house.readings` and takes its unit for a host; that host's claim.
    async fn claim(&self, number: u16, host: &str) -> Claim {
        let subscription = Subscription {
            group: "consumption".into(),
            partition: readings(number),
        };
        self.store.subscribe(&subscription).await.expect("a group");
        let holder = self.take(number, None, host).await;
        Claim {
            subscription,
            holder,
        }
    }

    async fn take(&self, unit: u16, from: Option<&Holder>, host: &str) -> Holder {
        let info = HostInfo {
            holder: Holder(host.into()),
            url: "http://127.0.0.1:1".to_owned(),
            version: "1".to_owned(),
            started_at_ms: 0,
            generation: 0,
        };
        self.store.beat(&info, 60_000).await.expect("a beat");
        let taken = self.store.take(unit, from, &info.holder).await;
        assert!(taken.expect("an answer"), "unit {unit} is not free");
        info.holder
    }

    async fn fetch(&self, claim: &Claim, after: Offset, limit: usize) -> Vec<Record> {
        let fetched = self.store.fetch(claim, after, limit, 1 << 20).await;
        fetched.expect("records")
    }

    /// Handles everything that is fetched.
    async fn handle(&self, claim: &Claim, limit: usize) -> Vec<String> {
        let records = self.fetch(claim, 0, limit).await;
        let done = done(claim, &records);
        self.commit(done).await.expect("acknowledged");
        payloads(&records)
    }
}

fn options(url: &str) -> Options {
    let mut options = Options::new(url);
    options.namespace = "t".to_owned();
    options.partitions = 2;
    options
}

fn stream(name: &str) -> StreamName {
    StreamName::parse(name).expect("a name")
}

fn readings(number: u16) -> Partition {
    Partition {
        stream: stream("house.readings"),
        number,
    }
}

fn put(space: &str, key: &[u8], value: Option<&str>) -> Write {
    Write {
        space: Space::from(space),
        key: key.to_vec(),
        value: value.map(|value| value.as_bytes().to_vec()),
    }
}

fn writes(writes: Vec<Write>) -> Transaction {
    Transaction {
        writes,
        at: 7,
        ..Transaction::default()
    }
}

/// Records of `house.readings`, with keys of partition 0 of 2.
fn appends(payloads: &[&str]) -> Transaction {
    let append = |payload: &&str| Append {
        stream: stream("house.readings"),
        key: "4".to_owned(),
        payload: payload.as_bytes().to_vec(),
    };
    Transaction {
        appends: payloads.iter().map(append).collect(),
        at: 7,
        ..Transaction::default()
    }
}

fn movement(debit: &str, credit: &str, amount: u64) -> Transaction {
    Transaction {
        postings: vec![Posting {
            debit: debit.to_owned(),
            credit: credit.to_owned(),
            amount,
            reference: "test".to_owned(),
        }],
        at: 7,
        ..Transaction::default()
    }
}

fn done(claim: &Claim, records: &[Record]) -> Transaction {
    Transaction {
        acknowledgement: Some(Acknowledgement {
            claim: claim.clone(),
            offsets: records.iter().map(|record| record.offset).collect(),
        }),
        ..Transaction::default()
    }
}

fn payloads(records: &[Record]) -> Vec<String> {
    let texts = records.iter().map(|r| String::from_utf8_lossy(&r.payload));
    texts.map(std::borrow::Cow::into_owned).collect()
}

fn read_at(version: Version, space: &str, key: &[u8]) -> ReadSet {
    ReadSet {
        version,
        keys: vec![(Space::from(space), key.to_vec())],
        ranges: Vec::new(),
    }
}

fn at(ms: u64) -> Instant {
    Instant(ms)
}
