//! What the dispatcher makes of a store that fails or is overtaken, and of records that it is given:
//! components of a real host, on a store that the test drives itself.

#[path = "support/faulty.rs"]
mod faulty;
mod support;

use std::sync::Arc;

use faulty::{CommitFault, Faulty};
use leyden::clock::Clock;
use leyden::dispatch::types::{Request, RequestHead, Response};
use leyden::dispatch::work::{Seed, Work};
use leyden::dispatch::{Dispatcher, Error};
use leyden::ids::{Instant, StreamName};
use leyden::store::embedded::{Embedded, Options};
use leyden::store::{
    self, Acknowledgement, Append, Claim, CommitError, Holder, Partition, Range, Record, Space,
    Store, Subscription, Transaction,
};
use support::{TestHost, name};

/// Components of a host, and a store beside it.
struct Bench {
    host: TestHost,
    store: Arc<dyn Store>,
    clock: Arc<Clock>,
    _data: tempfile::TempDir,
}

const START: Instant = Instant(1_000);

impl Bench {
    async fn new() -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let store = Embedded::open(Options::new(data.path())).expect("a store");
        Self {
            host: TestHost::with_guests(&["probe"]).await,
            store: Arc::new(store),
            clock: Arc::new(Clock::simulated(START, 60_000)),
            _data: data,
        }
    }

    fn dispatcher(&self, store: Arc<dyn Store>) -> Dispatcher {
        Dispatcher::new(store, self.clock.clone())
    }

    /// Asks a component over a store.
    async fn ask(
        &self,
        store: Arc<dyn Store>,
        component: &str,
        route: &str,
        body: &str,
    ) -> Result<Response, Error> {
        let head = RequestHead {
            method: "POST".into(),
            route: route.into(),
            path: route.into(),
            params: vec![("action".into(), "increment".into())],
            query: None,
            headers: vec![("content-type".into(), "application/json".into())],
        };
        let request = Request {
            head,
            body: body.into(),
        };
        let generation = self.host.host.registry.generation();
        self.dispatcher(store)
            .http(&generation, &name(component), request, None)
            .await
    }

    async fn increment(&self, store: Arc<dyn Store>) -> Result<Response, Error> {
        let body = r#"{"key":"k"}"#;
        self.ask(store, "probe", "/probe/{action}", body).await
    }

    /// What the probe has counted under a key.
    async fn count(&self, key: &str) -> u64 {
        let mut snapshot = self.store.snapshot().await.expect("a snapshot");
        let key = format!("counter/{key}");
        let stored = snapshot.read(&"probe".into(), key.as_bytes()).await;
        let stored = stored.expect("a read");
        stored.map_or(0, |bytes| {
            u64::from_be_bytes(bytes.try_into().expect("a number"))
        })
    }

    /// How many houses are registered.
    async fn houses(&self) -> u64 {
        let mut snapshot = self.store.snapshot().await.expect("a snapshot");
        let all = Range {
            start: b"h/".to_vec(),
            end: Some(b"h0".to_vec()),
        };
        let registry = "client-database".into();
        let houses = snapshot.scan(&registry, &all, store::Order::Ascending, 1_000);
        houses.await.expect("houses").len() as u64
    }

    async fn publish(&self, stream: &str, at: Instant, key: &str, payload: &str) {
        let append = Append {
            stream: StreamName::parse(stream).expect("a stream"),
            key: key.into(),
            payload: payload.into(),
        };
        let transaction = Transaction {
            appends: vec![append],
            at: at.0,
            ..Transaction::default()
        };
        self.store.commit(transaction).await.expect("published");
    }

    /// A claim to what a component handles of a stream; nobody else holds anything of this store.
    async fn claim(&self, group: &str, stream: &str) -> Claim {
        let subscription = Subscription {
            group: group.into(),
            partition: partition(stream),
        };
        let subscribed = self.store.subscribe(&subscription).await;
        subscribed.expect("subscribed");
        let holder = Holder("test".into());
        let taken = self.store.take(0, None, &holder).await;
        assert!(taken.expect("an answer"), "the unit is free");
        Claim {
            subscription,
            holder,
        }
    }

    async fn fetch(&self, claim: &Claim) -> (Vec<Record>, Acknowledgement) {
        let batch = self.store.fetch(claim, 0, 100, 1 << 20).await;
        let batch = batch.expect("records");
        let offsets = batch.iter().map(|record| record.offset).collect();
        let claim = claim.clone();
        (batch, Acknowledgement { claim, offsets })
    }

    async fn deliver(&self, batch: Vec<Record>, ack: &Acknowledgement) -> Result<(), Error> {
        let subscription = &ack.claim.subscription;
        let generation = self.host.host.registry.generation();
        let component = name(&subscription.group);
        self.dispatcher(self.store.clone())
            .events(
                &generation,
                &component,
                subscription.partition.clone(),
                batch,
                ack,
            )
            .await
    }
}

fn partition(stream: &str) -> Partition {
    Partition {
        stream: StreamName::parse(stream).expect("a stream"),
        number: 0,
    }
}

/// Whichever read it is, in the component that was asked or in one that it calls: the invocation is run
/// again from the start, more often than a component that asks for it, and its effects happen once.
#[tokio::test(flavor = "multi_thread")]
async fn an_overtaken_read_runs_the_invocation_again() {
    const TIMES: u64 = 6;
    let bench = Bench::new().await;
    let house = r#"{"client_name":"Ada"}"#;
    let route = "/house/house-editor/add-house";
    let mut asked = 0;
    loop {
        asked += 1;
        assert!(
            asked < 100,
            "adding a house reads a bounded number of times"
        );
        let overtaken = || store::Error::Overtaken;
        let faulty = Faulty::at_read(bench.store.clone(), asked, TIMES, overtaken);
        let faulty = Arc::new(faulty);
        let answer = bench.ask(faulty.clone(), "house", route, house).await;
        assert_eq!(answer.expect("an answer").status, 200, "at read {asked}");
        if !faulty.has_failed(TIMES) {
            break;
        }
    }
    assert!(asked > 3, "no read of a called component was overtaken");
    assert_eq!(bench.houses().await, asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_answer_is_not_the_components_failure() {
    let bench = Bench::new().await;
    let unavailable = || store::Error::Unavailable("it sleeps");
    let faulty = Faulty::at_read(bench.store.clone(), 1, 1, unavailable);
    let answer = bench.increment(Arc::new(faulty)).await;
    let expected = matches!(
        &answer,
        Err(Error::Store(store::Error::Unavailable("it sleeps")))
    );
    assert!(expected, "{answer:?}");
    assert_eq!(bench.count("k").await, 0);
    bench.increment(bench.store.clone()).await.expect("counted");
    assert_eq!(bench.count("k").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_commits_have_their_own_errors() {
    let bench = Bench::new().await;
    let full = || CommitError::LogFull(StreamName::parse("probe.out").expect("a stream"));
    type Expected = fn(&Error) -> bool;
    let cases: [(CommitFault, Expected); 5] = [
        (full, |error| matches!(error, Error::LogFull(_))),
        (
            || store::Error::Fenced.into(),
            |error| matches!(error, Error::Fenced),
        ),
        (
            || store::Error::Unresolved.into(),
            |error| matches!(error, Error::Store(store::Error::Unresolved)),
        ),
        (
            || store::Error::Overtaken.into(),
            |error| matches!(error, Error::Contended(_)),
        ),
        (
            || CommitError::Conflict,
            |error| matches!(error, Error::Contended(_)),
        ),
    ];
    for (fault, is_expected) in cases {
        let faulty = Faulty::at_commit(bench.store.clone(), fault);
        let error = bench.increment(Arc::new(faulty)).await;
        let error = error.expect_err("refused");
        assert!(is_expected(&error), "{error:?}");
    }
    assert_eq!(bench.count("k").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_acknowledged_once_with_its_effects() {
    let bench = Bench::new().await;
    let late = Instant(START.0 + 5_000);
    bench.publish("probe.in", START, "a", "{}").await;
    bench.publish("probe.in", late, "b", "{}").await;
    let claim = bench.claim("probe", "probe.in").await;
    let (batch, ack) = bench.fetch(&claim).await;
    assert_eq!(batch.len(), 2);
    bench.deliver(batch.clone(), &ack).await.expect("handled");
    assert_eq!(bench.clock.now(), late, "the clock follows what it handles");
    let again = bench.deliver(batch, &ack).await;
    assert!(matches!(again, Err(Error::Fenced)), "{again:?}");
    assert_eq!((bench.count("a").await, bench.count("b").await), (1, 1));
    let backlog = bench.store.backlog(&[claim.subscription]).await;
    assert_eq!(backlog.expect("a count"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_without_effects_is_acknowledged_too() {
    let bench = Bench::new().await;
    let reading = r#"{"house":"h","community":4,"interval":{"startsAtMs":0,"endsAtMs":60000}}"#;
    bench.publish("house.readings", START, "4", reading).await;
    let claim = bench.claim("production", "house.readings").await;
    let (batch, ack) = bench.fetch(&claim).await;
    bench.deliver(batch, &ack).await.expect("handled");
    let backlog = bench.store.backlog(&[claim.subscription]).await;
    assert_eq!(backlog.expect("a count"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_lost_the_unit_commits_nothing_of_a_batch() {
    let bench = Bench::new().await;
    bench.publish("probe.in", START, "a", "{}").await;
    let claim = bench.claim("probe", "probe.in").await;
    let (batch, ack) = bench.fetch(&claim).await;
    let other = Holder("other".into());
    let taken = bench.store.take(0, Some(&claim.holder), &other).await;
    assert!(taken.expect("an answer"));
    let late = bench.deliver(batch, &ack).await;
    assert!(matches!(late, Err(Error::Fenced)), "{late:?}");
    assert_eq!(bench.count("a").await, 0);
}

/// However many retry it at once: its record is handled once, and the letter is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_redelivered_once() {
    let bench = Arc::new(Bench::new().await);
    bench.publish("leyden.dead-letters", START, "a", "{}").await;
    let retry = |bench: Arc<Bench>| async move {
        let record = Record {
            offset: 7,
            key: "a".into(),
            payload: b"{}".to_vec(),
            published_at: START,
        };
        let generation = bench.host.host.registry.generation();
        let letter = (partition("leyden.dead-letters"), 1);
        let (probe, input) = (name("probe"), partition("probe.in"));
        bench
            .dispatcher(bench.store.clone())
            .redeliver(&generation, &probe, input, record, &letter)
            .await
    };
    let tries: Vec<_> = (0..8).map(|_| tokio::spawn(retry(bench.clone()))).collect();
    let mut handled = 0;
    for a_try in tries {
        match a_try.await.expect("no panic") {
            Ok(()) => handled += 1,
            Err(Error::Fenced) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((handled, bench.count("a").await), (1, 1));
    let letters = partition("leyden.dead-letters");
    let left = bench.store.read_log(&letters, 0, 10, 1_000).await;
    assert_eq!(left.expect("records"), []);
}

#[tokio::test]
async fn what_is_read_in_one_piece_is_checked_at_commit_as_far_as_it_goes() {
    let data = tempfile::tempdir().expect("a folder");
    let store: Arc<dyn Store> =
        Arc::new(Embedded::open(Options::new(data.path())).expect("a store"));
    let space = Space::from("s");
    let all = || Range {
        start: b"a".to_vec(),
        end: Some(b"z".to_vec()),
    };
    let work = |key: &[u8]| {
        let seed = Seed {
            secret: Arc::new([0; 32]),
            invocation: 0,
        };
        let mut work = Work::new(store.clone(), START, seed);
        let written = work.write(&space, key.to_vec(), Some(b"value".to_vec()));
        written.expect("within its budget");
        work
    };
    let commit = async |work: Box<Work>| store.commit(work.into_transaction()).await.map(drop);
    for key in [b"b", b"d"] {
        commit(work(key)).await.expect("nothing was read");
    }
    let own = work(b"x").scan_block(&space, all(), 10).await;
    assert_eq!(own.expect("a block").count(), 3, "own writes included");
    for (limit, key, expected) in [(1, b"c", Ok(())), (10, b"e", Err(CommitError::Conflict))] {
        let mut reader = work(b"~");
        let block = reader.scan_block(&space, all(), limit).await;
        assert_eq!(block.expect("a block").count(), limit.min(3));
        commit(work(key)).await.expect("nothing was read");
        let committed = commit(reader).await;
        assert_eq!(format!("{committed:?}"), format!("{expected:?}"));
    }
}
