//! One connection to one server that was looked at: it takes writes and has loaded its data. Never made
//! again; who finds it broken asks for another.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, RedisResult};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::failure::SILENT;
use super::{Endpoint, Trouble};
use crate::store::redis::server::{Facts, Waits};

/// Longest wait for a connection, with its handshakes and what is asked of a new one.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(5);

/// A connection and the server it leads to.
pub(super) struct Live {
    /// Tells connections apart.
    pub(super) number: u64,
    /// Shared by all commands that do not wait.
    pub(super) connection: MultiplexedConnection,
    /// Where it leads to, for connections of one's own.
    pub(super) place: ConnectionInfo,
    /// What the server said of itself.
    pub(super) facts: Facts,
    barrier: Option<Barrier>,
}

/// What commits wait on where they must be durable: a second connection to the same server. What it
/// writes comes after every commit that has been answered, so one wait serves all of them.
struct Barrier {
    waits: Waits,
    key: String,
    connection: Mutex<MultiplexedConnection>,
    asked: AtomicU64,
    passed: AtomicU64,
}

impl Live {
    /// Finds the server, connects and looks at it. `barrier`: the key to write to and what to wait
    /// for.
    pub(super) async fn open(
        number: u64,
        endpoint: &mut Endpoint,
        barrier: Option<(&str, Waits)>,
    ) -> Result<Self, Trouble> {
        let opened = timeout(CONNECT_WAIT_MAX, Self::make(number, endpoint, barrier)).await;
        let opened = opened.unwrap_or_else(|_| Err(SILENT.into()));
        if opened.is_err() {
            endpoint.turn();
        }
        opened
    }

    async fn make(
        number: u64,
        endpoint: &mut Endpoint,
        barrier: Option<(&str, Waits)>,
    ) -> Result<Self, Trouble> {
        let place = endpoint.locate().await?;
        let mut connection = connect(&place).await?;
        let facts = Facts::ask(&mut connection).await?;
        facts.check(endpoint.is_cluster())?;
        let barrier = match barrier {
            Some((key, waits)) => Some(Barrier::open(&place, &facts, key, waits).await?),
            None => None,
        };
        Ok(Self {
            number,
            connection,
            place,
            facts,
            barrier,
        })
    }

    /// Waits until everything that this connection has been answered is as durable as asked for.
    /// `reply_max` bounds one round.
    pub(super) async fn wait(&self, reply_max: Duration) -> RedisResult<bool> {
        match &self.barrier {
            Some(barrier) => barrier.pass(reply_max).await,
            None => Ok(true),
        }
    }
}

impl Barrier {
    async fn open(
        place: &ConnectionInfo,
        facts: &Facts,
        key: &str,
        waits: Waits,
    ) -> Result<Self, Trouble> {
        let mut connection = connect(place).await?;
        if Facts::ask(&mut connection).await?.run != facts.run {
            return Err(Trouble::new("two connections lead to two servers"));
        }
        Ok(Self {
            waits,
            key: key.to_owned(),
            connection: Mutex::new(connection),
            asked: AtomicU64::new(0),
            passed: AtomicU64::new(0),
        })
    }

    /// One round serves all that asked before it began.
    async fn pass(&self, reply_max: Duration) -> RedisResult<bool> {
        let ticket = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
        let mut connection = self.connection.lock().await;
        if self.passed.load(Ordering::Acquire) >= ticket {
            return Ok(true);
        }
        let served = self.asked.load(Ordering::Acquire);
        let passed = self.round(&mut connection, reply_max).await?;
        if passed {
            self.passed.store(served, Ordering::Release);
        }
        Ok(passed)
    }

    async fn round(
        &self,
        connection: &mut MultiplexedConnection,
        reply_max: Duration,
    ) -> RedisResult<bool> {
        // Both waits together take no longer than an answer may.
        let wait_ms = reply_max.as_millis() / 2;
        let wait_ms = u64::try_from(wait_ms).unwrap_or(u64::MAX).max(1);
        let mut pipeline = redis::pipe();
        pipeline.cmd("INCR").arg(&self.key).ignore();
        if self.waits.replica {
            pipeline.cmd("WAIT").arg(1).arg(wait_ms);
        }
        if self.waits.disk {
            pipeline.cmd("WAITAOF").arg(1).arg(0).arg(wait_ms);
        }
        let answers: Vec<redis::Value> = pipeline.query_async(connection).await?;
        Ok(!answers.is_empty() && answers.iter().all(is_confirmed))
    }
}

/// `WAIT` answers with a number of replicas, `WAITAOF` with those of own disks and replicas.
fn is_confirmed(answer: &redis::Value) -> bool {
    match answer {
        redis::Value::Int(confirmed) => *confirmed >= 1,
        redis::Value::Array(counts) => counts.first().is_some_and(is_confirmed),
        _ => false,
    }
}

/// Connects, says who we are and does nothing else. Waits for answers are the caller's.
pub(super) async fn connect(place: &ConnectionInfo) -> Result<MultiplexedConnection, Trouble> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_WAIT_MAX))
        .set_response_timeout(None);
    let client = Client::open(place.clone())?;
    Ok(client
        .get_multiplexed_async_connection_with_config(&config)
        .await?)
}
