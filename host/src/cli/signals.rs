//! Signals: those that ask the process to end, and the one that has files read again.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Exit code of a process that a second signal has ended: 128 and the number of SIGINT, as shells have it.
const ENDED: i32 = 130;

/// Waits for an interrupt or a termination signal.
///
/// # Errors
/// The system does not let the process wait for signals.
pub(super) async fn told_to_stop() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt,
        _ = terminate.recv() => Ok(()),
    }
}

/// Ends the process at once when it is told to stop once more. Nothing is lost by it that a crash would not lose:
/// what was answered is durable.
pub(super) fn end_at_next() {
    tokio::spawn(async {
        if told_to_stop().await.is_ok() {
            tracing::warn!("told to stop a second time: what still runs is cut off");
            std::process::exit(ENDED);
        }
    });
}

/// Does something whenever the process is told to read its files again, until dropped.
///
/// # Errors
/// The system does not let the process wait for signals.
pub(super) async fn at_each_hangup(what: impl Fn()) -> io::Result<()> {
    let mut hangups = signal(SignalKind::hangup())?;
    while hangups.recv().await.is_some() {
        what();
    }
    Ok(())
}
