//! Commits whose answers are lost or late: each counts once, and none is called done that is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use leyden::ids::StreamName;
use leyden::store::redis::{Options, Redis};
use leyden::store::{Append, CommitError, Error, Partition, Store as _, Transaction};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::redis::{Kept, Server};
use crate::{eventually, hasty, open, open_with, patient, works};

/// More records than any of the tests appends.
const MANY: usize = 1_000_000;

fn stream() -> StreamName {
    // Host streams have one partition, so that all records are in one place.
    StreamName::parse("leyden.test").expect("a name")
}

pub(crate) fn append(payload: &str) -> Transaction {
    Transaction {
        appends: vec![Append {
            stream: stream(),
            key: "k".to_owned(),
            payload: payload.as_bytes().to_vec(),
        }],
        at: 1,
        ..Transaction::default()
    }
}

pub(crate) async fn payloads(store: &Redis) -> Vec<String> {
    let partition = Partition {
        stream: stream(),
        number: 0,
    };
    let records = store.read_log(&partition, 0, MANY, usize::MAX).await;
    let text = |payload: Vec<u8>| String::from_utf8(payload).expect("text");
    records
        .expect("read")
        .into_iter()
        .map(|record| text(record.payload))
        .collect()
}

/// Stands between a store and its server, and on request lets a request through but not its answer.
struct Proxy {
    port: u16,
    swallows: Arc<AtomicBool>,
}

impl Proxy {
    async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let port = listener.local_addr().expect("an address").port();
        let swallows = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&swallows);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", server)).await;
                let Ok(server) = server else { continue };
                tokio::spawn(forward(client, server, Arc::clone(&shared)));
            }
        });
        Self { port, swallows }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Cuts the connection that the next answer would come on.
    fn swallow(&self) {
        self.swallows.store(true, Ordering::Release);
    }
}

async fn forward(client: TcpStream, server: TcpStream, swallows: Arc<AtomicBool>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let requests = async {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
    };
    let answers = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
            let is_swallowed = swallows.swap(false, Ordering::AcqRel);
            if is_swallowed || to_client.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
    };
    // Whichever ends first ends both: the rest is dropped, and with it the connections.
    tokio::select! {
        () = requests => {}
        () = answers => {}
    }
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_done_once() {
    let server = Server::start(Kept::Nothing);
    let proxy = Proxy::start(server.port()).await;
    let store = open_with(patient(&proxy.url())).await;
    let wanted: Vec<_> = (0..100).map(|number| number.to_string()).collect();
    for payload in &wanted {
        proxy.swallow();
        store.commit(append(payload)).await.expect("committed");
    }
    assert_eq!(payloads(&store).await, wanted);
}

#[tokio::test]
async fn a_restart_between_two_commits_goes_unnoticed() {
    let mut server = Server::start(Kept::Always);
    let store = open_with(patient(&server.url())).await;
    for round in 0..3 {
        let commit = store.commit(append(&round.to_string())).await;
        commit.expect("committed");
        server.restart();
    }
    assert_eq!(payloads(&store).await, ["0", "1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_a_crash_cut_in_two_is_forgotten_or_done_and_never_half() {
    let mut server = Server::start(Kept::Always);
    let store = open_with(patient(&server.url())).await;
    store.commit(append("kept")).await.expect("committed");
    store.commit(append("cut")).await.expect("committed");
    server.kill();
    // The end of the file is `EXEC`, and before it, within the transaction, the record of its outcome.
    let written = std::fs::read(server.log_file()).expect("read");
    let end = written.len() - b"$4\r\nEXEC\r\n".len();
    std::fs::write(server.log_file(), &written[..end]).expect("cut");
    for payload in ["next", "last"] {
        tokio::task::block_in_place(|| server.restart());
        store.commit(append(payload)).await.expect("committed");
    }
    tokio::task::block_in_place(|| server.restart());
    assert_eq!(payloads(&store).await, ["kept", "next", "last"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_through_crashes_of_the_server_count_once() {
    let mut server = Server::start(Kept::Always);
    let store = open_with(patient(&server.url())).await;
    let over = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..8)
        .map(|writer| tokio::spawn(keep_committing(store.clone(), writer, Arc::clone(&over))))
        .collect();
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        tokio::task::block_in_place(|| server.restart());
    }
    over.store(true, Ordering::Release);
    let mut wanted = Vec::new();
    for writer in writers {
        wanted.extend(writer.await.expect("no panic"));
    }
    let mut kept = payloads(&store).await;
    kept.sort();
    wanted.sort();
    assert!(!wanted.is_empty());
    assert_eq!(kept, wanted);
}

/// Commits one record after the other and returns those that are committed: all that it has tried.
async fn keep_committing(store: Redis, writer: u64, over: Arc<AtomicBool>) -> Vec<String> {
    let mut committed = Vec::new();
    while !over.load(Ordering::Acquire) {
        let payload = format!("{writer}-{}", committed.len());
        match store.commit(append(&payload)).await {
            Ok(_) => committed.push(payload),
            // It was not sent: the next one has the same number.
            Err(CommitError::Store(Error::Unavailable(_))) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    committed
}

#[tokio::test]
async fn a_commit_that_nobody_answers_is_called_neither_done_nor_refused() {
    let server = Server::start(Kept::Nothing);
    let patiently = open_with(patient(&server.url())).await;
    let zeroth = patiently.commit(append("zeroth")).await;
    zeroth.expect("committed");
    // So that it has asked for the stream before.
    let store = open(&server.url()).await;
    works(&store).await;
    let partitions = || async { store.partitions(&stream()).await.is_ok() };
    eventually("the stream is known", partitions).await;
    server.pause(true);
    let unresolved = store.commit(append("first")).await;
    assert!(
        matches!(unresolved, Err(CommitError::Store(Error::Unresolved))),
        "{unresolved:?}"
    );
    server.pause(false);
    works(&store).await;
    // It has happened or not, but not in part and not twice; what comes later is not held up.
    let second = patiently.commit(append("second")).await;
    second.expect("committed");
    let payloads = payloads(&patiently).await;
    let allowed = [vec!["zeroth", "second"], vec!["zeroth", "first", "second"]];
    assert!(
        allowed.iter().any(|allowed| *allowed == payloads),
        "{payloads:?}"
    );
}

pub(crate) fn durable(options: Options) -> Options {
    Options {
        durable: true,
        ..options
    }
}

#[tokio::test]
async fn a_durable_commit_waits_for_a_replica() {
    let primary = Server::start(Kept::Nothing);
    let replica = Server::replica_of(&primary, Kept::Nothing);
    let patiently = open_with(durable(patient(&primary.url()))).await;
    let first = patiently.commit(append("first")).await;
    first.expect("committed");
    let on_replica = || replica.ask(&["XLEN", "{leyden}:stream:leyden.test:0"]);
    assert_eq!(
        on_replica().expect("told"),
        "1",
        "before the commit returned"
    );

    let hastily = open_with(durable(hasty(&primary.url()))).await;
    let partitions = || async { hastily.partitions(&stream()).await.is_ok() };
    eventually("the stream is known", partitions).await;
    replica.pause(true);
    let unresolved = hastily.commit(append("second")).await;
    assert!(
        matches!(unresolved, Err(CommitError::Store(Error::Unresolved))),
        "{unresolved:?}"
    );
    replica.pause(false);
    let third = patiently.commit(append("third")).await;
    third.expect("committed");
    let payloads = payloads(&patiently).await;
    let count = |wanted: &str| payloads.iter().filter(|payload| *payload == wanted).count();
    // Asked for again and again, it is still one.
    assert_eq!((count("first"), count("second")), (1, 1), "{payloads:?}");
}

#[tokio::test]
async fn durable_commits_share_their_waits() {
    let primary = Server::start(Kept::Nothing);
    let _replica = Server::replica_of(&primary, Kept::Nothing);
    let store = open_with(durable(patient(&primary.url()))).await;
    let commits = (0..200).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { store.commit(append(&number.to_string())).await })
    });
    let commits: Vec<_> = commits.collect();
    for commit in commits {
        commit.await.expect("no panic").expect("committed");
    }
    assert_eq!(payloads(&store).await.len(), 200);
    let rounds: u64 = primary
        .ask(&["GET", "{leyden}:barrier"])
        .expect("told")
        .parse()
        .expect("a number");
    assert!((1..=200).contains(&rounds), "{rounds}");
    println!("200 commits waited {rounds} times");
}
