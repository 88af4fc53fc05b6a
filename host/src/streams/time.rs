//! Ticks: time's own stream. A simulated clock ticks when told to and then waits until everything the
//! tick set off is done; the system's ticks by itself.

use std::sync::Arc;
use std::time::Duration;

use super::{Error, Shared, Streams};
use crate::clock::{self, Clock, Mode, TICK_MS_MAX, TICK_MS_MIN};
use crate::ids::{Instant, StreamName};
use crate::store::{Append, Store, Transaction, Write};

/// The stream of ticks (`leyden:grid/events`, record `tick`).
const TICKS: &str = "clock.ticks";

/// Space and key of a simulated clock's state.
const CLOCK: &str = "leyden.clock";
const STATE: &[u8] = b"state";

/// A simulated clock, as it is kept.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    now_ms: u64,
    tick_ms: u64,
}

/// The simulated clock as it stood when the host stopped, or at `start` in a new store.
///
/// # Errors
/// The store did not answer.
pub(crate) async fn restore(
    store: &dyn Store,
    start: Instant,
    tick_ms: u64,
) -> Result<Clock, crate::store::Error> {
    let stored = store.snapshot().await?.read(&CLOCK.into(), STATE).await?;
    let state = stored.and_then(|bytes| serde_json::from_slice::<State>(&bytes).ok());
    let state = state.unwrap_or(State {
        now_ms: start.0,
        tick_ms,
    });
    Ok(Clock::simulated(Instant(state.now_ms), state.tick_ms))
}

impl Streams {
    /// Sets the simulated clock and the time between its ticks (ms). Before the first tick it may go
    /// anywhere, afterwards only forward.
    ///
    /// # Errors
    /// See [`Error`]; nothing changed.
    pub async fn set_clock(&self, now: Instant, tick_ms: u64) -> Result<(), Error> {
        let shared = &self.shared;
        let _alone = shared.ticking.lock().await;
        if shared.clock.mode() == Mode::System {
            return Err(Error::SystemClock);
        }
        if !(TICK_MS_MIN..=TICK_MS_MAX).contains(&tick_ms) {
            return Err(Error::TickLength(tick_ms));
        }
        if *shared.store.tail(&ticks()).borrow() > 0 {
            check_forward(&shared.clock, now, tick_ms)?;
        }
        let state = State {
            now_ms: now.0,
            tick_ms,
        };
        shared
            .store
            .commit(Transaction {
                writes: vec![state.write()],
                ..Transaction::default()
            })
            .await?;
        shared.clock.set(now, tick_ms);
        Ok(())
    }

    /// Moves the simulated clock on by one tick and waits until every group has handled what follows.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn tick(&self) -> Result<Instant, Error> {
        let shared = &self.shared;
        let _alone = shared.ticking.lock().await;
        if shared.clock.mode() == Mode::System {
            return Err(Error::SystemClock);
        }
        let (before, tick_ms) = (shared.clock.now(), shared.clock.tick_ms());
        let now = Instant((before.0 + tick_ms).min(Instant::MAX.0));
        let state = State {
            now_ms: now.0,
            tick_ms,
        };
        // The tick is handled as soon as it is committed: the clock must show its instant by then.
        shared.clock.set(now, tick_ms);
        if let Err(error) = shared.publish_tick(now, tick_ms, Some(state.write())).await {
            shared.clock.set(before, tick_ms);
            return Err(error);
        }
        shared.settle().await?;
        Ok(now)
    }
}

/// After a tick time goes forward only, and readings of the next tick must not overlap the last one's.
fn check_forward(clock: &Clock, now: Instant, tick_ms: u64) -> Result<(), Error> {
    let covered = Instant(clock.now().0.saturating_add(clock.tick_ms()));
    if now < clock.now() {
        return Err(Error::Backwards(clock.now()));
    }
    match now.0.saturating_add(tick_ms) < covered.0 {
        true => Err(Error::Overlapping(covered)),
        false => Ok(()),
    }
}

impl State {
    fn write(self) -> Write {
        let value = serde_json::to_vec(&self).ok();
        Write {
            space: CLOCK.into(),
            key: STATE.to_vec(),
            value,
        }
    }
}

impl Shared {
    async fn publish_tick(
        &self,
        at: Instant,
        tick_ms: u64,
        state: Option<Write>,
    ) -> Result<(), Error> {
        let payload = serde_json::json!({ "atMs": at.0, "tickMs": tick_ms })
            .to_string()
            .into_bytes();
        let append = Append {
            stream: ticks(),
            key: "clock".into(),
            payload,
        };
        let writes = state.into_iter().collect();
        let transaction = Transaction {
            writes,
            appends: vec![append],
            at: at.0,
            ..Transaction::default()
        };
        self.store.commit(transaction).await?;
        Ok(())
    }

    /// Whether some group has not handled the last tick yet.
    fn behind_time(&self) -> bool {
        self.groups()
            .iter()
            .any(|(group, running)| group.stream.as_str() == TICKS && running.lag() > 0)
    }
}

fn ticks() -> StreamName {
    #[expect(clippy::expect_used, reason = "a constant that a test parses")]
    StreamName::parse(TICKS).expect("a valid stream name")
}

/// Ticks the system's clock at whole multiples of its tick. A tick that finds the last one still
/// being handled is left out, so that they never pile up.
pub(super) async fn run(shared: Arc<Shared>) {
    if shared.clock.mode() == Mode::Simulated {
        return;
    }
    loop {
        let (now, tick_ms) = (shared.clock.now(), shared.clock.tick_ms());
        let next = Instant((now.0 / tick_ms + 1) * tick_ms);
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = clock::sleep(Duration::from_millis(next.0 - now.0)) => {}
        }
        if shared.behind_time() {
            tracing::warn!(at = %next, "left out a tick: the last one is still being handled");
        } else if let Err(error) = shared.publish_tick(next, tick_ms, None).await {
            tracing::error!(%error, at = %next, "a tick could not be recorded");
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_ticks_stream_has_a_valid_name() {
        assert_eq!(super::ticks().as_str(), super::TICKS);
    }
}
