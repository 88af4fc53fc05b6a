//! Ticks: time's own stream. A simulated clock ticks when told to and then waits until everything the
//! tick set off is done; the system's ticks by itself, on one host.
//!
//! **Invariant.** A simulated clock's state is in the store and moves in the commit that publishes the tick, so
//! that all hosts live in one time and no tick is lost or doubled.

use std::sync::Arc;
use std::time::Duration;

use super::{Error, Shared, Streams};
use crate::clock::{Clock, Mode, TICK_MS_MAX, TICK_MS_MIN};
use crate::ids::{Instant, StreamName};
use crate::store::{
    self, Append, CommitError, Partition, ReadSet, Space, Store, Transaction, Write,
};

/// The stream of ticks (`leyden:grid/events`, record `tick`).
const TICKS: &str = "clock.ticks";

/// Space and key of a simulated clock's state.
const CLOCK: &str = "leyden.clock";
const STATE: &[u8] = b"state";

/// Key of the last tick of the system's clock, ms (8 bytes).
const TICKED: &[u8] = b"ticked";

/// Most tries to move a clock that other hosts move at the same time.
const MOVES_MAX: usize = 20;

/// Between two looks at where other hosts have moved the clock.
const FOLLOW_EVERY: Duration = Duration::from_millis(250);

/// A simulated clock, as it is kept.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    now_ms: u64,
    tick_ms: u64,
}

/// The simulated clock as it stood when the last host stopped, or at `start` in a new store. Where other hosts
/// may come (`shared`), the start is written down, so that all begin there.
///
/// # Errors
/// The store did not answer.
pub(crate) async fn restore(
    store: &dyn Store,
    start: Instant,
    tick_ms: u64,
    shared: bool,
) -> Result<Clock, store::Error> {
    let fresh = State {
        now_ms: start.0,
        tick_ms,
    };
    let (stored, reads) = read_state(store).await?;
    if stored.is_some() || !shared {
        return Ok(stored.unwrap_or(fresh).clock());
    }
    let first = Transaction {
        reads,
        writes: vec![fresh.write()],
        ..Transaction::default()
    };
    match store.commit(first).await {
        Ok(_) => Ok(fresh.clock()),
        // Another host was faster: its start is everybody's.
        Err(CommitError::Conflict) => {
            let (stored, _) = read_state(store).await?;
            Ok(stored.unwrap_or(fresh).clock())
        }
        Err(CommitError::Store(error)) => Err(error),
        Err(_) => Err(store::Error::Unavailable(
            "it does not take the clock's start",
        )),
    }
}

/// The clock's state, and the reads that a change of it stands on.
async fn read_state(store: &dyn Store) -> Result<(Option<State>, ReadSet), store::Error> {
    let mut snapshot = store.snapshot().await?;
    let space = Space::from(CLOCK);
    let stored = snapshot.read(&space, STATE).await?;
    let reads = ReadSet {
        version: snapshot.version(),
        keys: vec![(space, STATE.to_vec())],
        ranges: Vec::new(),
    };
    let state = stored.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Ok((state, reads))
}

impl Streams {
    /// Sets the simulated clock and the time between its ticks (ms). Before the first tick it may go
    /// anywhere, afterwards only forward.
    ///
    /// # Errors
    /// See [`Error`]; nothing changed.
    pub async fn set_clock(&self, now: Instant, tick_ms: u64) -> Result<(), Error> {
        if !(TICK_MS_MIN..=TICK_MS_MAX).contains(&tick_ms) {
            return Err(Error::TickLength(tick_ms));
        }
        let next = State {
            now_ms: now.0,
            tick_ms,
        };
        let shared = &self.shared;
        let has_ticked = shared.has_ticked().await?;
        let set = |state: &State| {
            if has_ticked {
                check_forward(state, now, tick_ms)?;
            }
            Ok((next, Vec::new()))
        };
        shared.move_clock(set).await?;
        Ok(())
    }

    /// Moves the simulated clock on by one tick and waits until every group has handled what follows.
    /// Ticks that several hosts are asked for at once come one after the other.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn tick(&self) -> Result<Instant, Error> {
        let tick = |state: &State| {
            let next = State {
                now_ms: (state.now_ms + state.tick_ms).min(Instant::MAX.0),
                ..*state
            };
            Ok((next, vec![next.tick()]))
        };
        let state = self.shared.move_clock(tick).await?;
        self.shared.settle().await?;
        Ok(Instant(state.now_ms))
    }
}

/// After a tick time goes forward only, and readings of the next tick must not overlap the last one's.
fn check_forward(state: &State, now: Instant, tick_ms: u64) -> Result<(), Error> {
    let covered = Instant(state.now_ms.saturating_add(state.tick_ms));
    if now.0 < state.now_ms {
        return Err(Error::Backwards(Instant(state.now_ms)));
    }
    match now.0.saturating_add(tick_ms) < covered.0 {
        true => Err(Error::Overlapping(covered)),
        false => Ok(()),
    }
}

impl State {
    fn clock(self) -> Clock {
        Clock::simulated(Instant(self.now_ms), self.tick_ms)
    }

    fn write(self) -> Write {
        put(STATE, serde_json::to_vec(&self).unwrap_or_default())
    }

    /// The tick at this state's instant.
    fn tick(self) -> Append {
        let payload = serde_json::json!({ "atMs": self.now_ms, "tickMs": self.tick_ms });
        Append {
            stream: ticks(),
            key: "clock".into(),
            payload: payload.to_string().into_bytes(),
        }
    }
}

fn put(key: &[u8], value: Vec<u8>) -> Write {
    Write {
        space: CLOCK.into(),
        key: key.to_vec(),
        value: Some(value),
    }
}

impl Shared {
    /// Moves the simulated clock as `change` says of its state, with the records that come with it, in one
    /// commit. Another host may move it at the same time: then it is asked again.
    async fn move_clock(
        &self,
        change: impl Fn(&State) -> Result<(State, Vec<Append>), Error>,
    ) -> Result<State, Error> {
        let _alone = self.ticking.lock().await;
        if self.clock.mode() == Mode::System {
            return Err(Error::SystemClock);
        }
        for _ in 0..MOVES_MAX {
            let (stored, reads) = read_state(self.store.as_ref()).await?;
            let state = stored.unwrap_or_else(|| self.state());
            let (next, appends) = change(&state)?;
            let is_tick = !appends.is_empty();
            let moved = Transaction {
                reads,
                writes: vec![next.write()],
                appends,
                at: next.now_ms,
                ..Transaction::default()
            };
            match self.store.commit(moved).await {
                Ok(_) => {
                    // A later tick of another host may have been seen already.
                    let seen = if is_tick { self.clock.now().0 } else { 0 };
                    self.clock.set(Instant(next.now_ms.max(seen)), next.tick_ms);
                    return Ok(next);
                }
                Err(CommitError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(CommitError::Conflict.into())
    }

    /// The state as this host's clock has it.
    fn state(&self) -> State {
        State {
            now_ms: self.clock.now().0,
            tick_ms: self.clock.tick_ms(),
        }
    }

    async fn has_ticked(&self) -> Result<bool, store::Error> {
        let partition = Partition {
            stream: ticks(),
            number: 0,
        };
        // Ticks are trimmed, but never all of them.
        Ok(self.store.first_offset(&partition).await?.is_some())
    }

    /// Brings this host's clock to where others have moved it. It goes back only where no tick has been, so
    /// that a state that was read before a move here does no harm.
    async fn follow_clock(&self) -> Result<(), store::Error> {
        let (Some(state), _) = read_state(self.store.as_ref()).await? else {
            return Ok(());
        };
        let now = Instant(state.now_ms);
        if (now, state.tick_ms) == (self.clock.now(), self.clock.tick_ms()) {
            return Ok(());
        }
        let _alone = self.ticking.lock().await;
        if now >= self.clock.now() || !self.has_ticked().await? {
            self.clock.set(now, state.tick_ms);
        }
        Ok(())
    }

    /// Publishes the system clock's tick at an instant, once: another host may have done so.
    async fn tick_system(&self, at: Instant, tick_ms: u64) -> Result<(), Error> {
        let mut snapshot = self.store.snapshot().await?;
        let space = Space::from(CLOCK);
        let last = snapshot.read(&space, TICKED).await?;
        let last = last.and_then(|bytes| bytes.try_into().ok());
        if last.is_some_and(|bytes| u64::from_be_bytes(bytes) >= at.0) {
            return Ok(());
        }
        let state = State {
            now_ms: at.0,
            tick_ms,
        };
        let tick = Transaction {
            reads: ReadSet {
                version: snapshot.version(),
                keys: vec![(space, TICKED.to_vec())],
                ranges: Vec::new(),
            },
            writes: vec![put(TICKED, at.0.to_be_bytes().to_vec())],
            appends: vec![state.tick()],
            at: at.0,
            ..Transaction::default()
        };
        drop(snapshot);
        match self.store.commit(tick).await {
            Ok(_) | Err(CommitError::Conflict) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether some group has not handled the last tick yet.
    async fn is_behind_time(&self) -> Result<bool, store::Error> {
        let subscriptions = self.subscriptions.of(&ticks());
        Ok(self.store.backlog(&subscriptions).await? > 0)
    }
}

fn ticks() -> StreamName {
    #[expect(clippy::expect_used, reason = "a constant that a test parses")]
    StreamName::parse(TICKS).expect("a valid stream name")
}

/// Moves time by itself, where it is not told to.
pub(super) async fn run(shared: Arc<Shared>) {
    match shared.clock.mode() {
        Mode::System => run_system(&shared).await,
        Mode::Simulated if shared.options.shared => follow(&shared).await,
        Mode::Simulated => {}
    }
}

/// Follows a simulated clock that other hosts move.
async fn follow(shared: &Shared) {
    while shared.rest(FOLLOW_EVERY).await {
        if let Err(error) = shared.follow_clock().await {
            tracing::debug!(%error, "the clock could not be read");
        }
    }
}

/// Ticks the system's clock at whole multiples of its tick, on the host that holds unit 0. A tick that
/// finds the last one still being handled is left out, so that they never pile up.
async fn run_system(shared: &Shared) {
    loop {
        let (now, tick_ms) = (shared.clock.now(), shared.clock.tick_ms());
        let next = Instant((now.0 / tick_ms + 1) * tick_ms);
        if !shared.rest(Duration::from_millis(next.0 - now.0)).await {
            return;
        }
        if !shared.units.holds(0) {
            continue;
        }
        match shared.is_behind_time().await {
            Ok(true) => {
                tracing::warn!(at = %next, "left out a tick: the last one is still being handled");
            }
            Ok(false) => {
                if let Err(error) = shared.tick_system(next, tick_ms).await {
                    tracing::error!(%error, at = %next, "a tick could not be recorded");
                }
            }
            Err(error) => tracing::error!(%error, at = %next, "a tick could not be recorded"),
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
