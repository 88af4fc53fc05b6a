//! What is tried with uploads of chance. Not part of the host.

use leyden_smith::{component, module};

/// Looks through an upload as the host does: whatever the bytes are, there is an inspection or there are reasons,
/// and time and memory are in proportion. The first byte chooses how the rest is read: as it is, or as the chance
/// that a module or component is made of. Whether anything came of it.
///
/// # Panics
/// The host would do wrong.
#[must_use]
pub fn upload(input: &[u8]) -> bool {
    let Some(bytes) = bytes(input) else {
        return false;
    };
    match leyden::runtime::inspect(&bytes) {
        Ok(inspection) => assert_eq!(inspection.bytes, bytes.len()),
        Err(refused) => assert!(!refused.reasons.is_empty() && !refused.to_string().is_empty()),
    }
    true
}

fn bytes(input: &[u8]) -> Option<Vec<u8>> {
    let (kind, rest) = input.split_first()?;
    match kind % 4 {
        0 => module(rest),
        1 => component(rest),
        _ => Some(rest.to_vec()),
    }
}
