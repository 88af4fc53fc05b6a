//! Clocks and randomness of a function whose invocation is recorded or replayed: what they tell is noted, or given.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand_core::{Rng as _, TryRng};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

use crate::clock::{self, Monotonic};
use crate::dispatch::Notes;
use crate::dispatch::outside::Face;
use crate::dispatch::work::Seed;

/// Resolution of the clocks, ns.
const RESOLUTION_NS: u64 = 1;

/// Has an instance look at clocks and draw randomness by what is noted.
pub(super) fn add_to(builder: &mut WasiCtxBuilder, notes: &Arc<Notes>) {
    let drawing = Arc::new(Drawing {
        notes: notes.clone(),
        seed: notes.seed(),
        draws: AtomicU64::new(0),
    });
    let mut randomness = Randomness(drawing.clone());
    let (high, low) = (randomness.next_u64(), randomness.next_u64());
    builder
        .wall_clock(WallClock(notes.clone()))
        .monotonic_clock(MonotonicClock {
            notes: notes.clone(),
            since: clock::monotonic(),
        })
        .insecure_random_seed(u128::from(high) << 64 | u128::from(low))
        .insecure_random(Randomness(drawing))
        .secure_random(randomness);
}

struct WallClock(Arc<Notes>);

impl HostWallClock for WallClock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(RESOLUTION_NS)
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.clock(Face::Wall, clock::system_ns))
    }
}

struct MonotonicClock {
    notes: Arc<Notes>,
    since: Monotonic,
}

impl HostMonotonicClock for MonotonicClock {
    fn resolution(&self) -> u64 {
        RESOLUTION_NS
    }

    fn now(&self) -> u64 {
        let since = || clock::monotonic().saturating_duration_since(self.since);
        let read = || u64::try_from(since().as_nanos()).unwrap_or(u64::MAX);
        self.notes.clock(Face::Monotonic, read)
    }
}

/// Where all randomness of an instance comes from.
struct Drawing {
    notes: Arc<Notes>,
    seed: Seed,
    draws: AtomicU64,
}

/// Draws 64 bits at a time, as they are noted.
struct Randomness(Arc<Drawing>);

impl TryRng for Randomness {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let bits = self.next_u64().to_be_bytes();
        Ok(u32::from_be_bytes([bits[0], bits[1], bits[2], bits[3]]))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let Drawing { notes, seed, draws } = &*self.0;
        let draw = draws.fetch_add(1, Ordering::Relaxed);
        Ok(notes.random(|| seed.draw(draw)))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for piece in bytes.chunks_mut(size_of::<u64>()) {
            let bits = self.next_u64().to_be_bytes();
            piece.copy_from_slice(&bits[..piece.len()]);
        }
        Ok(())
    }
}
