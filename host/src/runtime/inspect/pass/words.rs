//! Names and errors of an upload, in words that a message may repeat.

use super::super::bounds::NAME_CHARS_MAX;
use super::super::{Reason, Refused};

/// A name from the upload that a message may repeat: cut, and without control characters.
pub(in crate::runtime) fn printable(name: &str) -> String {
    let cut: String = name.chars().take(NAME_CHARS_MAX).collect();
    cut.escape_debug().to_string()
}

/// The validator has no kinds of errors; these are its words for proposals that are off.
fn is_about_a_proposal(message: &str) -> bool {
    ["must be enabled", "is not enabled", "disallowed"]
        .iter()
        .any(|words| message.contains(words))
}

/// What the validator's errors mean to whoever uploads.
pub(super) fn invalid(error: &wasmparser::Error) -> Refused {
    let (message, at) = (printable(error.message()), error.offset());
    let reason = if message.starts_with("unexpected end") {
        let problem = format!("ends too early, at byte {at}");
        Reason::new(problem, "was the upload cut off? send it again")
    } else if is_about_a_proposal(&message) {
        let problem = format!("uses a proposal that is not served: {message} (at byte {at})");
        let remedy =
            "build for WebAssembly 2.0; several memories and extended constants are served as well";
        Reason::new(problem, remedy)
    } else {
        let problem = format!("is not valid: {message} (at byte {at})");
        Reason::new(problem, "build it anew; `wasm-tools validate` says more")
    };
    reason.into()
}
