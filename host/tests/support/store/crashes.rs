//! A store whose process ends: killed, dropped or still running when a second one comes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use leyden::store::embedded::{Embedded, OpenError, Options};
use leyden::store::{Append, ISSUER, Order, Partition, Posting, Range, Store, Transaction, Write};

use crate::numbers::Numbers;
use crate::rules::{put_one, space, stream, value};

/// Tells a re-run of this binary which directory to work in.
const CHILD_DIRECTORY: &str = "LEYDEN_TEST_STORE_DIRECTORY";

/// How often the child is killed, and how many of its tasks commit at a time.
const KILLS: u64 = 12;
const TASKS: u64 = 24;

pub(crate) fn open(directory: &Path) -> Arc<dyn Store> {
    Arc::new(Embedded::open(Options::new(directory)).expect("opened"))
}

/// The one partition of the stream that [`purchase`] appends to.
pub(crate) fn partition() -> Partition {
    Partition {
        stream: stream(),
        number: 0,
    }
}

pub(crate) fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

/// This binary again, running one ignored test of this module.
fn rerun(test: &str, directory: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args([
        "--exact",
        &format!("crashes::{test}"),
        "--ignored",
        "--nocapture",
        "--test-threads=1",
    ]);
    command
        .env(CHILD_DIRECTORY, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command.spawn().expect("a child")
}

fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    // The parent may have gone; then nobody needs to know.
    let _ = out
        .write_all(format!("\n{line}\n").as_bytes())
        .and_then(|()| out.flush());
}

/// One write, one record and one movement that belong together.
pub(crate) fn purchase(task: u64, n: u64) -> Transaction {
    let name = format!("{task:03}/{n:08}");
    let posting = Posting {
        debit: ISSUER.into(),
        credit: format!("partner-{task}"),
        amount: 1,
        reference: name.clone(),
    };
    Transaction {
        writes: vec![Write {
            space: space(),
            key: name.clone().into(),
            value: Some(vec![1; 100]),
        }],
        appends: vec![Append {
            stream: stream(),
            key: name,
            payload: vec![2; 100],
        }],
        postings: vec![posting],
        ..Transaction::default()
    }
}

#[tokio::test]
#[ignore = "the child of another test"]
async fn child_that_buys() {
    let Ok(directory) = std::env::var(CHILD_DIRECTORY) else {
        return;
    };
    let store = open(Path::new(&directory));
    let began = *store.tail(&partition()).borrow();
    let tasks = (0..TASKS).map(|task| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for n in 0..100_000 {
                let n = began + n;
                store.commit(purchase(task, n)).await.expect("committed");
                tell(&format!("{task:03}/{n:08}"));
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("finished");
    }
}

#[tokio::test]
#[ignore = "the child of another test"]
async fn child_that_opens() {
    let Ok(directory) = std::env::var(CHILD_DIRECTORY) else {
        return;
    };
    match Embedded::open(Options::new(directory)) {
        Ok(_) => tell("opened"),
        Err(error) => tell(&format!("refused: {error}")),
    }
}

/// Kills a writing child at a random moment; returns what it was told is committed.
fn acknowledged_before_kill(directory: &Path, numbers: &mut Numbers) -> Vec<String> {
    let mut child = rerun("child_that_buys", directory);
    let mut lines = BufReader::new(child.stdout.take().expect("piped"))
        .lines()
        .map_while(Result::ok);
    let first = lines
        .by_ref()
        .find(|line| line.contains('/'))
        .expect("a first commit");
    std::thread::sleep(Duration::from_micros(numbers.below(60_000)));
    child.kill().expect("killed");
    let rest = lines.filter(|line| line.len() == first.len() && line.contains('/'));
    let acknowledged = std::iter::once(first.clone()).chain(rest).collect();
    child.wait().expect("gone");
    acknowledged
}

/// Nothing acknowledged is lost, and everything there is, is whole.
#[tokio::test]
async fn kill_9_loses_nothing_that_was_acknowledged() {
    let directory = directory();
    let mut numbers = Numbers(9);
    let mut acknowledged = Vec::new();
    for _ in 0..KILLS {
        acknowledged.extend(acknowledged_before_kill(directory.path(), &mut numbers));
        check_purchases(&open(directory.path()), &acknowledged).await;
    }
    assert!(
        acknowledged.len() as u64 > KILLS * TASKS,
        "{} acknowledged",
        acknowledged.len()
    );
}

async fn check_purchases(store: &Arc<dyn Store>, acknowledged: &[String]) {
    let mut snapshot = store.snapshot().await.expect("a snapshot");
    let all = Range {
        start: Vec::new(),
        end: None,
    };
    let entries = snapshot
        .scan(&space(), &all, Order::Ascending, usize::MAX)
        .await
        .expect("scanned");
    let kept: std::collections::BTreeSet<_> = entries.into_iter().map(|entry| entry.key).collect();
    let lost = acknowledged
        .iter()
        .find(|name| !kept.contains(name.as_bytes()));
    assert_eq!(lost, None, "acknowledged and lost");

    let records = store
        .read_log(&partition(), 0, usize::MAX, usize::MAX)
        .await
        .expect("read");
    assert!(
        records
            .iter()
            .zip(1..)
            .all(|(record, offset)| record.offset == offset),
        "a gap in the log"
    );
    let published: std::collections::BTreeSet<_> =
        records.iter().map(|r| r.key.clone().into_bytes()).collect();
    assert_eq!(records.len(), published.len(), "a record twice");
    assert_eq!(published, kept, "half of a transaction");
    assert_eq!(*store.tail(&partition()).borrow(), records.len() as u64);

    let ledger = store.check_ledger(None).await.expect("checked");
    assert_eq!(
        (ledger.entries, ledger.credits),
        (kept.len() as u64, kept.len() as u128)
    );
    assert!(ledger.is_sound(), "{ledger:?}");
    assert_eq!(snapshot.version(), kept.len() as u64);
}

#[tokio::test]
async fn a_store_that_is_opened_again_has_everything() {
    let directory = directory();
    for n in 0..5 {
        let store = open(directory.path());
        let version = store.commit(purchase(0, n)).await.expect("committed");
        assert_eq!(version, n + 1, "versions go on where they were");
        let names: Vec<_> = (0..=n).map(|n| format!("000/{n:08}")).collect();
        check_purchases(&store, &names).await;
    }
    assert!(
        !directory.path().join("leyden.db-wal").exists(),
        "a closed store leaves no log behind"
    );
}

#[tokio::test]
async fn what_waits_is_committed_when_the_store_is_dropped() {
    let directory = directory();
    let store = open(directory.path());
    for n in 0..50 {
        // Polled once: in the queue, and nobody waits for the answer.
        let _ = store
            .commit(put_one(&n.to_string(), "queued"))
            .now_or_never();
    }
    drop(store);
    let store = open(directory.path());
    for n in 0..50 {
        assert_eq!(
            value(&store, &n.to_string()).await.as_deref(),
            Some("queued"),
            "{n}"
        );
    }
}

#[test]
fn a_second_process_is_refused() {
    let directory = directory();
    let answer = || {
        let child = rerun("child_that_opens", directory.path());
        let output = child.wait_with_output().expect("an answer");
        String::from_utf8(output.stdout).expect("text")
    };
    let store = open(directory.path());
    let refused = answer();
    assert!(
        refused.contains("refused: the data directory") && refused.contains("in use"),
        "{refused}"
    );
    assert!(matches!(
        Embedded::open(Options::new(directory.path())),
        Err(OpenError::Locked(_))
    ));
    drop(store);
    assert!(answer().contains("opened"));
}
