//! What a store on a disk keeps of groups and of records that were taken out, over restarts and from
//! folders of an earlier version.

use std::sync::Arc;

use leyden::store::embedded::{Embedded, Options};
use leyden::store::{
    Acknowledgement, Claim, CommitError, Error, GroupStatus, Holder, Offset, Store, Subscription,
    Transaction,
};

use crate::crashes::{directory, open, partition, purchase};
use crate::rules::{put_one, value};

fn subscription() -> Subscription {
    Subscription {
        group: "house".into(),
        partition: partition(),
    }
}

fn claim() -> Claim {
    Claim {
        subscription: subscription(),
        holder: Holder("host".into()),
    }
}

fn records(count: u64) -> Transaction {
    let appends = (0..count).flat_map(|n| purchase(0, n).appends).collect();
    Transaction {
        appends,
        ..Transaction::default()
    }
}

fn done(offsets: &[Offset]) -> Transaction {
    Transaction {
        acknowledgement: Some(Acknowledgement {
            claim: claim(),
            offsets: offsets.to_vec(),
        }),
        ..Transaction::default()
    }
}

fn removal(offset: Offset) -> Transaction {
    Transaction {
        removals: vec![(partition(), offset)],
        ..Transaction::default()
    }
}

async fn hold(store: &Arc<dyn Store>) {
    let free = store.take(0, None, &claim().holder).await;
    assert!(free.expect("an answer"), "nobody holds it at the start");
}

async fn fetch(store: &Arc<dyn Store>, limit: usize) -> Vec<Offset> {
    let records = store.fetch(&claim(), 0, limit, usize::MAX).await;
    let records = records.expect("fetched");
    records.iter().map(|record| record.offset).collect()
}

async fn status(store: &Arc<dyn Store>) -> GroupStatus {
    let streams = store.streams().await.expect("an answer");
    streams[0].groups[0].clone()
}

/// A group goes on where it was; what was fetched before the restart must be fetched again.
#[tokio::test]
async fn groups_survive_a_restart_and_claims_do_not() {
    let directory = directory();
    let store = open(directory.path());
    store.commit(records(5)).await.expect("committed");
    store.subscribe(&subscription()).await.expect("subscribed");
    hold(&store).await;
    assert_eq!(fetch(&store, 3).await, [1, 2, 3]);
    store.commit(done(&[1, 2])).await.expect("acknowledged");
    let before = status(&store).await;
    assert_eq!((before.done, before.lag, before.pending), (2, 3, 1));
    drop(store);

    let store = open(directory.path());
    hold(&store).await;
    let after = status(&store).await;
    assert_eq!((after.done, after.lag, after.pending), (2, 3, 0));
    assert!(!after.lost);
    let stale = store.commit(done(&[3])).await;
    assert!(
        matches!(stale, Err(CommitError::Store(Error::Fenced))),
        "{stale:?}"
    );
    assert_eq!(fetch(&store, 9).await, [3, 4, 5]);
    store.commit(done(&[3, 4, 5])).await.expect("acknowledged");
    assert_eq!(store.backlog(&[subscription()]).await.expect("counted"), 0);
}

/// A folder that version 1 of the tables was written in, with a cursor as it was kept then.
#[tokio::test]
async fn a_folder_of_the_first_version_goes_on() {
    let directory = directory();
    let store = open(directory.path());
    store.commit(records(4)).await.expect("committed");
    store.commit(put_one("a", "1")).await.expect("committed");
    drop(store);
    let cursor = "INSERT INTO spaces (name) VALUES ('leyden.cursors'); \
        INSERT INTO state SELECT id, CAST('house' || char(0) || (SELECT name FROM streams) AS BLOB), \
        x'0000000000000003' FROM spaces WHERE name = 'leyden.cursors'; \
        DROP TABLE holes; DROP TABLE ledger; ALTER TABLE entries DROP COLUMN chain; \
        PRAGMA user_version = 1;";
    rusqlite::Connection::open(directory.path().join("leyden.db"))
        .and_then(|c| c.execute_batch(cursor))
        .expect("changed");

    let store = open(directory.path());
    assert_eq!(value(&store, "a").await.as_deref(), Some("1"));
    store.subscribe(&subscription()).await.expect("subscribed");
    let status = status(&store).await;
    assert_eq!((status.done, status.lag, status.lost), (3, 1, false));
    hold(&store).await;
    assert_eq!(fetch(&store, 9).await, [4]);
    store.commit(removal(4)).await.expect("removed");
}

/// Records that were taken out from between others are counted out, over a restart, too.
#[tokio::test]
async fn holes_in_the_log_are_counted() {
    let directory = directory();
    let store = open(directory.path());
    store.commit(records(10)).await.expect("committed");
    store.subscribe(&subscription()).await.expect("subscribed");
    hold(&store).await;
    for offset in [4, 5, 1] {
        store.commit(removal(offset)).await.expect("removed");
    }
    for gone in [4, 99, 0] {
        let again = store.commit(removal(gone)).await;
        assert!(
            matches!(again, Err(CommitError::Conflict)),
            "{gone}: {again:?}"
        );
    }
    let counted = |store: Arc<dyn Store>| async move {
        let streams = store.streams().await.expect("an answer");
        let group = status(&store).await;
        (streams[0].length, streams[0].newest, group.lag, group.lost)
    };
    assert_eq!(counted(Arc::clone(&store)).await, (7, 10, 7, false));
    assert_eq!(fetch(&store, 4).await, [2, 3, 6, 7]);
    for skipping in [&[3, 6][..], &[2, 6], &[2, 3, 3], &[6, 2], &[8]] {
        let refused = store.commit(done(skipping)).await;
        assert!(
            matches!(refused, Err(CommitError::Store(Error::Fenced))),
            "{skipping:?}: {refused:?}"
        );
    }
    store.commit(done(&[2, 3, 6])).await.expect("acknowledged");
    assert_eq!(counted(Arc::clone(&store)).await, (7, 10, 4, false));
    drop(store);
    let store = open(directory.path());
    assert_eq!(counted(Arc::clone(&store)).await, (7, 10, 4, false));
    assert_eq!(store.trim(&partition(), 6).await.expect("trimmed"), 3);
    assert_eq!(counted(Arc::clone(&store)).await, (4, 10, 4, false));
    assert_eq!(store.trim(&partition(), 8).await.expect("trimmed"), 2);
    drop(store);
    let store = open(directory.path());
    assert_eq!(counted(store).await, (2, 10, 2, true), "7 and 8 are lost");
}

/// The bound holds for what is kept, whatever was removed or trimmed, and after a restart.
#[tokio::test]
async fn a_full_log_refuses_until_records_go() {
    let directory = directory();
    let bounded = || -> Arc<dyn Store> {
        let options = Options {
            log_records_max: 3,
            ..Options::new(directory.path())
        };
        Arc::new(Embedded::open(options).expect("opened"))
    };
    let store = bounded();
    store.commit(records(3)).await.expect("committed");
    let refused =
        |outcome| matches!(outcome, Err(CommitError::LogFull(full)) if full == partition().stream);
    assert!(refused(store.commit(records(1)).await));
    drop(store);
    let store = bounded();
    assert!(refused(store.commit(records(1)).await));
    store.commit(removal(2)).await.expect("removed");
    store.commit(records(1)).await.expect("committed");
    assert!(refused(store.commit(records(1)).await));
    assert_eq!(store.trim(&partition(), 1).await.expect("trimmed"), 1);
    store.commit(records(1)).await.expect("committed");
    assert!(refused(store.commit(records(1)).await));
}
