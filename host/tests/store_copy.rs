//! An embedded installation that is copied to Redis: everything is there, every group goes on where it was,
//! and nobody gets at a copy that is not finished or not equal.
#![allow(missing_docs, reason = "a test")]
#![allow(clippy::expect_used, reason = "a test that cannot go on should stop")]

#[path = "support/store/installation.rs"]
mod installation;
#[path = "support/redis.rs"]
mod redis;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use leyden::store::chain::Head;
use leyden::store::copy::{Error, Part, Progress, Report, Stage, copy};
use leyden::store::embedded::{self, Embedded};
use leyden::store::redis::{OpenError, Options, Redis};
use leyden::store::{
    Claim, Order, Range, Record, Space, Store, Transaction, offset_of, partition_of,
};
use tokio::sync::Notify;

use crate::installation::{
    DONE, RECORDS, TRIMMED, acknowledge, commit, fill, holder, purchase, reading, stream,
    subscription, write,
};
use crate::redis::{Cluster, Kept, Server};

/// Partitions of a stream on Redis.
const PARTITIONS: u16 = 4;

fn options(url: String, namespace: &str) -> Options {
    Options {
        namespace: namespace.to_owned(),
        partitions: PARTITIONS,
        ..Options::new(url)
    }
}

async fn copied(from: &Path, to: Options) -> Report {
    let mut last = None;
    let report = copy(from, to, |progress| {
        assert!(progress.rows <= progress.rows_total, "{progress:?}");
        last = Some(progress);
    });
    let report = report.await.expect("copied");
    let last: Progress = last.expect("progress");
    assert_eq!((last.stage, last.part), (Stage::Verifying, Part::Ledger));
    assert_eq!(last.rows, last.rows_total);
    report
}

/// What a store holds in some spaces.
async fn all_state(store: &dyn Store) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut snapshot = store.snapshot().await.expect("a snapshot");
    let all = Range {
        start: Vec::new(),
        end: None,
    };
    let mut found = Vec::new();
    for space in ["emptied", "house", "leyden.components"] {
        let space = Space::from(space);
        let entries = snapshot.scan(&space, &all, Order::Ascending, usize::MAX);
        let entries = entries.await.expect("scanned");
        found.extend(entries.into_iter().map(|entry| (entry.key, entry.value)));
    }
    found
}

/// The records that a group is not done with, by key.
async fn left(store: &dyn Store, group: &str, partitions: u16) -> BTreeMap<String, Vec<Record>> {
    let mut left = BTreeMap::<String, Vec<_>>::new();
    for number in 0..partitions {
        let claim = Claim {
            subscription: subscription(group, "house.readings", number),
            holder: holder(),
        };
        let fetched = store.fetch(&claim, 0, usize::MAX, usize::MAX).await;
        for record in fetched.expect("fetched") {
            assert_eq!(partition_of(&record.key, partitions), number);
            left.entry(record.key.clone()).or_default().push(record);
        }
    }
    left
}

async fn take_all(store: &dyn Store) {
    for unit in 0..store.units() {
        assert!(store.take(unit, None, &holder()).await.expect("an answer"));
    }
}

async fn compare(from: &Path, target: &dyn Store) {
    let source = Embedded::open(embedded::Options::new(from)).expect("opened again");
    assert_eq!(all_state(&source).await, all_state(target).await);
    take_all(&source).await;
    take_all(target).await;
    let expected = left(&source, "slow", 1).await;
    assert_eq!(expected, left(target, "slow", PARTITIONS).await);
    let records: u64 = expected.values().map(|records| records.len() as u64).sum();
    assert_eq!(records, RECORDS - DONE);
    assert!(left(target, "quick", PARTITIONS).await.is_empty());
    let letters = subscription("none", "leyden.dead-letters", 0).partition;
    assert_eq!(
        source
            .read_log(&letters, 0, 9, usize::MAX)
            .await
            .expect("read"),
        target
            .read_log(&letters, 0, 9, usize::MAX)
            .await
            .expect("read")
    );
    let ledger = target.check_ledger(None).await.expect("checked");
    assert_eq!(source.check_ledger(None).await.expect("checked"), ledger);
    assert!(ledger.is_sound(), "{ledger:?}");
    let early = target.streams().await.expect("an answer");
    let early = early
        .iter()
        .filter(|status| status.partition.stream == stream("not.yet"))
        .flat_map(|status| &status.groups);
    assert_eq!(early.count(), usize::from(PARTITIONS));
}

/// What was copied is a store like any other: it takes commits, whose records come after those copied.
async fn goes_on(store: &dyn Store, version: u64) {
    let snapshot = store.snapshot().await.expect("a snapshot");
    assert_eq!(snapshot.version(), version);
    drop(snapshot);
    let more = Transaction {
        writes: vec![write("house", &8_u32.to_be_bytes(), None)],
        appends: vec![reading(3)],
        postings: vec![purchase(0)],
        at: 1_800_000_000_000,
        ..Transaction::default()
    };
    let number = partition_of("community-3", PARTITIONS);
    let of = subscription("slow", "house.readings", number);
    let tail = store.tail(&of.partition);
    let next = store.commit(more).await.expect("committed");
    assert_eq!(next, version + 1);
    assert!(*tail.borrow() > RECORDS);
    let lag = store.backlog(std::slice::from_ref(&of)).await;
    acknowledge(store, &of, usize::MAX).await;
    let after = store.backlog(&[of]).await.expect("counted");
    assert!(lag.expect("counted") > 1 && after == 0);
    let ledger = store.check_ledger(None).await.expect("checked");
    assert!(ledger.is_sound(), "{ledger:?}");
}

#[tokio::test]
async fn a_copy_has_everything_and_goes_on() {
    let (server, directory) = (Server::start(Kept::Nothing), folder());
    let version = fill(directory.path()).await;
    let to = options(server.url(), "copied");
    let report = copied(directory.path(), to.clone()).await;
    assert_eq!(report.version, version);
    assert_eq!(report.state.rows, 1_203);
    assert_eq!(report.log.rows, RECORDS - TRIMMED + 4);
    assert_eq!(report.ledger.rows, 1_500 + 4);
    assert_eq!(report.head, purchases());
    // Two streams with four partitions each, and the dead letters.
    assert_eq!((report.partitions, report.groups), (9, 3));

    let store = Redis::open(to.clone()).await.expect("opened");
    compare(directory.path(), &store).await;
    goes_on(&store, version).await;
    let again = copy(directory.path(), to, |_| ()).await;
    assert!(matches!(again, Err(Error::NotEmpty(_))), "{again:?}");
}

#[tokio::test]
async fn a_cluster_takes_a_copy() {
    let (cluster, directory) = (Cluster::start(Kept::Nothing), folder());
    let version = fill(directory.path()).await;
    let to = options(cluster.url(), "copied");
    copied(directory.path(), to.clone()).await;
    let store = Redis::open(to).await.expect("opened");
    compare(directory.path(), &store).await;
    goes_on(&store, version).await;
}

/// The chain of the ledger's entries, as [`fill`] makes them.
fn purchases() -> Head {
    let mut head = Head::default();
    for n in 0..5 {
        let purchases: Vec<_> = (300 * n..300 * (n + 1)).map(purchase).collect();
        head.commit(&purchases, n);
    }
    head
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[tokio::test]
async fn nothing_is_copied_to_where_somebody_is_or_from_where_nothing_is() {
    let (server, directory) = (Server::start(Kept::Nothing), folder());
    let to = options(server.url(), "in-use");
    let nowhere = directory.path().join("nowhere");
    let missing = copy(&nowhere, to.clone(), |_| ()).await;
    assert!(matches!(missing, Err(Error::Missing(_))), "{missing:?}");
    assert!(!nowhere.exists(), "it is not made either");

    fill(directory.path()).await;
    let store = Redis::open(to.clone()).await.expect("opened");
    let key = write("house", b"mine", Some(b"mine"));
    let mine = Transaction {
        writes: vec![key],
        ..Transaction::default()
    };
    commit(&store, mine).await;
    let keys = server.ask(&["DBSIZE"]).expect("a number");
    let refused = copy(directory.path(), to, |_| ()).await;
    assert!(matches!(refused, Err(Error::NotEmpty(_))), "{refused:?}");
    assert_eq!(server.ask(&["DBSIZE"]).expect("a number"), keys);

    let open = Embedded::open(embedded::Options::new(directory.path())).expect("opened");
    let held = copy(directory.path(), options(server.url(), "free"), |_| ()).await;
    assert!(matches!(held, Err(Error::Source(_))), "{held:?}");
    drop(open);
}

/// Copies until a part is begun, and drops the copy there.
async fn interrupted(from: &Path, to: Options, stage: Stage, part: Part) {
    let reached = Arc::new(Notify::new());
    let notify = Arc::clone(&reached);
    let copying = copy(from, to, move |progress| {
        if (progress.stage, progress.part) == (stage, part) && progress.rows > 0 {
            notify.notify_one();
        }
    });
    tokio::select! {
        biased;
        () = reached.notified() => {}
        done = copying => panic!("not interrupted: {done:?}"),
    }
}

#[tokio::test]
async fn a_copy_that_was_not_finished_is_begun_again() {
    let (server, directory) = (Server::start(Kept::Nothing), folder());
    let version = fill(directory.path()).await;
    let to = options(server.url(), "half");
    for (stage, part) in [
        (Stage::Copying, Part::State),
        (Stage::Copying, Part::Log),
        (Stage::Copying, Part::Ledger),
        (Stage::Verifying, Part::Log),
    ] {
        interrupted(directory.path(), to.clone(), stage, part).await;
        let refused = Redis::open(to.clone()).await.err().expect("refused");
        assert!(matches!(refused, OpenError::Copying(_)), "{refused:?}");
    }
    // With another number of partitions, so that what was there must be gone.
    copied(
        directory.path(),
        Options {
            partitions: 2,
            ..to.clone()
        },
    )
    .await;
    interrupted_leaves_nothing(&server, &to).await;
    let store = Redis::open(to).await.expect("opened");
    assert_eq!(store.units(), 2);
    let snapshot = store.snapshot().await.expect("a snapshot");
    assert_eq!(snapshot.version(), version);
}

async fn interrupted_leaves_nothing(server: &Server, to: &Options) {
    for number in 2..PARTITIONS {
        let key = format!("{{{}}}:stream:house.readings:{number}", to.namespace);
        assert_eq!(server.ask(&["EXISTS", &key]).expect("an answer"), "0");
    }
}

/// Whatever becomes different between writing and reading back is found, and hosts stay out.
#[tokio::test]
async fn differences_are_found() {
    let (server, directory) = (Server::start(Kept::Nothing), folder());
    fill(directory.path()).await;
    let number = partition_of("community-3", PARTITIONS);
    let readings = format!("stream:house.readings:{number}");
    let first = first_left(number);
    let zeros = "0".repeat(64);
    let changes: [(Part, &[&str]); 12] = [
        (Part::State, &["HDEL", "state:leyden.components", "large"]),
        (
            Part::State,
            &["HSET", "state:house", "new", "\0\0\0\0\0\0\0\u{1}v"],
        ),
        (Part::State, &["SADD", "spaces", "another"]),
        (Part::Log, &["XDEL", &readings, &first]),
        (
            Part::Log,
            &["XADD", &readings, "*", "key", "k", "payload", "p"],
        ),
        (Part::Log, &["XGROUP SETID", &readings, "slow", "0-1"]),
        (Part::Log, &["HSET", "streams", "another", "1"]),
        (Part::Ledger, &["HSET", "accounts", "partner", "1 2"]),
        (Part::Ledger, &["HSET", "accounts", "another", "0 0"]),
        (Part::Ledger, &["HSET", "ledger", "entries", "1499"]),
        (Part::Ledger, &["HSET", "ledger", "head", &zeros]),
        (Part::Ledger, &["DEL", "ledger"]),
    ];
    for (n, (part, change)) in changes.into_iter().enumerate() {
        let to = options(server.url(), &format!("changed-{n}"));
        let tamper = || {
            let mut command: Vec<_> = change[0].split(' ').map(str::to_owned).collect();
            command.push(format!("{{{}}}:{}", to.namespace, change[1]));
            command.extend(change[2..].iter().map(|part| (*part).to_owned()));
            let command: Vec<_> = command.iter().map(String::as_str).collect();
            server.ask(&command).expect("changed");
            if change[1] == "state:house" {
                let index = format!("{{{}}}:index:house", to.namespace);
                server.ask(&["ZADD", &index, "0", "new"]).expect("changed");
            }
            if change[1] == "streams" {
                let stream = format!("{{{}}}:stream:another:0", to.namespace);
                server
                    .ask(&["XADD", &stream, "*", "key", "k"])
                    .expect("changed");
            }
        };
        let outcome = copy(directory.path(), to.clone(), |progress| {
            let verifying = (progress.stage, progress.part) == (Stage::Verifying, Part::State);
            if verifying && progress.rows == 0 {
                tamper();
            }
        });
        match outcome.await {
            Err(Error::Differs { part: found, .. }) => assert_eq!(found, part, "{change:?}"),
            other => panic!("{change:?}: {other:?}"),
        }
        let refused = Redis::open(to).await.err().expect("refused");
        assert!(matches!(refused, OpenError::Copying(_)), "{refused:?}");
    }
}

/// The entry id of a kept record of a partition.
fn first_left(number: u16) -> String {
    let kept = (TRIMMED..RECORDS).find(|n| partition_of(&reading(*n).key, PARTITIONS) == number);
    // Records are numbered from 0, and offsets from 1.
    let id = format!("0-{}", kept.expect("one") + 1);
    assert_eq!(offset_of(&id), kept.map(|n| n + 1));
    id
}
