//! What only a store on a disk can get wrong: other files, full disks, limits, snapshots that are held
//! too long, and what it keeps of groups ([`groups_on_disk`]).

#[path = "groups_on_disk.rs"]
mod groups_on_disk;

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use leyden::store::embedded::{Embedded, OpenError, Options};
use leyden::store::{CommitError, Error, ReadSet, Space, Store, Transaction, Write};

use crate::crashes::{directory, open, partition, purchase};
use crate::rules::{put_one, space, value, writing};

#[test]
fn a_new_directory_is_private() {
    let parent = directory();
    let directory = parent.path().join("a/b");
    drop(open(&directory));
    let mode = directory.metadata().expect("made").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let file = directory.join("leyden.db").metadata().expect("made");
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
}

#[test]
fn files_of_others_are_refused_and_left_alone() {
    let directory = directory();
    drop(open(directory.path()));
    let file = directory.path().join("leyden.db");
    let change = |sql: &str| {
        rusqlite::Connection::open(&file)
            .and_then(|c| c.execute_batch(sql))
            .expect("changed");
    };
    let refusal = || {
        Embedded::open(Options::new(directory.path()))
            .err()
            .expect("refused")
    };

    change("PRAGMA user_version = 99");
    let newer = refusal();
    assert!(
        matches!(newer, OpenError::Newer { found: 99, .. }),
        "{newer:?}"
    );
    assert!(newer.to_string().contains("99"), "{newer}");
    change("PRAGMA user_version = 1; PRAGMA application_id = 1");
    assert!(matches!(refusal(), OpenError::Foreign));
    std::fs::write(
        &file,
        "not a database at all, but long enough to be looked at".repeat(100),
    )
    .expect("written");
    assert!(matches!(refusal(), OpenError::Database(_)));
}

/// A group that finds no room is refused whole; what was there stays, and the store goes on.
#[tokio::test]
async fn a_full_disk_fails_commits_and_nothing_else() {
    let directory = directory();
    let options = Options {
        database_bytes_max: Some(1 << 20),
        ..Options::new(directory.path())
    };
    let store: Arc<dyn Store> = Arc::new(Embedded::open(options).expect("opened"));
    store
        .commit(put_one("before", "1"))
        .await
        .expect("committed");
    let large = |key: &str| {
        let value = Some(vec![0; 2 << 20]);
        let large = Write {
            space: space(),
            key: key.into(),
            value,
        };
        let small = Write {
            space: Space::from("new"),
            key: key.into(),
            value: Some(vec![1]),
        };
        Transaction {
            appends: purchase(0, 0).appends,
            ..writing(vec![small, large])
        }
    };
    for _ in 0..3 {
        let outcome = store.commit(large("large")).await;
        assert!(
            matches!(outcome, Err(CommitError::Store(Error::Backend(_)))),
            "{outcome:?}"
        );
    }
    assert_eq!(*store.tail(&partition()).borrow(), 0);
    let version = store.commit(purchase(0, 1)).await.expect("committed");
    assert_eq!((version, *store.tail(&partition()).borrow()), (2, 1));
    let mut snapshot = store.snapshot().await.expect("a snapshot");
    assert_eq!(
        snapshot
            .read(&Space::from("new"), b"large")
            .await
            .expect("read"),
        None
    );
    assert_eq!(value(&store, "before").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_transaction_that_is_too_large_is_refused() {
    let directory = directory();
    let store = open(directory.path());
    let write = |n: u8| Write {
        space: space(),
        key: vec![n],
        value: Some(vec![0; 8 << 20]),
    };
    let outcome = store.commit(writing((0..9).map(write).collect())).await;
    assert!(
        matches!(outcome, Err(CommitError::Store(Error::Backend(_)))),
        "{outcome:?}"
    );
}

/// A long log is trimmed in bounded pieces, so that commits need not wait for all of it.
#[tokio::test]
async fn a_trim_removes_a_bounded_number_at_a_time() {
    let directory = directory();
    let store = open(directory.path());
    let record = purchase(0, 0).appends.remove(0);
    let appends = vec![record; 5000];
    store
        .commit(Transaction {
            appends,
            ..Transaction::default()
        })
        .await
        .expect("committed");
    for expected in [4096, 904, 0] {
        let removed = store.trim(&partition(), u64::MAX).await.expect("trimmed");
        assert_eq!(removed, expected);
    }
}

/// A read set that is older than what the writer remembers cannot be judged, so it conflicts.
#[tokio::test]
async fn a_read_set_from_before_the_start_conflicts() {
    let directory = directory();
    for _ in 0..2 {
        open(directory.path())
            .commit(put_one("a", "1"))
            .await
            .expect("committed");
    }
    let store = open(directory.path());
    let reads = |version| ReadSet {
        version,
        keys: vec![(space(), b"b".to_vec())],
        ranges: Vec::new(),
    };
    let old = store
        .commit(Transaction {
            reads: reads(1),
            ..put_one("c", "1")
        })
        .await;
    assert!(matches!(old, Err(CommitError::Conflict)), "{old:?}");
    store
        .commit(Transaction {
            reads: reads(2),
            ..put_one("c", "1")
        })
        .await
        .expect("committed");
}

#[tokio::test]
async fn snapshots_are_bounded_and_come_back() {
    let directory = directory();
    let options = Options {
        readers_max: 2,
        reader_wait_max: Duration::from_millis(20),
        ..Options::new(directory.path())
    };
    let store: Arc<dyn Store> = Arc::new(Embedded::open(options).expect("opened"));
    let held = [
        store.snapshot().await.expect("one"),
        store.snapshot().await.expect("two"),
    ];
    assert!(matches!(store.snapshot().await, Err(Error::Unavailable(_))));
    drop(held);
    for _ in 0..10 {
        store.snapshot().await.expect("a place again");
    }
}

/// The WAL stays bounded while one snapshot is held for good and others come and go.
#[tokio::test]
async fn a_snapshot_that_holds_back_the_wal_is_revoked() {
    const WAL_BYTES_MAX: u64 = 4 << 20;
    let directory = directory();
    let options = Options {
        wal_bytes_max: WAL_BYTES_MAX,
        ..Options::new(directory.path())
    };
    let store: Arc<dyn Store> = Arc::new(Embedded::open(options).expect("opened"));
    store.commit(put_one("a", "1")).await.expect("committed");
    let mut held = store.snapshot().await.expect("a snapshot");
    let mut longest = 0;
    for n in 0..800_u32 {
        let value = Some(vec![0; 40_000]);
        let write = Write {
            space: space(),
            key: n.to_be_bytes().to_vec(),
            value,
        };
        store.commit(writing(vec![write])).await.expect("committed");
        if n == 20 {
            assert!(
                held.read(&space(), b"a").await.is_ok(),
                "not before it must be"
            );
        }
        assert_eq!(value_of(&store, n).await, 40_000);
        longest = longest.max(
            std::fs::metadata(directory.path().join("leyden.db-wal"))
                .expect("a WAL")
                .len(),
        );
    }
    assert!(
        longest < WAL_BYTES_MAX * 5 / 4,
        "the WAL grew to {longest} bytes"
    );
    let answer = held.read(&space(), b"a").await;
    assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
    drop(held);
    assert_eq!(value(&store, "a").await.as_deref(), Some("1"));
}

async fn value_of(store: &Arc<dyn Store>, key: u32) -> usize {
    let mut snapshot = store.snapshot().await.expect("a snapshot");
    snapshot
        .read(&space(), &key.to_be_bytes())
        .await
        .expect("read")
        .map_or(0, |value| value.len())
}

/// Snapshots may share a transaction; none is older for it than what was answered, or seen by another, before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_snapshot_is_never_older_than_what_was_known_before_it() {
    const COMMITS: u32 = 600;
    let directory = directory();
    let store = open(directory.path());
    let known = Arc::new(AtomicU32::new(0));
    let (writer, written) = (store.clone(), known.clone());
    let writes = tokio::spawn(async move {
        for n in 1..=COMMITS {
            let one = put_one("n", &n.to_string());
            writer.commit(one).await.expect("committed");
            written.fetch_max(n, Ordering::SeqCst);
        }
    });
    let reads: Vec<_> = (0..4)
        .map(|_| {
            let (store, known) = (store.clone(), known.clone());
            tokio::spawn(async move {
                loop {
                    let before = known.load(Ordering::SeqCst);
                    let read = value(&store, "n").await;
                    let read = read.map_or(0, |n| n.parse().expect("a number"));
                    assert!(read >= before, "{read} after {before}");
                    known.fetch_max(read, Ordering::SeqCst);
                    if read == COMMITS {
                        return;
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    writes.await.expect("no panic");
    for read in reads {
        read.await.expect("no panic");
    }
}
