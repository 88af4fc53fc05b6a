//! Named points between the steps of a run. In builds for proofs the process ends abruptly at the one that
//! `LEYDEN_FAILPOINT` names, as a `kill -9` there would have it; in all others they are nothing.

/// All of them, in the order in which a run passes them.
pub const POINTS: [&str; 12] = [
    "run.admitted",
    "hold.read",
    "hold.commit",
    "hold.committed",
    "run.begin",
    "run.ended",
    "settle.begin",
    "settle.read",
    "settle.attested",
    "settle.commit",
    "settle.committed",
    "run.answer",
];

/// Passes a point.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub(crate) fn pass(_point: &'static str) {}

/// Passes a point, unless the process is to end there: at once, or when it has passed it often enough.
#[cfg(feature = "failpoints")]
pub(crate) fn pass(point: &'static str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static CHOSEN: OnceLock<Option<(String, AtomicU64)>> = OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| {
        crate::config::failpoint().map(|(point, count)| (point, AtomicU64::new(count)))
    });
    let Some((chosen, left)) = chosen else { return };
    if chosen == point && left.fetch_sub(1, Ordering::SeqCst) == 1 {
        // No destructor runs and nothing is flushed.
        std::process::abort();
    }
}
