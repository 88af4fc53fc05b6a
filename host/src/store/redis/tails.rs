//! The newest offsets of the partitions that somebody watches. Commits of this process set them from the
//! script's answer; what others append is seen by one task that waits for all of them on a connection
//! of its own. Offsets only grow; nothing is lost by missing one of them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, RedisResult, Value};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::keys::Keys;
use super::link::Link;
use crate::clock;
use crate::store::{Offset, Partition, offset_of};

/// Most partitions that are followed: 16 streams with as many partitions as there can be. Those that
/// nobody watches any more make room.
const WATCHED_MAX: usize = 4_096;

/// Longest wait of one read, ms: within that time a partition that is newly watched is followed too.
const BLOCK_MS: u64 = 100;

/// Between two reads, so that busy streams cost a bounded number of them.
const PAUSE: Duration = Duration::from_millis(5);

/// As much longer for each partition, since a read of more costs the server more.
const PAUSE_PER_PARTITION: Duration = Duration::from_micros(50);

/// Between two tries to read after one failed.
const FAILED_PAUSE: Duration = Duration::from_millis(100);

/// The watched partitions.
pub(super) struct Tails {
    watched: Arc<Watched>,
    /// Ends the task that follows them.
    _guard: DropGuard,
}

struct Watched {
    senders: Mutex<HashMap<Partition, watch::Sender<Offset>>>,
    /// Grows when what is watched changes.
    changes: AtomicU64,
    /// Told when there is something to watch.
    grew: Notify,
}

impl Tails {
    /// Starts to follow.
    pub(super) fn start(link: &Link, keys: &Keys) -> Self {
        let watched = Arc::new(Watched {
            senders: Mutex::default(),
            changes: AtomicU64::new(1),
            grew: Notify::new(),
        });
        let end = CancellationToken::new();
        let follower = follow(watched.clone(), link.clone(), keys.clone());
        tokio::spawn(end.clone().run_until_cancelled_owned(follower));
        Self {
            watched,
            _guard: end.drop_guard(),
        }
    }

    /// A partition's newest offset from now on.
    pub(super) fn watch(&self, partition: &Partition) -> watch::Receiver<Offset> {
        let mut senders = self.watched.senders();
        if senders.len() >= WATCHED_MAX {
            senders.retain(|_, sender| sender.receiver_count() > 0);
        }
        if senders.len() >= WATCHED_MAX {
            tracing::error!(%partition.stream, partition.number, "too many partitions are watched");
            return watch::channel(0).1;
        }
        let sender = senders.entry(partition.clone()).or_default();
        self.watched.changes.fetch_add(1, Ordering::Release);
        self.watched.grew.notify_one();
        sender.subscribe()
    }

    /// Tells that a partition has a record at this offset. An older one changes nothing.
    pub(super) fn moved(&self, partition: &Partition, offset: Offset) {
        self.watched.moved(partition, offset);
    }
}

impl Watched {
    fn senders(&self) -> MutexGuard<'_, HashMap<Partition, watch::Sender<Offset>>> {
        // Nothing under the lock can panic half way.
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Also remembered for one that nobody watches yet: whoever watches it next begins with that.
    fn moved(&self, partition: &Partition, offset: Offset) {
        let mut senders = self.senders();
        if !senders.contains_key(partition) && senders.len() < WATCHED_MAX {
            senders.insert(partition.clone(), watch::Sender::new(0));
        }
        if let Some(sender) = senders.get(partition) {
            sender.send_if_modified(|newest| {
                let is_newer = offset > *newest;
                *newest = offset.max(*newest);
                is_newer
            });
        }
    }

    /// Those that somebody watches.
    fn partitions(&self) -> Vec<Partition> {
        let senders = self.senders();
        let watched = senders.iter().filter(|(_, s)| s.receiver_count() > 0);
        watched.map(|(partition, _)| partition.clone()).collect()
    }

    /// Waits until somebody watches something.
    async fn wait(&self) {
        while self.partitions().is_empty() {
            self.grew.notified().await;
        }
    }
}

/// Follows for ever, through every break of the connection.
async fn follow(watched: Arc<Watched>, link: Link, keys: Keys) {
    loop {
        watched.wait().await;
        if let Ok(connection) = link.dedicated().await {
            let follower = Follower {
                watched: &watched,
                keys: &keys,
                connection,
                wait_max: Duration::from_millis(BLOCK_MS) + link.reply_max(),
                change: 0,
                places: HashMap::new(),
            };
            let error = follower.run().await;
            tracing::debug!(%error, "the newest records are read on a new connection");
        }
        clock::sleep(FAILED_PAUSE).await;
    }
}

/// One connection's worth of following.
struct Follower<'a> {
    watched: &'a Watched,
    keys: &'a Keys,
    connection: MultiplexedConnection,
    wait_max: Duration,
    /// What was watched when it last looked.
    change: u64,
    /// By key: the partition, and the id of its newest entry that was seen.
    places: HashMap<String, (Partition, String)>,
}

impl Follower<'_> {
    async fn run(mut self) -> RedisError {
        loop {
            self.watched.wait().await;
            if let Err(error) = self.round().await {
                return error;
            }
            let partitions = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
            clock::sleep(PAUSE + PAUSE_PER_PARTITION.saturating_mul(partitions)).await;
        }
    }

    async fn round(&mut self) -> RedisResult<()> {
        let added = self.adopt();
        self.look(added).await?;
        let moved = self.wait().await?;
        self.look(moved).await
    }

    /// Takes up what is newly watched and drops what is watched no more; returns the keys of the former.
    fn adopt(&mut self) -> Vec<String> {
        let change = self.watched.changes.load(Ordering::Acquire);
        if std::mem::replace(&mut self.change, change) == change {
            return Vec::new();
        }
        let partitions = self.watched.partitions();
        let now: HashMap<_, _> = partitions
            .into_iter()
            .map(|partition| (self.keys.stream(&partition), partition))
            .collect();
        self.places.retain(|key, _| now.contains_key(key));
        let mut added = Vec::new();
        for (key, partition) in now {
            if let Entry::Vacant(place) = self.places.entry(key) {
                added.push(place.key().clone());
                place.insert((partition, "0-0".to_owned()));
            }
        }
        added
    }

    /// Waits until one of them has something new; returns their keys.
    async fn wait(&mut self) -> RedisResult<Vec<String>> {
        if self.places.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(1).arg("BLOCK").arg(BLOCK_MS);
        command.arg("STREAMS");
        for key in self.places.keys() {
            command.arg(key);
        }
        for (_, id) in self.places.values() {
            command.arg(id);
        }
        let answer = command.query_async::<Option<Vec<(String, Value)>>>(&mut self.connection);
        let moved = timeout(self.wait_max, answer).await.map_err(silent)??;
        Ok(moved
            .unwrap_or_default()
            .into_iter()
            .map(|(key, _)| key)
            .collect())
    }

    /// Reads the newest entries of these.
    async fn look(&mut self, keys: Vec<String>) -> RedisResult<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut pipeline = redis::pipe();
        for key in &keys {
            pipeline
                .cmd("XREVRANGE")
                .arg(key)
                .arg("+")
                .arg("-")
                .arg("COUNT")
                .arg(1);
        }
        let answer = pipeline.query_async::<Vec<Vec<(String, Value)>>>(&mut self.connection);
        let newest = timeout(self.wait_max, answer).await.map_err(silent)??;
        for (key, entries) in keys.iter().zip(newest) {
            let id = entries.into_iter().next().map(|(id, _)| id);
            if let (Some(id), Some((partition, seen))) = (id, self.places.get_mut(key)) {
                // An id that no offset can name is passed by, but not waited for again.
                if let Some(offset) = offset_of(&id) {
                    self.watched.moved(partition, offset);
                }
                *seen = id;
            }
        }
        Ok(())
    }
}

fn silent(_: tokio::time::error::Elapsed) -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}
