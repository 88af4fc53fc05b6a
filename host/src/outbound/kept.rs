//! Connections that a function's next request may go over, when the one before has been answered whole. They save making
//! one, which with TLS is most of what a short request costs.
//!
//! **Invariants.** They are one function's alone. A name is looked up and its addresses are judged before each request, and a
//! connection is used again only if it leads to one of them, under the same name for TLS. One that its server has closed is not,
//! as far as this machine has heard of it; one that is closed while a request is on its way to it breaks the request, so their time is
//! shorter than what servers commonly allow. Their number is bounded.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::client::conn::http1::SendRequest;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;

use crate::clock::{self, Monotonic};

/// Connections that are kept for all functions together: each has a descriptor and some ten KiB, and nobody needs it now.
pub(super) const KEPT_ALL_MAX: usize = 128;

/// And for one function.
pub(super) const KEPT_MAX: usize = 8;

/// How long one is kept. Few servers close theirs before 5 s, and none that is common before 2 s.
pub(super) const KEPT_FOR: Duration = Duration::from_secs(1);

/// Longest time that a connection may take after an answer until it is ready for the next: what is left to do is not waiting.
const SETTLE_MAX: Duration = Duration::from_millis(100);

/// The body of a request on its way.
pub(super) type Sent = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// A connection. It ends when dropped.
pub(super) struct Connection {
    /// Whom it was made to.
    pub(super) address: SocketAddr,
    /// The name that the other side has proved, where it has TLS.
    pub(super) tls: Option<String>,
    pub(super) sender: SendRequest<Sent>,
    pub(super) _driver: AbortOnDropHandle<()>,
    /// The same socket once more, to be asked what has arrived; whoever reads from it may not have got round to that.
    pub(super) socket: std::net::TcpStream,
}

impl Connection {
    /// Whether a request may go over it: nothing is under way, and nothing has arrived, not even its end.
    fn is_quiet(&self) -> bool {
        let arrived = self.socket.peek(&mut [0]);
        self.sender.is_ready() && arrived.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

/// The connections of one function that wait.
pub(super) struct Kept {
    waiting: Mutex<Vec<Waiting>>,
    /// Places for those of all functions.
    places: Arc<Semaphore>,
}

struct Waiting {
    connection: Connection,
    since: Monotonic,
    _place: OwnedSemaphorePermit,
}

impl Kept {
    pub(super) fn new(places: Arc<Semaphore>) -> Self {
        let waiting = Mutex::default();
        Self { waiting, places }
    }

    /// One that leads to one of these addresses under this name, if there is one.
    pub(super) fn take(&self, addresses: &[SocketAddr], tls: Option<&str>) -> Option<Connection> {
        let mut waiting = self.waiting();
        loop {
            let leads_there = |kept: &Waiting| {
                let connection = &kept.connection;
                addresses.contains(&connection.address) && connection.tls.as_deref() == tls
            };
            let at = waiting.iter().rposition(leads_there)?;
            let Waiting { connection, .. } = waiting.remove(at);
            if connection.is_quiet() {
                return Some(connection);
            }
        }
    }

    /// Keeps one that is ready, if there is room.
    fn put(self: &Arc<Self>, connection: Connection) {
        let mut waiting = self.waiting();
        if waiting.len() >= KEPT_MAX {
            return;
        }
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return;
        };
        waiting.push(Waiting {
            connection,
            since: clock::monotonic(),
            _place: place,
        });
        drop(waiting);
        let all = Arc::downgrade(self);
        tokio::spawn(async move {
            clock::sleep(KEPT_FOR).await;
            if let Some(all) = all.upgrade() {
                all.expire();
            }
        });
    }

    fn expire(&self) {
        let now = clock::monotonic();
        let is_fresh = |kept: &Waiting| now.saturating_duration_since(kept.since) < KEPT_FOR;
        self.waiting().retain(is_fresh);
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.waiting().len()
    }

    /// Ends those that wait, as soon as the runtime gets round to it.
    #[cfg(test)]
    pub(super) fn cut(&self) {
        let cut = |kept: &Waiting| kept.connection._driver.abort();
        self.waiting().iter().for_each(cut);
    }
}

/// A connection while an answer is read from it. When that is over it is kept, if the answer was read whole.
pub struct InUse {
    /// There until it is dropped.
    held: Option<(Connection, OwnedSemaphorePermit)>,
    kept: Arc<Kept>,
    may_be_kept: bool,
}

impl InUse {
    /// `place` is held for as long as the connection is in use.
    pub(super) fn new(
        connection: Connection,
        place: OwnedSemaphorePermit,
        kept: Arc<Kept>,
        answer: &HeaderMap,
    ) -> Self {
        Self {
            held: Some((connection, place)),
            kept,
            may_be_kept: outlives(answer, KEPT_FOR),
        }
    }

    /// Waits until the answer was read to its end, or the connection has ended.
    pub async fn over(mut self) {
        if let Some((connection, _)) = &mut self.held {
            let _ended = connection.sender.ready().await;
        }
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        let Some((mut connection, place)) = self.held.take().filter(|_| self.may_be_kept) else {
            return;
        };
        let kept = self.kept.clone();
        if connection.sender.is_closed() || Handle::try_current().is_err() {
            return;
        }
        if connection.sender.is_ready() {
            return kept.put(connection);
        }
        // The end of the answer was read just now, or the answer is not read any further, on which the connection ends.
        tokio::spawn(async move {
            let _place = place;
            let settled = tokio::time::timeout(SETTLE_MAX, connection.sender.ready()).await;
            if let Ok(Ok(())) = settled {
                kept.put(connection);
            }
        });
    }
}

/// Whether a connection stays open for so long after an answer, by what its server says (`Keep-Alive: timeout=5`, RFC 2068,
/// 19.7.1.1).
fn outlives(answer: &HeaderMap, time: Duration) -> bool {
    let said = answer
        .get("keep-alive")
        .and_then(|value| value.to_str().ok());
    let timeout = said.into_iter().flat_map(|said| said.split(','));
    let mut timeout = timeout.filter_map(|word| word.trim().strip_prefix("timeout="));
    match timeout.next().map(str::parse) {
        Some(Ok(seconds)) => Duration::from_secs(seconds) > time,
        Some(Err(_)) => false,
        None => true,
    }
}
