//! Signals that ask the process to end.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

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
