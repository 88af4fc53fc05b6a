//! What a proof says in the end.

use std::fmt;

/// How much of it is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Scaled down, to be done within minutes.
    Quick,
    /// As promised.
    Full,
}

impl Size {
    /// The count for this size.
    pub fn of(self, quick: usize, full: usize) -> usize {
        match self {
            Self::Quick => quick,
            Self::Full => full,
        }
    }
}

/// One line of PROOFS.md.
#[derive(Debug, serde::Serialize)]
pub struct Proof {
    /// Its name on the command line.
    pub name: String,
    /// What is promised.
    pub promise: String,
    /// What was done to break it, with counts.
    pub tried: String,
    /// What was found, with counts.
    pub found: String,
    /// Whether the promise held.
    pub held: bool,
    /// How long it took.
    pub seconds: f64,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            promise,
            tried,
            found,
            held,
            seconds,
        } = self;
        let verdict = if *held { "held" } else { "BROKEN" };
        write!(
            f,
            "{name}: {verdict} in {seconds:.0} s\n  promise  {promise}\n  tried    {tried}\n  found    {found}"
        )
    }
}

/// A small generator (Marsaglia's xorshift64); its seed is printed, so that a run can be repeated.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Seeded by the clock, or by `LEYDEN_PROOF_SEED`.
    pub fn seeded() -> Self {
        let given = std::env::var("LEYDEN_PROOF_SEED").ok();
        let seed = given.and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
            std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(1, |since| since.as_nanos() as u64)
        });
        eprintln!("  seed {seed}");
        Self(seed | 1)
    }

    /// Another generator, for a task of its own.
    pub fn fork(&mut self) -> Self {
        Self(self.below(u64::MAX) | 1)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound.max(1)
    }
}
