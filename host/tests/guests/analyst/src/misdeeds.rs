//! What never ends well.

use std::hint::black_box;

/// Works for ever.
pub(crate) fn endless() -> ! {
    let mut round: u64 = 0;
    loop {
        round = black_box(round.wrapping_mul(31).wrapping_add(1));
    }
}

/// Takes memory until there is none.
pub(crate) fn memory() -> ! {
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
    fn recursion_counts_its_depth() {
        assert_eq!(recurse(0, 100), 100);
    }
}
