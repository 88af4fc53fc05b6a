//! What the probe does without the host: names of problem kinds, work, endless things.

use leyden_sdk::http::ProblemKind;
use std::hint::black_box;

/// Rounds of [`busy`] that take about a millisecond on a machine of 2026.
const ROUNDS_PER_MS: u64 = 400_000;

/// Problem kinds and what they are called in requests, as in the WIT.
const KINDS: [(&str, ProblemKind); 7] = [
    ("malformed", ProblemKind::Malformed),
    ("payment-required", ProblemKind::PaymentRequired),
    ("forbidden", ProblemKind::Forbidden),
    ("not-found", ProblemKind::NotFound),
    ("conflict", ProblemKind::Conflict),
    ("unsupported-media-type", ProblemKind::UnsupportedMediaType),
    ("invalid", ProblemKind::Invalid),
];

/// The problem kind of a name.
pub(crate) fn problem_kind(name: &str) -> Option<ProblemKind> {
    KINDS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, kind)| *kind)
}

/// Works for about so long and gives a number that depends on all of the work.
pub(crate) fn busy(ms: u64) -> u64 {
    let rounds = ms.saturating_mul(ROUNDS_PER_MS);
    (0..rounds).fold(1, |sum: u64, round| {
        black_box(sum.wrapping_mul(31).wrapping_add(round))
    })
}

/// Works for ever.
pub(crate) fn endless() -> ! {
    loop {
        black_box(busy(1));
    }
}

/// Takes memory until there is none.
pub(crate) fn allocate() -> ! {
    let mut blocks = Vec::new();
    loop {
        blocks.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Calls itself until the stack is full; `stop` is never reached.
pub(crate) fn recurse(depth: u64, stop: u64) -> u64 {
    if black_box(depth) == stop {
        return 0;
    }
    black_box(recurse(depth + 1, stop)) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_their_names() {
        assert_eq!(problem_kind("conflict"), Some(ProblemKind::Conflict));
        assert_eq!(problem_kind("teapot"), None);
    }

    #[test]
    fn work_ends_and_depends_on_its_length() {
        assert_ne!(busy(1), busy(2));
        assert_eq!(busy(0), 1);
    }

    #[test]
    fn recursion_counts_its_depth() {
        assert_eq!(recurse(0, 100), 100);
    }
}
