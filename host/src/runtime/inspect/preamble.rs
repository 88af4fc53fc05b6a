//! What the first bytes say. Most uploads that are no component are told apart here, in words.

use super::bounds::UPLOAD_BYTES_MAX;
use super::{Reason, Refused};

/// Magic, version 13, layer 1: a component (component model, binary format).
const COMPONENT: [u8; 8] = [0x00, b'a', b's', b'm', 0x0d, 0x00, 0x01, 0x00];

/// Magic, version 1, layer 0: a core module.
const MODULE: [u8; 8] = [0x00, b'a', b's', b'm', 0x01, 0x00, 0x00, 0x00];

/// Beginnings of files that come in a component's place, and what they are.
const OTHERS: [(&[u8], &str); 6] = [
    (&[0x1f, 0x8b], "compressed with gzip"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "compressed with Zstandard"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x7fELF", "a native program"),
    (b"#!", "a script"),
    (b"-----BEGIN ", "a key or a certificate"),
];

/// Checks size and preamble.
pub(super) fn check(bytes: &[u8]) -> Result<(), Refused> {
    if bytes.len() > UPLOAD_BYTES_MAX {
        let problem = format!("has {} bytes, more than {UPLOAD_BYTES_MAX}", bytes.len());
        let remedy =
            "leave debug information and unused code out: `wasm-tools strip`, `wasm-opt -Oz`";
        return Err(Reason::new(problem, remedy).into());
    }
    if bytes.starts_with(&COMPONENT) {
        return Ok(());
    }
    Err(what_it_is(bytes).into())
}

fn what_it_is(bytes: &[u8]) -> Reason {
    let upload = "upload the component itself, a .wasm file that `leyden plugin check` accepts";
    if bytes.is_empty() {
        return Reason::new("is empty", upload);
    }
    if bytes.starts_with(&MODULE) {
        let remedy = "link it with wasm-component-ld, or turn it into a component with \
                      `wasm-tools component new`";
        return Reason::new("is a core module, not a component", remedy);
    }
    if is_cut_off(bytes) {
        return Reason::new(
            "ends within its first 8 bytes",
            "was the upload cut off? send it again",
        );
    }
    if let Some((_, what)) = OTHERS.iter().find(|(start, _)| bytes.starts_with(start)) {
        return Reason::new(format!("is {what}, not a component"), upload);
    }
    if is_text(bytes) {
        let remedy = "assemble it first: `wasm-tools parse -o report.wasm report.wat`";
        return Reason::new(
            "is WebAssembly text, not a component in binary form",
            remedy,
        );
    }
    if bytes.starts_with(&MODULE[..4]) {
        let version = u16::from_le_bytes([bytes[4], bytes[5]]);
        let layer = u16::from_le_bytes([bytes[6], bytes[7]]);
        let problem =
            format!("is WebAssembly of version {version} and layer {layer}, not 13 and 1");
        return Reason::new(
            problem,
            "build it with tools of the component model as it is today",
        );
    }
    Reason::new("is not a WebAssembly component", upload)
}

/// Whether there is no more than a preamble's beginning: some of the magic, or all of it and no version and layer.
fn is_cut_off(bytes: &[u8]) -> bool {
    let magic = &MODULE[..4];
    bytes.len() < MODULE.len() && (magic.starts_with(bytes) || bytes.starts_with(magic))
}

/// Whether it begins as the text format does: a parenthesis after blanks or a comment.
fn is_text(bytes: &[u8]) -> bool {
    let start = bytes.trim_ascii_start();
    [b"(module".as_slice(), b"(component", b"(;", b";;"]
        .iter()
        .any(|word| start.starts_with(word))
}
