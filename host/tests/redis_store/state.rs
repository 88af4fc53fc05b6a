//! State: snapshots that move forward or are overtaken, tombstones, and scans over many steps.

use super::*;
use leyden::store::{Error, Order, Range, Snapshot};

async fn read(snapshot: &mut Box<dyn Snapshot>, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    snapshot.read(&Space::from("s"), key).await
}

fn value(text: &str) -> Option<Vec<u8>> {
    Some(text.as_bytes().to_vec())
}

fn everything() -> Range {
    Range {
        start: Vec::new(),
        end: None,
    }
}

#[tokio::test]
async fn a_snapshot_moves_forward_while_what_it_read_holds() {
    let rig = Rig::start().await;
    let first = writes(vec![put("s", b"a", Some("1")), put("s", b"b", Some("1"))]);
    rig.commit(first).await.expect("committed");
    let mut snapshot = rig.store.snapshot().await.expect("a snapshot");
    assert_eq!(read(&mut snapshot, b"a").await.expect("read"), value("1"));
    assert_eq!(read(&mut snapshot, b"none").await.expect("read"), None);
    let second = writes(vec![put("s", b"b", Some("2"))]);
    rig.commit(second).await.expect("committed");
    assert_eq!(snapshot.version(), 1);
    assert_eq!(read(&mut snapshot, b"b").await.expect("read"), value("2"));
    assert_eq!(snapshot.version(), 2);
    let third = writes(vec![
        put("s", b"none", Some("3")),
        put("s", b"c", Some("3")),
    ]);
    rig.commit(third).await.expect("committed");
    let overtaken = read(&mut snapshot, b"c").await;
    assert!(matches!(overtaken, Err(Error::Overtaken)), "{overtaken:?}");
}

#[tokio::test]
async fn a_range_that_was_scanned_holds_a_snapshot_back_as_keys_do() {
    let rig = Rig::start().await;
    let first = writes(vec![put("s", b"a1", Some("1")), put("s", b"z", Some("1"))]);
    rig.commit(first).await.expect("committed");
    let range = Range {
        start: b"a".to_vec(),
        end: Some(b"b".to_vec()),
    };
    let mut snapshot = rig.store.snapshot().await.expect("a snapshot");
    let (space, order) = (Space::from("s"), Order::Ascending);
    let found = snapshot.scan(&space, &range, order, 10).await;
    assert_eq!(found.expect("entries").len(), 1);
    let second = writes(vec![put("s", b"a1", None), put("s", b"z", Some("2"))]);
    rig.commit(second).await.expect("committed");
    let overtaken = read(&mut snapshot, b"z").await;
    assert!(matches!(overtaken, Err(Error::Overtaken)), "{overtaken:?}");
}

#[tokio::test]
async fn tombstones_are_forgotten_and_older_snapshots_with_them() {
    let rig = Rig::start().await;
    rig.commit(writes(vec![put("s", b"k", Some("1"))]))
        .await
        .expect("committed");
    let mut old = rig.store.snapshot().await.expect("a snapshot");
    rig.commit(writes(vec![put("s", b"k", None)]))
        .await
        .expect("committed");
    let mut new = rig.store.snapshot().await.expect("a snapshot");
    // A minute goes by.
    rig.ask("ZADD {t}:removed:s 1 k");
    rig.commit(writes(vec![put("s", b"other", Some("1"))]))
        .await
        .expect("committed");
    assert_eq!(rig.ask("HEXISTS {t}:state:s k"), "0");
    assert_eq!(rig.ask("ZRANGE {t}:index:s 0 -1"), "other");
    assert_eq!(rig.ask("EXISTS {t}:removed:s"), "0");

    let mut late = writes(vec![put("s", b"x", Some("1"))]);
    late.reads = read_at(1, "s", b"k");
    let refused = rig.commit(late.clone()).await;
    assert!(matches!(refused, Err(CommitError::Conflict)), "{refused:?}");
    let blind = writes(vec![put("s", b"y", Some("1"))]);
    rig.commit(blind).await.expect("nothing was read");
    late.reads.version = 2;
    rig.commit(late).await.expect("nothing has changed since");
    // Nothing was read yet, so both can still move forward.
    assert_eq!(read(&mut new, b"k").await.expect("read"), None);
    assert_eq!(new.version(), 2);
    assert_eq!(read(&mut old, b"k").await.expect("read"), None);
    assert!(old.version() > 2);
}

#[tokio::test]
async fn a_key_that_is_written_again_is_not_forgotten() {
    let rig = Rig::start().await;
    rig.commit(writes(vec![put("s", b"k", None)]))
        .await
        .expect("committed");
    rig.commit(writes(vec![put("s", b"k", Some("2"))]))
        .await
        .expect("committed");
    rig.ask("ZADD {t}:removed:s 1 k");
    rig.commit(writes(vec![put("s", b"other", Some("1"))]))
        .await
        .expect("committed");
    assert_eq!(rig.ask("EXISTS {t}:removed:s"), "0");
    let mut snapshot = rig.store.snapshot().await.expect("a snapshot");
    assert_eq!(read(&mut snapshot, b"k").await.expect("read"), value("2"));
}

#[tokio::test]
async fn scans_of_many_steps_see_every_key_once_and_in_order() {
    let rig = Rig::start().await;
    // Numbers as two bytes: every byte there is, at either end.
    let keys: Vec<Vec<u8>> = (0..6_000_u16)
        .map(|n| (n * 10).to_be_bytes().to_vec())
        .collect();
    let all = keys.iter().map(|key| put("s", key, Some("v"))).collect();
    rig.commit(writes(all)).await.expect("committed");
    let dead = keys.iter().enumerate().filter(|(n, _)| n % 3 != 0);
    let dead = dead.map(|(_, key)| put("s", key, None)).collect();
    rig.commit(writes(dead)).await.expect("committed");
    let left: Vec<_> = keys.iter().step_by(3).cloned().collect();
    let mut snapshot = rig.store.snapshot().await.expect("a snapshot");
    for (order, limit) in [
        (Order::Ascending, 10_000),
        (Order::Descending, 10_000),
        (Order::Ascending, 1_500),
        (Order::Descending, 1),
    ] {
        let found = snapshot
            .scan(&Space::from("s"), &everything(), order, limit)
            .await;
        let found: Vec<_> = found.expect("entries").into_iter().map(|e| e.key).collect();
        let mut expected = left.clone();
        if order == Order::Descending {
            expected.reverse();
        }
        expected.truncate(limit);
        assert!(found == expected, "{order:?} {limit}");
    }
    let read = snapshot
        .read_many(&Space::from("s"), &keys)
        .await
        .expect("read");
    let there: Vec<bool> = read.iter().map(Option::is_some).collect();
    assert!(
        there
            .iter()
            .enumerate()
            .all(|(n, there)| *there == (n % 3 == 0))
    );
}

#[tokio::test]
async fn a_scan_goes_on_when_somebody_writes_behind_it() {
    let rig = Rig::start().await;
    let keys = (0..5_000_u16).map(|n| put("s", &n.to_be_bytes(), Some("v")));
    rig.commit(writes(keys.collect())).await.expect("committed");
    let mut snapshot = rig.store.snapshot().await.expect("a snapshot");
    rig.commit(writes(vec![put("s", &4_999_u16.to_be_bytes(), Some("w"))]))
        .await
        .expect("committed");
    let found = snapshot
        .scan(&Space::from("s"), &everything(), Order::Ascending, 10_000)
        .await;
    let found = found.expect("entries");
    assert_eq!(
        (found.len(), found[4_999].value.as_slice()),
        (5_000, b"w".as_slice())
    );
    assert_eq!(snapshot.version(), 2);
}
