//! What one invocation may ask of the host at most, and what it has asked so far.
//!
//! **Invariant.** Whatever is counted here is counted before it is carried out or, where only the answer says how much it is, before
//! its component gets it.

use std::time::Duration;

use super::work::Error;
use crate::clock;

/// Most calls into the host of one invocation: a full batch of 1,000 readings needs some 5,000.
pub const CALLS_MAX: u32 = 200_000;
/// Most bytes that one invocation reads from the store.
pub const READ_BYTES_MAX: usize = 64 << 20;
/// Most bytes of effects that one invocation collects: what one commit can write in well under a second.
pub const EFFECT_BYTES_MAX: usize = 32 << 20;
/// Most effects of one invocation.
pub const EFFECTS_MAX: usize = 50_000;
/// Longest that one invocation waits for the store in all, so that one that reads much from a slow store
/// ends: many times what the largest batch waits for one that is well.
pub const STORE_WAIT_MAX: Duration = Duration::from_secs(30);

/// What an invocation asked too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Budget {
    /// Calls into the host.
    #[error("host calls (at most {CALLS_MAX})")]
    Calls,
    /// Bytes read.
    #[error("bytes read (at most {READ_BYTES_MAX})")]
    ReadBytes,
    /// Bytes of effects.
    #[error("bytes of effects (at most {EFFECT_BYTES_MAX})")]
    EffectBytes,
    /// Number of effects.
    #[error("effects (at most {EFFECTS_MAX})")]
    Effects,
}

/// What an invocation has used up of its budgets before its component runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spent {
    /// Calls into the host.
    pub calls: u32,
    /// Bytes read.
    pub read_bytes: usize,
}

/// What an invocation has asked for so far.
#[derive(Debug, Default)]
pub(super) struct Asked {
    calls: u32,
    read_bytes: usize,
    effect_bytes: usize,
    waited: Duration,
}

impl Asked {
    /// As much as was spent before.
    pub(super) fn after(spent: Spent) -> Self {
        Self {
            calls: spent.calls,
            read_bytes: spent.read_bytes,
            ..Self::default()
        }
    }

    /// What of it whoever goes on from here has spent.
    pub(super) fn spent(&self) -> Spent {
        Spent {
            calls: self.calls,
            read_bytes: self.read_bytes,
        }
    }

    /// How long it has waited for the store.
    pub(super) fn waited(&self) -> Duration {
        self.waited
    }

    /// Whether so many more calls and bytes read are within its budget.
    pub(super) fn has_left(&self, calls: u32, read_bytes: usize) -> bool {
        self.calls.saturating_add(calls) <= CALLS_MAX
            && self.read_bytes.saturating_add(read_bytes) <= READ_BYTES_MAX
    }

    /// Counts a wait for the store that began then.
    pub(super) fn wait(&mut self, since: clock::Monotonic) -> Result<(), Error> {
        self.waited += clock::monotonic().saturating_duration_since(since);
        if self.waited > STORE_WAIT_MAX {
            let slow = crate::store::Error::Unavailable("its answers take too long");
            Err(Error::Store(slow))
        } else {
            Ok(())
        }
    }

    /// Counts a call.
    pub(super) fn call(&mut self) -> Result<(), Budget> {
        self.calls += 1;
        if self.calls > CALLS_MAX {
            Err(Budget::Calls)
        } else {
            Ok(())
        }
    }

    /// Counts bytes read.
    pub(super) fn read(&mut self, bytes: usize) -> Result<(), Budget> {
        self.read_bytes += bytes;
        if self.read_bytes > READ_BYTES_MAX {
            Err(Budget::ReadBytes)
        } else {
            Ok(())
        }
    }

    /// Counts an effect of so many bytes, before which there were so many others.
    pub(super) fn effect(&mut self, bytes: usize, others: usize) -> Result<(), Budget> {
        self.effect_bytes += bytes;
        if self.effect_bytes > EFFECT_BYTES_MAX {
            return Err(Budget::EffectBytes);
        }
        if others >= EFFECTS_MAX {
            Err(Budget::Effects)
        } else {
            Ok(())
        }
    }
}
