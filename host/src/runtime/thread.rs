//! A thread for each run and each upload's inspection, behind the host's own for processor time. Guests compute; on the
//! host's threads each would keep requests waiting for its slice, and many of them for many slices. The system's
//! scheduler does better: a run that has just begun goes before uploads and before those that have computed for long,
//! and the host goes before all.

use std::future::Future;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Stack of the thread, bytes: what threads have as a rule. Guests and what they call have their own.
const STACK_BYTES: usize = 2 << 20;

/// How far a run is behind the host (see nice(2)).
pub(super) const RUN: i32 = 5;

/// How far what is done with an upload is behind the host: nobody waits for it as for a run.
pub(super) const UPLOAD: i32 = 10;

/// How much further behind a run is once it has computed for long: far enough to leave those that begin nearly
/// all of a core.
const LONG: i32 = 14;

/// Why a run's thread did not say how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// The system gives out no more threads.
    NoThread,
    /// The thread panicked, as it does when the host is being shut down.
    Panicked,
}

/// Drives a future on a thread of its own, so far behind the host. A caller that stops waiting drops the future at its next wait.
pub(super) async fn on_own<T: Send + 'static>(
    behind: i32,
    run: impl Future<Output = T> + Send + 'static,
) -> Result<T, Lost> {
    let host = Handle::current();
    let (mut done, ended) = oneshot::channel();
    let body = move || {
        step_back(behind);
        let ran = host.block_on(async {
            tokio::select! {
                ran = run => Some(ran),
                () = done.closed() => None,
            }
        });
        if let Some(ran) = ran {
            // Whoever waited may have stopped just now.
            let _ = done.send(ran);
        }
    };
    let thread = std::thread::Builder::new().name("partner-run".into());
    let started = thread.stack_size(STACK_BYTES).spawn(body);
    started.map_err(|_| Lost::NoThread)?;
    ended.await.map_err(|_| Lost::Panicked)
}

/// Lets runs that begin go before this thread's.
pub(super) fn step_back_for_long() {
    step_back(LONG);
}

/// Only Linux has priorities for single threads; elsewhere all would be set back together.
fn step_back(nice: i32) {
    if cfg!(target_os = "linux") {
        // Stepping back is always allowed.
        let _ = rustix::process::nice(nice);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_the_future_returns_comes_back_and_a_panic_is_told() {
        let name = async { std::thread::current().name().map(str::to_owned) };
        assert_eq!(on_own(RUN, name).await, Ok(Some("partner-run".to_owned())));
        let panics = async { panic!("as asked") };
        assert_eq!(on_own::<()>(RUN, panics).await, Err(Lost::Panicked));
    }

    #[tokio::test]
    async fn a_caller_that_stops_waiting_ends_the_run() {
        let (alive, gone) = oneshot::channel::<()>();
        let forever = async move {
            std::future::pending::<()>().await;
            drop(alive);
        };
        tokio::select! {
            _ = on_own(RUN, forever) => panic!("it never ends"),
            () = tokio::task::yield_now() => {}
        }
        assert!(gone.await.is_err(), "the future was dropped");
    }
}
