//! Load from outside: producers that write to the streams with plain `XADD`, and clients that book over
//! HTTP and repeat what was not answered under the same idempotency key.

use std::collections::BTreeMap;
use std::time::Duration;

use leyden::store::partition_of;
use redis::aio::MultiplexedConnection;
use redis::streams::StreamRangeReply;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::books::Expected;
use crate::rig::Rig;

/// Keys that producers write, each numbered from 1.
const KEYS: usize = 12;

/// Clients that book.
const CLIENTS: usize = 4;

/// Partitions of a stream unless an installation says otherwise.
pub const PARTITIONS: u16 = 16;

/// How far back a producer looks for its last record, after it was not answered.
const LOOK_BACK: usize = 2_000;

/// Running load.
pub struct Load {
    stop: watch::Sender<bool>,
    producers: Vec<JoinHandle<(String, u64)>>,
    clients: Vec<JoinHandle<(String, u64, u64)>>,
}

/// How clients repeat themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Under an idempotency key: hosts may die.
    UnderAKey,
    /// Never: every request must be answered.
    Never,
}

impl Load {
    /// Starts it.
    pub fn start(rig: &Rig, repeat: Repeat) -> Self {
        let (stop, stopped) = watch::channel(false);
        let producers = (0..KEYS)
            .map(|key| {
                tokio::spawn(producer(
                    format!("k{key}"),
                    rig.redis.url(),
                    stopped.clone(),
                ))
            })
            .collect();
        let clients = (0..CLIENTS)
            .map(|client| {
                let (urls, stopped) = (rig.urls(), stopped.clone());
                tokio::spawn(booker(format!("b{client}"), urls, repeat, stopped))
            })
            .collect();
        Self {
            stop,
            producers,
            clients,
        }
    }

    /// Ends it; what everybody was told.
    pub async fn stop(self) -> Expected {
        self.stop.send_replace(true);
        let mut expected = Expected::default();
        for producer in self.producers {
            let (key, sent) = producer.await.expect("no panic");
            expected.records.insert(key, sent);
        }
        for client in self.clients {
            let (key, booked, credits) = client.await.expect("no panic");
            expected.booked.insert(key, booked);
            expected.credits += credits;
        }
        expected
    }
}

/// Key of a partition of a stream, as outside producers know it.
pub fn stream_key(stream: &str, partition: u16) -> String {
    format!("{{leyden}}:stream:{stream}:{partition}")
}

async fn producer(key: String, url: String, stop: watch::Receiver<bool>) -> (String, u64) {
    let partition = stream_key("proof.in", partition_of(&key, PARTITIONS));
    let client = redis::Client::open(url).expect("a url");
    let mut sent = 0;
    let mut connection = None;
    while !*stop.borrow() {
        let Some(open) = connection.as_mut() else {
            connection = reconnect(&client, &partition, &key, &mut sent).await;
            continue;
        };
        let next = sent + 1;
        if add(open, &partition, &key, next).await.is_ok() {
            sent = next;
            tokio::time::sleep(Duration::from_millis(4)).await;
        } else {
            connection = None;
        }
    }
    // The last one may have arrived unanswered.
    while connection.is_none() {
        connection = reconnect(&client, &partition, &key, &mut sent).await;
    }
    (key, sent)
}

async fn add(
    connection: &mut MultiplexedConnection,
    partition: &str,
    key: &str,
    number: u64,
) -> redis::RedisResult<String> {
    redis::cmd("XADD")
        .arg(partition)
        .arg("*")
        .arg(&[("key", key), ("payload", &number.to_string())])
        .query_async(connection)
        .await
}

/// Connects and looks up what arrived last; waits a little where there is no server.
async fn reconnect(
    client: &redis::Client,
    partition: &str,
    key: &str,
    sent: &mut u64,
) -> Option<MultiplexedConnection> {
    let found = async {
        let mut connection = client.get_multiplexed_async_connection().await?;
        let newest: StreamRangeReply = redis::cmd("XREVRANGE")
            .arg(&[partition, "+", "-", "COUNT"])
            .arg(LOOK_BACK)
            .query_async(&mut connection)
            .await?;
        redis::RedisResult::Ok((connection, newest))
    };
    let Ok((connection, newest)) = found.await else {
        tokio::time::sleep(Duration::from_millis(20)).await;
        return None;
    };
    let own = newest
        .ids
        .iter()
        .filter(|entry| entry.get::<String>("key").as_deref() == Some(key));
    let last = own.filter_map(|entry| entry.get::<u64>("payload")).max();
    *sent = last.unwrap_or(*sent);
    Some(connection)
}

/// Books, and credits a partner, again and again; what was answered.
async fn booker(
    key: String,
    urls: watch::Receiver<Vec<String>>,
    repeat: Repeat,
    stop: watch::Receiver<bool>,
) -> (String, u64, u64) {
    let client = reqwest::Client::new();
    let (mut booked, mut credits) = (0, 0);
    let credit = json!({ "partnerID": "acme", "datapoint": 1 });
    let book = json!({ "key": key });
    while !*stop.borrow() {
        let number = format!("{key}-{booked}");
        send(&client, &urls, "/tally/book", &book, (repeat, &number)).await;
        booked += 1;
        send(
            &client,
            &urls,
            "/partner-api/add-datapoint",
            &credit,
            (repeat, &number),
        )
        .await;
        credits += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (key, booked, credits)
}

async fn send(
    client: &reqwest::Client,
    urls: &watch::Receiver<Vec<String>>,
    path: &str,
    body: &serde_json::Value,
    (repeat, key): (Repeat, &str),
) {
    // Each request begins at another host, and each repetition goes to the next.
    for turn in key.bytes().map(usize::from).sum::<usize>().. {
        let all = urls.borrow().clone();
        let Some(url) = all.get(turn % all.len().max(1)) else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        let mut request = client.post(format!("{url}{path}")).json(body);
        if repeat == Repeat::UnderAKey {
            request = request.header("idempotency-key", key);
        }
        match request.timeout(Duration::from_secs(20)).send().await {
            Ok(answer) if answer.status().is_success() => return,
            Ok(answer) if answer.status().is_client_error() => {
                let status = answer.status();
                panic!(
                    "{path}: {status} {}",
                    answer.text().await.unwrap_or_default()
                )
            }
            // Not taken, and told so: nothing happened.
            Ok(answer)
                if answer.headers().contains_key("retry-after") && repeat == Repeat::Never =>
            {
                let text = answer.text().await.unwrap_or_default();
                assert!(!text.contains("did not say"), "{path} is left open: {text}");
            }
            outcome => assert!(
                repeat == Repeat::UnderAKey,
                "{path} was not answered: {outcome:?}"
            ),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Writes records to the partitions of a stream at once, as fast as they are taken: `counts[n]` to
/// partition `n`, each with one key, numbered from 1; `first` goes before them where it is given.
pub async fn fill(rig: &Rig, counts: &BTreeMap<u16, u64>, from: u64, first: Option<(u16, &str)>) {
    let client = redis::Client::open(rig.redis.url()).expect("a url");
    let mut connection = client
        .get_multiplexed_async_connection()
        .await
        .expect("a connection");
    if let Some((partition, payload)) = first {
        let fields = [("key", "poison"), ("payload", payload)];
        let mut command = redis::cmd("XADD");
        command
            .arg(stream_key("proof.in", partition))
            .arg("*")
            .arg(&fields);
        command
            .query_async::<()>(&mut connection)
            .await
            .expect("added");
    }
    for (partition, count) in counts {
        let (stream, key) = (stream_key("proof.in", *partition), format!("p{partition}"));
        for chunk in (from..from + count).collect::<Vec<_>>().chunks(1_000) {
            let mut pipeline = redis::pipe();
            for number in chunk {
                let fields = [("key", key.as_str()), ("payload", &number.to_string())];
                pipeline
                    .cmd("XADD")
                    .arg(&stream)
                    .arg("*")
                    .arg(&fields)
                    .ignore();
            }
            let () = pipeline.query_async(&mut connection).await.expect("added");
        }
    }
}
