//! The contract's rules one by one, against any store. Each takes a store that is new.

use std::sync::Arc;

use futures_util::future::join;
use leyden::ids::StreamName;
use leyden::store::{
    Append, CommitError, Error, Order, Partition, Posting, Range, ReadSet, Snapshot, Space, Store,
    Transaction, Version, Write, partition_of,
};

pub(crate) type Shared = Arc<dyn Store>;

pub(crate) fn space() -> Space {
    Space::from("rules")
}

pub(crate) fn stream() -> StreamName {
    StreamName::parse("rules.stream").expect("a name")
}

/// The partition that [`appending`] writes to.
pub(crate) async fn partition(store: &Shared) -> Partition {
    let stream = stream();
    let partitions = store.partitions(&stream).await.expect("partitions");
    let number = partition_of("k", partitions);
    Partition { stream, number }
}

fn put(key: &str, value: &str) -> Write {
    Write {
        space: space(),
        key: key.into(),
        value: Some(value.into()),
    }
}

fn remove(key: &str) -> Write {
    Write {
        space: space(),
        key: key.into(),
        value: None,
    }
}

pub(crate) fn writing(writes: Vec<Write>) -> Transaction {
    Transaction {
        writes,
        ..Transaction::default()
    }
}

pub(crate) fn put_one(key: &str, value: &str) -> Transaction {
    writing(vec![put(key, value)])
}

pub(crate) fn moving(debit: &str, credit: &str, amount: u64) -> Posting {
    Posting {
        debit: debit.into(),
        credit: credit.into(),
        amount,
        reference: "a rule".into(),
    }
}

pub(crate) fn posting(postings: Vec<Posting>) -> Transaction {
    Transaction {
        postings,
        ..Transaction::default()
    }
}

pub(crate) fn appending(payloads: &[&str]) -> Transaction {
    let append = |payload: &&str| Append {
        stream: stream(),
        key: "k".into(),
        payload: (*payload).into(),
    };
    Transaction {
        appends: payloads.iter().map(append).collect(),
        at: 7,
        ..Transaction::default()
    }
}

pub(crate) fn having_read(version: Version, keys: &[&str]) -> ReadSet {
    let keys = keys
        .iter()
        .map(|key| (space(), key.as_bytes().to_vec()))
        .collect();
    ReadSet {
        version,
        keys,
        ranges: Vec::new(),
    }
}

fn having_scanned(version: Version, start: &str, end: &str) -> ReadSet {
    let range = Range {
        start: start.into(),
        end: Some(end.into()),
    };
    ReadSet {
        version,
        keys: Vec::new(),
        ranges: vec![(space(), range)],
    }
}

pub(crate) async fn done(store: &Shared, transaction: Transaction) -> Version {
    store.commit(transaction).await.expect("committed")
}

pub(crate) async fn snapshot(store: &Shared) -> Box<dyn Snapshot> {
    store.snapshot().await.expect("a snapshot")
}

pub(crate) async fn value(store: &Shared, key: &str) -> Option<String> {
    let value = snapshot(store)
        .await
        .read(&space(), key.as_bytes())
        .await
        .expect("read");
    value.map(|bytes| String::from_utf8(bytes).expect("text"))
}

pub(crate) fn is_conflict(outcome: &Result<Version, CommitError>) -> bool {
    matches!(outcome, Err(CommitError::Conflict))
}

/// Trims until nothing is left to trim.
pub(crate) async fn trim_all(
    store: &dyn Store,
    partition: &Partition,
    up_to: u64,
) -> leyden::store::Result<u64> {
    let mut removed = 0;
    loop {
        match store.trim(partition, up_to).await? {
            0 => return Ok(removed),
            more => removed += more,
        }
    }
}

pub(crate) async fn a_changed_key_conflicts(store: Shared) {
    let version = done(&store, put_one("a", "1")).await;
    done(&store, put_one("a", "2")).await;
    for (key, conflicts) in [("a", true), ("b", false)] {
        let reads = having_read(version, &[key]);
        let outcome = store
            .commit(Transaction {
                reads,
                ..put_one("c", key)
            })
            .await;
        assert_eq!(is_conflict(&outcome), conflicts, "{key}: {outcome:?}");
    }
    assert_eq!(
        value(&store, "c").await.as_deref(),
        Some("b"),
        "a conflict leaves nothing behind"
    );
}

/// A key that appears in, or goes from, a range that was scanned.
pub(crate) async fn phantoms_conflict(store: Shared) {
    for change in [put("m", "new"), remove("m")] {
        let version = snapshot(&store).await.version();
        done(&store, writing(vec![change])).await;
        for (start, end, conflicts) in [
            ("a", "z", true),
            ("m", "m\0", true),
            ("a", "m", false),
            ("n", "z", false),
        ] {
            let reads = having_scanned(version, start, end);
            let outcome = store
                .commit(Transaction {
                    reads,
                    ..put_one("0", "1")
                })
                .await;
            assert_eq!(
                is_conflict(&outcome),
                conflicts,
                "{start}..{end}: {outcome:?}"
            );
            done(&store, writing(vec![remove("0")])).await;
        }
    }
}

/// Two transactions read both keys and each writes the other one: only one may commit.
pub(crate) async fn write_skew_is_refused(store: Shared) {
    let version = done(
        &store,
        writing(vec![put("a", "on call"), put("b", "on call")]),
    )
    .await;
    let leave = |key: &str| Transaction {
        reads: having_read(version, &["a", "b"]),
        ..put_one(key, "away")
    };
    let (one, other) = join(store.commit(leave("a")), store.commit(leave("b"))).await;
    assert!(
        is_conflict(&one) != is_conflict(&other),
        "{one:?}, {other:?}"
    );
}

pub(crate) async fn blind_writes_commute(store: Shared) {
    let version = done(&store, put_one("a", "0")).await;
    for n in 1..=3 {
        let reads = ReadSet {
            version,
            ..ReadSet::default()
        };
        done(
            &store,
            Transaction {
                reads,
                ..put_one("a", &n.to_string())
            },
        )
        .await;
    }
    assert_eq!(value(&store, "a").await.as_deref(), Some("3"));
}

/// A snapshot answers from one version, or says that it cannot any more.
pub(crate) async fn a_snapshot_never_changes(store: Shared) {
    done(&store, writing(vec![put("a", "1"), put("b", "1")])).await;
    let mut before = snapshot(&store).await;
    let read = before.read(&space(), b"a").await.expect("read");
    assert_eq!(read.as_deref(), Some(&b"1"[..]));
    let both = done(&store, writing(vec![put("a", "2"), put("b", "2")])).await;
    match before.read(&space(), b"b").await {
        Ok(read) => assert_eq!(read.as_deref(), Some(&b"1"[..]), "two versions are mixed"),
        Err(error) => assert!(matches!(error, Error::Overtaken), "{error:?}"),
    }
    if before.read(&space(), b"a").await.is_ok() {
        assert!(before.version() < both);
    }
    assert_eq!(value(&store, "a").await.as_deref(), Some("2"));
}

/// What others change beside what a snapshot has read does not hold it up.
pub(crate) async fn a_snapshot_goes_on_beside_other_changes(store: Shared) {
    done(
        &store,
        writing(vec![put("a", "1"), put("b", "1"), put("c", "1")]),
    )
    .await;
    let mut before = snapshot(&store).await;
    let read = before.read(&space(), b"a").await.expect("read");
    assert_eq!(read.as_deref(), Some(&b"1"[..]));
    let newer = done(&store, writing(vec![put("b", "2"), remove("c")])).await;
    let b = before.read(&space(), b"b").await.expect("read");
    let has_moved = before.version() >= newer;
    let expected = if has_moved { "2" } else { "1" };
    assert_eq!(b.as_deref(), Some(expected.as_bytes()));
    let c = before.read(&space(), b"c").await.expect("read");
    assert_eq!(c.is_none(), before.version() >= newer);
    let reads = having_read(before.version(), &["a", "b", "c"]);
    let outcome = store
        .commit(Transaction {
            reads,
            ..put_one("d", "1")
        })
        .await;
    assert_eq!(outcome.is_ok(), has_moved, "{outcome:?}");
}

/// A removal that a snapshot sees makes it move like any other change.
pub(crate) async fn a_removed_key_is_a_change(store: Shared) {
    done(&store, writing(vec![put("a", "1"), put("b", "1")])).await;
    let mut before = snapshot(&store).await;
    let all = Range {
        start: Vec::new(),
        end: None,
    };
    let scanned = before
        .scan(&space(), &all, Order::Ascending, 10)
        .await
        .expect("scanned");
    assert_eq!(scanned.len(), 2);
    let version = before.version();
    done(&store, writing(vec![remove("b")])).await;
    match before.read(&space(), b"b").await {
        Ok(read) => assert_eq!(read.as_deref(), Some(&b"1"[..])),
        Err(error) => assert!(matches!(error, Error::Overtaken), "{error:?}"),
    }
    let reads = having_read(version, &["b"]);
    let outcome = store
        .commit(Transaction {
            reads,
            ..put_one("d", "1")
        })
        .await;
    assert!(is_conflict(&outcome), "{outcome:?}");
}

pub(crate) async fn versions_grow_by_one_and_reads_follow_writes(store: Shared) {
    let first = done(&store, put_one("a", "1")).await;
    let empty = Transaction {
        reads: having_read(0, &["a"]),
        ..Transaction::default()
    };
    assert!(
        store.commit(empty).await.is_ok(),
        "nothing to check when nothing changes"
    );
    let second = done(&store, put_one("a", "2")).await;
    assert_eq!(second, first + 1);
    assert!(snapshot(&store).await.version() >= second);
}

pub(crate) async fn the_last_write_of_a_key_counts(store: Shared) {
    done(
        &store,
        writing(vec![
            put("a", "1"),
            remove("a"),
            put("a", "3"),
            put("b", "1"),
            remove("b"),
        ]),
    )
    .await;
    assert_eq!(value(&store, "a").await.as_deref(), Some("3"));
    assert_eq!(value(&store, "b").await, None);
}

pub(crate) async fn scans_obey_order_limit_and_bounds(store: Shared) {
    let keys: [&[u8]; 6] = [&[0], &[0, 0], &[0, 255], b"a", &[255], &[255, 255]];
    let write = |key: &&[u8]| Write {
        space: space(),
        key: key.to_vec(),
        value: Some(key.repeat(2)),
    };
    let stranger = Write {
        space: Space::from("rules2"),
        key: b"a".to_vec(),
        value: Some(Vec::new()),
    };
    done(
        &store,
        writing(keys.iter().map(write).chain([stranger]).collect()),
    )
    .await;
    let mut snapshot = snapshot(&store).await;
    for start in 0..keys.len() {
        for end in start..=keys.len() {
            let range = Range {
                start: keys[start].to_vec(),
                end: keys.get(end).map(|key| key.to_vec()),
            };
            for limit in 0..=keys.len() {
                let inside = &keys[start..end];
                let first: Vec<_> = inside.iter().take(limit).map(|key| key.to_vec()).collect();
                let last: Vec<_> = inside
                    .iter()
                    .rev()
                    .take(limit)
                    .map(|key| key.to_vec())
                    .collect();
                for (order, expected) in [(Order::Ascending, first), (Order::Descending, last)] {
                    let found = snapshot
                        .scan(&space(), &range, order, limit)
                        .await
                        .expect("scanned");
                    let keys: Vec<_> = found.iter().map(|entry| entry.key.clone()).collect();
                    assert_eq!(keys, expected, "{range:?} {order:?} {limit}");
                    if order == Order::Ascending {
                        let block = snapshot.scan_block(&space(), &range, limit).await;
                        let block = block.expect("scanned");
                        assert_eq!(block.count(), found.len());
                        assert_eq!(block.last_key(), keys.last().map(Vec::as_slice));
                        assert_eq!(block, found.into_iter().collect());
                    }
                }
            }
        }
    }
}

pub(crate) async fn large_values_come_back(store: Shared) {
    let large: String = "leyden ".repeat(300_000);
    done(&store, put_one("large", &large)).await;
    assert_eq!(value(&store, "large").await, Some(large));
}
