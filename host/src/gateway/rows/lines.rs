//! Rows that end with their line (NDJSON). Pure.

use super::Cut;

/// Cuts at the next line feed. A line feed inside a JSON document is always escaped.
pub(super) fn cut(input: &[u8]) -> Cut {
    match input.iter().position(|byte| *byte == b'\n') {
        Some(end) => Cut {
            keep: end,
            skip: 1,
            end: true,
        },
        None => Cut {
            keep: input.len(),
            skip: 0,
            end: false,
        },
    }
}
