//! What keeps the log and the idempotency keys bounded: runs on a timer, takes no input, may run twice.

use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use crate::clock;
use crate::dispatch::forget_answers;
use crate::ids::StreamName;
use crate::store::Offset;

/// Time between two rounds.
const ROUND: Duration = Duration::from_secs(5);

/// Records kept of every stream although all groups are done with them, for whoever watches.
const KEPT: Offset = 10_000;

/// How long a first answer is kept under its idempotency key, ms: a day, as clients of payment APIs expect.
const ANSWER_AGE_MS_MAX: u64 = 86_400_000;

/// Answers removed in one commit.
const ANSWERS_REMOVED_MAX: usize = 1_000;

pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = clock::sleep(ROUND) => {}
        }
        if let Err(error) = trim(&shared).await {
            tracing::warn!(%error, "streams could not be trimmed");
        }
        let before = clock::system_now().0.saturating_sub(ANSWER_AGE_MS_MAX);
        let forgotten = forget_answers(shared.store.as_ref(), before, ANSWERS_REMOVED_MAX).await;
        if let Err(error) = forgotten {
            tracing::warn!(%error, "old answers could not be removed");
        }
    }
}

/// Removes what every group is done with, but the newest records.
async fn trim(shared: &Shared) -> Result<(), crate::store::Error> {
    for (stream, newest) in shared.store.streams().await? {
        let done = slowest(shared, &stream).unwrap_or(newest);
        let up_to = done.min(newest.saturating_sub(KEPT));
        if up_to > 0 {
            while shared.store.trim(&stream, up_to).await? > 0 {}
        }
    }
    Ok(())
}

/// The lowest offset that a group of the stream is done with.
fn slowest(shared: &Shared, stream: &StreamName) -> Option<Offset> {
    let groups = shared.groups();
    groups
        .iter()
        .filter(|(g, _)| g.stream == *stream)
        .map(|(_, running)| *running.cursor.borrow())
        .min()
}
