//! A thread for each run and each upload's inspection, behind the host's own for processor time. Guests compute; on the
//! host's threads each would keep requests waiting for its slice, and many of them for many slices. The system's
//! scheduler does better: a run that has just begun goes before uploads and before those that have computed for long,
//! and the host goes before all.
//!
//! A thread that has done a run waits a while for another, which then finds its stack and its heap warm.
//!
//! **Invariant.** A thread never gets nearer to the host again: one that has stepped back ends with its run.

use std::cell::Cell;
use std::future::Future;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::telemetry::request::carried;

/// Stack of the thread, bytes: what threads have as a rule. Guests and what they call have their own.
const STACK_BYTES: usize = 2 << 20;

/// Threads that wait for another run at most: each keeps some hundred KiB.
const IDLE_MAX: usize = 64;

/// How long a thread waits for another run.
const IDLE: Duration = Duration::from_secs(10);

/// How far a run is behind the host (see nice(2)).
pub(super) const RUN: i32 = 5;

/// How far what is done with an upload is behind the host: nobody waits for it as for a run.
pub(crate) const UPLOAD: i32 = 10;

/// How much further behind a run is once it has computed for long: far enough to leave those that begin nearly
/// all of a core.
const LONG: i32 = 14;

/// Why a run's thread did not say how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The system gives out no more threads.
    NoThread,
    /// The thread panicked, as it does when the host is being shut down.
    Panicked,
}

/// Drives a future on a thread of its own, so far behind the host. A caller that stops waiting drops the future at its next wait.
pub(crate) async fn on_own<T: Send + 'static>(
    behind: i32,
    run: impl Future<Output = T> + Send + 'static,
) -> Result<T, Lost> {
    let host = Handle::current();
    let run = carried(run);
    let (mut done, ended) = oneshot::channel();
    let job = move || {
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
    THREADS.start(behind, Box::new(job))?;
    ended.await.map_err(|_| Lost::Panicked)
}

/// What a thread is given to do.
type Job = Box<dyn FnOnce() + Send>;

/// The threads of this process.
static THREADS: Threads = Threads::new();

thread_local! {
    /// Whether this thread has stepped back further than it began.
    static STEPPED_BACK: Cell<bool> = const { Cell::new(false) };
}

/// Threads that wait for another run.
struct Threads {
    idle: Mutex<Vec<(ThreadId, Sender<Job>)>>,
}

impl Threads {
    const fn new() -> Self {
        Self {
            idle: Mutex::new(Vec::new()),
        }
    }

    /// Has a thread do it, one that waits if there is one.
    fn start(&'static self, behind: i32, job: Job) -> Result<(), Lost> {
        let job = match behind {
            RUN => match self.wake(job) {
                None => return Ok(()),
                Some(job) => job,
            },
            _ => job,
        };
        let thread = std::thread::Builder::new().name("partner-run".into());
        let started = thread.stack_size(STACK_BYTES).spawn(move || {
            step_back(behind);
            self.serve(behind, job);
        });
        started.map(drop).map_err(|_| Lost::NoThread)
    }

    /// Gives it to a thread that waits; gives it back where none does.
    fn wake(&self, mut job: Job) -> Option<Job> {
        loop {
            let Some((_, waiting)) = self.idle().pop() else {
                return Some(job);
            };
            match waiting.send(job) {
                Ok(()) => return None,
                Err(mpsc::SendError(back)) => job = back,
            }
        }
    }

    /// Does one after the other, as long as they come and it may.
    fn serve(&self, behind: i32, mut job: Job) {
        loop {
            job();
            if behind != RUN || STEPPED_BACK.get() {
                return;
            }
            let Some(jobs) = self.wait() else { return };
            let next = match jobs.recv_timeout(IDLE) {
                Ok(next) => Some(next),
                // Who is not in the list any more is about to be given something.
                Err(_) if !self.leave() => jobs.recv().ok(),
                Err(_) => None,
            };
            let Some(next) = next else { return };
            job = next;
        }
    }

    /// Puts this thread among those that wait, if there is room.
    fn wait(&self) -> Option<Receiver<Job>> {
        let mut idle = self.idle();
        if idle.len() >= IDLE_MAX {
            return None;
        }
        let (give, jobs) = mpsc::channel();
        idle.push((std::thread::current().id(), give));
        Some(jobs)
    }

    /// Takes this thread out of those that wait; whether it was among them.
    fn leave(&self) -> bool {
        let own = std::thread::current().id();
        let mut idle = self.idle();
        let at = idle.iter().position(|(id, _)| *id == own);
        at.map(|at| idle.swap_remove(at)).is_some()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(ThreadId, Sender<Job>)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets runs that begin go before this thread's.
pub(super) fn step_back_for_long() {
    STEPPED_BACK.set(true);
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

    /// The thread that does something.
    fn done_by(threads: &'static Threads, behind: i32, job: fn()) -> ThreadId {
        let (tell, told) = mpsc::channel();
        let job = move || {
            job();
            tell.send(std::thread::current().id()).expect("told");
        };
        threads.start(behind, Box::new(job)).expect("a thread");
        told.recv().expect("it was done")
    }

    /// Until one waits for another run, or for good.
    fn waits(threads: &Threads) -> bool {
        (0..500).any(|_| {
            std::thread::yield_now();
            crate::clock::block(Duration::from_millis(2));
            !threads.idle().is_empty()
        })
    }

    #[test]
    fn a_thread_does_another_run_unless_it_has_stepped_back() {
        let threads: &'static Threads = Box::leak(Box::new(Threads::new()));
        let first = done_by(threads, RUN, || {});
        assert!(waits(threads));
        assert_ne!(done_by(threads, UPLOAD, || {}), first, "not for uploads");
        assert_eq!(done_by(threads, RUN, || {}), first);
        assert!(waits(threads));
        assert_eq!(done_by(threads, RUN, step_back_for_long), first);
        assert_ne!(done_by(threads, RUN, || {}), first);
        assert!(waits(threads));
        assert_eq!(threads.idle().len(), 1, "the one that stepped back ended");
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
