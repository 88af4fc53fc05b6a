//! Small transactions of the host's own: read, decide, write, commit; again where somebody else was faster.

use std::sync::Arc;
use std::time::Duration;

use super::Error;
use crate::dispatch::work::{Seed, Work};
use crate::ids::Instant;
use crate::store::{self, CommitError, Store};

/// Most tries of what others keep changing: each round somebody gets through, and more than so many at a
/// time want to change the same partner only in a storm.
const TRIES_MAX: u32 = 40;

/// How much longer each wait before another try is than the last.
const PAUSE: Duration = Duration::from_millis(1);

/// What a transaction reads and changes. It is tried again from the start after a conflict, so it
/// does nothing but work on the transaction.
pub(crate) trait Operation: Sync {
    /// What it tells.
    type Done: Send;

    /// Reads what it needs, decides, and notes what changes.
    fn apply(&self, work: &mut Work) -> impl Future<Output = Result<Self::Done, Error>> + Send;
}

/// Carries an operation out, stamped with `now`: all of it or nothing.
pub(crate) async fn perform<O: Operation>(
    store: &Arc<dyn Store>,
    now: Instant,
    operation: &O,
) -> Result<O::Done, Error> {
    for tried in 0..TRIES_MAX {
        if let Some(done) = attempt(store, now, operation).await? {
            return Ok(done);
        }
        tokio::time::sleep(PAUSE * tried).await;
    }
    Err(Error::Contended)
}

/// One try; nothing where somebody else was faster.
async fn attempt<O: Operation>(
    store: &Arc<dyn Store>,
    now: Instant,
    operation: &O,
) -> Result<Option<O::Done>, Error> {
    let mut work = blank(store, now);
    let done = match operation.apply(&mut work).await {
        Ok(done) => done,
        Err(Error::Store(store::Error::Overtaken)) => return Ok(None),
        Err(error) => return Err(error),
    };
    match store.commit(work.into_transaction()).await {
        Ok(_) => Ok(Some(done)),
        Err(CommitError::Conflict | CommitError::Store(store::Error::Overtaken)) => Ok(None),
        Err(CommitError::Store(error)) => Err(error.into()),
        Err(CommitError::InvalidPosting(_)) => Err(Error::invalid(
            "amount",
            "must not make a sum larger than an account can hold",
        )),
        Err(error) => Err(Error::Commit(error)),
    }
}

/// An empty transaction. Nothing here draws randomness from one, so it has none.
pub(super) fn blank(store: &Arc<dyn Store>, now: Instant) -> Box<Work> {
    let seed = Seed {
        secret: Arc::new([0; 32]),
        invocation: 0,
    };
    Work::new(store.clone(), now, seed)
}
